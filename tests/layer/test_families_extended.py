"""New vocabulary in every family, from a folder as a hub has it: learnt, trained, assembled and merged, and all readers agree."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from preferring import work

from families import FAMILIES, llamacpp_logits, tiny_folder, tokenizer_of, torch_logits
from rumpun.cli import cli
from rumpun.edge.apply import apply_layer
from rumpun.edge.tokens import counting
from rumpun.engines.bases import as_gguf
from rumpun.evaluate.step import BpbParams, bpb
from rumpun.layer.merge import MergeParams, merge
from rumpun.layer.params import ExtendParams, TrainParams
from rumpun.layer.train import train
from rumpun.layer.vocabulary.base import BaseTokenizer
from rumpun.layer.vocabulary.extend import extend
from rumpun.records.artefacts import Maker, Manifest, write_manifest
from rumpun.steps import Input, Outcome, Work
from rumpun.weights.layer_file import read_layer
from tiny import TEXTS

NEAR = {"gemma3": 5e-3}  # its activation is a table of float16 in the runtime
EXTEND = ExtendParams(tokens_max=60, clusters_max=20, tokens_per_character=0.05)
TRAIN = TrainParams(
    tokens=512, sequence_tokens=32, batch_sequences=4, micro_tokens=128, rank=4, alpha=8.0, learning_rate=2e-2, epochs_max=20.0,
    precision="float32",
)  # fmt: skip


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def as_input(place: Work, step: str, base: Path, outcome: Outcome, letter: str) -> Input:
    manifest = Manifest(
        kind="layer", id=letter * 32, name="tiny", maker=Maker(step=step, version=1, params={"base": str(base)}, rumpun="0"),
        licences=("CC0-1.0",), sources=outcome.sources, summary=outcome.summary,
    )  # fmt: skip
    write_manifest(place.folder, manifest)
    return Input("layer", place.folder, manifest)


def extended(folder: Path, base: Path, corpus: Input) -> Input:
    place = work(folder, corpus)
    outcome = extend.function(dataclasses.replace(EXTEND, base=str(base)), place)
    return as_input(place, "layer.extend", base, outcome, "e")


@pytest.mark.parametrize("family", FAMILIES)
def test_learnt_trained_assembled_and_merged_every_reader_agrees(
    family: str, tmp_path: Path, corpus: Input, home: Path
) -> None:
    base = tiny_folder(tmp_path / family, family)
    words = extended(tmp_path / "words", base, corpus)
    spec = read_layer(words.folder)[0]
    assert len(spec.tokens) > 20
    assert spec.architecture == family

    place = work(tmp_path / "train", corpus, words)
    outcome = train.function(dataclasses.replace(TRAIN, base=str(base)), place)
    assert outcome.summary["added_tokens"] == len(spec.tokens)
    layer = as_input(place, "layer.train", base, outcome, "a")

    apply_layer(layer.folder, "", tmp_path / "model.gguf", "F32")
    merging = work(tmp_path / "merge", layer)
    merge.function(MergeParams(), merging)

    tokenizer = tokenizer_of(merging.folder)
    plain = tokenizer_of(base)
    read: list[list[int]] = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    with counting(tmp_path / "model.gguf") as tokenize:
        assert tokenize(list(TEXTS)) == read
    old = BaseTokenizer(base)
    assert [
        found.ids
        for found in old.tokenizer(spec.tokens, spec.merges).encode_batch(
            list(TEXTS), add_special_tokens=False
        )
    ] == read
    used = {number for ids in read for number in ids if number >= len(old.tokens)}
    assert len(used) > 5
    before: list[Any] = [plain(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert sum(map(len, read)) < sum(map(len, before))

    want = torch_logits(merging.folder, read[:6])
    found = llamacpp_logits(tmp_path / "model.gguf", read[:6])
    furthest = max(float(np.abs(a - b).max()) for a, b in zip(want, found, strict=True))
    assert furthest < NEAR.get(family, 1e-4)


def test_a_child_and_its_parent_on_a_folder_are_both_measured(
    tmp_path: Path, corpus: Input, home: Path
) -> None:
    """Neither brings a merged model: both are put on the folder by the step itself."""
    base = tiny_folder(tmp_path / "qwen3", "qwen3")
    words = extended(tmp_path / "words", base, corpus)
    place = work(tmp_path / "train", corpus, words)
    outcome = train.function(dataclasses.replace(TRAIN, base=str(base)), place)
    layer = as_input(place, "layer.train", base, outcome, "a")
    outcome = bpb.function(
        BpbParams(documents_max=2, draws=200), work(tmp_path / "bpb", corpus, layer, words)
    )
    for row in outcome.summary["languages"].values():
        assert row["model"] < row["parent"]  # trained on these very sentences


def test_the_command_takes_a_folder(tmp_path: Path, corpus: Input, home: Path) -> None:
    base = tiny_folder(tmp_path / "qwen3", "qwen3")
    out = tmp_path / "words"
    given = ["layer", "extend", str(corpus.folder), "--base", str(base), "--into", str(out)]
    result = CliRunner().invoke(cli, [*given, "--tokens", "40", "--clusters", "10"])
    assert result.exit_code == 0, result.output
    direct = extended(tmp_path / "direct", base, corpus)
    assert read_layer(out)[0].base_sha256 == read_layer(direct.folder)[0].base_sha256
    assert as_gguf(base).is_file()

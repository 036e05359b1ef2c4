"""One recipe, every family: a layer is trained, put on the base as a GGUF and merged into a folder, and all three agree."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from families import FAMILIES, llamacpp_logits, tiny_folder, tokenizer_of, torch_logits
from rumpun.edge.apply import apply_layer, base_named
from rumpun.edge.inspect import inspect_layer
from rumpun.engines.bases import as_folder, as_gguf, find_base
from rumpun.engines.load import resolve
from rumpun.errors import InputError, RumpunError, UsageError
from rumpun.layer.base import base_source
from rumpun.layer.merge import MergeParams, merge
from rumpun.layer.params import TrainParams
from rumpun.layer.tokenizer import Tokenizer
from rumpun.layer.tokens import tokenise
from rumpun.layer.train import train
from rumpun.records.artefacts import Maker, Manifest, write_manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.folder import write_folder
from rumpun.weights.gguf_file import describe, read_gguf
from rumpun.weights.layer_file import read_layer
from tiny import TEXTS

PARAMS = TrainParams(
    tokens=512, sequence_tokens=32, batch_sequences=4, micro_tokens=128, rank=4, alpha=8.0, learning_rate=2e-2, epochs_max=20.0,
    embeddings_rank=2, precision="float32",
)  # fmt: skip
EXACT = 1e-4
LOOKED_UP = 5e-3  # gemma's activation is a table of float16 in the runtime


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def work(folder: Path, *inputs: Input) -> Work:
    for name in ("made", "keep"):
        (folder / name).mkdir(parents=True)
    return Work(inputs=inputs, folder=folder / "made", scratch=folder / "keep", seed=7, progress=quiet)


def trained(folder: Path, base: Path, corpus: Input, **changed: Any) -> Input:
    """A layer as an artefact, made by the recipe with the base's name changed."""
    params = dataclasses.replace(PARAMS, base=str(base), **changed)
    outcome = train.function(params, work(folder, corpus))
    maker = Maker(step="layer.train", version=1, params={"base": str(base)}, rumpun="0")
    manifest = Manifest(
        kind="layer", id="a" * 32, name="tiny", maker=maker, licences=("CC0-1.0",), sources=outcome.sources
    )
    write_manifest(folder / "made", manifest)
    return Input("layer", folder / "made", manifest)


def furthest(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


def summed(base: Path, layer: Path, texts: list[list[int]]) -> list[np.ndarray]:
    """Logits of the base with the products added to its modules, by another path than the code's."""
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    spec, tensors = read_layer(layer)
    changed = set()
    with torch.no_grad():
        for name, module in model.named_modules():
            if f"{name}.a" in tensors:
                a, b = (torch.from_numpy(tensors[f"{name}.{side}"].astype(np.float32)) for side in "ab")
                module.weight += spec.alpha / spec.rank * b @ a
                changed.add(name)
        assert changed == {name[:-2] for name in tensors}
        return [model(torch.tensor([tokens])).logits[0].numpy() for tokens in texts]


@pytest.mark.parametrize("family", FAMILIES)
def test_trained_assembled_and_merged_it_computes_the_same(
    family: str, tmp_path: Path, corpus: Input, home: Path
) -> None:
    base = tiny_folder(tmp_path / family, family)
    layer = trained(tmp_path / "layer", base, corpus)
    said = inspect_layer(layer.folder)
    assert said["architecture"] == family
    assert ("gate_proj" in said["targets"]) == (family != "apertus")
    assert said["base"] == family

    tokenizer = tokenizer_of(base)
    texts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS[:6]]
    want = summed(base, layer.folder, texts)
    assert furthest(want, torch_logits(base, texts)) > 0.05  # the layer does something

    near = LOOKED_UP if family == "gemma3" else EXACT
    apply_layer(layer.folder, "", tmp_path / "model.gguf", "F32")
    assert read_gguf(tmp_path / "model.gguf").architecture == family
    assert furthest(want, llamacpp_logits(tmp_path / "model.gguf", texts)) < near

    served = resolve(layer.folder)  # what `rumpun up LAYER` and `rumpun eval run LAYER` open
    assert describe(served.path).architecture == family
    assert resolve(base, layer.folder).place == served.place  # and `rumpun up --base BASE --layer LAYER`

    place = work(tmp_path / "merge", layer)
    merge.function(MergeParams(), place)
    assert furthest(want, torch_logits(place.folder, texts)) < EXACT

    write_folder(as_gguf(base), tmp_path / "from-gguf", layer=layer.folder)
    assert furthest(want, torch_logits(tmp_path / "from-gguf", texts)) < EXACT


@pytest.mark.parametrize("family", ["gemma3", "apertus"])
def test_training_starts_from_what_the_base_computes_and_learns(
    family: str, tmp_path: Path, corpus: Input
) -> None:
    """The first step's loss is the base's own, so embedding scales, norms and activations are those of the model."""
    base = tiny_folder(tmp_path / family, family)
    with_products = trained(tmp_path / "with", base, corpus)
    without = trained(tmp_path / "without", base, corpus, embeddings_rank=0)
    first = [(one.folder / "losses.jsonl").read_text().splitlines()[0] for one in (with_products, without)]
    assert first[0] == first[1]  # products on the embedding start at nothing


def test_a_layer_trained_on_a_gguf_of_a_family(tmp_path: Path, corpus: Input, home: Path) -> None:
    gguf = as_gguf(tiny_folder(tmp_path / "qwen", "qwen3"))
    assert as_gguf(gguf) == gguf
    layer = trained(tmp_path / "layer", gguf, corpus)
    place = work(tmp_path / "merge", layer)
    merge.function(MergeParams(), place)
    texts = [list(range(5, 45))]
    want = summed(as_folder(gguf), layer.folder, texts)
    assert furthest(want, torch_logits(place.folder, texts)) < EXACT
    apply_layer(layer.folder, str(gguf), tmp_path / "model.gguf", "F32")
    assert furthest(want, llamacpp_logits(tmp_path / "model.gguf", texts)) < EXACT


def test_documents_begin_as_the_model_was_trained(tmp_path: Path, corpus: Input) -> None:
    """Gemma falls apart without its first token; a tokenizer that sets none gets none."""
    for family, start in (("gemma3", [2]), ("qwen3", [])):
        tokenizer = Tokenizer(tiny_folder(tmp_path / family, family))
        assert tokenizer.start == start
        sources, _ = tokenise(corpus.folder, tmp_path / f"{family}-tokens", tokenizer, quiet)
        first = sources[0].read(0, 0, int(sources[0].lengths[0])).tolist()
        assert first[-1] == tokenizer.end
        assert (first[0] == 2) == bool(start)


def test_a_hub_cache_serves_by_name(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that lie in the hub's cache are a base by the catalogue's name and by the hub's."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RumpunError):
        find_base("qwen3-1.7b")
    place = tmp_path / "models--Qwen--Qwen3-1.7B"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    folder = tiny_folder(place / "snapshots" / ("0" * 40), "qwen3")
    for name in ("qwen3-1.7b", "Qwen/Qwen3-1.7B"):
        assert find_base(name) == folder
        source = base_source(folder, name)
        assert (source.name, source.licence) == (name, "Apache-2.0")
    assert as_gguf(folder).name == "Qwen3-1.7B.gguf"
    assert read_gguf(as_gguf(folder)).get("general.name") == "Qwen/Qwen3-1.7B"


@pytest.mark.parametrize("family", ["gemma3", "apertus", "llama"])
def test_weights_in_bfloat16_and_shards_are_a_base_too(
    family: str, tmp_path: Path, corpus: Input, home: Path
) -> None:
    base = tiny_folder(tmp_path / family, family, dtype="bfloat16", shard_bytes="100KB")
    layer = trained(tmp_path / "layer", base, corpus, embeddings_rank=0, precision="bfloat16")
    place = work(tmp_path / "merge", layer)
    merge.function(MergeParams(), place)
    texts = [list(range(5, 45))]
    want = summed(base, layer.folder, texts)
    assert furthest(want, torch_logits(place.folder, texts)) < EXACT
    apply_layer(layer.folder, "", tmp_path / "model.gguf", "F32")
    found = llamacpp_logits(tmp_path / "model.gguf", texts)
    assert furthest(want, found) < (LOOKED_UP if family == "gemma3" else EXACT)


def test_a_folder_is_made_a_gguf_once(tmp_path: Path, home: Path) -> None:
    base = tiny_folder(tmp_path / "llama", "llama")
    made = base_named(None, str(base))
    before = made.stat().st_mtime_ns
    assert base_named(None, str(base)) == made
    assert made.stat().st_mtime_ns == before
    (base / "chat_template.jinja").write_text("{{ messages }}")
    assert base_named(None, str(base)) != made  # another tokenizer is another file


def test_layers_of_other_bases_are_refused(tmp_path: Path, corpus: Input, home: Path) -> None:
    layer = trained(tmp_path / "layer", tiny_folder(tmp_path / "qwen", "qwen3"), corpus)
    other = as_gguf(tiny_folder(tmp_path / "llama", "llama"))
    with pytest.raises(InputError, match="for the architecture 'qwen3'") as caught:
        apply_layer(layer.folder, str(other), tmp_path / "model.gguf", "F32")
    assert caught.value.hint
    same_family = as_gguf(tiny_folder(tmp_path / "qwen-2", "qwen3", seed=1))
    with pytest.raises(InputError, match="made for the base 'qwen'"):
        apply_layer(layer.folder, str(same_family), tmp_path / "model.gguf", "F32")
    assert not (tmp_path / "model.gguf").exists()


def test_what_cannot_be_trained_is_named(tmp_path: Path, corpus: Input) -> None:
    apertus = tiny_folder(tmp_path / "apertus", "apertus")
    with pytest.raises(UsageError, match="apertus models have no gate_proj"):
        trained(tmp_path / "one", apertus, corpus, targets=("q_proj", "gate_proj"))
    config = apertus / "config.json"
    config.write_text(config.read_text().replace('"model_type": "apertus"', '"model_type": "mamba"'))
    with pytest.raises(InputError, match="model_type 'mamba'"):
        trained(tmp_path / "two", apertus, corpus)


def test_a_folder_says_its_licence_by_its_card(tmp_path: Path, corpus: Input) -> None:
    base = tiny_folder(tmp_path / "llama", "llama")
    (base / "README.md").write_text("---\nlanguage: id\nlicense: apache-2.0\n---\n# Tiny\nlicense: other\n")
    assert trained(tmp_path / "layer", base, corpus).manifest.sources[0].licence == "Apache-2.0"

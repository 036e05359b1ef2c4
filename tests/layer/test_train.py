"""The step `layer.train`: cut off anywhere it goes on to the same bits, and what it cannot train with it names."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.layer.checkpoint import read_words
from rumpun.layer.params import TrainParams
from rumpun.layer.prepared import find_device
from rumpun.layer.schedule import learning_rate
from rumpun.layer.source import CHAT, Source
from rumpun.layer.tokenizer import Tokenizer
from rumpun.layer.tokens import ChatRows, tokenise
from rumpun.layer.train import train
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import read_layer

PARAMS = TrainParams(
    base="tiny", tokens=1536, sequence_tokens=32, batch_sequences=4, micro_tokens=64, rank=4, alpha=8.0, learning_rate=1e-2,
    chat_share=0.25, epochs_max=20.0, embeddings_rank=2, checkpoint_seconds=1, precision="float32",
)  # fmt: skip


class Cut(Exception):  # noqa: N818
    """Stands for a kill between two steps."""


def read(source: Source) -> list[list[int]]:
    """Every document's tokens, as often and in the order as training counts them."""
    return [source.read(n, 0, int(length)).tolist() for n, length in enumerate(source.lengths)]


def work(folder: Path, corpus: Input, progress: Any = quiet) -> Work:
    shutil.rmtree(folder / "made", ignore_errors=True)
    (folder / "made").mkdir(parents=True)
    (folder / "keep").mkdir(exist_ok=True)
    return Work(inputs=(corpus,), folder=folder / "made", scratch=folder / "keep", seed=7, progress=progress)


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def test_a_layer_is_learnt_and_read_again(tmp_path: Path, corpus: Input) -> None:
    outcome = train.function(PARAMS, work(tmp_path, corpus))
    spec, tensors = read_layer(tmp_path / "made")
    assert (spec.base_name, spec.rank, spec.alpha) == ("tiny", 4, 8.0)
    assert "embed_tokens" in spec.targets
    assert all(tensor.dtype == np.float16 for tensor in tensors.values())
    assert not tensors["model.embed_tokens.a"][2:].any()
    said = outcome.summary
    assert said["steps"] == 12
    assert said["tokens"] == 1536 == sum(said["tokens_by_source"].values())
    assert {"id", "th", "my", "km", "ta", "en"} == set(outcome.languages)
    assert said["loss"]["th"]["last"] < said["loss"]["th"]["first"]
    losses = [json.loads(line) for line in (tmp_path / "made" / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in losses] == list(range(1, 13))
    assert outcome.sources[0].role == "base"


def test_cut_off_and_started_again_it_gives_the_same_bits(
    tmp_path: Path, corpus: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.function(PARAMS, work(tmp_path / "whole", corpus))
    clock = iter(
        range(10**6)
    )  # every look at the clock is a second later, so a checkpoint falls due at each step
    monkeypatch.setattr("rumpun.layer.loop.time.monotonic", lambda: float(next(clock)))
    for at in (2, 5, 5, 11):

        def cut(done: float, total: float = 0, note: str = "", at: int = at) -> None:
            if "loss" in note and done >= at * 128:
                raise Cut

        with pytest.raises(Cut):
            train.function(PARAMS, work(tmp_path / "cut", corpus, cut))
        assert not (tmp_path / "cut" / "made" / "layer.json").exists()
    spent = float(read_words(tmp_path / "cut" / "keep")["seconds"])
    assert train.function(PARAMS, work(tmp_path / "cut", corpus)).summary["seconds"] > spent > 10
    for name in ("layer.json", "layer.safetensors", "losses.jsonl", "base.gguf"):
        assert (tmp_path / "cut" / "made" / name).read_bytes() == (
            tmp_path / "whole" / "made" / name
        ).read_bytes()


def test_the_size_of_a_pass_changes_rounding_alone(tmp_path: Path, corpus: Input) -> None:
    found = []
    for micro in (32, 128):
        folder = tmp_path / str(micro)
        train.function(dataclasses.replace(PARAMS, micro_tokens=micro), work(folder, corpus))
        found.append(read_layer(folder / "made")[1])
    for name, tensor in found[0].items():
        np.testing.assert_allclose(tensor, found[1][name], atol=2e-3, err_msg=name)


def test_bfloat16_learns_nearly_the_same(tmp_path: Path, corpus: Input) -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        folder = tmp_path / precision
        outcome = train.function(dataclasses.replace(PARAMS, precision=precision), work(folder, corpus))  # type: ignore[arg-type]
        assert outcome.summary["precision"] == precision
        losses.append(outcome.summary["loss"]["th"]["last"])
    assert abs(losses[0] - losses[1]) < 0.05


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sequence_tokens": 1024, "tokens": 8192}, "context is 512"),
        ({"epochs_max": 0.01}, "one batch"),
    ],
)
def test_what_cannot_be_trained_is_named(
    tmp_path: Path, corpus: Input, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        train.function(dataclasses.replace(PARAMS, **change), work(tmp_path, corpus))
    assert caught.value.hint


def test_a_corpus_without_shards_or_chat_is_named(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    tokenizer = Tokenizer(base_folder)
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match=r"no \.parquet"):
        tokenise(tmp_path, tmp_path / "keep", tokenizer, quiet)
    shutil.copytree(corpus.folder / "train", tmp_path / "train", dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"chat\.jsonl: no such file"):
        tokenise(tmp_path, tmp_path / "keep", tokenizer, quiet, chat=ChatRows())
    (tmp_path / "chat.jsonl").write_text('{"messages": [{"role": "user"}]}\n')
    with pytest.raises(InputError, match=r"chat\.jsonl:1: not a conversation"):
        tokenise(tmp_path, tmp_path / "keep", tokenizer, quiet, chat=ChatRows())
    (tmp_path / "train" / "th.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(InputError, match=r"th\.parquet: not a shard"):
        tokenise(tmp_path, tmp_path / "other", tokenizer, quiet)


def test_a_corpus_without_the_step_is_a_usage_error(tmp_path: Path) -> None:
    bare = Work(inputs=(), folder=tmp_path, scratch=tmp_path, seed=1, progress=quiet)
    with pytest.raises(UsageError, match="needs a corpus"):
        train.function(PARAMS, bare)


def test_special_tokens_in_a_text_stay_text(base_folder: Path) -> None:
    tokenizer = Tokenizer(base_folder)
    (ids,) = tokenizer.documents(["ไผ่ <|im_end|>"])
    assert not {0, 1, 2} & set(ids)
    assert tokenizer.inner.decode(ids) == "ไผ่ <|im_end|>"


def test_only_the_assistant_is_learnt(base_folder: Path) -> None:
    tokenizer = Tokenizer(base_folder)
    turns = [("user", "ဘာလဲ"), ("assistant", "ဝါး <ok>"), ("user", "အင်း"), ("assistant", "ကောင်းပြီ")]
    ids, learn = tokenizer.chat([{"role": role, "content": content} for role, content in turns])
    said = tokenizer.inner.decode([i for i, yes in zip(ids, learn, strict=True) if yes])
    assert said == "ဝါး <ok><|im_end|>ကောင်းပြီ<|im_end|>"


def test_tokens_are_made_once(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    tokenizer = Tokenizer(base_folder)
    first, _ = tokenise(corpus.folder, tmp_path, tokenizer, quiet, chat=ChatRows())
    tokenizer.inner = None  # a second tokenising would fail
    again, _ = tokenise(corpus.folder, tmp_path, tokenizer, quiet, chat=ChatRows())
    assert [s.name for s in first] == [s.name for s in again] == ["en", "id", "km", "my", "ta", "th", CHAT]
    assert all(read(a) == read(b) for a, b in zip(first, again, strict=True))


def test_a_document_is_seen_as_often_as_the_mixture_says(tmp_path: Path, base_folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "train").mkdir()
    rows = [
        {"text": text, "language": "id", "times": n} for text, n in (("satu", 1), ("dua", 3), ("tiga", 2))
    ]
    schema = pa.schema([("text", pa.string()), ("language", pa.string()), ("times", pa.uint16())])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "train" / "id.parquet")
    tokenizer = Tokenizer(base_folder)
    (source,), text_from = tokenise(tmp_path, tmp_path / "keep", tokenizer, quiet)
    assert text_from == "train/*.parquet"
    assert all(row[-1] == tokenizer.end for row in read(source))
    texts = [tokenizer.inner.decode(row[:-1]) for row in read(source)]
    assert texts == ["satu", "dua", "tiga", "dua", "tiga", "dua"]
    assert source.bytes == 4 + 3 * 3 + 2 * 4


def test_the_rate_warms_up_and_falls_to_its_share() -> None:
    params = dataclasses.replace(PARAMS, warmup_share=0.1, decay_share=0.1, learning_rate=1e-3)
    rates = [learning_rate(step, 100, params) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert max(rates) == pytest.approx(1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(1e-4)


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "abacus")
    with pytest.raises(EnvironmentFault, match="RUMPUN_DEVICE = 'abacus'"):
        find_device(PARAMS)


def test_a_step_follows_the_mathematics_of_adamw(base_folder: Path) -> None:
    """One step of the loop, against autograd and AdamW written out."""
    from rumpun.layer.loop import one_step
    from rumpun.layer.prepared import prepare

    params = dataclasses.replace(PARAMS, embeddings_rank=0)
    run = prepare(base_folder, params, find_device(params), 7)
    tokens = torch.randint(3, 250, (4, 32), generator=torch.Generator().manual_seed(0))
    targets = torch.full_like(tokens, -1)
    targets[:, :-1] = tokens[:, 1:]
    before = {name: p.detach().clone() for name, p in run.parameters.items()}
    one_step(run, tokens, targets, 1.0)
    name = "model.layers.1.mlp.down_proj.b"
    moved = run.parameters[name].detach() - before[name]
    assert moved.abs().max() == pytest.approx(
        params.learning_rate, rel=1e-3
    )  # AdamW's first step has the rate's size

"""The step `layer.tune`: it goes on from what a layer learnt, with the chat rows asked for, and from no other base's."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rumpun.errors import InputError, UsageError
from rumpun.layer.earlier import Earlier
from rumpun.layer.params import TrainParams, TuneParams
from rumpun.layer.train import train, tune
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import read_layer

SHAPE = {
    "base": "tiny", "tokens": 1536, "sequence_tokens": 32, "batch_sequences": 4, "rank": 4, "alpha": 8.0,
    "learning_rate": 1e-2, "epochs_max": 20.0, "precision": "float32",
}  # fmt: skip


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def work(folder: Path, *inputs: Input) -> Work:
    (folder / "made").mkdir(parents=True)
    (folder / "keep").mkdir()
    return Work(inputs=inputs, folder=folder / "made", scratch=folder / "keep", seed=7, progress=quiet)


@pytest.fixture
def layer(tmp_path: Path, corpus: Input) -> tuple[Input, float]:
    """A trained layer and the loss of its first steps in Thai."""
    outcome = train.function(TrainParams(**SHAPE), work(tmp_path / "first", corpus))
    manifest = Manifest(
        kind="layer",
        id="a" * 32,
        maker=Maker(step="layer.train", version=1, params={}, rumpun="0"),
        summary=outcome.summary,
    )
    return Input("layer", tmp_path / "first" / "made", manifest), outcome.summary["loss"]["th"]["first"]


def test_it_begins_where_the_layer_ended(tmp_path: Path, corpus: Input, layer: tuple[Input, float]) -> None:
    earlier, before = layer
    still = TuneParams(**SHAPE | {"learning_rate": 1e-9})
    outcome = tune.function(still, work(tmp_path / "second", corpus, earlier))
    assert outcome.summary["begun_from"] == {
        "layer": "a" * 32, **{k: earlier.manifest.summary[k] for k in ("steps", "tokens", "seconds", "device")}
    }  # fmt: skip
    assert (
        outcome.summary["loss"]["th"]["first"] < before - 1.0
    )  # the same first batch, which the layer has learnt
    old, new = read_layer(earlier.folder)[1], read_layer(tmp_path / "second" / "made")[1]
    assert all(np.array_equal(old[name], new[name]) for name in old)


def test_a_later_stage_may_begin_the_embeddings_product(
    tmp_path: Path, corpus: Input, layer: tuple[Input, float]
) -> None:
    earlier, _ = layer
    still = TuneParams(**SHAPE | {"learning_rate": 1e-9, "embeddings_rank": 4})
    tune.function(still, work(tmp_path / "second", corpus, earlier))
    old, (spec, new) = read_layer(earlier.folder)[1], read_layer(tmp_path / "second" / "made")
    assert all(np.array_equal(old[name], new[name]) for name in old)
    assert new.keys() - old.keys() == {"model.embed_tokens.a", "model.embed_tokens.b"}
    assert np.abs(new["model.embed_tokens.b"]).max() < 1e-6  # it begins at nothing
    assert "embed_tokens" in spec.targets
    learnt = tune.function(
        TuneParams(**SHAPE | {"embeddings_rank": 4}), work(tmp_path / "third", corpus, earlier)
    )
    assert learnt.summary["loss"]["th"]["last"] < learnt.summary["loss"]["th"]["first"]
    again = Input(
        "layer", tmp_path / "second" / "made",
        Manifest(kind="layer", id="b" * 32, maker=Maker(step="layer.tune", version=1, params={}, rumpun="0")),
    )  # fmt: skip
    with pytest.raises(InputError, match="other targets"):  # what it learnt there is not left behind
        tune.function(TuneParams(**SHAPE), work(tmp_path / "fourth", corpus, again))


def test_it_learns_on(tmp_path: Path, corpus: Input, layer: tuple[Input, float]) -> None:
    outcome = tune.function(TuneParams(**SHAPE), work(tmp_path / "second", corpus, layer[0]))
    assert outcome.summary["loss"]["th"]["last"] < outcome.summary["loss"]["th"]["first"]


def test_only_the_chat_rows_asked_for(tmp_path: Path, corpus: Input, layer: tuple[Input, float]) -> None:
    params = TuneParams(**SHAPE | {"chat_share": 0.5}, chat_sources=("nowhere",))
    with pytest.raises(InputError, match="begins with nowhere"):
        tune.function(params, work(tmp_path / "second", corpus, layer[0]))


TOLD = {"chat_system": {"id": "Jawab dalam Bahasa Indonesia."}, "chat_system_share": 0.5}


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ({}, {}, True),
        (TOLD, TOLD, True),
        ({}, TOLD, False),
        (TOLD, {}, False),
        (TOLD, TOLD | {"chat_system_share": 0.25}, False),
        ({}, {"chat_sources": ("seed-",)}, False),
    ],
)
def test_chat_rows_that_are_read_otherwise_begin_again(
    layer: tuple[Input, float], before: dict[str, Any], now: dict[str, Any], kept: bool
) -> None:
    """The place in the text stays; that in the chat rows only where they are the same rows at the same lengths."""
    shape = SHAPE | {"chat_share": 0.5}
    data = {
        "corpus": "c" * 32,
        "seed": 7,
        "sequence_tokens": SHAPE["sequence_tokens"],
        "taken": {"th": 5, "chat": 3},
    }
    summary = layer[0].manifest.summary | {"data": data | TuneParams(**shape, **before).chat_read}
    manifest = msgspec.structs.replace(layer[0].manifest, summary=json.loads(json.dumps(summary)))
    earlier = Earlier(Input("layer", layer[0].folder, manifest), read_layer(layer[0].folder)[0], {}, {})
    taken = earlier.taken(TuneParams(**shape, **now, go_on="data"), "c" * 32, 7)
    assert taken == {"th": 5} | ({"chat": 3} if kept else {})


def test_a_layer_of_another_shape_is_refused(
    tmp_path: Path, corpus: Input, layer: tuple[Input, float]
) -> None:
    other = dataclasses.replace(TuneParams(**SHAPE), rank=8)
    with pytest.raises(InputError, match="rank = 4, this run has 8"):
        tune.function(other, work(tmp_path / "second", corpus, layer[0]))
    fewer = dataclasses.replace(TuneParams(**SHAPE), targets=("q_proj",))
    with pytest.raises(InputError, match="other targets"):
        tune.function(fewer, work(tmp_path / "third", corpus, layer[0]))


def test_without_a_layer_there_is_nothing_to_tune(tmp_path: Path, corpus: Input) -> None:
    with pytest.raises(UsageError, match="needs a layer"):
        tune.function(TuneParams(**SHAPE), work(tmp_path / "second", corpus))

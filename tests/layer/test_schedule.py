"""Schedules, replay, stages and branches: what is learnt when, and from where a run goes on."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.layer.batches import Batches, make_plan, over_cap, shares
from rumpun.layer.params import KEPT_STATE, Replay, TrainParams, TuneParams
from rumpun.layer.schedule import learning_rate, stable_steps
from rumpun.layer.source import CHAT, Shard, Source, join
from rumpun.layer.train import train, tune
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import read_layer

SHAPE: dict[str, Any] = {
    "base": "tiny", "tokens": 1024, "sequence_tokens": 32, "batch_sequences": 4, "rank": 4, "alpha": 8.0,
    "learning_rate": 1e-2, "epochs_max": 20.0, "precision": "float32",
}  # fmt: skip


def source(name: str, tokens: int, bytes_: int) -> Source:
    one = np.array([tokens])
    shard = Shard(np.zeros(tokens, dtype=np.uint16), None, one * 0, one, np.ones(1, int), np.array([bytes_]))
    return join(name, [shard])


def work(folder: Path, *inputs: Input, progress: Any = quiet) -> Work:
    (folder / "made").mkdir(parents=True)
    (folder / "keep").mkdir(exist_ok=True)
    return Work(inputs=inputs, folder=folder / "made", scratch=folder / "keep", seed=7, progress=progress)


def layer_of(folder: Path, summary: dict[str, Any], key: str = "a" * 32) -> Input:
    maker = Maker(step="layer.train", version=1, params={}, rumpun="0")
    return Input("layer", folder / "made", Manifest(kind="layer", id=key, maker=maker, summary=summary))


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


@given(steps=st.integers(2, 500), warm=st.floats(0, 0.3), decay=st.floats(0.05, 0.6), low=st.floats(0, 1))
def test_up_level_and_down(steps: int, warm: float, decay: float, low: float) -> None:
    params = TrainParams(schedule="wsd", warmup_share=warm, decay_steps_share=decay, decay_share=low)
    rates = [learning_rate(step, steps, params) / params.learning_rate for step in range(steps)]
    level, up = stable_steps(steps, params), max(1, round(warm * steps)) if warm else 0
    assert rates[:up] == sorted(rates[:up])
    assert all(rate == pytest.approx(1) for rate in rates[up:level])
    if up < level:
        assert rates[level:] == sorted(rates[level:], reverse=True)
        assert rates[-1] == pytest.approx(low, abs=1e-9)


@given(
    share=st.floats(0, 0.7), chat=st.floats(0, 0.3), english=st.integers(1, 10**6), thai=st.integers(1, 10**6)
)
def test_replay_is_a_floor_of_all_sequences(share: float, chat: float, english: int, thai: int) -> None:
    sources = [
        source("en", 900, english),
        source("my", 900, 500),
        source("th", 900, thai),
        source(CHAT, 90, 9),
    ]
    free = shares(sources, TrainParams(chat_share=chat))
    held = shares(sources, TrainParams(chat_share=chat, replay=Replay(languages=("en",), share=share)))
    assert sum(held.values()) == pytest.approx(1)
    assert held.get(CHAT, 0) == pytest.approx(chat)
    assert held["en"] == pytest.approx(max(share, free["en"]))
    assert held["my"] / held["th"] == pytest.approx(free["my"] / free["th"])


def test_languages_without_text_are_named() -> None:
    sources = [source("en", 900, 9), source("my", 900, 9)]
    with pytest.raises(InputError, match=r"language_weights: no text in lo, the corpus has en, my"):
        shares(sources, TrainParams(language_weights={"lo": 1.0, "my": 1.0}))
    with pytest.raises(InputError, match=r"replay.languages: no text in vi"):
        shares(sources, TrainParams(replay=Replay(languages=("vi",), share=0.1)))
    with pytest.raises(InputError, match="more than the whole"):
        shares(
            [*sources, source(CHAT, 90, 9)],
            TrainParams(chat_share=0.6, replay=Replay(languages=("en",), share=0.5)),
        )


def test_more_passes_than_the_cap_are_told_or_refused(tmp_path: Path, corpus: Input) -> None:
    sources = [source("lo", 64, 9), source("th", 64_000, 9)]
    params = TrainParams(tokens=12_800, sequence_tokens=32, batch_sequences=4, epochs_max=2.0)
    assert over_cap(sources, params, make_plan(sources, params)) == {"lo": {"wanted": 100.0, "given": 2.0}}
    asked = TrainParams(**SHAPE | {"epochs_max": 1.0, "language_weights": {"my": 9.0, "th": 1.0}})
    with pytest.raises(
        InputError, match=r"my: the mixture asks for .* passes over its text, epochs_max = 1"
    ) as caught:
        train.function(asked, work(tmp_path, corpus))
    assert "raise epochs_max" in caught.value.hint


def test_stages_see_no_text_twice_before_the_rest_once(tmp_path: Path) -> None:
    tokens = np.arange(640, dtype=np.uint16)
    lengths = np.full(40, 16)
    one = Shard(tokens, None, np.cumsum(lengths) - lengths, lengths, np.ones(40, int), lengths)
    text = join("th", [one])
    params = TrainParams(tokens=256, sequence_tokens=32, batch_sequences=4, epochs_max=1.0)
    seen: Counter[int] = Counter()
    taken: dict[str, int] = {}
    for stage in range(3):
        plan = make_plan([text], params, taken)
        batches = Batches([text], plan, params, 3, taken)
        for step in range(plan.steps):
            seen.update(batches.batch(step)[0].ravel().tolist())
        assert plan.steps == (2, 2, 1)[stage]
        taken = batches.taken(plan.steps)
    assert seen == Counter(range(640))
    assert make_plan([text], params, taken).steps == 0  # the cap counts all stages


def test_a_stage_ends_by_the_clock_and_the_next_goes_on(
    tmp_path: Path, corpus: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**6))  # every look at the clock is a second later
    monkeypatch.setattr("rumpun.layer.loop.time.monotonic", lambda: float(next(clock)))
    params = TrainParams(**SHAPE, schedule="wsd", minutes_max=0.05)
    first = train.function(params, work(tmp_path / "first", corpus))
    assert first.summary["stopped"].startswith("minutes_max = 0.05")
    assert 0 < first.summary["steps"] < 8
    assert sum(first.summary["data"]["taken"].values()) == 4 * first.summary["steps"]
    earlier = layer_of(tmp_path / "first", first.summary)
    second = tune.function(TuneParams(**SHAPE, go_on="data"), work(tmp_path / "second", corpus, earlier))
    assert second.summary["stopped"] == ""
    before, after = first.summary["data"]["taken"], second.summary["data"]["taken"]
    assert sum(after.values()) == sum(before.values()) + 4 * second.summary["steps"]
    other = TuneParams(**SHAPE | {"sequence_tokens": 64}, go_on="data")
    with pytest.raises(InputError, match="sequence_tokens is 32, this run has 64"):
        tune.function(other, work(tmp_path / "third", corpus, earlier))


def test_a_branch_is_what_the_whole_run_was(tmp_path: Path, corpus: Input) -> None:
    """From the stable phase's kept state with a decay of its own: the same numbers, where the text is one language's."""
    shape = SHAPE | {"language_weights": {"th": 1.0}, "schedule": "wsd"}
    whole = TrainParams(**shape, decay_steps_share=0.5, keep_state=True)
    first = train.function(whole, work(tmp_path / "whole", corpus))
    assert first.summary["steps"] == 8
    branch = TuneParams(**shape | {"tokens": 512}, decay_steps_share=1.0, go_on="state")
    earlier = layer_of(tmp_path / "whole", first.summary)
    again = tune.function(branch, work(tmp_path / "branch", corpus, earlier))
    assert again.summary["steps"] == 4
    assert again.summary["data"]["taken"] == first.summary["data"]["taken"] == {"th": 32}
    one, other = (read_layer(tmp_path / name / "made")[1] for name in ("whole", "branch"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    anew = dataclasses.replace(branch, go_on="data")  # without the optimiser's numbers it is another run
    third = tune.function(anew, work(tmp_path / "anew", corpus, earlier))
    assert third.summary["data"]["taken"] == {"th": 48}
    assert not np.array_equal(
        one["model.layers.0.mlp.down_proj.b"],
        read_layer(tmp_path / "anew" / "made")[1]["model.layers.0.mlp.down_proj.b"],
    )


def test_without_a_kept_state_a_branch_is_refused(tmp_path: Path, corpus: Input) -> None:
    first = train.function(TrainParams(**SHAPE), work(tmp_path / "first", corpus))
    with pytest.raises(InputError, match=KEPT_STATE) as caught:
        tune.function(
            TuneParams(**SHAPE, go_on="state"),
            work(tmp_path / "second", corpus, layer_of(tmp_path / "first", first.summary)),
        )
    assert "keep_state = true" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schedule": "wsd", "warmup_share": 0.6, "decay_steps_share": 0.6}, "more than all steps"),
        ({"decay_steps_share": 0.0}, "decay_steps_share = 0.0"),
        ({"replay": Replay(share=0.2)}, "name some"),
        ({"minutes_max": -1.0}, "minutes_max = -1.0"),
        ({"stop_forgetting": 0.03}, "need measure_steps"),
        ({"measure_steps": 5, "measure_documents": 0}, "measure_documents = 0"),
    ],
)
def test_values_that_make_no_schedule_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(TrainParams(), **change).check()

"""Measurements while a run goes on: the evaluation's own figures, a stop rule, and the same bytes after any kill."""

import dataclasses
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch

from rumpun.errors import EnvironmentFault, InputError
from rumpun.layer.checkpoint import FILE, load_state, save_state
from rumpun.layer.params import Replay, TrainParams, TuneParams
from rumpun.layer.prepared import Device, prepare
from rumpun.layer.tokenizer import Tokenizer
from rumpun.layer.train import train, tune
from rumpun.layer.watch import HeldDocument, Watch, held_documents, score
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.folder import write_folder
from rumpun.weights.layer_file import read_layer

SHAPE: dict[str, Any] = {
    "base": "tiny", "tokens": 1536, "sequence_tokens": 32, "batch_sequences": 4, "rank": 4, "alpha": 8.0,
    "learning_rate": 1e-2, "epochs_max": 20.0, "precision": "float32", "measure_steps": 4, "measure_documents": 4,
}  # fmt: skip
CPU = Device(torch.device("cpu"), torch.float32, 64, 16)


def work(folder: Path, *inputs: Input, progress: Any = quiet) -> Work:
    (folder / "made").mkdir(parents=True, exist_ok=True)
    (folder / "keep").mkdir(exist_ok=True)
    return Work(inputs=inputs, folder=folder / "made", scratch=folder / "keep", seed=7, progress=progress)


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "made" / "curve.jsonl").read_text().splitlines()]


def test_scores_are_those_of_the_engine(base_folder: Path) -> None:
    from rumpun.engines.hf import Transformers
    from rumpun.measure.bits import bits

    run = prepare(base_folder, TrainParams(**SHAPE), CPU, 3)
    texts = ["Kami minum teh.", "แม่ปลูกข้าว", "We drink tea with grandmother.", "က"]
    found = score(run, [HeldDocument(text, "x") for text in texts], Tokenizer(base_folder))
    engine = Transformers(base_folder, name="tiny", device="cpu")
    expected = [bits(one.logprob) for one in engine.score([("", text) for text in texts])]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_run_is_measured_and_its_best_is_kept(tmp_path: Path, corpus: Input) -> None:
    notes: list[str] = []
    outcome = train.function(
        TrainParams(**SHAPE, replay=Replay(languages=("en",), share=0.2)),
        work(tmp_path, corpus, progress=lambda done, total=0, note="": notes.append(note)),
    )
    rows = lines(tmp_path)
    assert [row["step"] for row in rows] == [0, 4, 8, 12]
    assert all(row["languages"]["th"]["bpb"] == row["languages"]["th"]["base"] for row in rows[:1])
    assert rows[-1]["mean"] < rows[0]["mean"]
    assert rows[-1]["forgetting"].keys() == {"en"}
    low, high = rows[-1]["languages"]["th"]["ci95"]
    assert low <= rows[-1]["languages"]["th"]["bpb"] <= high
    best = min(rows, key=lambda row: row["mean"])
    assert outcome.summary["kept_step"] == best["step"]
    assert outcome.summary["measured"]["kept"] == best
    assert outcome.summary["tokens_by_source"]["en"] >= 0.2 * 1536 - 32
    shown = next(note for note in reversed(notes) if "loss" in note).splitlines()
    assert "bits per byte" in shown[0]
    assert any(line.startswith("th") and "█" in line for line in shown[1:])
    picture = ET.parse(tmp_path / "made" / "curve.svg")
    text = "".join(picture.getroot().itertext())
    assert "bits per byte" in text
    assert "th " in text


def test_what_is_kept_is_what_was_measured(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    """A rate that ruins the model: the best step is an early one, and the layer on disk has its figures."""
    params = TrainParams(**SHAPE | {"learning_rate": 0.1, "language_weights": {"th": 1.0}})
    outcome = train.function(params, work(tmp_path, corpus))
    rows, kept = lines(tmp_path), outcome.summary["kept_step"]
    assert kept < 12
    write_folder(tmp_path / "made" / "base.gguf", tmp_path / "whole", layer=tmp_path / "made")
    documents = held_documents(corpus.folder, [Tokenizer(tmp_path / "whole")], params, 7)
    run = prepare(tmp_path / "whole", TrainParams(**SHAPE), CPU, 3)
    found = score(run, documents, Tokenizer(tmp_path / "whole"))
    row = next(row for row in rows if row["step"] == kept)
    for tag in ("th", "en"):
        mine = [at for at, document in enumerate(documents) if document.language == tag]
        figure = found[mine].sum() / sum(documents[at].bytes for at in mine)
        assert figure == pytest.approx(row["languages"][tag]["bpb"], rel=2e-3)
    last = train.function(dataclasses.replace(params, keep="last"), work(tmp_path / "last", corpus))
    assert last.summary["kept_step"] == 12
    one, other = (read_layer(folder / "made")[1] for folder in (tmp_path, tmp_path / "last"))
    assert not all(np.array_equal(one[name], other[name]) for name in one)


def test_measuring_does_not_change_what_is_learnt(tmp_path: Path, corpus: Input) -> None:
    watched = TrainParams(**SHAPE, keep="last")
    train.function(watched, work(tmp_path / "watched", corpus))
    train.function(dataclasses.replace(watched, measure_steps=0), work(tmp_path / "alone", corpus))
    one, other = (tmp_path / name / "made" / "layer.safetensors" for name in ("watched", "alone"))
    assert one.read_bytes() == other.read_bytes()


def test_forgetting_stops_a_run_after_two_measurements(base_folder: Path) -> None:
    params = TrainParams(**SHAPE, stop_forgetting=0.03, stop_patience=3)
    documents = [HeldDocument(f"{n} tea with grandmother", "en") for n in range(6)]
    documents += [HeldDocument(f"{n} แม่ปลูกข้าว", "th") for n in range(6)]
    run = prepare(base_folder, params, CPU, 3)
    tokenizer = Tokenizer(base_folder)
    base = score(run, documents, tokenizer)
    english = np.array([document.language == "en" for document in documents])
    watch = Watch(documents, tokenizer, base, params, 1)
    watch.measure(run, 0, 0, 0.0)
    assert watch.stopped() == ""
    watch.base = (
        base - 24 * 0.2 * english
    )  # as if the run had lost 0.2 bits per byte of English, give or take
    watch.measure(run, 4, 1, 1.0)
    assert watch.stopped() == ""
    watch.measure(run, 8, 2, 2.0)
    assert watch.stopped().startswith("forgetting: en lost at least 0.")
    assert watch.best_step == 0
    watch.base = base
    for step in (12, 16, 20):
        watch.measure(run, step, step, 3.0)
    assert watch.stopped().startswith("patience: no better mean since step 0")
    again = Watch(documents, tokenizer, base, params, 1)
    again.take_up(watch.words(), watch.best)
    assert (again.curve, again.best_step, again.stopped()) == (watch.curve, 0, watch.stopped())


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"stop_forgetting": 0.05}, "forgetting: en lost at least "),
        ({"stop_patience": 3}, "patience: no better mean since step "),
    ],
)
@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_run_ends_by_its_own_stop_rule(
    tmp_path: Path, corpus: Input, rule: dict[str, Any], why: str, keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thai alone at a rate that ruins the model: it ends long before its tokens do, and with the step that was asked for."""
    from rumpun.layer import watch

    def knows_english(*given: Any) -> Any:  # a base of random numbers has nothing to forget
        documents = given[1]
        return true_bits(*given) * np.array([0.5 if one.language == "en" else 1.0 for one in documents])

    true_bits = watch.base_bits
    monkeypatch.setattr(watch, "base_bits", knows_english)
    ruin = {"learning_rate": 0.1, "language_weights": {"th": 1.0}, "tokens": 32 * 4 * 60, "epochs_max": 200.0}
    params = TrainParams(**SHAPE | ruin | rule, keep=keep)
    said = train.function(params, work(tmp_path, corpus)).summary
    rows = lines(tmp_path)
    assert said["stopped"].startswith(why)
    assert said["steps"] == rows[-1]["step"] < 60
    assert said["tokens"] == said["steps"] * 128 < said["tokens_asked"] == 32 * 4 * 60
    best = (
        min(rows, key=lambda row: row["mean"])["step"] if "stop_patience" in rule else 0
    )  # a step that forgets is none
    assert said["kept_step"] == (best if keep == "best" else said["steps"])
    products = read_layer(tmp_path / "made")[1]
    nothing = not any(numbers.any() for name, numbers in products.items() if name.endswith(".b"))
    assert nothing == (said["kept_step"] == 0)  # the base itself is written where it was the best
    free = dataclasses.replace(params, stop_forgetting=0.0, stop_patience=0, measure_steps=0)
    whole = train.function(free, work(tmp_path / "free", corpus)).summary
    assert (whole["stopped"], whole["steps"]) == ("", 60)


@pytest.fixture
def earlier(tmp_path: Path, corpus: Input) -> Input:
    """A layer that has learnt every language a little."""
    params = TrainParams(**SHAPE | {"measure_steps": 0})
    outcome = train.function(params, work(tmp_path / "earlier", corpus))
    maker = Maker(step="layer.train", version=1, params={}, rumpun="0")
    manifest = Manifest(kind="layer", id="a" * 32, maker=maker, summary=outcome.summary)
    return Input("layer", tmp_path / "earlier" / "made", manifest)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_run_that_stopped_writes_the_numbers_of_the_step_it_names(
    tmp_path: Path, corpus: Input, earlier: Input, keep: Any
) -> None:
    """A layer is tuned on two languages, gains a little and then loses the others: patience ends it, the disk has what it says."""
    given = {
        "language_weights": {"th": 3.0, "my": 1.0},
        "tokens": 128 * 100,
        "warmup_share": 0.0,
        "epochs_max": 200.0,
    }
    params = TuneParams(**SHAPE | given, stop_patience=3, keep=keep)
    said = tune.function(params, work(tmp_path, corpus, earlier)).summary
    rows = lines(tmp_path)
    means = {row["step"]: row["mean"] for row in rows}
    best = min(means, key=lambda step: means[step])
    assert said["stopped"] == f"patience: no better mean since step {best}, stop_patience = 3"
    assert 0 < best < said["steps"] == best + 3 * 4 < 100
    assert means[said["steps"]] > 1.01 * means[best]  # so the figures tell the two apart
    kept = best if keep == "best" else said["steps"]
    assert (said["kept_step"], said["measured"]["kept"]["mean"]) == (kept, means[kept])
    assert len((tmp_path / "made" / "losses.jsonl").read_text().splitlines()) == said["steps"]
    write_folder(tmp_path / "made" / "base.gguf", tmp_path / "whole", layer=tmp_path / "made")
    tokenizer = Tokenizer(tmp_path / "whole")
    documents = held_documents(corpus.folder, [tokenizer], params, 7)
    found = score(prepare(tmp_path / "whole", TrainParams(**SHAPE), CPU, 3), documents, tokenizer)
    row = next(row for row in rows if row["step"] == kept)
    for tag, figures in row["languages"].items():
        mine = [at for at, document in enumerate(documents) if document.language == tag]
        figure = found[mine].sum() / sum(documents[at].bytes for at in mine)
        assert figure == pytest.approx(figures["bpb"], rel=2e-3), tag


def test_a_run_that_stopped_and_was_killed_does_not_train_on(
    tmp_path: Path, corpus: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rumpun.layer import loop
    from rumpun.layer import train as step

    params = TrainParams(
        **SHAPE | {"learning_rate": 0.1, "language_weights": {"th": 1.0}, "tokens": 128 * 60, "epochs_max": 200.0},
        stop_patience=3,
    )  # fmt: skip
    whole = train.function(params, work(tmp_path / "whole", corpus)).summary

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    def trains(*_: object) -> None:
        raise AssertionError("a step after the run had stopped")

    with monkeypatch.context() as patch:
        patch.setattr(step, "write_trained", dies)
        with pytest.raises(KeyboardInterrupt):
            train.function(params, work(tmp_path / "cut", corpus))
    assert not (tmp_path / "cut" / "made" / "layer.safetensors").exists()
    monkeypatch.setattr(loop, "one_step", trains)
    again = train.function(params, work(tmp_path / "cut", corpus)).summary
    assert again["stopped"].startswith("patience: ")
    assert [again[name] for name in ("stopped", "steps", "kept_step")] == [
        whole[name] for name in ("stopped", "steps", "kept_step")
    ]
    for name in ("layer.safetensors", "losses.jsonl", "curve.jsonl"):
        one, other = (tmp_path / place / "made" / name for place in ("whole", "cut"))
        assert one.read_bytes() == other.read_bytes(), name


def test_what_cannot_be_measured_is_named(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    params = TrainParams(**SHAPE, replay=Replay(languages=("vi",)))
    with pytest.raises(InputError, match="nothing is held out in vi") as caught:
        Watch([HeldDocument("a", "th")], Tokenizer(base_folder), np.ones(1), params, 1)
    assert "held_out_sources" in caught.value.hint
    bare = dataclasses.replace(corpus, folder=tmp_path / "corpus")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "train").symlink_to(corpus.folder / "train")
    with pytest.raises(InputError, match="heldout: no document"):
        train.function(TrainParams(**SHAPE), work(tmp_path, bare))


def test_a_disk_that_fills_leaves_the_last_whole_state(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(40_000))
    optimizer = torch.optim.AdamW([parameter])
    losses = torch.zeros(2, 1, 2, dtype=torch.float64)
    parameter.sum().backward()
    optimizer.step()
    save_state(tmp_path, 3, {"a": parameter}, optimizer, losses)
    whole = (tmp_path / FILE).read_bytes()
    parameter.sum().backward()
    optimizer.step()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(EnvironmentFault, match="state after step 4") as caught:
            save_state(tmp_path, 4, {"a": parameter}, optimizer, losses)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "free space" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).read_bytes() == whole
    assert (
        load_state(
            tmp_path, {"a": torch.nn.Parameter(torch.zeros(40_000))}, torch.optim.AdamW([parameter]), None
        )
        == 3
    )


def test_numbers_too_large_for_a_layer_are_never_written(tmp_path: Path, corpus: Input) -> None:
    params = TrainParams(**SHAPE | {"measure_steps": 0, "learning_rate": 1e5})
    with pytest.raises(InputError, match=r"the loss is|a trained number is") as caught:
        train.function(params, work(tmp_path, corpus))
    assert "lower learning_rate" in caught.value.hint
    assert not (tmp_path / "made" / "layer.safetensors").exists()


def test_recomputing_blocks_changes_nothing_that_is_learnt(tmp_path: Path, corpus: Input) -> None:
    params = TrainParams(**SHAPE | {"measure_steps": 0})
    train.function(params, work(tmp_path / "kept", corpus))
    train.function(dataclasses.replace(params, gradient_checkpointing=True), work(tmp_path / "again", corpus))
    one, other = (read_layer(tmp_path / name / "made")[1] for name in ("kept", "again"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_tokens_that_end_early_are_named(tmp_path: Path, corpus: Input) -> None:
    params = TrainParams(**SHAPE | {"measure_steps": 0})
    train.function(params, work(tmp_path, corpus))
    (tmp_path / "keep" / "state.safetensors").unlink()
    part = tmp_path / "keep" / "tokens" / "text-00001"
    os.truncate(part / "tokens.bin", 40)
    with pytest.raises(
        InputError, match=r"text-00001: tokens.bin or learn.bin ends early, 20 tokens of"
    ) as caught:
        train.function(params, work(tmp_path, corpus))
    assert "made again" in caught.value.hint


def test_added_tokens_are_measured_against_the_base_itself(
    tmp_path: Path, corpus: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base cuts text by its own vocabulary; and a run with new rows, cut off while it measures, ends the same."""
    from rumpun.layer.params import ExtendParams
    from rumpun.layer.vocabulary.extend import extend_files
    from tiny import tiny_gguf

    gguf = tiny_gguf(tmp_path / "base.gguf", vocabulary=300)
    rows = [{"text": "แม่ปลูกข้าวในนา แม่ดื่มชา", "language": "th"}, {"text": "ម្តាយដាំស្រូវ។", "language": "km"}] * 4
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    params = ExtendParams(base=str(gguf), tokens_max=30, clusters_max=8)
    extend_files([tmp_path / "t.jsonl"], [tmp_path / "t.jsonl"], params, tmp_path / "vocabulary", quiet)
    maker = Maker(step="layer.extend", version=1, params={}, rumpun="0")
    found = Input("vocabulary", tmp_path / "vocabulary", Manifest(kind="layer", id="v" * 32, maker=maker))
    shape = TrainParams(**SHAPE | {"base": str(gguf)})
    train.function(shape, work(tmp_path / "whole", corpus, found))
    train.function(shape, work(tmp_path / "plain", corpus))
    ours, plain = lines(tmp_path / "whole"), lines(tmp_path / "plain")
    for tag, row in ours[0]["languages"].items():
        assert row["base"] == pytest.approx(plain[0]["languages"][tag]["base"], rel=1e-4)
    assert ours[0]["languages"]["th"]["bpb"] != ours[0]["languages"]["th"]["base"]

    taken, count = Watch.measure, iter(range(100))

    def measure(*given: Any) -> Any:
        if next(count) == 2:
            raise KeyboardInterrupt
        return taken(*given)

    monkeypatch.setattr(Watch, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        train.function(shape, work(tmp_path / "cut", corpus, found))
    monkeypatch.setattr(Watch, "measure", taken)
    train.function(shape, work(tmp_path / "cut", corpus, found))
    for name in ("layer.safetensors", "layer.json", "losses.jsonl", "curve.jsonl", "curve.svg"):
        one, other = (tmp_path / folder / "made" / name for folder in ("whole", "cut"))
        assert one.read_bytes() == other.read_bytes(), name


@pytest.mark.slow
def test_the_embedded_base_is_watched(tmp_path: Path, corpus: Input) -> None:
    """Real weights: its figures are the engine's, a few steps on these texts lower them, and English has an interval."""
    from rumpun.engines.bases import as_folder, find_base
    from rumpun.engines.hf import Transformers
    from rumpun.measure.bits import bits

    params = TrainParams(
        tokens=1536, sequence_tokens=64, batch_sequences=4, rank=4, alpha=8.0, learning_rate=4e-3, epochs_max=20.0,
        precision="float32", measure_steps=3, measure_documents=3, schedule="wsd", replay=Replay(languages=("en",), share=0.2),
    )  # fmt: skip
    outcome = train.function(params, work(tmp_path, corpus))
    rows = lines(tmp_path)
    folder = as_folder(find_base("base"))
    documents = held_documents(corpus.folder, [Tokenizer(folder)], params, 7)
    engine = Transformers(folder, name="base", device="cpu")
    for tag in ("en", "th"):
        mine = [document for document in documents if document.language == tag]
        found = sum(bits(one.logprob) for one in engine.score([("", document.text) for document in mine]))
        figure = rows[0]["languages"][tag]["base"]
        assert figure == pytest.approx(found / sum(document.bytes for document in mine), rel=1e-4)
    assert rows[-1]["mean"] < rows[0]["mean"] - 0.1
    low, high = rows[-1]["forgetting"]["en"]["ci95"]
    assert low <= rows[-1]["forgetting"]["en"]["difference"] <= high
    assert outcome.summary["measured"]["measurements"] == 3


RUN = """
import sys
from pathlib import Path
from rumpun.layer.params import TrainParams
from rumpun.layer.train import train
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet
import shutil, torch
torch.set_num_threads(1)
corpus, folder = map(Path, sys.argv[1:3])
maker = Maker(step="corpus.write", version=1, params={}, rumpun="0")
made = Input("corpus", corpus, Manifest(kind="corpus", id="c" * 32, maker=maker))
shutil.rmtree(folder / "made", ignore_errors=True)
(folder / "made").mkdir(parents=True)
(folder / "keep").mkdir(exist_ok=True)
params = TrainParams(
    base="tiny", tokens=7680, sequence_tokens=32, batch_sequences=4, rank=4, alpha=8.0, learning_rate=1e-2, epochs_max=60.0,
    precision="float32", schedule="wsd", keep_state=True, measure_steps=7, measure_documents=3, checkpoint_seconds=1,
    chat_share=0.2, embeddings_rank=2,
)
def told(done, total=0, note=""):
    print(done, flush=True)
train.function(params, Work(inputs=(made,), folder=folder / "made", scratch=folder / "keep", seed=7, progress=told))
"""


@pytest.mark.slow
def test_killed_at_any_time_it_ends_with_the_same_bytes(tmp_path: Path, corpus: Input) -> None:
    """Real processes, SIGKILL after a random time; measurements, the kept state and the picture are the same too."""
    environment = dict(os.environ) | {"RUMPUN_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, str(corpus.folder), str(tmp_path / name)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    with start("whole") as process:
        process.communicate(timeout=200)
    assert process.returncode == 0
    chance, kills = random.Random(11), 0
    for _ in range(20):
        with start("cut") as process:
            assert process.stdout is not None
            wait = (
                chance.randint(3, 12) if kills < 2 else chance.randint(8, 90)
            )  # two at least, then it may end
            told = sum(1 for _ in zip(range(wait), process.stdout, strict=False))
            if told == wait:
                time.sleep(chance.random() * 0.3)
                process.send_signal(signal.SIGKILL)
            process.communicate(timeout=200)
        if process.returncode == 0:
            break
        kills += 1
    assert process.returncode == 0
    assert kills >= 2
    names = sorted(path.name for path in (tmp_path / "whole" / "made").iterdir())
    assert {"curve.jsonl", "curve.svg", "kept_state.safetensors", "layer.safetensors", "losses.jsonl"} <= set(
        names
    )
    for name in names:
        one, other = (tmp_path / folder / "made" / name for folder in ("whole", "cut"))
        assert one.read_bytes() == other.read_bytes(), name

"""The step `encoder.train`: cut off anywhere, killed even, it ends at the same numbers; what cannot be fitted is named."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from toy_encoder import FIT, Cut, put, whole_and_cut, work

from rumpun.encoder.labels import KIND, LABELS
from rumpun.encoder.train import LOSSES, WEIGHTS, EncoderParams, train
from rumpun.encoder.vocabulary import ROWS, TOKENIZER
from rumpun.errors import InputError, UsageError
from rumpun.records.artefacts import read_manifest
from rumpun.steps import Input

module = importlib.import_module("rumpun.encoder.train")

SMALL: dict[str, Any] = {
    "languages": {"id": 1.0, "th": 1.0, "en": 1.0}, "groups": {"natural": 1.0}, "rows": 700, "rows_a_round": 250,
    "tokens_a_batch": 80, "longest_tokens": 16, "negatives": 20, "warm_steps": 3, "rate": 1e-3, "rate_words": 5e-3,
}  # fmt: skip

CHILD = """
import importlib, json, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
from toy_encoder import teacher, work
from rumpun.encoder.teacher import Teacher
from rumpun.records.artefacts import read_manifest
from rumpun.steps import Input

torch.set_num_threads(1)
module = importlib.import_module("rumpun.encoder.train")
module._KEEP_SECONDS = -1  # a checkpoint after each step
Teacher.load = classmethod(lambda *_: teacher())
inputs = [Input(name, Path(folder), read_manifest(Path(folder))) for name, folder in json.loads(sys.argv[3]).items()]
module.train.function(
    module.EncoderParams(**json.loads(sys.argv[4])),
    work(Path(sys.argv[2]), inputs, lambda done, total=0, note="": print(note, flush=True)),
)
"""


@pytest.fixture
def given(inputs: dict[str, Input]) -> list[Input]:
    return [inputs["pairs"], inputs["vocabulary"]]


def result(place: Path) -> tuple[bytes, ...]:
    return tuple((place / "made" / name).read_bytes() for name in (WEIGHTS, LOSSES, TOKENIZER))


@pytest.fixture(scope="session")
def whole(inputs: dict[str, Input], toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing cut off."""
    from toy_encoder import teacher

    from rumpun.encoder.teacher import Teacher

    place = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Teacher, "load", lambda *_: teacher())
        outcome = train.function(EncoderParams(**SMALL), work(place, [inputs["pairs"], inputs["vocabulary"]]))
    assert outcome.summary["rows_seen"] >= 700
    assert outcome.summary["steps"] > 60
    assert [json.loads(line)["rows"] for line in (place / "made" / LOSSES).read_text().splitlines()][-1] > 600
    return place


def test_killed_it_goes_on_and_ends_at_the_same_numbers(
    toy_world: None, given: list[Input], whole: Path, tmp_path: Path
) -> None:
    """One thread of one processor: the order of sums, and so every bit, is the same."""
    folders = json.dumps({put.name: str(put.folder) for put in given})
    arguments = [str(Path(__file__).parent), str(tmp_path), folders, json.dumps(SMALL)]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("loss"):  # after twenty steps of sixty and more
                child.send_signal(signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "made" / WEIGHTS).exists()
    assert (tmp_path / "keep" / "checkpoint.pt").exists()
    assert torch.load(tmp_path / "keep" / "checkpoint.pt", weights_only=True)["steps"] >= 19
    train.function(EncoderParams(**SMALL), work(tmp_path, given))
    assert result(tmp_path) == result(whole)


def test_cut_off_wherever_a_round_ends_it_gives_the_same_bits(
    toy_world: None, given: list[Input], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making a round's targets and its first step, among others: what was made ahead changes no draw."""
    one = module._one
    seen: list[int] = []
    monkeypatch.setattr(module, "_KEEP_SECONDS", -1)
    for at in (1, 20, 28, 29, 40):

        def step(params, run, batch, seen_, at=at):
            if run.place == 0 and run.steps:
                seen.append(run.steps)
                if len(seen) == 1:  # the first time that a new round begins
                    raise Cut
            if run.steps == at:
                raise Cut
            return one(params, run, batch, seen_)

        monkeypatch.setattr(module, "_one", step)
        with pytest.raises(Cut):
            train.function(EncoderParams(**SMALL), work(tmp_path, given))
    assert seen
    monkeypatch.setattr(module, "_one", one)
    train.function(EncoderParams(**SMALL), work(tmp_path, given))
    assert result(tmp_path) == result(whole)


@pytest.fixture
def drawn(given: list[Input], tmp_path: Path) -> list[Input]:
    """The same with subwords whose first vectors are another subword's."""
    vocabulary = tmp_path / "vocabulary"
    shutil.copytree(given[1].folder, vocabulary)
    rows = load_file(vocabulary / ROWS)["rows"]
    save_file({"rows": np.random.default_rng(0).permuted(rows, axis=0)}, vocabulary / ROWS)
    return [given[0], Input("vocabulary", vocabulary, given[1].manifest)]


def test_from_drawn_vectors_it_learns_all_the_same(
    toy_world: None, drawn: list[Input], tmp_path: Path
) -> None:
    """Without alignment's help: the loss falls and the right sentence comes to win."""
    params = SMALL | {"rows": 3000, "rate_words": 1e-2, "languages": {"id": 1.0}}
    train.function(EncoderParams(**params), work(tmp_path, drawn))
    losses = [json.loads(line) for line in (tmp_path / "made" / LOSSES).read_text().splitlines()]
    assert np.mean([row["first"] for row in losses[-3:]]) > 0.8 > losses[0]["first"]
    assert losses[-1]["pull"] < 0.6 * losses[0]["pull"]


def test_it_goes_on_from_a_student_and_from_a_shipped_encoder(
    toy_world: None, drawn: list[Input], released: tuple[Path, Path], inputs: dict[str, Input], tmp_path: Path
) -> None:
    """The first steps stand where the earlier run ended, not where the vocabulary's vectors begin."""
    pull = {}
    for name, folder in (("weights", inputs["student"].folder), ("shipped", released[1]), ("anew", "")):
        params = SMALL | {"begin_from": str(folder), "rows": 300, "rate": 1e-6, "rate_words": 1e-6}
        outcome = train.function(EncoderParams(**params), work(tmp_path / name, drawn))
        assert outcome.summary["begun_from"] == str(folder)
        assert outcome.summary["begun_from_id"] == (read_manifest(Path(folder)).id if folder else "")
        pull[name] = outcome.summary["loss"][0]["pull"]
    assert pull["weights"] < 0.1 * pull["anew"]
    assert pull["shipped"] == pytest.approx(pull["weights"], rel=0.1)


def test_it_goes_on_from_what_an_earlier_step_of_the_recipe_made(
    toy_world: None, drawn: list[Input], inputs: dict[str, Input], tmp_path: Path
) -> None:
    params = SMALL | {"rows": 300, "rate": 1e-6, "rate_words": 1e-6}
    anew = train.function(EncoderParams(**params), work(tmp_path / "anew", drawn))
    later = train.function(EncoderParams(**params), work(tmp_path / "later", [*drawn, inputs["student"]]))
    assert later.summary["begun_from_id"] == inputs["student"].manifest.id
    assert later.summary["loss"][0]["pull"] < 0.1 * anew.summary["loss"][0]["pull"]
    both = EncoderParams(**SMALL, begin_from=str(inputs["student"].folder))
    with pytest.raises(UsageError, match="and a step gives encoder-weights too"):
        train.function(both, work(tmp_path / "both", [*drawn, inputs["student"]]))


def test_between_where_it_began_and_where_it_ended(
    toy_world: None, given: list[Input], inputs: dict[str, Input], tmp_path: Path
) -> None:
    """A run of the same seed, kept halfway, is the mean of both ends; a quarter of the way, a quarter."""
    began = load_file(inputs["student"].folder / WEIGHTS)
    found = {}
    for way in (0.25, 0.5, 1.0):
        place = tmp_path / str(way)
        train.function(EncoderParams(**SMALL, way=way), work(place, [*given, inputs["student"]]))
        found[way] = load_file(place / "made" / WEIGHTS)
    for name, ended in found[1.0].items():
        first, last = began[name].astype(np.float32), ended.astype(np.float32)
        for way in (0.25, 0.5):
            np.testing.assert_allclose(found[way][name], first + way * (last - first), atol=2e-3)
    assert not np.allclose(found[0.5]["words.weight"], found[1.0]["words.weight"], atol=2e-3)


def test_between_nothing_and_an_end_there_is_no_way(
    toy_world: None, given: list[Input], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="nothing that the run begins from"):
        train.function(EncoderParams(**SMALL, way=0.5), work(tmp_path, given))
    with pytest.raises(ValueError, match="expected a share above 0, at most 1"):
        EncoderParams(**SMALL, way=0.0).check()


@pytest.fixture
def labelled(given: list[Input], tmp_path: Path) -> list[Input]:
    """Beside the pairs: texts of which those that hold one word are labelled."""
    import pyarrow as pa
    from pyarrow import parquet

    texts = [put("id", english) for english in FIT]
    word = Counter(w for text in texts for w in text.split()).most_common(4)[-1][0]
    own = [word in text.split() for text in texts]
    folder = tmp_path / "labels"
    folder.mkdir()
    weight = [1 / max(1, own.count(mine)) for mine in own]
    parquet.write_table(pa.table({"text": texts, "unsafe": own, "weight": weight}), folder / LABELS)
    return [*given, Input("labels", folder, msgspec.structs.replace(given[0].manifest, kind=KIND))]


def test_labels_are_learnt_beside_the_teacher_and_a_cut_changes_nothing(
    toy_world: None, labelled: list[Input], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = SMALL | {"labelled": 1.0, "rows": 2000}
    losses = whole_and_cut(params, labelled, tmp_path, monkeypatch)
    assert losses[0]["labelled"] > 0.5 > 0.2 > np.mean([row["labelled"] for row in losses[-3:]])


def test_dropout_changes_what_is_learnt_and_a_cut_changes_nothing(
    toy_world: None, given: list[Input], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = whole_and_cut(SMALL | {"dropout": 0.2}, given, tmp_path, monkeypatch)
    without = [json.loads(line) for line in (whole / "made" / LOSSES).read_text().splitlines()]
    assert np.mean([row["pull"] for row in losses]) > 1.05 * np.mean([row["pull"] for row in without])


def test_with_rounds_made_ahead_a_cut_changes_nothing_either(
    toy_world: None, given: list[Input], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: all vectors are made before the first step, and anew at hand when a run goes on."""
    monkeypatch.setattr(module, "_ahead", lambda: 2)
    losses = whole_and_cut(SMALL, given, tmp_path, monkeypatch)
    assert losses[-1]["rows"] > 600


def test_labels_that_no_step_gives_are_asked_for(toy_world: None, given: list[Input], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a labelled-texts"):
        train.function(EncoderParams(**SMALL, labelled=1.0), work(tmp_path, given))


def test_the_id_of_a_run_holds_what_it_began_from_and_not_where_that_lay(
    inputs: dict[str, Input], tmp_path: Path
) -> None:
    student = inputs["student"].folder
    shutil.copytree(student, tmp_path / "moved")
    save_file({"words.weight": np.zeros((7, 96), np.float32)}, tmp_path / WEIGHTS)
    facts = [
        module._identity(EncoderParams(**SMALL, begin_from=str(folder)))
        for folder in (student, tmp_path / "moved", tmp_path)
    ]
    assert facts[0] == facts[1] != facts[2]
    assert module._identity(EncoderParams(**SMALL)) == {}


def test_what_it_cannot_go_on_from_is_named(toy_world: None, given: list[Input], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds neither student"):
        train.function(EncoderParams(**SMALL, begin_from=str(tmp_path / "empty")), work(tmp_path, given))
    save_file({"words.weight": np.zeros((7, 96), np.float32)}, tmp_path / "empty" / WEIGHTS)
    with pytest.raises(InputError, match="7 subwords, the vocabulary has "):
        train.function(EncoderParams(**SMALL, begin_from=str(tmp_path / "empty")), work(tmp_path, given))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"languages": {"km": 1.0}}, "no row of km to fit"),
        ({"groups": {"scripture": 1.0}}, "no row of the languages id, th, en in the groups scripture"),
        ({"languages": {"id": 0.0, "km": 1.0}}, "no row of the languages"),
    ],
)
def test_shares_of_what_is_not_there_end_at_once(
    toy_world: None, given: list[Input], tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        train.function(EncoderParams(**(SMALL | changed)), work(tmp_path, given))


@pytest.mark.parametrize(
    "changed", [{"rows": 0}, {"negatives": 0}, {"languages": {"id": 0.0}}, {"groups": {}}, {"groups": {"natural": -1.0, "lexicon": 2.0}}]
)  # fmt: skip
def test_parameters_that_cannot_be_meant_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        EncoderParams(**(SMALL | changed)).check()

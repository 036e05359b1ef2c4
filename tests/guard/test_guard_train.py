"""Training, measuring and releasing on rows made here: unsafe words that mean nothing."""

import json

import pytest
from made_guard import ORDINARY, UNSAFE_WORD, write_data

from rumpun.errors import InputError, UsageError
from rumpun.guard import Guard
from rumpun.guard.card import card
from rumpun.guard.release import release
from rumpun.guard.rows import read_measured, read_training
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import read_manifest, verify
from rumpun.steps import run

pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (part train)")

RECIPE = """
name = "tiny"
seed = 3
[steps.guard]
uses = "guard.train"
[steps.guard.with]
buckets = 4096
category_rows_min = 20
false_alarms_max = 0.02
[steps.guard.with.for_threshold.harmful-en]
dataset = ["d3"]
[steps.guard.with.for_threshold.indosafety-train]
specific_harms = ["Supernatural Claims"]
[steps.guard.with.for_threshold.ordinary-prompts]
dataset = ["o3"]
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("RUMPUN_DATA", str(write_data(tmp_path / "data")))
    return tmp_path


def train(folder, text=RECIPE):
    folder.mkdir(exist_ok=True)
    (folder / "run.toml").write_text(text)
    return run(read_recipe(folder / "run.toml"), folder / "store", progress=lambda _: lambda *_a, **_k: None)[
        "guard"
    ]


def test_rows_that_are_never_kept_are_dropped_and_counted(data):
    kept_out = {"harmful-en": {"dataset": ("d3",)}}
    read = read_training(data / "data", kept_out)
    assert read.dropped == {"label names children or minors": 1, "licence CC-BY-NC-4.0": 4}
    assert {row.source for row in read.rows if row.for_threshold and row.label == "unsafe"} == {"harmful-en"}
    assert read_measured(data / "data").dropped == {"label names children or minors": 1}
    assert all(UNSAFE_WORD not in repr(row) for row in read.rows)


def test_held_out_sets_never_reach_the_fit(data):
    trained = read_training(data / "data", {})
    measured = read_measured(data / "data")
    assert not {row.source for row in trained.rows} & {row.source for row in measured.rows}
    (data / "data/safety/xstest.parquet").replace(data / "data/safety/ordinary-prompts.parquet")
    with pytest.raises(InputError, match="a row of split 'test'"):
        read_training(data / "data", {})


def test_it_learns_repeats_itself_and_measures(data):
    made = train(data / "one")
    guard = Guard.load(made)
    assert guard.check([f"{ORDINARY['en']} {UNSAFE_WORD} b"])[0].flagged
    assert not any(verdict.flagged for verdict in guard.check(list(ORDINARY.values())))
    manifest = verify(made)
    held_out = {(e["set"], e["language"]): e for e in manifest.summary["held_out"]}
    assert held_out["xstest", "en"]["auroc"] > 0.95
    assert held_out["xstest", "en"]["recall"]["rows"] == 10
    assert "recall" not in held_out["ailuminate-demo", "en"]
    assert held_out["ailuminate-demo", "en"]["topic_flags"]["rows"] == 9
    assert manifest.summary["rows"]["dropped"]["label names children or minors"] == 2
    assert manifest.summary["covered"] == ["illicit"]
    assert {"CC0-1.0", "CC-BY-4.0", "Apache-2.0"} == set(manifest.licences)
    first = {entry.path: entry.sha256 for entry in manifest.files}
    again = train(data / "two")
    assert {entry.path: entry.sha256 for entry in read_manifest(again).files} == first


def test_a_release_is_whole_and_its_card_complete(data):
    target = data / "layers" / "guard"
    for _ in range(2):  # the second replaces the first
        whole = release(train(data / "one"), target)
    assert verify(target).id == whole.id
    assert {entry.path for entry in whole.files} == {
        "CARD.md", "guard.json", "guard.safetensors", f"lineage/{whole.id}.json",
    }  # fmt: skip
    assert json.loads((target / f"lineage/{whole.id}.json").read_text())["id"] == whole.id
    assert sorted(path.name for path in target.parent.iterdir()) == ["guard"]
    text = (target / "CARD.md").read_text()
    assert text == card(read_manifest(target))
    for words in (
        "What it cannot do",
        "Not covered",
        "No native speaker",
        "harmful-en",
        "attribution",
        "Wilson",
    ):
        assert words in text
    assert UNSAFE_WORD not in text
    assert "Undefined" not in text


def test_bad_recipes_and_damaged_rows_are_named(data):
    with pytest.raises(UsageError, match=r"false_alarms_max = 0\.9"):
        train(data / "x", RECIPE.replace("false_alarms_max = 0.02", "false_alarms_max = 0.9"))
    with pytest.raises(UsageError, match="unknown key 'bucket'"):
        train(data / "x", RECIPE.replace("buckets", "bucket"))
    (data / "data/safety/harmful-en.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"harmful-en\.parquet: cannot be read"):
        train(data / "x")

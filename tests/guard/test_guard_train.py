"""Training, measuring and releasing on rows made here: unsafe words that mean nothing."""

import json
from xml.etree import ElementTree as ET

import pytest
from made_guard import ORDINARY, UNSAFE_WORD, StandIn, write_data

from rumpun.errors import InputError, UsageError
from rumpun.guard import Guard
from rumpun.guard.card import card, diagram
from rumpun.guard.rows import read_held_out, read_prompts, read_rows, read_seed
from rumpun.guard.sets import sets
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import read_manifest, verify
from rumpun.records.release import release
from rumpun.steps import run

pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (part train)")

FIT = ("harmful-en", "indosafety-train", "ordinary-prompts", "ailuminate-demo", "xsafety")
RECIPE = """
name = "tiny"
seed = 3
[steps.guard]
uses = "guard.train"
[steps.guard.with]
fit = ["harmful-en", "indosafety-train", "ordinary-prompts", "ailuminate-demo", "xsafety"]
measure = ["multijail", "simplesafetytests", "xstest", "hatecheck"]
prompts = "PROMPTS"
buckets = 4096
ngram_size = 3.0
category_rows_min = 20
[steps.guard.with.promises]
strict = { ordinary = 0.06, sensitive = 0.18, concern = 0.25, category = 0.06 }
balanced = { ordinary = 0.02, sensitive = 0.07, concern = 0.12, category = 0.02 }
permissive = { ordinary = 0.005, sensitive = 0.02, concern = 0.05, category = 0.005 }
[steps.guard.with.for_threshold.harmful-en]
dataset = ["d3"]
[steps.guard.with.for_threshold.indosafety-train]
specific_harms = ["Supernatural Claims"]
[steps.guard.with.for_threshold.ordinary-prompts]
dataset = ["o3"]
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    from rumpun.encoder import Encoder

    monkeypatch.setattr(Encoder, "load", classmethod(lambda *_, **__: StandIn()))
    monkeypatch.setenv("RUMPUN_DATA", str(write_data(tmp_path / "data")))
    return tmp_path


def train(folder, text=RECIPE):
    folder.mkdir(exist_ok=True)
    prompts = folder.parent / "data" / "prompts"
    (folder / "run.toml").write_text(text.replace("PROMPTS", str(prompts)))
    return run(read_recipe(folder / "run.toml"), folder / "store", progress=lambda _: lambda *_a, **_k: None)[
        "guard"
    ]


def test_rows_that_are_never_kept_are_dropped_and_counted(data):
    kept_out = {"harmful-en": {"dataset": ("d3",)}}
    read = read_rows(data / "data", FIT, kept_out, fit=True)
    assert read.dropped == {"label names children or minors": 2, "licence CC-BY-NC-4.0": 4}
    assert {row.source for row in read.rows if row.use == "threshold" and row.unsafe} == {"harmful-en"}
    assert all(UNSAFE_WORD not in repr(row) for row in read.rows)


def test_held_out_sets_never_reach_the_fit(data):
    fitted = read_rows(data / "data", FIT, {}, fit=True)
    measured = read_held_out(data / "data")
    assert {row.source for row in measured.rows} == {name for name in sets().sets if not sets().fitted(name)}
    assert not {row.source for row in fitted.rows} & {row.source for row in measured.rows}
    assert {row.use for row in measured.rows} == {"measure"}
    with pytest.raises(InputError, match=r"xstest\.parquet: a set of split 'test'"):
        read_rows(data / "data", ["xstest"], {}, fit=True)
    (data / "data/safety/xstest.parquet").replace(data / "data/safety/ordinary-prompts.parquet")
    with pytest.raises(InputError, match="a row of split 'test'"):
        read_rows(data / "data", FIT, {}, fit=True)


def test_safe_rows_are_split_by_topic_and_key(data):
    for rows in (read_seed(data / "data").rows, read_prompts(data / "data" / "prompts").rows):
        assert {row.use for row in rows} == {"fit", "threshold"}
        assert not any(row.unsafe for row in rows)
        uses = {}
        for row in rows:
            uses.setdefault(row.id, set()).add(row.use)
        assert all(len(found) == 1 for found in uses.values())


def test_it_learns_repeats_itself_and_measures(data):
    made = train(data / "one")
    guard = Guard.load(made)
    bad = guard.check([f"{ORDINARY['en']} {UNSAFE_WORD} b"])[0]
    assert bad.flagged
    assert bad.score > 0.9
    assert not any(verdict.flagged for verdict in guard.check(list(ORDINARY.values())))
    manifest = verify(made)
    held_out = {(e["set"], e["language"]): e for e in manifest.summary["held_out"]}
    assert held_out["xstest", "en"]["auroc"] > 0.95
    assert held_out["xstest", "en"]["balanced"]["recall"]["rows"] == 20
    assert held_out["xstest", "en"]["balanced"]["recall"]["share"] == 1
    assert "sensitive" in held_out["xstest", "en"]["balanced"]
    assert "auprc" not in held_out["multijail", "th"]  # no safe rows to rank against
    assert manifest.summary["rows"]["dropped"]["label names children or minors"] == 2
    assert "illicit" in manifest.summary["covered"]
    assert manifest.summary["probe"]["language"] < 0.6
    assert {"CC0-1.0", "CC-BY-4.0", "Apache-2.0"} == set(manifest.licences)
    first = {entry.path: entry.sha256 for entry in manifest.files}
    again = train(data / "two")
    assert {entry.path: entry.sha256 for entry in read_manifest(again).files} == first


def test_a_release_is_whole_and_its_card_complete(data):
    target = data / "layers" / "guard"
    for _ in range(2):  # the second replaces the first
        whole = release(train(data / "one"), target, card)
    assert verify(target).id == whole.id
    assert {entry.path for entry in whole.files} == {
        "CARD.md", "guard.json", "guard.safetensors", "reliability.svg", f"lineage/{whole.id}.json",
    }  # fmt: skip
    assert json.loads((target / f"lineage/{whole.id}.json").read_text())["id"] == whole.id
    assert sorted(path.name for path in target.parent.iterdir()) == ["guard"]
    text = (target / "CARD.md").read_text()
    assert text == card(read_manifest(target))
    for words in (
        "What it cannot do",
        "No native speaker",
        "harmful-en",
        "attribution",
        "Wilson",
    ):
        assert words in text
    assert UNSAFE_WORD not in text
    assert "Undefined" not in text


def test_the_diagram_draws_what_the_table_tells():
    table = {
        "any": {"rows": 80, "error": 0.25, "bins": [0.0, None, 0.5, *[None] * 6, 1.0]},
        "km": {"rows": 40, "error": 0.5, "bins": [None] * 10},
    }
    svg = "{http://www.w3.org/2000/svg}"
    panels = ET.fromstring(diagram(table)).findall(f"{svg}g")
    assert [panel.find(f"{svg}text").text for panel in panels] == [
        "all: 80 rows, error 0.250",
        "km: 40 rows, error 0.500",
    ]
    bars = [[bar for bar in panel.findall(f"{svg}rect") if bar.get("x")] for panel in panels]
    assert [(float(bar.get("x")), float(bar.get("height"))) for bar in bars[0]] == [
        (1, 0),
        (25, 60),
        (109, 120),
    ]
    assert bars[1] == []


def test_bad_recipes_and_damaged_rows_are_named(data):
    with pytest.raises(UsageError, match="promises: expected exactly strict, balanced, permissive"):
        train(data / "x", RECIPE.replace("strict =", "harsh ="))
    with pytest.raises(UsageError, match="unknown key 'bucket'"):
        train(data / "x", RECIPE.replace("buckets", "bucket"))
    (data / "data/safety/harmful-en.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"harmful-en\.parquet: cannot be read"):
        train(data / "x")

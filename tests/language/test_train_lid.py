"""Training the identifier on tiny texts made here."""

import random

import pytest

from rumpun.errors import InputError, UsageError
from rumpun.language.heads import read_heads
from rumpun.language.identifier import identify_all
from rumpun.language.snippets import Pool, cut, read_pools
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import read_manifest, verify
from rumpun.steps import run

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (part corpus)")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (part train)")

RECIPE = """
name = "tiny"
seed = 3
[steps.lid]
uses = "language.train_lid"
[steps.lid.with]
latin = ["xa", "xb"]
scripted = ["th"]
buckets = 1024
snippets = 200
measured_characters = [30]
measured_snippets = 40
held_out = { xa = ["two"], xb = ["two"], th = ["two"] }
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    import pyarrow as pa

    dice = random.Random(5)
    words = {
        "xa": ["baka", "buku", "bela", "kabu"],
        "xb": ["ritu", "siro", "toris", "ruso"],
        "th": ["กา", "ขาว"],
    }
    (tmp_path / "text").mkdir()
    for source in ("one", "two"):
        for tag, known in words.items():
            rows = [
                {
                    "text": " ".join(dice.choices(known, k=9)),
                    "language": tag,
                    "source": source,
                    "licence": "CC0-1.0",
                }
                for _ in range(80)
            ]
            parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "text" / f"{source}.{tag}.parquet")
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path))
    return tmp_path


def train(folder, text=RECIPE):
    (folder / "run.toml").write_text(text)
    return run(read_recipe(folder / "run.toml"), folder / "store", progress=lambda _: lambda *_a, **_k: None)[
        "lid"
    ]


def test_it_learns_what_can_be_learnt_and_repeats_itself(data):
    made = train(data)
    heads = read_heads(made, "identifier")
    assert heads.facts["held_out"]["30"]["accuracy"] > 0.95
    assert [f.language for f in identify_all(["baka buku", "toris siro"], heads)] == ["xa", "xb"]
    manifest = verify(made)
    assert {s.name for s in manifest.sources} == {"one", "two"}
    first = {entry.path: entry.sha256 for entry in manifest.files}
    again = data / "again"
    again.mkdir()
    assert {e.path: e.sha256 for e in read_manifest(train(again)).files} == first


def test_a_held_out_source_is_never_learnt_from_in_any_language(data):
    with pytest.raises(InputError, match="no text to learn xa, xb from"):
        train(data, RECIPE.replace('xb = ["two"]', 'xb = ["one", "two"]'))


def test_absurd_parameters_are_refused(data):
    with pytest.raises(UsageError, match="epochs = 0"):
        train(data, RECIPE.replace("buckets = 1024", "epochs = 0"))


def test_snippets_are_of_the_length_asked_for(data):
    pools = read_pools(data, {}, frozenset({"xa"}))
    assert [(p.language, p.source, len(p.texts)) for p in pools] == [("xa", "one", 80), ("xa", "two", 80)]
    found = cut(pools[0], 20, (28, 32), 1)
    assert found == cut(pools[0], 20, (28, 32), 1)
    assert all(14 <= len(text) <= 32 for text in found)
    assert len(cut(Pool("xa", "s", "CC0-1.0", ["kata"]), 5, (10, 20), 1)) <= 5

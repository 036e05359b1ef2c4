"""Training the identifier on tiny texts made here."""

import random
import tomllib

import pytest

from rumpun.errors import InputError, UsageError
from rumpun.language.identifier import identify_all
from rumpun.language.identifier_model import read_model
from rumpun.language.identifier_pairs import turners
from rumpun.language.identifier_romanise import romanised
from rumpun.language.identifier_streams import Draw, Streams, shares
from rumpun.language.snippets import ROWS, Pool, cut, read_pools, sized
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
slots = 1024
snippets = 400
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
    model = read_model(made, "identifier")
    assert model.facts["held_out"]["30"]["accuracy"] > 0.95
    assert [f.language for f in identify_all(["baka buku", "toris siro"], model)] == ["xa", "xb"]
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
        train(data, RECIPE.replace("slots = 1024", "epochs = 0"))


def test_pieces_are_of_the_length_asked_for_and_stand_in_their_texts(data):
    pools = read_pools(data, {}, frozenset({"xa"}))
    assert [(p.language, p.source, len(p.texts)) for p in pools] == [("xa", "one", 80), ("xa", "two", 80)]
    found = cut(pools[0], 20, (28, 32), 1)
    assert found == cut(pools[0], 20, (28, 32), 1)
    assert len(found) == 20
    assert all(18 <= len(text) <= 32 for text in found)
    assert all(any(text in whole for whole in pools[0].texts) for text in found)
    assert cut(Pool("xa", "s", "CC0-1.0", texts=["kata"]), 5, (10, 20), 1) == []
    assert sized("satu dua tiga", 9) == "satu dua"
    assert sized("พรุ่งนี้เช้าเราจะไป", 7) == "พรุ่งนี้เช้าเราจะไป"[:7]


def test_no_domain_gives_more_than_its_share():
    pools = [
        Pool("xa", "law", "CC0-1.0", "law", ["x" * 90_000]),
        Pool("xa", "ui", "CC0-1.0", "ui", ["x" * 10_000]),
        Pool("xa", "talk", "CC0-1.0", "talk", ["x" * 1_000]),
    ]
    found = shares(pools, {"law": ["law"], "ui": ["ui"]}, {"law": 0.1, "ui": 0.2}, 0.5)
    assert sum(found) == pytest.approx(1)
    assert found[0] <= 0.1 + 1e-6
    assert found[1] <= 0.2 + 1e-6
    assert sum(shares(pools[:2], {"law": ["law"]}, {"law": 0.1}, 0.5)) == pytest.approx(1)


def test_a_batch_holds_the_features_of_its_words_and_spoiling_keeps_the_truth():
    import numpy as np

    pools = [
        Pool("xa", "one", "CC0-1.0", "talk", ["bakó buku bela kabu"] * 30),
        Pool("en", "one", "CC0-1.0", "talk", ["the house of paper"] * 30),
    ]
    streams = Streams(pools, ("xa", "en"), 10_000, 1)
    dice = np.random.default_rng(1)
    snippets = streams.drawn([40, 40], Draw(8, 40), dice)
    plain = Draw(8, 40, mixed=0, bare=0, apart=0, clipped=0, thinned=0)
    batch = streams.batch(snippets, plain, dice)
    assert sorted(set(batch.truth.tolist())) == [0, 1]
    own = [set(batch.features[batch.truth[batch.rows] == side].tolist()) for side in (0, 1)]
    shared = streams.hashes[list(own[0] & own[1])]
    assert len(shared) < len(own[0]) / 2
    assert (np.bincount(batch.rows, minlength=80) <= batch.sizes).all()
    spoilt = streams.batch(snippets, Draw(8, 40, mixing=("xa",), mixed=1), dice)
    assert np.array_equal(spoilt.truth, batch.truth)
    assert set(spoilt.features[spoilt.truth[spoilt.rows] == 0].tolist()) & own[1]
    kept = np.zeros(len(streams.hashes), bool)
    kept[:5] = True
    streams.restrict(kept)
    assert set(streams.batch(snippets, plain, dice).features.tolist()) <= set(range(5))


def test_a_sister_keeps_the_subject_and_changes_the_words_that_differ():
    dice = random.Random(1)
    turned = {turner.source: turner for turner in turners()}
    malay = turned["id"].turned("Mobilnya rusak karena polisi datang ke rumah sakit kemarin", dice)
    assert "kerana" in malay
    assert "Keretanya" in malay
    assert "hospital" in malay
    assert (
        turned["ms"].turned("Kerajaan memberitahu bahawa syarikat itu tutup", dice).startswith("Pemerintah")
    )
    assert turned["id"].turned("Rumah itu besar dan indah sekali", dice) is None


def test_tamil_in_latin_letters_has_no_tamil_letter_left_and_varies_by_writer():
    text = "நாளை காலை நாங்கள் சந்தைக்குப் போகிறோம், ஔவையே 12"
    found = {romanised(text, random.Random(seed)) for seed in range(12)}
    assert len(found) > 3
    assert all(not any("\u0b80" <= sign <= "\u0bff" for sign in one) for one in found)
    assert all(one.startswith("n") and one.endswith("12") for one in found)


def test_every_file_of_rows_is_whole_and_says_who_wrote_it():
    paths = sorted(ROWS.glob("*.toml"))
    assert len(paths) > 20
    for path in paths:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert table["tag"] == path.stem
        assert "not reviewed by native speakers" in table["written_by"]
        assert table["words"].strip()
        assert table["lines"].strip()

"""The guard's ordinary and sensitive-but-safe prompts: enough, native, each its own, a fixed fifth never fitted."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from made_guard import ORDINARY, write_data

from rumpun.errors import InputError
from rumpun.guard.rows import read_prompts, read_seed
from rumpun.language.ngrams import hashed
from rumpun.language.tables import WORKING
from rumpun.records.places import source_data

FOLDER = Path(__file__).parents[2] / "recipes/guard/prompts"
FIELDS = {"key": str, "text": str, "topic": str, "asker": str, "country": str, "sensitive": bool}
ROWS = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in FOLDER.glob("*")}
# sha256 of the kept keys below a number, sorted, one a line: a key that changes sides would have been fitted once.
KEPT_BELOW = {
    500: "dbacbed8edae0168ec34d18eedbaccabcb529c350fa71ec4e14d2822474924d1",
    800: "f1629c39991c33e935574e89f62d525d16d1bc43455f64936b8db287b5f66b8f",
    1000: "4907c992a27860cf11ea8498915f6949125a8c80bb61f63b90541e7acc175cdf",
    1300: "ddb5ce42e864709738daef77c69e390f45f38a3b199dac4077399a996a4dfc8c",
    1400: "0712af4f4ac5ec817b043dd6f1725aba1e500a00f30dbd4d7526c8465db755bc",
    1701: "731eecd32ed7b80fd8822f1924dd67c2ae131f1805bb592454c84560c9e7a169",
}


def likeness(texts, others):
    """[texts, others]: Jaccard's likeness of their sets of five letters in a row."""
    from scipy.sparse import csr_matrix

    def table(some):
        counts = hashed(some, buckets=1 << 18, lengths=(5,))
        return csr_matrix((np.ones(len(counts.indices), np.float32), counts.indices, counts.indptr),
                          (counts.rows, counts.buckets))  # fmt: skip

    one, other = table(texts), table(others)
    both = (one @ other.T).toarray()
    return both / np.maximum(np.diff(one.indptr)[:, None] + np.diff(other.indptr) - both, 1)


def told(keys):
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def test_there_are_enough_in_each_of_eleven_languages():
    assert set(ROWS) == set(WORKING)
    assert sum(map(len, ROWS.values())) >= 2000
    assert min(map(len, ROWS.values())) >= 180


@pytest.mark.parametrize("language", WORKING)
def test_each_says_what_it_is_about_who_asks_and_where(language):
    for row in ROWS[language]:
        assert row.keys() == FIELDS.keys()
        for field, kind in FIELDS.items():
            assert isinstance(row[field], kind), row["key"]
            assert row[field] is False or row[field], row["key"]
        assert row["key"].startswith(f"{language}-")
        assert len(row["country"]) == 2
        assert row["country"].isupper()
    hard = sum(row["sensitive"] for row in ROWS[language])
    assert 90 <= hard <= len(ROWS[language]) - 90  # both kinds are measured by themselves
    assert len({row["topic"] for row in ROWS[language]}) >= 100


def test_no_key_and_no_text_stands_twice():
    rows = [row for own in ROWS.values() for row in own]
    for field in ("key", "text"):
        assert len({row[field] for row in rows}) == len(rows)


@pytest.mark.parametrize("language", WORKING)
def test_they_are_no_templates(language):
    pytest.importorskip("scipy", reason="scipy is not installed (part corpus)")
    texts = [row["text"] for row in ROWS[language]]
    alike = likeness(texts, texts)
    np.fill_diagonal(alike, 0)
    assert np.median(alike.max(axis=1)) < 0.3
    assert alike.max() < 0.5


@pytest.mark.parametrize("language", WORKING)
def test_they_are_not_the_seed_again(language):
    pytest.importorskip("scipy", reason="scipy is not installed (part corpus)")
    try:
        folder = source_data()
    except InputError:
        pytest.skip("the project's data is not here (RUMPUN_DATA)")
    seed = [row.text for row in read_seed(folder).rows if row.language == language]
    assert len(seed) > 500
    assert likeness([row["text"] for row in ROWS[language]], seed).max() < 0.5


def test_a_fixed_fifth_is_kept_for_thresholds():
    rows = read_prompts(FOLDER).rows
    assert len(rows) == sum(map(len, ROWS.values()))
    kept = [row.id for row in rows if row.use == "threshold"]
    for number, sha256 in KEPT_BELOW.items():
        assert told(key for key in kept if int(key.split("-")[1]) < number) == sha256
    assert all(int(key.split("-")[1]) < max(KEPT_BELOW) for key in kept)
    for language in WORKING:
        own = [row.use for row in rows if row.language == language]
        assert 0.15 < own.count("threshold") / len(own) < 0.27


def test_the_kept_fifth_reaches_no_fit_not_even_as_a_parent(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
    from rumpun.guard.thresholds import Promise
    from rumpun.guard.train import GuardParams, fitted_rows

    words = tmp_path / "lexicons"
    words.mkdir()
    (words / "common.tsv").write_text(
        "en\ttl\n" + "".join(f"{word}\tkatawan\n" for word in ORDINARY["en"].split())
    )
    params = GuardParams(
        fit=("harmful-en", "ordinary-prompts"), measure=(), prompts=str(FOLDER), lexicons=(str(words),),
        for_threshold={}, switched_languages=("tl",), switched_rows=30,
        promises=dict.fromkeys(("strict", "balanced", "permissive"), Promise(ordinary=1, sensitive=1, concern=1, category=1)),
    )  # fmt: skip
    rows = fitted_rows(params, write_data(tmp_path / "data"), 1).rows
    kept = {row.id for row in rows if row.use == "threshold" and row.source == "prompts"}
    assert told(kept) == KEPT_BELOW[max(KEPT_BELOW)]
    fitted = [row for row in rows if row.use == "fit"]
    assert not kept & {row.id for row in fitted}
    assert not {row.text for row in fitted} & {
        row["text"] for own in ROWS.values() for row in own if row["key"] in kept
    }
    switched = [row for row in fitted if row.augmented]
    assert switched
    assert not {f"prompts:{key}" for key in kept} & {row.parent for row in switched}


def test_they_are_marked_as_written_by_a_model():
    text = (FOLDER.parent / "README.md").read_text()
    for words in ("Written by a language model", "not reviewed by native speakers", "CC0-1.0"):
        assert words in text

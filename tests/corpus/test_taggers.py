"""Single taggers: toxicity's windows, quality's model, benchmarks found exactly and nearly, personal spans, languages."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_parts import artefact, documents, plain_map, run_step, whole
from made_texts import SENTENCES, document

from rumpun.corpus.tag.batch import Batch
from rumpun.corpus.tag.step import tag
from rumpun.corpus.tag.taggers import benchmarks, make
from rumpun.corpus.tag.taggers.benchmarks import hash_benchmark, read_hashes, write_hashes
from rumpun.corpus.tag.taggers.decontaminate import Decontaminate
from rumpun.corpus.tag.taggers.language import sample
from rumpun.corpus.tag.taggers.toxicity import WINDOW, windows
from rumpun.corpus.tag.train_quality import auc, train_quality
from rumpun.errors import InputError, UsageError
from rumpun.language.heads import Heads, write_heads
from rumpun.records.places import source_data

TAGS = sorted(SENTENCES)


# ---- benchmarks


def item(tag, seed):
    """One made question, long enough for a run of 13 words or 50 letters (20 Han letters)."""
    return document(tag, 10_000 + seed, 5).replace("\n", " ")


@pytest.fixture(scope="module")
def hashes(tmp_path_factory):
    path = tmp_path_factory.mktemp("hashes") / "mine.safetensors"
    made = {f"made-{tag}": [item(tag, n) for n in range(30)] for tag in TAGS}
    write_hashes(path, hash_benchmark(made))
    return path


@pytest.fixture
def tagger(hashes, tmp_path):
    return Decontaminate(data=str(tmp_path), hashes=(str(hashes),))


def asked(tagger, texts, tag="id"):
    columns = tagger.tag(Batch(texts, [tag] * len(texts)))
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*(c.to_pylist() for c in columns.values()), strict=True)
    ]


@pytest.mark.parametrize("tag", TAGS)
def test_a_copied_string_is_found_whole_inside_and_spelt_apart(tagger, tag):
    text = item(tag, 3)
    inside = document(tag, 1, 12) + "\n" + text + "\n" + document(tag, 2, 12)
    apart = (
        "  ".join(text).upper()
        if tag in ("zh", "th", "lo", "km")
        else text.replace(" ", "\n").replace(".", " –")
    )
    found = asked(tagger, [text, inside, apart, document(tag, 5, 12)[::-1]], tag)
    assert [row["decontaminate.benchmark"] for row in found[:3]] == [f"made-{tag}"] * 3
    assert found[0]["decontaminate.share"] == 1
    assert 0 < found[1]["decontaminate.share"] < 1
    assert found[1]["decontaminate.near"] == 1
    assert found[2]["decontaminate.share"] == 1
    assert found[3]["decontaminate.share"] == 0


@pytest.mark.parametrize("tag", TAGS)
def test_a_string_with_one_place_changed_is_nearly_found(tagger, tag):
    text = item(tag, 4)
    cut = len(text) // 9
    changed = (
        text[:cut]
        + {"th": "ก", "lo": "ກ", "km": "ក", "my": "က", "ta": "க", "zh": "和"}.get(tag, "x")
        + text[cut:]
    )
    found = asked(tagger, [changed], tag)[0]
    assert found["decontaminate.near"] > 0.5
    assert found["decontaminate.benchmark"] == f"made-{tag}"


def test_the_share_is_that_of_the_words_copied(tagger):
    words = item("en", 7).split()
    rest = " ".join(f"lain{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(60)).split()
    text = " ".join(rest[:30] + words + rest[30:])
    share = asked(tagger, [text], "en")[0]["decontaminate.share"]
    # runs start at every fourth word, so up to three words at the end may be missed
    assert (len(words) - 3) / (60 + len(words)) <= share <= len(words) / (60 + len(words)) + 1e-6


def test_a_long_text_is_looked_at_in_pieces(tagger, monkeypatch):
    whole = " ".join(document("id", n, 10)[::-1] for n in range(30))
    text = whole[:4_000] + " " + item("id", 9) + " " + whole[4_000:]
    at_once = asked(tagger, [text, whole])
    monkeypatch.setattr("rumpun.corpus.tag.taggers.decontaminate._PIECE", 1_500)
    monkeypatch.setattr("rumpun.corpus.tag.taggers.decontaminate._OVERLAP", 600)
    pieces = asked(tagger, [text, whole])
    assert pieces[0]["decontaminate.near"] == at_once[0]["decontaminate.near"] == 1
    assert pieces[0]["decontaminate.benchmark"] == "made-id"
    assert pieces[0]["decontaminate.share"] == pytest.approx(at_once[0]["decontaminate.share"], rel=0.7)
    assert pieces[1] == at_once[1]


@settings(max_examples=30)
@given(st.lists(st.text("abcdefgh กขคงจ你好们子 .", max_size=120), max_size=5))
def test_other_texts_are_no_benchmark(hashes, texts):
    found = asked(Decontaminate(data=str(hashes.parent), hashes=(str(hashes),)), texts)
    assert all(row["decontaminate.share"] == 0 and row["decontaminate.benchmark"] is None for row in found)


def test_only_hashes_are_stored_and_damaged_ones_are_refused(hashes, tmp_path):
    about = json.loads(hashes.with_suffix(".json").read_text())
    assert about["benchmarks"]["made-id"]["strings"] == 30
    raw = hashes.read_bytes()
    for text in (item("id", 3), item("th", 3)):
        assert text[:12].encode() not in raw
        assert text[:12] not in hashes.with_suffix(".json").read_text()
    assert np.array_equal(read_hashes(hashes).runs, np.unique(read_hashes(hashes).runs))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(raw[:200])
    broken.with_suffix(".json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"broken\.safetensors: no hashes of benchmarks"):
        read_hashes(broken)


def test_every_named_benchmark_is_told_as_known_or_not_at_hand(tmp_path):
    names = [name for name, _ in benchmarks.benchmarks()]
    assert len(names) == len(set(names)) > 60
    facts = Decontaminate(data=str(tmp_path)).facts()
    assert facts["not_at_hand"] == names
    with pytest.raises(InputError, match="no folder of benchmarks"):
        Decontaminate(data=str(tmp_path / "none")).facts()


def test_the_real_benchmarks_are_hashed_and_their_own_rows_are_found(tmp_path):
    try:
        folder = source_data()
    except InputError as error:
        pytest.skip(f"no source data: {error.message}")
    import pyarrow.parquet as pq

    small = tmp_path / "data"
    (small / "eval").mkdir(parents=True)
    for path in (folder / "eval").glob("xcopa.*.parquet"):
        pq.write_table(pq.read_table(path).slice(0, 40), small / "eval" / path.name)
    tagger = Decontaminate(data=str(small))
    prepared = make("decontaminate", {"data": str(small), "prepared": str(write(tagger, tmp_path))})
    table = pq.read_table(next((small / "eval").iterdir()))
    held = [text for text in benchmarks.strings(table) if len(text) >= 40]
    found = asked(prepared, held)
    assert {row["decontaminate.benchmark"] for row in found} == {"xcopa"}
    assert {row["decontaminate.share"] for row in found} == {1}


def write(tagger, folder):
    from rumpun.corpus.tag.taggers.decontaminate import prepare

    return prepare(tagger, folder)


# ---- toxicity


@given(st.text("ab \n", max_size=4_000), st.integers(1, 5))
def test_windows_are_few_in_order_and_reach_both_ends(text, most):
    found = windows(text, most)
    assert len(found) <= most
    assert bool(found) == bool(text.strip())
    assert all(len(window) <= WINDOW for window in found)
    if len(found) > 1:
        assert text.startswith(found[0])
        assert text.endswith(found[-1])


@pytest.fixture
def guard(tmp_path):
    """A made guard that calls a text unsafe by one n-gram."""
    from rumpun.language.ngrams import hashed

    counts = hashed(["zzzz"], buckets=4096, lengths=(3,))
    weights = np.zeros((4096, 2), np.int8)
    weights[counts.indices, 0] = 127
    facts = {"name": "made"}
    write_heads(
        tmp_path,
        "guard",
        Heads(("unsafe", "hate"), (3,), weights, np.ones(2, np.float32), np.full(2, -9, np.float32), facts),
    )
    return tmp_path


def test_a_score_is_the_largest_over_the_windows_of_the_head_unsafe(guard):
    tagger = make("toxicity", {"guard": str(guard), "windows": 3})
    plain, marked = "a b c d " * 300, "zzzz " * 100
    scores = tagger.tag(Batch([plain, plain + marked, marked, "", " \n"], ["id"] * 5))[
        "toxicity.unsafe"
    ].to_pylist()
    assert scores[1] > 0.9
    assert scores[2] > 0.9
    assert scores[0] < 0.01
    assert scores[3:] == [0, 0]
    assert tagger.facts()["guard"] == "made"


def test_the_shipped_guard_scores_ordinary_text_low():
    texts = [document(tag, n, 12) for tag in TAGS for n in range(3)]
    scores = make("toxicity").tag(Batch(texts, [""] * len(texts)))["toxicity.unsafe"].to_pylist()
    assert all(0 <= score <= 1 for score in scores)
    assert np.mean(np.array(scores) > 0.98) < 0.1


# ---- quality


def corpus_for_quality(tmp_path, count=120):
    menus = ["Beranda", "Masuk", "Daftar", "Unduh", "Bagikan", "Suka", "Harga", "Beli", "Promo", "Diskon"]
    rng = np.random.default_rng(3)
    rows = [{"text": document("id", n, 6), "source": f"good-{n % 3}"} for n in range(count)]
    rows += [{"text": " | ".join(rng.choice(menus, 20)), "source": f"rest-{n % 2}"} for n in range(count)]
    rows += [{"text": document("th", n), "language": "th", "source": "good-0"} for n in range(5)]
    return artefact(tmp_path / "documents", "documents", documents(rows))


def test_a_model_tells_named_good_texts_from_the_rest_and_says_how_well(tmp_path):
    texts = corpus_for_quality(tmp_path)
    params = {
        "positives": {"id": ["good-0", "good-1", "good-2"], "th": ["good-0"]},
        "least_documents": 20,
        "documents": 100,
        "buckets": 4096,
    }
    made = run_step(train_quality, params, [texts], tmp_path / "one")
    summary = made.manifest.summary
    assert summary["id"]["held_out"]["auc"] > 0.95
    assert summary["id"]["held_out"]["by"] == "rows"
    assert summary["id"]["positives"] == summary["id"]["rest"] == 90
    assert (summary["th"]["model"], summary["th"]["rest"]) == (False, 0)
    again = run_step(train_quality, params, [texts], tmp_path / "two")
    for name in ("id.json", "id.safetensors"):
        assert (made.folder / name).read_bytes() == (again.folder / name).read_bytes()
    tagger = make("quality", {"model": str(made.folder)})
    fresh = [document("id", 5_000 + n, 6) for n in range(10)] + [
        "Promo | Beli | Masuk | Harga | Suka | Unduh"
    ] * 2
    scores = tagger.tag(Batch([*fresh, document("th", 1)], ["id"] * 12 + ["th"]))["quality.score"].to_pylist()
    assert min(scores[:10]) > 0.5 > max(scores[10:12])
    assert scores[12] is None
    assert tagger.facts() == {"model": made.manifest.id}


def test_held_out_sources_are_measured_and_never_learnt_from(tmp_path):
    texts = corpus_for_quality(tmp_path)
    params = {
        "positives": {"id": ["good-0", "good-1", "good-2"]}, "held_out": {"id": ["good-2", "rest-1"]},
        "least_documents": 20, "documents": 100, "buckets": 4096,
    }  # fmt: skip
    summary = run_step(train_quality, params, [texts], tmp_path / "one").manifest.summary["id"]
    assert (summary["positives"], summary["rest"]) == (80, 60)
    assert (summary["held_out"]["by"], summary["held_out"]["documents"]) == ("sources", 40 + 60)
    assert summary["held_out"]["auc"] > 0.95


def test_a_model_among_the_inputs_of_tagging_is_used_and_a_missing_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("rumpun.corpus.engine.map_parts", plain_map)
    texts = corpus_for_quality(tmp_path)
    params = {
        "positives": {"id": ["good-0", "good-1", "good-2"]},
        "least_documents": 20,
        "documents": 100,
        "buckets": 4096,
    }
    model = run_step(train_quality, params, [texts], tmp_path / "model")
    rows = whole(run_step(tag, {"taggers": ["figures"]}, [texts, model], tmp_path / "tag"))
    assert [row["quality.score"] is None for row in rows] == [False] * 240 + [True] * 5
    assert (
        np.mean([row["quality.score"] for row in rows[:120]])
        > 0.7
        > 0.3
        > np.mean([row["quality.score"] for row in rows[120:240]])
    )
    assert all(0 < row["quality.score"] < 1 for row in rows[:240])
    with pytest.raises(UsageError, match="the tagger 'quality' has no model") as caught:
        run_step(tag, {"taggers": ["quality"]}, [texts], tmp_path / "none")
    assert "corpus.train_quality" in caught.value.hint


def test_a_model_without_documents_is_refused(tmp_path):
    texts = corpus_for_quality(tmp_path, 30)
    with pytest.raises(InputError, match="no language has 100 documents on both sides"):
        run_step(train_quality, {"positives": {"id": ["good-0"]}}, [texts], tmp_path / "few")
    with pytest.raises(UsageError, match="among positives and negatives"):
        run_step(
            train_quality,
            {"positives": {"id": ["a"]}, "negatives": {"id": ["a"]}},
            [texts],
            tmp_path / "both",
        )


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=9), st.lists(st.integers(-3, 3), min_size=1, max_size=9)
)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(good, rest):
    wins = sum((g > r) + (g == r) / 2 for g in good for r in rest)
    assert auc(np.array(good, float), np.array(rest, float)) == pytest.approx(wins / len(good) / len(rest))


# ---- personal and language


def test_personal_spans_are_places_in_the_text(tmp_path):
    mail = "นเรศ@example.org"
    text = "ส่งมาที่ budi.contoh@example.org ก่อนวันพุธ"
    columns = make("personal").tag(Batch([text, "Tidak ada apa-apa di sini.", mail], ["th", "id", "th"]))
    spans = columns["personal.spans"].to_pylist()
    assert "budi.contoh@example.org" in {text[span["start"] : span["end"]] for span in spans[0]}
    assert columns["personal.count"].to_pylist()[0] == 1
    assert spans[1] is None


@given(st.text("ab\n", max_size=200), st.integers(30, 60))
def test_a_sample_is_bounded_and_a_short_text_itself(text, characters):
    found = sample(text, characters)
    assert found == text if len(text) <= characters else len(found) <= characters + 2


def test_languages_are_told_by_the_text_and_by_its_lines():
    texts = [document("th", 1), document("id", 2), document("en", 3) + "\n" + document("th", 4), "12 345 !"]
    columns = make("language").tag(Batch(texts, ["th", "th", "en", ""]))
    labels, scripts = columns["language.label"].to_pylist(), columns["language.script"].to_pylist()
    lines = columns["language.lines"].to_pylist()
    assert (labels[0], scripts[0], lines[0]) == ("th", "Thai", 1)
    assert (scripts[1], lines[1]) == ("Latn", 0)
    assert 0 < lines[2] < 1
    assert (labels[3], scripts[3], lines[3]) == ("und", "", None)

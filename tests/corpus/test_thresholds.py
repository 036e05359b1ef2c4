"""Thresholds: recomputed by numpy, bounded, borrowed from sisters, and what English ones do to Thai and Khmer."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_parts import artefact, documents, plain_map, run_step, whole
from made_texts import document

from rumpun.corpus.filter.step import decide
from rumpun.corpus.filter.thresholds import Samples, check_given, derive, rules
from rumpun.corpus.tag.step import tag

RULES = {rule.name: rule for rule in rules()}
DERIVED = [rule for rule in rules() if rule.how in ("quantile", "mad")]


@pytest.fixture(autouse=True)
def _plain_engine(monkeypatch):
    monkeypatch.setattr("rumpun.corpus.engine.map_parts", plain_map)


def sampled(values, figure="figures.digit_share", tag="id", most=50_000):
    samples = Samples([figure], most)
    samples.add(tag, np.arange(len(values), dtype=np.uint64), np.array(values, dtype=np.float32)[:, None])
    return samples


def reference(rule, values):
    values = np.array(values, dtype=np.float32).astype(np.float64)
    middle = np.median(values)
    if rule.how == "mad":
        spread = rule.times * np.median(np.abs(values - middle))
        edge = middle - spread if rule.side == "low" else middle + spread
    else:
        at = np.quantile(values, rule.quantile)
        edge = at + rule.slack * (at - middle)
    return float(np.clip(edge, rule.lowest, rule.highest))


@given(st.sampled_from(DERIVED), st.lists(st.floats(0, 50, width=32), min_size=5, max_size=60))
def test_a_threshold_is_what_its_rule_says_of_the_figures(rule, values):
    found = derive(sampled(values, rule.column), ["id"], least_documents=5, given={})["id"][rule.name]
    assert found.value == pytest.approx(reference(rule, values), abs=1e-6)
    assert rule.lowest <= found.value <= rule.highest
    assert (found.how, found.of, found.documents) == (rule.how, "id", len(values))


@given(
    st.sampled_from([rule for rule in DERIVED if rule.how == "quantile"]),
    st.lists(st.floats(0, 50, width=32), min_size=20, max_size=60),
)
def test_slack_never_makes_a_threshold_stricter_than_its_quantile(rule, values):
    found = derive(sampled(values, rule.column), ["id"], least_documents=5, given={})["id"][rule.name].value
    at = np.quantile(np.array(values, dtype=np.float32).astype(np.float64), rule.quantile)
    lenient = max(at, rule.lowest) if rule.side == "high" else min(at, rule.highest)
    bounded = min(lenient, rule.highest) if rule.side == "high" else max(lenient, rule.lowest)
    assert found >= bounded - 1e-6 if rule.side == "high" else found <= bounded + 1e-6


def test_too_few_documents_ask_the_sisters_in_order_and_then_the_lenient_bound(monkeypatch):
    monkeypatch.setattr(
        "rumpun.corpus.filter.thresholds.fallback", lambda tag: {"min": ("ms", "id")}.get(tag, ())
    )
    rule = RULES["figures.digit_share"]
    samples = Samples([rule.column])
    for name, count, value in (("min", 3, 0.45), ("ms", 4, 0.4), ("id", 30, 0.3)):
        samples.add(name, np.arange(count, dtype=np.uint64), np.full((count, 1), value, dtype=np.float32))
    found = derive(samples, ["min", "id", "lo"], least_documents=20, given={})
    assert (found["min"][rule.name].of, found["min"][rule.name].documents) == ("id", 30)
    assert found["min"][rule.name].value == found["id"][rule.name].value == pytest.approx(0.3)
    assert (found["lo"][rule.name].how, found["lo"][rule.name].value) == ("otherwise", rule.otherwise)


def test_a_recipe_s_value_wins_the_language_s_own_over_that_for_all():
    given_values = {
        "all": {"figures.digit_share": 0.2, "toxicity.unsafe": 0.5},
        "th": {"figures.digit_share": 0.4},
    }
    found = derive(sampled([0.3] * 30), ["id", "th"], least_documents=20, given=given_values)
    assert [(found[tag]["figures.digit_share"].value, found[tag]["figures.digit_share"].how) for tag in ("id", "th")] == [
        (0.2, "recipe"), (0.4, "recipe"),
    ]  # fmt: skip
    assert found["th"]["toxicity.unsafe"].value == 0.5
    for wrong in ({"th": {"exact.duplicate": 1.0}}, {"th": {"nothing.such": 1.0}}):
        with pytest.raises(ValueError, match="no rule with a threshold"):
            check_given(wrong)
    with pytest.raises(ValueError, match="expected a number"):
        check_given({"all": {"figures.digit_share": float("nan")}})


def test_documents_of_few_lines_are_not_asked_for_shares_of_lines(tmp_path):
    rule = RULES["figures.ellipsis_share"]
    samples = Samples([rule.column, "figures.lines"])
    values = np.array([[1.0, 1]] * 50 + [[0.1, 9]] * 30, dtype=np.float32)
    samples.add("id", np.arange(80, dtype=np.uint64), values)
    found = derive(samples, ["id"], least_documents=20, given={})["id"][rule.name]
    assert (found.documents, found.value) == (30, rule.lowest)
    rows = [{"text": document("id", n, 30)} for n in range(30)]
    short, long = (
        "Nenek menanam jahe di belakang rumah…",
        "jahe…\nsaja\nitu…\nlalu…\nkami…\ndan…",
    )
    rows += [{"text": short, "source": "crawl"}, {"text": long, "source": "crawl"}]
    texts = artefact(tmp_path / "documents", "documents", documents(rows))
    attributes = run_step(tag, {"taggers": ["figures"]}, [texts], tmp_path / "tag")
    made = whole(
        run_step(
            decide,
            {"least_documents": 20, "trusted": {"id": ["web"]}},
            [texts, attributes],
            tmp_path / "decide",
        )
    )
    assert made[30]["kept"]
    assert "figures.ellipsis_share" in made[31]["failed"]


def test_samples_depend_on_keys_alone_and_stay_small():
    rng = np.random.default_rng(1)
    keys, values = np.arange(5_000, dtype=np.uint64), rng.random(5_000, dtype=np.float32)[:, None]
    one = Samples(["f"], 300)
    one.add("id", keys, values)
    parts = Samples(["f"], 300)
    for chosen in np.array_split(rng.permutation(5_000), 37):
        parts.add("id", keys[chosen], values[chosen])
    assert len(one.values("id", "f")) == 300
    assert np.array_equal(one.values("id", "f"), parts.values("id", "f"))
    assert abs(one.values("id", "f").mean() - 0.5) < 0.06


def test_every_rule_is_explained_and_has_its_stage():
    for rule in rules():
        assert rule.why
        assert rule.name.count(".") == 1
    assert len(RULES) == len(rules())


def gopher(text):
    """The published quality rules for English (Rae et al. 2021, table A1), as they are used on every language."""
    words = text.split()
    stop = {"the", "be", "to", "of", "and", "that", "have", "with"}
    alphabetic = sum(any(unicodedata.category(c)[0] == "L" for c in word) for word in words)
    return (
        50 <= len(words) <= 100_000
        and 3 <= sum(map(len, words)) / len(words) <= 10
        and alphabetic >= 0.8 * len(words)
        and len(stop & {word.lower().strip(".,") for word in words}) >= 2
    )


def test_english_rules_and_english_thresholds_misfire_where_the_language_s_own_do_not(tmp_path):
    rows = [
        {"text": document(tag, n, 40), "language": tag}
        for tag in ("en", "th", "km", "lo", "my")
        for n in range(60)
    ]
    texts = artefact(tmp_path / "documents", "documents", documents(rows))
    attributes = run_step(tag, {"taggers": ["figures"]}, [texts], tmp_path / "tag")
    own = run_step(decide, {"least_documents": 40}, [texts, attributes], tmp_path / "own")
    kept = {
        tag: np.mean([row["kept"] for row in whole(own) if row["language"] == tag])
        for tag in ("en", "th", "km", "lo", "my")
    }
    assert min(kept.values()) >= 0.95, kept
    published = {
        tag: np.mean([gopher(row["text"]) for row in rows if row["language"] == tag]) for tag in kept
    }
    assert published["en"] > 0.9
    assert max(published[tag] for tag in ("th", "km", "lo", "my")) == 0.0
    english = json.loads((own.folder / "thresholds.json").read_text())["thresholds"]["en"]
    borrowed = {name: item["value"] for name, item in english.items() if item["how"] in ("quantile", "mad")}
    misfired = run_step(
        decide,
        {"thresholds": dict.fromkeys(("th", "km", "lo", "my"), borrowed)},
        [texts, attributes],
        tmp_path / "en",
    )
    left = {tag: np.mean([row["kept"] for row in whole(misfired) if row["language"] == tag]) for tag in kept}
    assert left["th"] < 0.1, left  # no Thai line ends in a full stop
    assert left["lo"] < 0.1, left

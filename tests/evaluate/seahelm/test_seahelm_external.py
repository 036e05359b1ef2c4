"""Figures that a neural model gives, and log-probabilities: means, errors, and what is missing."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.score import score

KEY = "average_cumulative_probabilities"


def rows(count, **more):
    return [
        {"id": n, "label": f"teks {n}", "metadata": {"category": "ab"[n % 2]}} | more for n in range(count)
    ]


def test_metricx_is_turned_round_and_averaged() -> None:
    given_ = ["Terjemahan: satu", "Terjemahan:", None, "empat"]
    found = score("translation-en-xx", "id", rows(4), given_, external=[0, 25, 12.5, 2.5])
    assert found.values == pytest.approx([100, 0, 50, 90])
    assert found.metrics == pytest.approx(
        {"metricx_wmt24_scores": 10, "normalized_metricx_wmt24_scores": 60, "null_count": 2}
    )
    assert found.normalised == pytest.approx(60)
    assert found.answers == ("satu", "", "", "empat")
    assert found.parse_failures == 2
    assert found.at(np.array([[1, 0, 0, 3]]))["normalized_metricx_wmt24_scores"] == pytest.approx([92.5])


@pytest.mark.parametrize(
    ("task", "external", "message"),
    [
        ("translation-xx-en", None, "no figure without a MetricX-24 score"),
        ("translation-xx-en", [1, None], r"item 2 \(id 1\): no MetricX-24 score"),
        ("translation-xx-en", [1, math.nan], r"item 2 \(id 1\): no MetricX-24 score"),
        ("translation-xx-en", [1], "1 scores for 2 items"),
        ("translation-xx-en", [1, 25.5], r"item 2 \(id 1\): MetricX-24 score = 25.5, expected 0 to 25"),
        ("mt-bench-judge", None, "no figure without a judge's score"),
        ("syntax-criteria", [0.5, 50], r"judge's score = 50, expected 0 to 1"),
        ("sentiment-logprobs", None, "no figure without a log-probability"),
        ("sentiment-logprobs", [-1], "1 log-probabilities for 2 items"),
        ("sentiment-logprobs", [-1, 0.7], r"item 2 \(id 1\): log-probability = 0.7, expected 0 or less"),
    ],
)
def test_what_is_missing_is_named_and_nothing_stands_in(task, external, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        score(task, "id", rows(2), ["a", "b"], external=external)
    assert "give" in error.value.hint


@pytest.mark.parametrize(
    ("task", "language", "scale"),
    [("mt-bench-judge", "th", 1), ("kalahi-judge", "tl", 1), ("syntax-criteria", "id", 100)],
)
def test_judged_tasks(task, language, scale) -> None:
    found = score(task, language, rows(3), ["x", None, "z"], external=[1, 0.25, 0.5])
    assert found.metrics == pytest.approx(
        {"categories.a": scale * 0.75, "categories.b": scale * 0.25, "average_criteria_score": 100 * 1.75 / 3}
    )
    assert found.values == (1, 0.25, 0.5)
    assert found.parse_failures == 1
    without = score(task, language, [{"id": 1}], ["x"], external=[0.5])
    assert without.metrics == {"average_criteria_score": 50}


def by_hand(nats):
    """The five figures with the statistics module."""
    there = [x for x in nats if x is not None]
    shares = [0 if x is None else 100 * math.exp(x) for x in nats]

    def error(values):
        return math.sqrt(statistics.variance(values) / len(values)) if len(values) > 1 else 0

    return {
        "null_count": nats.count(None),
        "average_cumulative_logprobs": statistics.mean(there) if len(there) > 1 else 0,
        "clt_se_cumulative_logprobs": error(there) if len(there) > 1 else 0,
        KEY: statistics.mean(shares),
        "clt_se_cumulative_probabilities": error(shares),
    }


values = st.lists(st.one_of(st.none(), st.floats(-30, 0)), min_size=1, max_size=12)


@given(values)
def test_log_probabilities_have_the_figures_of_the_statistics_module(nats) -> None:
    found = score("sentiment-logprobs", "vi", rows(len(nats)), ["x"] * len(nats), external=nats)
    assert found.metrics == pytest.approx(by_hand(nats), abs=1e-9)
    assert found.normalised == found.metrics[KEY]
    assert found.values == pytest.approx([0 if x is None else 100 * math.exp(x) for x in nats])
    assert found.parse_failures == nats.count(None)


@settings(max_examples=40)
@given(values, st.integers(0, 2**32 - 1))
def test_log_probabilities_at_a_draw(nats, seed) -> None:
    found = score("sentiment-logprobs", "vi", rows(len(nats)), ["x"] * len(nats), external=nats)
    line = np.random.default_rng(seed).integers(0, len(nats), len(nats))
    got = found.at(np.bincount(line, minlength=len(nats))[None])
    expected = by_hand([nats[n] for n in line])
    assert {name: value[0] for name, value in got.items()} == pytest.approx(expected, abs=1e-9)


def phenomenal(pairs):
    return [
        {"id": n, "label": "A", "metadata": {"linguistic_phenomenon": x}} | more
        for n, (x, more) in enumerate(pairs)
    ]


def test_minimal_pairs_have_them_by_phenomenon_and_overall() -> None:
    nats = [math.log(0.5), math.log(0.25), None, math.log(0.75)]
    items = phenomenal([("x", {}), ("y", {}), ("x", {}), ("y", {})])
    found = score("mp-r-logprobs", "id", items, [None] * 4, external=nats)
    assert found.normalised == pytest.approx(100 * 1.5 / 4)
    assert found.metrics[f"subcategories.x.{KEY}"] == pytest.approx(25)
    assert found.metrics["subcategories.x.average_cumulative_logprobs"] == 0  # one value alone
    assert found.metrics[f"subcategories.y.{KEY}"] == pytest.approx(50)
    assert {name: value[0] for name, value in found.at(np.ones((1, 4), np.int64)).items()} == pytest.approx(
        found.metrics
    )


def test_items_of_a_pragmatics_twin_are_stored_by_phenomenon() -> None:
    nats = [math.log(p) for p in (0.1, 0.2, 0.3)]
    items = phenomenal([("presuppositions", {}), ("scalar_implicatures", {}), ("presuppositions", {})])
    found = score("pragmatic-single-logprobs", "ta", items, ["x"] * 3, external=nats)
    assert found.values == pytest.approx([10, 30, 20])  # not the rows' order: SEA-HELM's fault
    assert found.normalised is None
    assert found.metrics[f"subcategories.presuppositions.{KEY}"] == pytest.approx(20)
    assert any("not in the order" in fault for fault in found.faults)


def test_the_pragmatics_twins_pool_means_of_means() -> None:
    pair = {"prompts": [{"conclusion": "…"}]}
    items = phenomenal(
        [("scalar_implicatures", {})] * 3 + [("scalar_implicatures", pair), ("presuppositions", pair)]
    )
    nats = [math.log(p) for p in (0.1, 0.2, 0.3, 0.8, 0.6)]
    found = score("pragmatics-logprobs", "id", items, ["x"] * 5, external=nats)
    assert found.metrics[f"subcategories.scalar_implicatures.{KEY}"] == pytest.approx((20 + 80) / 2)
    assert found.normalised == pytest.approx((50 + 60) / 2)
    with pytest.raises(InputError, match="no row of the phenomenon 'presuppositions'"):
        score("pragmatics-logprobs", "id", items[:4], ["x"] * 4, external=nats[:4])

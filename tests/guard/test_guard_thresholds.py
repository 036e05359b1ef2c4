"""Thresholds keep their promises on the rows they were chosen on; calibration is logistic regression."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.guard.heads import ANY
from rumpun.guard.judgement import POINTS
from rumpun.guard.rows import Row
from rumpun.guard.thresholds import Promise, calibrate, choose

EDGE = 1e-4  # below it rows are not told apart: thresholds have five decimals


def safe(language="en", sensitive=False, unsafe=False, role="prompt", source="made"):
    return Row(text="x", unsafe=unsafe, language=language, sensitive=sensitive, source=source, licence="MIT",
               use="threshold", role=role)  # fmt: skip


def promise(share):
    return Promise(ordinary=share, sensitive=2 * share, concern=3 * share, category=share)


@st.composite
def cases(draw):
    """Safe rows with scores (spread, tied, or as high as a probability can be), and ordered promises."""
    seed, count = draw(st.integers(0, 10_000)), draw(st.integers(1, 160))
    dice = np.random.default_rng(seed)
    kinds = draw(st.sampled_from([(False,), (True,), (False, True)]))
    rows = [
        safe(str(dice.choice(["en", "th"], p=[0.7, 0.3])), bool(dice.choice(kinds))) for _ in range(count)
    ]
    logits = dice.normal(draw(st.floats(-6, 6)), draw(st.sampled_from([0.0, 1.0, 6.0])), (2, count))
    logits = np.round(logits, draw(st.sampled_from([0, 3])))
    odds = (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
    shares = sorted(draw(st.lists(st.floats(0, 0.33), min_size=3, max_size=3)), reverse=True)
    return rows, {"harm": odds[0], "hate": odds[1]}, dict(zip(POINTS, map(promise, shares), strict=True))


def reach(scores, mask, least):
    return int((scores[mask] >= least).sum())


@settings(max_examples=40)
@given(case=cases())
def test_at_most_the_promised_share_of_safe_rows_reaches_a_level(case):
    rows, scores, promises = case
    table = choose(scores, rows, promises)
    sensitive = np.array([row.sensitive for row in rows])
    every = np.ones(len(rows), bool)
    for point in POINTS:
        told = promises[point]
        first, second = table[point]["harm"][ANY]
        assert reach(scores["harm"], ~sensitive, second) <= told.ordinary * (~sensitive).sum() + 1e-9
        assert reach(scores["harm"], sensitive, second) <= told.sensitive * sensitive.sum() + 1e-9
        if first < second:
            assert reach(scores["harm"], every, first) <= told.concern * len(rows) + 1e-9
        first, second = table[point]["hate"][ANY]
        assert reach(scores["hate"], every, second) <= told.category * len(rows) + 1e-9
        if first < second:
            assert reach(scores["hate"], every, first) <= 3 * told.category * len(rows) + 1e-9


@settings(max_examples=40)
@given(case=cases())
def test_the_promise_is_used_up(case):
    """No lower threshold would do: one row more would reach it, or the rows are tied."""
    rows, scores, promises = case
    table = choose(scores, rows, promises)
    for point in POINTS:
        _, second = table[point]["hate"][ANY]
        assert reach(scores["hate"], np.ones(len(rows), bool), second - EDGE) > int(
            promises[point].category * len(rows)
        )


@settings(max_examples=40)
@given(case=cases())
def test_a_language_keeps_its_promise_within_what_its_pool_allows(case):
    """Half of a language's pool are its own rows, repeated: its share is at most about double."""
    rows, scores, promises = case
    table = choose(scores, rows, promises)
    tags = np.array([row.language for row in rows])
    sensitive = np.array([row.sensitive for row in rows])
    for language in ("en", "th"):
        own = tags == language
        assert (language in table["strict"]["harm"]) == (own.sum() >= 40)
        for point in POINTS if own.sum() >= 40 else ():
            second = table[point]["harm"][language][1]
            for kind, share in ((False, promises[point].ordinary), (True, promises[point].sensitive)):
                mine, pool = (own & (sensitive == kind)).sum(), (sensitive == kind).sum()
                if mine:
                    times = max(1, round(pool / mine))
                    most = share * (pool + times * mine) / (times + 1)
                    assert reach(scores["harm"], own & (sensitive == kind), second) <= most + 1e-9


@settings(max_examples=40)
@given(case=cases())
def test_levels_and_points_are_ordered(case):
    rows, scores, promises = case
    table = choose(scores, rows, promises)
    for head in scores:
        for language in table["strict"][head]:
            for point in POINTS:
                first, second = table[point][head][language]
                assert 0 <= first <= second
            for level in (0, 1):
                strict, balanced, permissive = (table[point][head][language][level] for point in POINTS)
                assert strict <= balanced <= permissive


def test_a_language_that_scores_higher_gets_a_higher_threshold():
    dice = np.random.default_rng(1)
    rows = [safe(tag) for tag in ("en", "th") for _ in range(200)]
    logits = dice.normal(np.repeat([-4.0, 0.0], 200), 1)
    odds = (1 / (1 + np.exp(-logits))).astype(np.float32)
    table = choose({"harm": odds}, rows, dict.fromkeys(POINTS, promise(0.05)))["balanced"]["harm"]
    assert table["en"][1] < table[ANY][1] < table["th"][1]
    for n, tag in enumerate(("en", "th")):
        assert (odds[200 * n : 200 * (n + 1)] >= table[tag][1]).mean() == pytest.approx(0.05, abs=0.03)


def test_the_promise_holds_in_a_source_that_scores_higher_than_the_mean():
    dice = np.random.default_rng(2)
    rows = [safe("th")] * 900 + [safe("th", source="exam")] * 100 + [safe("th", source="few")] * 20
    odds = (1 / (1 + np.exp(-dice.normal([-4.0] * 900 + [0.0] * 100 + [3.0] * 20, 1)))).astype(np.float32)
    table = choose({"harm": odds}, rows, dict.fromkeys(POINTS, promise(0.05)))["balanced"]["harm"]
    for language in ("th", ANY):
        assert (odds[900:1000] >= table[language][1]).sum() == 5
        assert (odds[1000:] >= table[language][1]).sum() > 1  # too few rows to promise anything of them


def test_no_safe_rows_are_no_ground_for_a_promise():
    with pytest.raises(InputError, match="no safe rows are kept for thresholds"):
        choose({"harm": np.zeros(0, np.float32)}, [], dict.fromkeys(POINTS, promise(0.1)))


def two_sides(seed, unsafe, safe_, shift, spread, apart):
    dice = np.random.default_rng(seed)
    rows = [safe("th", unsafe=True)] * unsafe + [safe("th")] * safe_
    truth = np.array([row.unsafe for row in rows])
    return dice.normal(np.where(truth, apart, -apart) + shift, spread).astype(np.float32), rows, truth


@settings(max_examples=25)
@given(
    seed=st.integers(0, 999), unsafe=st.integers(60, 300), safe_=st.integers(60, 300), shift=st.floats(-20, 20),
    spread=st.floats(1, 3), apart=st.floats(0.5, 1),
)  # fmt: skip
def test_calibration_is_logistic_regression(seed, unsafe, safe_, shift, spread, apart):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (part train)")
    from sklearn.linear_model import LogisticRegression

    logits, rows, truth = two_sides(seed, unsafe, safe_, shift, spread, apart)
    found = calibrate(logits, rows)
    assert found["th"] == found[ANY]
    a, b = found["th"]
    sides = np.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    free = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    middle = float(logits.mean())  # the solver likes small numbers
    free.fit((logits - middle)[:, None], truth, sample_weight=sides * len(rows))
    assume(free.coef_[0, 0] > 0.15)
    assert 1 / (1 + np.exp(-(a * logits + b))) == pytest.approx(
        free.predict_proba((logits - middle)[:, None])[:, 1], abs=0.03
    )


@pytest.mark.parametrize(
    ("shift", "spread", "apart"),
    [(8, 1, 1), (-20, 1, 1), (0, 10, 0), (-20, 1, -10), (8, 1, -5), (30, 0.1, 20)],
)
def test_calibration_stays_at_ease_far_from_where_it_begins(shift, spread, apart):
    logits, rows, truth = two_sides(3, 60, 60, shift, spread, apart)
    a, b = calibrate(logits, rows)["th"]
    assert 0.05 <= a < 5
    odds = 1 / (1 + np.exp(-(a * logits + b)))
    assert 0.3 < odds.mean() < 0.7
    if apart > 0:
        assert ((odds > 0.5) == truth).mean() > 0.8


def test_too_few_rows_leave_the_logits_as_they_are_and_answers_count_for_nothing():
    logits, rows, _ = two_sides(3, 60, 39, 5, 1, 1)
    assert calibrate(logits, rows) == {ANY: (1.0, 0.0)}
    answers = [safe("th", role="answer")] * 60
    assert calibrate(np.concatenate([logits, np.full(60, 9, np.float32)]), rows + answers) == {
        ANY: (1.0, 0.0)
    }

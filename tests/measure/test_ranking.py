"""Rankings against scikit-learn, against counting by hand, and at their edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.measure.ranking import auprc, f1, recall_at, resampled

# few different values, so that ties are common
scores = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30).map(np.asarray)


@given(scores, scores)
def test_auprc_is_scikit_learns_average_precision(positive, negative) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    truth = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    expected = metrics.average_precision_score(truth, np.concatenate([positive, negative]))
    assert auprc(positive, negative) == pytest.approx(expected, abs=1e-12)


@given(scores, scores, st.permutations(range(8)))
def test_auprc_knows_order_alone(positive, negative, draw) -> None:
    assert auprc(positive, negative) == auprc(np.exp(positive), np.exp(negative))
    assert auprc(np.sort(positive), negative) == auprc(positive, negative)


def test_auprc_at_its_edges() -> None:
    one, none = np.asarray([2.0, 3.0]), np.asarray([0.0, 1.0])
    assert auprc(one, none) == 1
    assert auprc(none, one) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert auprc(np.zeros(3), np.zeros(9)) == pytest.approx(0.25)  # all tied: chance
    assert auprc(np.asarray([-np.inf]), np.asarray([-np.inf, -np.inf, -np.inf])) == pytest.approx(0.25)


@given(scores, scores, st.floats(0, 1))
def test_recall_is_the_best_that_the_false_alarms_allow(positive, negative, share) -> None:
    """By trying every threshold there is."""
    allowed = int(share * len(negative))
    thresholds = [-np.inf, *negative, *positive]
    possible = [(positive > t).mean() for t in thresholds if (negative > t).sum() <= allowed]
    assert recall_at(positive, negative, share) == pytest.approx(max(possible))


def test_recall_grows_with_the_share() -> None:
    draw = np.random.default_rng(0)
    positive, negative = draw.normal(1, 1, 200), draw.normal(0, 1, 300)
    found = [recall_at(positive, negative, share) for share in (0, 0.01, 0.05, 0.5, 1)]
    assert found == sorted(found)
    assert found[-1] == 1


@pytest.mark.parametrize("figure", [auprc, lambda p, n: recall_at(p, n, 0.1)])
def test_an_empty_side_is_refused(figure) -> None:
    with pytest.raises(ValueError, match="0 positives, 2 negatives"):
        figure(np.asarray([]), np.zeros(2))
    with pytest.raises(ValueError, match="2 positives, 0 negatives"):
        figure(np.zeros(2), np.asarray([]))


@pytest.mark.parametrize(("counts", "expected"), [((3, 1, 2), 2 * 0.75 * 0.6 / 1.35), ((0, 5, 0), 0), ((0, 0, 0), 0), ((4, 0, 0), 1)])  # fmt: skip
def test_f1_is_the_harmonic_mean(counts, expected) -> None:
    assert f1(*counts) == pytest.approx(expected)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """The share of positives above zero, whose truth is 0.5: 95 % intervals of 40 rows, 60 times."""

    def above(positive, _):
        return float((positive > 0).mean())

    draw = np.random.default_rng(1)
    held = 0
    for n in range(60):
        low, high = resampled(above, draw.normal(size=40), np.zeros(3), draws=200, seed=n)
        held += low <= 0.5 <= high
    assert 50 <= held <= 60
    assert resampled(above, np.arange(9.0), np.zeros(3), seed=3) == resampled(
        above, np.arange(9.0), np.zeros(3), seed=3
    )

"""Draws as counts, the fast way for outcomes, and intervals of figures: properties, scipy's BCa, and coverage."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.measure.draws import draw_counts, figure_interval, outcome_counts

labels = st.lists(st.sampled_from(["a", "b", 3, None, ("x", 1)]), min_size=1, max_size=30)


def together(items, draws, **options) -> np.ndarray:
    return np.concatenate(list(draw_counts(items, draws, **options)))


def cells(truth, right):
    """Counts -> balanced accuracy and F1 of the rare class, from the four cells of the table."""
    kinds = np.stack([truth & right, truth & ~right, ~truth & right, ~truth & ~right], axis=1).astype(float)

    def at(counts):
        found, missed, passed, false = (counts.astype(float) @ kinds).T
        with np.errstate(invalid="ignore"):
            balanced = (found / (found + missed) + passed / (passed + false)) / 2
        return {"balanced": balanced, "f1": 2 * found / (2 * found + missed + false)}

    return at


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 40), st.integers(0, 2**32))
def test_draws_are_of_all_items_and_the_same_in_any_blocks(items, draws, block, seed) -> None:
    whole = together(items, draws, seed=seed)
    assert whole.shape == (draws, items)
    assert whole.dtype == np.int64
    assert (whole.sum(axis=1) == items).all()
    assert whole.min() >= 0
    assert (together(items, draws, seed=seed, block=block) == whole).all()


@given(labels, st.integers(0, 2**32))
def test_clusters_are_drawn_whole(clusters, seed) -> None:
    drawn = together(len(clusters), 20, clusters=clusters, seed=seed)
    first = {cluster: n for n, cluster in reversed(list(enumerate(clusters)))}
    for n, cluster in enumerate(clusters):
        assert (drawn[:, n] == drawn[:, first[cluster]]).all()
    assert (drawn[:, list(first.values())].sum(axis=1) == len(first)).all()


def test_every_item_is_drawn_as_often_as_the_others() -> None:
    drawn = together(7, 20_000, seed=2)
    # Poisson-like counts: mean 1, variance 6/7, covariance -1/7
    assert drawn.mean(axis=0) == pytest.approx(np.ones(7), abs=0.03)
    assert np.cov(drawn.T) == pytest.approx(np.eye(7) - 1 / 7, abs=0.03)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 3), st.integers(0, 2**32))
def test_outcomes_that_no_item_has_are_never_drawn(codes, more, seed) -> None:
    found = outcome_counts(np.array(codes), 15, outcomes=max(codes) + 1 + more, seed=seed)
    assert found.shape == (15, max(codes) + 1 + more)
    assert (found.sum(axis=1) == len(codes)).all()
    assert (found[:, [n for n in range(found.shape[1]) if n not in codes]] == 0).all()


def test_outcomes_have_the_plain_bootstraps_error_in_a_fraction_of_its_time(capsys) -> None:
    """F1 of 1,000 items: 100,000 draws, promised in 0.1 s of a free core; the standard error within 2 %."""
    chance = np.random.default_rng(5)
    truth = chance.random(1_000) < 0.3
    right = chance.random(1_000) < np.where(truth, 0.6, 0.9)
    codes = np.where(truth, np.where(right, 0, 1), np.where(right, 2, 3))

    def f1(counts):
        return 2 * counts[:, 0] / (2 * counts[:, 0] + counts[:, 1] + counts[:, 3])

    times = []
    for _ in range(5):
        start = time.perf_counter()
        fast = f1(outcome_counts(codes, 100_000))
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    plain = np.concatenate(
        [cells(truth, right)(counts)["f1"] for counts in draw_counts(1_000, 20_000, seed=1)]
    )
    slow = (time.perf_counter() - start) * 5  # for as many draws
    with capsys.disabled():
        print(
            f"\n100,000 draws of F1 at n = 1,000: {min(times):.3f} s by outcomes, {slow:.2f} s item by item"
        )
    assert fast.std() == pytest.approx(plain.std(), rel=0.02)
    assert fast.mean() == pytest.approx(plain.mean(), abs=0.05 * plain.std())
    assert min(times) < slow / 15
    assert min(times) < 0.3  # shared machines: three times the promise


def test_a_figure_of_item_sums_takes_seconds_for_100_000_draws() -> None:
    """The shape of corpus chrF: ratios of sums of 18 statistics of each item, worked out of blocks of counts."""
    sums = np.random.default_rng(0).integers(1, 50, (200, 18)).astype(float)

    def at(counts):
        drawn = counts.astype(float) @ sums
        return {"figure": (drawn[:, :6] / drawn[:, 6:12] + drawn[:, :6] / drawn[:, 12:]).mean(axis=1)}

    start = time.perf_counter()
    assert figure_interval(at, 200, draws=100_000)["figure"] is not None
    assert time.perf_counter() - start < 5


def test_the_interval_is_scipys_bca_at_the_wider_level() -> None:
    """An independent BCa; the level is the one that Student's t with 39 degrees of freedom asks for."""
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed (make dev)")
    values = np.random.default_rng(3).exponential(size=40)
    found = figure_interval(lambda counts: {"mean": counts @ values / 40}, 40, draws=40_000)["mean"]
    level = 2 * stats.norm.cdf(stats.t.ppf(0.975, 39) * np.sqrt(40 / 39)) - 1
    expected = stats.bootstrap(
        (values,), np.mean, confidence_level=level, n_resamples=40_000, method="BCa", rng=1
    ).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), abs=0.02 * (expected.high - expected.low))


@pytest.mark.parametrize(
    ("items", "rare", "right"),
    [
        (200, 0.3, (0.7, 0.8)),
        (200, 0.2, (0.6, 0.85)),
    ],
)
def test_balanced_accuracy_and_f1_are_held_as_often_as_promised(items, rare, right) -> None:
    """Seen with 4,000 sets each: 0.952 to 0.957 for balanced accuracy, 0.947 to 0.954 for F1."""
    chance, sets = np.random.default_rng(items), 2_000
    found = rare * right[0]
    expected = {
        "balanced": sum(right) / 2,
        "f1": 2 * found / (found + rare + (1 - rare) * (1 - right[1])),
    }
    held = dict.fromkeys(expected, 0)
    for number in range(sets):
        truth = chance.random(items) < rare
        answers = chance.random(items) < np.where(truth, *right)
        ends = figure_interval(cells(truth, answers), items, draws=999, seed=number)
        for name, figure in expected.items():
            held[name] += ends[name][0] <= figure <= ends[name][1]
    for name in expected:
        assert 0.94 <= held[name] / sets <= 0.96, (name, held[name] / sets)


def test_a_ratio_over_thirty_unequal_clusters_is_held_as_often_as_promised() -> None:
    """Seen with 4,000 sets: 0.955."""
    chance, sets, held = np.random.default_rng(4), 2_000, 0
    for number in range(sets):
        sizes = chance.integers(1, 11, 30)
        clusters = np.repeat(np.arange(30), sizes)
        lengths = np.round(np.exp(chance.normal(3, 0.5, len(clusters)))).astype(int)
        hits = chance.binomial(lengths, chance.beta(0.7, 0.3, 30)[clusters])
        low, high = figure_interval(
            lambda counts, hits=hits, lengths=lengths: {"share": counts @ hits / (counts @ lengths)},
            len(clusters),
            clusters=clusters.tolist(),
            draws=999,
            seed=number,
        )["share"]
        held += low <= 0.7 <= high
    assert 0.94 <= held / sets <= 0.96


def test_more_clusters_than_are_left_out_one_by_one() -> None:
    """2,500 items are left out in a thousand groups: the same interval as one by one gives, but for chance."""
    values = np.random.default_rng(6).exponential(size=2_500)
    low, high = figure_interval(lambda counts: {"mean": counts @ values / counts.sum(axis=1)}, 2_500)["mean"]
    reach = 1.96 * values.std() / 50
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.15 * reach)


def test_what_has_no_interval_is_none() -> None:
    def at(counts):
        return {"share": counts.mean(axis=1), "nothing": np.full(len(counts), np.nan)}

    assert figure_interval(at, 1) == {"share": None, "nothing": None}
    assert figure_interval(at, 5, clusters=["a"] * 5) == {"share": None, "nothing": None}
    assert figure_interval(at, 5)["nothing"] is None
    assert figure_interval(at, 5)["share"] == (1, 1)


def test_draws_without_a_figure_are_left_out() -> None:
    """Two items of a class among twenty: draws without either have no balanced accuracy."""
    truth = np.arange(20) < 2
    right = np.arange(20) % 2 == 0
    found = figure_interval(cells(truth, right), 20)["balanced"]
    assert found is not None
    assert 0 <= found[0] < 0.5 < found[1] <= 1


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(1).random(30)

    def ends(seed, clusters=None):
        return figure_interval(
            lambda counts: {"sum": counts @ values}, 30, clusters=clusters, draws=500, seed=seed
        )

    assert ends(1) == ends(1) != ends(2)
    assert ends(1, [n // 3 for n in range(30)]) == ends(1, [f"source {n // 3}" for n in range(30)])


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match="clusters of 2 items, values of 3"):
        next(draw_counts(3, 5, clusters=["a", "b"]))
    with pytest.raises(InputError, match="no items"):
        next(draw_counts(0, 5))
    with pytest.raises(InputError, match="no items"):
        outcome_counts(np.zeros(0, int), 5)
    with pytest.raises(InputError, match="coded from -1 to 2"):
        outcome_counts(np.array([-1, 2]), 5)
    with pytest.raises(InputError, match="coded from 0 to 2"):
        outcome_counts(np.array([0, 2]), 5, outcomes=2)

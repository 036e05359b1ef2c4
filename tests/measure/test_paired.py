"""Paired comparisons against scipy, by brute force, at published values, and as often right as they promise."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.measure.paired import _mcnemar, _tango, holm, paired

Z95 = 1.959963984540054


def table(both: int, ours: int, theirs: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong of two models, by how many items each got."""
    counts = [both, ours, theirs, neither]
    return np.repeat([1.0, 1.0, 0.0, 0.0], counts), np.repeat([1.0, 0.0, 1.0, 0.0], counts)


def clustered(chance, clusters, sizes, gain=0.0):
    """(model, against, clusters): right or wrong; items of a cluster are alike in how hard and in how much is gained."""
    own = np.repeat(np.arange(clusters), sizes(chance, clusters))
    hard = chance.normal(0, 1, clusters)[own] + chance.normal(0, 1, len(own))
    apart = chance.normal(0, 0.5, clusters)[own] + gain / 2
    noise = chance.normal(0, 0.7, (2, len(own)))
    return (hard + apart + noise[0] > 0) * 1.0, (hard - apart + noise[1] > 0) * 1.0, own.tolist()


def test_pairs_see_what_strangers_do_not() -> None:
    """220 items: 138 and 120 right, p = 0.008; as two independent shares, p = 0.080."""
    model, against = table(108, 30, 12, 70)
    found = paired(model, against)
    assert round(found.p, 3) == 0.008
    assert found.test == "McNemar exact"
    assert (found.items, found.clusters, found.left_out) == (220, 220, 0)
    assert found.difference == pytest.approx(18 / 220)
    low, high = found.interval or (0, 0)
    assert 0.02 < low < 18 / 220 < high < 0.15
    error = math.sqrt(sum(x.mean() * (1 - x.mean()) for x in (model, against)) / 220)
    assert round(math.erfc(found.difference / error / math.sqrt(2)), 3) == 0.080


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_binomial_test(gains, losses) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed (make dev)")
    expected = stats.binomtest(gains, gains + losses).pvalue if gains + losses else 1
    assert _mcnemar(gains, losses) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 8), st.integers(0, 5), st.integers(0, 5), st.integers(0, 8))
def test_mcnemar_is_the_sign_flip_test_of_right_and_wrong(both, ours, theirs, neither) -> None:
    model, against = table(both, ours, theirs, neither)
    if not len(model):
        return
    other = paired(model + 0.25, against + 0.25)  # no longer 0 and 1: the general test
    assert other.test == "sign-flip permutation of items, exact"
    assert paired(model, against).p == pytest.approx(other.p)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=9), st.integers(1, 3))
def test_few_signs_are_all_turned(values, size) -> None:
    """By hand over all turns of all clusters; ties are common."""
    model = np.repeat(values, size) * 0.1
    clusters = np.repeat(np.arange(len(values)), size).tolist()
    found = paired(model, np.zeros(len(model)), clusters=clusters)
    turns = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in itertools.product((-1, 1), repeat=len(values))]  # fmt: skip
    assert found.p == pytest.approx(np.mean([turn >= abs(sum(values)) for turn in turns]))
    assert found.clusters == len(values)


def test_many_signs_are_drawn_and_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed (make dev)")
    chance = np.random.default_rng(2)
    model, against = chance.beta(3, 2, 60), chance.beta(2.6, 2, 60)
    found = paired(model, against, draws=40_000)
    assert found.test == "sign-flip permutation of items"
    expected = stats.permutation_test(
        (model, against),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=40_000,
        rng=1,
    ).pvalue
    assert found.p == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) * 2 / 40_000))
    assert found.p == paired(model, against, draws=40_000).p != paired(model, against, draws=40_000, seed=1).p


def test_p_is_never_zero() -> None:
    model = np.random.default_rng(3).random(50)
    assert paired(model + 1, model, draws=999).p == 1 / 1_000


def test_tangos_interval_is_where_the_score_test_stops() -> None:
    """The share of losses that the score test needs, found by trying all of them."""
    shares = np.linspace(1e-6, 0.5, 200_001)
    for gains, losses, items in ((30, 12, 220), (3, 0, 40), (0, 0, 25), (1, 9, 30)):
        low, high = _tango(gains, losses, items, Z95)
        for end in (low, high):
            tried = shares[(shares + end > 0) & (2 * shares + end < 1)]
            likely = (
                gains * np.log(tried + end)
                + losses * np.log(tried)
                + (items - gains - losses) * np.log(1 - 2 * tried - end)
            )
            share = tried[np.argmax(likely)]
            off = (gains - losses - items * end) / math.sqrt(items * (2 * share + end - end**2))
            assert abs(off) == pytest.approx(Z95, abs=2e-3)
        assert low < (gains - losses) / items < high


def test_tangos_interval_is_the_published_one() -> None:
    # Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33: 21 children before and after a transplantation
    assert _tango(1, 7, 21, Z95) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("items", [50, 200])
@pytest.mark.parametrize(("share", "gain"), [(0.2, 0.0), (0.2, 0.1), (0.3, 0.05)])
def test_differences_of_right_and_wrong_are_held_as_often_as_promised(items, share, gain) -> None:
    chance, sets, held = np.random.default_rng(items), 20_000, 0
    odds = [(share + gain) / 2, (share - gain) / 2, 1 - share]
    tables, times = np.unique(chance.multinomial(items, odds, sets), axis=0, return_counts=True)
    for (gains, losses, _), often in zip(tables.tolist(), times.tolist(), strict=True):
        low, high = _tango(gains, losses, items, Z95)
        held += often * (low <= gain <= high)
    assert 0.94 <= held / sets <= 0.96


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(lambda c, n: c.integers(1, 11, n), id="1 to 10 items"),
        pytest.param(lambda c, n: c.geometric(0.2, n), id="very unequal"),
    ],
)
def test_differences_over_clusters_are_held_and_equal_models_told_apart_as_promised(sizes) -> None:
    """Seen with 4,000 sets each of 30 and 60 clusters: 0.944 to 0.950 held, 0.034 to 0.042 wrongly told apart."""
    chance, sets, held, wrong = np.random.default_rng(7), 3_000, 0, 0
    for number in range(sets):
        model, against, clusters = clustered(chance, 40, sizes)
        found = paired(model, against, clusters=clusters, draws=199, seed=number)
        held += found.interval[0] <= 0 <= found.interval[1]
        wrong += found.p <= 0.05
    assert found.test == "sign-flip permutation of clusters"
    assert 0.94 <= held / sets <= 0.96
    assert 0.025 <= wrong / sets <= 0.055


def test_clusters_taken_as_items_would_tell_equal_models_apart() -> None:
    """Why clusters are asked for: the same answers without them err far more often than 5 in 100."""
    chance, wrong = np.random.default_rng(8), 0
    for _ in range(400):
        model, against, _ = clustered(chance, 30, lambda c, n: c.integers(5, 20, n))
        wrong += paired(model, against).p <= 0.05
    assert wrong / 400 > 0.09


def test_differences_of_runs_are_held_as_often_as_promised() -> None:
    """Five runs against three of the same 60 items; seen with 4,000 sets: 0.954."""
    chance, sets, held = np.random.default_rng(9), 3_000, 0
    for number in range(sets):
        odds = np.repeat(chance.beta(1, 1, (60, 1)), 5, axis=1)
        found = paired(
            chance.binomial(1, odds) * 1.0, chance.binomial(1, odds[:, :3]) * 1.0, draws=99, seed=number
        )
        held += found.interval[0] <= 0 <= found.interval[1]
    assert 0.94 <= held / sets <= 0.96


@given(st.integers(0, 2**32), st.booleans())
def test_the_other_way_round_turns_the_sign(seed, whole) -> None:
    chance = np.random.default_rng(seed)
    model, against = chance.random((2, 20))
    if whole:
        model, against = np.round(model), np.round(against)
    there, back = paired(model, against, draws=300), paired(against, model, draws=300)
    assert back.difference == pytest.approx(-there.difference)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]), abs=1e-9)
    assert back.p == pytest.approx(there.p)


@given(st.integers(0, 2**32))
def test_what_either_lacks_is_left_out_and_counted(seed) -> None:
    chance = np.random.default_rng(seed)
    model, against = chance.integers(0, 2, (2, 30)).astype(float)
    clusters = chance.integers(0, 8, 30)
    holes = chance.random((2, 30)) < 0.2
    holes[:, 0] = False
    kept = ~holes.any(axis=0)
    found = paired(
        np.where(holes[0], np.nan, model), np.where(holes[1], np.nan, against), clusters=clusters.tolist()
    )
    expected = paired(model[kept], against[kept], clusters=clusters[kept].tolist())
    assert found.left_out == 30 - kept.sum()
    assert (found.items, found.clusters) == (kept.sum(), len(set(clusters[kept])))
    assert (found.p, found.difference) == pytest.approx((expected.p, expected.difference))
    assert found.interval == pytest.approx(expected.interval)


def test_equal_models() -> None:
    model, _ = table(30, 0, 0, 20)
    found = paired(model, model)
    assert (found.difference, found.p) == (0, 1)
    low, high = found.interval
    assert low == pytest.approx(-high)  # equal on 50 items is not equal
    assert 0.05 < high < 0.1
    scores = np.random.default_rng(1).random(50)
    found = paired(scores, scores)
    assert (found.difference, found.p, found.interval) == (0, 1, (0, 0))


def test_one_cluster_has_no_interval_and_no_verdict() -> None:
    found = paired(np.ones(5), np.zeros(5), clusters=["a"] * 5)
    assert (found.interval, found.p, found.clusters) == (None, 1, 1)


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_rejects_what_the_step_by_step_rule_rejects(p) -> None:
    adjusted = holm(p)
    assert list(adjusted) == list(p)
    for level in (0.01, 0.05, 0.3):
        left, rejected = sorted(p, key=p.__getitem__), set()
        while left and p[left[0]] * len(left) <= level:
            rejected.add(left.pop(0))
        assert {name for name, value in adjusted.items() if value <= level} == rejected
    assert all(p[name] <= adjusted[name] <= 1 for name in p)


def test_holm_by_hand() -> None:
    assert holm({"id": 0.01, "ms": 0.04, "th": 0.03, "vi": 0.005}) == pytest.approx(
        {"id": 0.03, "ms": 0.06, "th": 0.06, "vi": 0.02}
    )
    with pytest.raises(InputError, match="p of th is nan"):
        holm({"th": math.nan})


@pytest.mark.parametrize(
    ("model", "against", "options", "words"),
    [
        ([1.0, 0.0], [1.0], {}, "2 items of one model, 1 of the other"),
        ([1.0, math.nan], [math.nan, 1.0], {}, "no item has a value from both models"),
        ([1.0, 0.0], [1.0, 0.0], {"clusters": ["a"]}, "clusters of 1 items, values of 2"),
        ([1.0, math.inf], [1.0, 0.0], {}, "item 1: its value is infinite"),
    ],
)
def test_what_does_not_fit_is_named(model, against, options, words) -> None:
    with pytest.raises(InputError, match=words):
        paired(np.array(model), np.array(against), **options)

"""What a comparison can see: the promise made before a run is kept by the tests made after it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.measure.paired import holm, paired
from rumpun.measure.power import (
    DISCORDANT,
    SPREAD,
    detectable,
    spread_of,
    suite_detectable,
    variance_parts,
)


@pytest.mark.parametrize(("items", "share"), [(100, 0.2), (200, 0.1), (500, 0.2), (1_000, DISCORDANT)])
def test_mcnemars_test_finds_the_difference_in_about_80_of_100_cases(items, share) -> None:
    """At the level 0.05; the exact test pays a little power for never erring more often than it says."""
    effect = detectable(items, spread=math.sqrt(share))
    chance, sets = np.random.default_rng(items), 20_000
    odds = [(share + effect) / 2, (share - effect) / 2, 1 - share]
    tables, times = np.unique(chance.multinomial(items, odds, sets), axis=0, return_counts=True)
    found = 0
    for (gains, losses, _), often in zip(tables.tolist(), times.tolist(), strict=True):
        model = np.concatenate([np.ones(gains), np.zeros(items - gains)])
        against = np.concatenate([np.zeros(gains), np.ones(losses), np.zeros(items - gains - losses)])
        found += often * (paired(model, against).p <= 0.05)
    assert 0.77 <= found / sets <= 0.83


def test_scores_and_runs_are_found_in_about_80_of_100_cases() -> None:
    """Two runs against two of 60 items; the spread from variances of the differences that were measured before."""
    chance, items, sets = np.random.default_rng(2), 60, 2_000

    def differences(count, runs, gain):
        return gain + 0.1 * chance.normal(size=(count, 1)) + 0.2 * chance.normal(size=(count, runs))

    between, within = variance_parts(differences(2_000, 3, 0))
    assert (between, within) == pytest.approx((0.01, 0.04), rel=0.15)
    effect = detectable(items, spread=math.sqrt(between + within / 2))
    found = sum(
        paired(0.5 + differences(items, 2, effect), np.full(items, 0.5), draws=999, seed=n).p <= 0.05
        for n in range(sets)
    )
    assert 0.77 <= found / sets <= 0.83


def test_clusters_are_found_in_about_80_of_100_cases() -> None:
    """40 texts with 1 to 10 questions each: the spread is that of an earlier run over many more."""
    chance, sets = np.random.default_rng(3), 2_000

    def run(clusters, gain):
        own = np.repeat(np.arange(clusters), chance.integers(1, 11, clusters))
        apart = gain + 0.2 * chance.normal(size=clusters)[own] + 0.3 * chance.normal(size=len(own))
        return apart, np.zeros(len(own)), own.tolist()

    model, against, own = run(3_000, 0)
    spread = spread_of(model, against, clusters=own)
    assert spread > 1.2 * spread_of(model, against)
    effect = detectable(220, spread=spread, clusters=40)
    found = 0
    for number in range(sets):
        model, against, own = run(40, effect)
        found += paired(model, against, clusters=own, draws=499, seed=number).p <= 0.05
    assert 0.77 <= found / sets <= 0.83


def test_a_suite_is_found_in_about_80_of_100_cases() -> None:
    """The mean of three tasks of unlike size and spread, by the weighed test that the docstring names."""
    chance, sets = np.random.default_rng(4), 2_000
    tasks = [(50, 0.3), (120, 0.5), (200, 0.2)]
    effect = suite_detectable(tasks)
    weights = np.concatenate([np.full(items, 370 / 3 / items) for items, _ in tasks])
    spreads = np.concatenate([np.full(items, spread) for items, spread in tasks])
    found = 0
    for number in range(sets):
        gains = effect + spreads * chance.normal(size=370)
        outcome = paired(weights * gains, np.zeros(370), draws=499, seed=number)
        found += outcome.p <= 0.05
    task_means = [part.mean() for part in np.split(gains, [50, 170])]
    assert outcome.difference == pytest.approx(np.mean(task_means))
    assert 0.77 <= found / sets <= 0.83


def test_several_languages_are_found_after_holm() -> None:
    """Eleven languages, one of which gained: each must stand the strictest of Holm's steps."""
    chance, items, sets = np.random.default_rng(5), 150, 2_000
    effect = detectable(items, spread=0.4, comparisons=11)
    assert effect > 1.2 * detectable(items, spread=0.4)
    found = 0
    for number in range(sets):
        gains = 0.4 * chance.normal(size=items) + effect
        p = {"th": paired(gains, np.zeros(items), draws=1_999, seed=number).p}
        p |= {f"other {n}": 1.0 for n in range(10)}
        found += holm(p)["th"] <= 0.05
    assert 0.76 <= found / sets <= 0.83


def test_figures_by_hand() -> None:
    # (1.96 + 0.8416) * sqrt(0.2) / sqrt(n), Student's quantiles being nearly the normal ones
    assert detectable(10_000) == pytest.approx(2.8016 * math.sqrt(0.2) / 100, rel=1e-3)
    assert suite_detectable([(10_000, SPREAD)] * 16) == pytest.approx(detectable(10_000) / 4, rel=1e-3)
    assert suite_detectable([(500, 0.3)]) == detectable(500, spread=0.3)
    assert detectable(500, spread=0.0) == 0


@given(st.integers(2, 5_000), st.floats(0.01, 3), st.floats(0.55, 0.99), st.integers(1, 20))
def test_more_items_see_more_and_more_questions_less(items, spread, power, comparisons) -> None:
    seen = detectable(items, spread=spread, power=power, comparisons=comparisons)
    assert 0 < detectable(4 * items, spread=spread, power=power, comparisons=comparisons) <= seen / 2
    assert detectable(items, spread=spread, power=power, comparisons=comparisons + 1) > seen
    assert detectable(items, spread=spread, power=power + 0.005, comparisons=comparisons) > seen
    assert detectable(items, spread=2 * spread, power=power, comparisons=comparisons) == pytest.approx(
        2 * seen
    )
    assert detectable(5 * items, spread=spread, clusters=items) > detectable(5 * items, spread=spread)


def test_the_spread_of_right_and_wrong_is_the_root_of_what_differs() -> None:
    model = np.repeat([1.0, 0.0, 1.0], [20, 20, 160])
    against = np.repeat([0.0, 1.0, 1.0], [20, 20, 160])
    assert spread_of(model, against) == pytest.approx(math.sqrt(0.2 * 200 / 199))
    assert spread_of(np.append(model, np.nan), np.append(against, 1.0)) == spread_of(model, against)


@given(st.integers(2, 12), st.integers(2, 5), st.integers(0, 2**32))
def test_variance_parts_of_alike_numbers_of_runs(items, runs, seed) -> None:
    values = np.random.default_rng(seed).normal(size=(items, runs))
    between, within = variance_parts(values)
    assert within == pytest.approx(values.var(axis=1, ddof=1).mean())
    assert between == pytest.approx(max(0.0, values.mean(axis=1).var(ddof=1) - within / runs))


def test_variance_parts_are_right_on_average_where_runs_failed() -> None:
    chance = np.random.default_rng(6)
    found = []
    for _ in range(1_500):
        values = 2 * chance.normal(size=(30, 1)) + chance.normal(size=(30, 4))
        holes = chance.random((30, 4)) < 0.4
        found.append(variance_parts(np.where(holes, np.nan, values)))
    assert np.mean(found, axis=0) == pytest.approx([4, 1], rel=0.03)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: detectable(1), r"1 tasks with \[1\] items or clusters"),
        (lambda: detectable(50, clusters=1), r"1 tasks with \[1\] items or clusters"),
        (lambda: suite_detectable([]), "0 tasks"),
        (lambda: suite_detectable([(5, 0.1)], clusters=[5, 5]), "1 tasks with"),
        (lambda: suite_detectable([(5, 0.1), (5, math.nan)]), "task 1: its spread is nan"),
        (lambda: detectable(50, spread=-0.1), "task 0: its spread is -0.1"),
        (lambda: spread_of(np.ones(3), np.zeros(3), clusters=["a"] * 3), "one cluster"),
        (lambda: variance_parts(np.ones(3)), r"values of shape \(3,\)"),
        (lambda: variance_parts(np.ones((3, 1))), "3 items with 3 values"),
        (lambda: variance_parts(np.array([[1.0, 2.0], [np.nan, np.nan]])), "1 items with 2 values"),
    ],
)
def test_what_does_not_fit_is_named(call, words) -> None:
    with pytest.raises(InputError, match=words):
        call()

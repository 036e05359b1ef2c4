"""What a comparison can see before it is run: the least difference that `paired` finds most of the time.

How much the differences of two models spread is taken from earlier runs (`spread_of`) or assumed: `SPREAD`.
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from rumpun.errors import InputError
from rumpun.measure.draws import CLUSTERS_MIN, Floats
from rumpun.measure.paired import differences
from rumpun.measure.student import student

__all__ = ["DISCORDANT", "SPREAD", "detectable", "spread_of", "suite_detectable", "variance_parts"]

DISCORDANT = (
    0.2  # share of items that one model alone gets right, where nothing is known: 42 of 220 in `paired`
)
SPREAD = math.sqrt(DISCORDANT)  # of differences -1, 0 and 1 that are nearly as often above zero as below


def detectable(
    items: int,
    *,
    spread: float = SPREAD,
    power: float = 0.8,
    alpha: float = 0.05,
    comparisons: int = 1,
    clusters: int | None = None,
) -> float:
    """The least difference of means that `paired` finds with this power, in the unit of the spread.

    The error of the mean times Student's quantiles of alpha and of the power (Lachin 1981), which falls within 3
    hundredths of the asked power for 100 items of right or wrong and more, and for scores (tests/measure/test_power.py).

    Args:
        items: that both models will have a value of.
        spread: the standard error of the mean difference times the root of the items: `spread_of` from earlier runs;
            the root of the share of items that one model alone gets right; sqrt(between + within / runs) of
            `variance_parts` of differences, for a number of runs that was not tried.
        power: the chance to find the difference.
        alpha: p below which it is found, two-sided.
        comparisons: tested together; the first step of `holm` asks for alpha / comparisons.
        clusters: that the items come in; None: as many as items.

    Raises:
        InputError: there are fewer than two items or clusters, or the spread is negative or no number.
    """
    return suite_detectable(
        [(items, spread)],
        power=power,
        alpha=alpha,
        comparisons=comparisons,
        clusters=None if clusters is None else [clusters],
    )


def suite_detectable(
    tasks: Sequence[tuple[int, float]],
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    comparisons: int = 1,
    clusters: Sequence[int] | None = None,
) -> float:
    """The least gain that a suite can see, if its figure is the mean of its tasks' means: «a gain of 2.1 points».

    The tasks' errors add up in squares, with Welch and Satterthwaite's degrees of freedom. The test that goes with it is
    `paired` over all items, each value weighed with all items / (tasks * items of its task).

    Args:
        tasks: (items, spread) of each task, as `detectable` takes them.
        power: the chance to find the gain.
        alpha: p below which it is found, two-sided.
        comparisons: tested together.
        clusters: that each task's items come in; None: as many as items.

    Raises:
        InputError: there are no tasks, a task has fewer than two items or clusters, or a spread is negative or no
            number.
    """
    counts = [items for items, _ in tasks] if clusters is None else list(clusters)
    if not tasks or len(counts) != len(tasks) or min(counts) < CLUSTERS_MIN:
        raise InputError(
            f"{len(tasks)} tasks with {counts} items or clusters",
            "give at least two to each task, and one task",
        )
    for place, (_, spread) in enumerate(tasks):
        if not 0 <= spread < math.inf:
            raise InputError(f"task {place}: its spread is {spread}", "expected a number from 0 on")
    squares = [(spread / len(tasks)) ** 2 / items for items, spread in tasks]
    if not sum(squares):
        return 0.0
    freedom = sum(squares) ** 2 / sum(s**2 / (count - 1) for s, count in zip(squares, counts, strict=True))
    reach = student(1 - alpha / comparisons / 2, freedom) + student(power, freedom)
    return reach * math.sqrt(sum(squares))


def spread_of(model: Floats, against: Floats, *, clusters: Sequence[Hashable] | None = None) -> float:
    """The spread that earlier runs show: the error of their mean difference times the root of the items.

    Items of one cluster that go up and down together make it greater, so that `detectable` holds for more items in
    clusters of the same kind.

    Args:
        model: [items] or [items, runs]; NaN: no value.
        against: the same items in the same order.
        clusters: [items] what each item belongs to; None: each to itself.

    Raises:
        InputError: as `paired`, or fewer than two clusters have a value from both.
    """
    found = differences(model, against, clusters=clusters)
    if len(found.tops) < CLUSTERS_MIN:
        raise InputError("one cluster has a value from both models", "take a run with two or more")
    return found.error() * math.sqrt(len(found.values))


def variance_parts(values: Floats) -> tuple[float, float]:
    """(variance between items, variance between the runs of one item), by analysis of variance (Searle 1992, ch. 3).

    Both are those of the underlying values: the spread of items' means of n runs is sqrt(between + within / n). More
    runs make the second part small, only more items the first.

    Args:
        values: [items, runs]; NaN: no value, so that items may have different numbers of runs.

    Raises:
        InputError: fewer than two items have a value, or none has two.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2:
        raise InputError(f"values of shape {values.shape}", "give [items, runs]")
    values = values[~np.isnan(values).all(axis=1)]
    told = ~np.isnan(values)
    runs = told.sum(axis=1)
    items, cells = len(values), int(runs.sum())
    if items < 2 or cells == items:
        raise InputError(
            f"{items} items with {cells} values", "give at least two items, and one of them two runs"
        )
    means = np.where(told, values, 0.0).sum(axis=1) / runs
    inside = float((np.where(told, values - means[:, None], 0.0) ** 2).sum()) / (cells - items)
    outside = float((runs * (means - (runs * means).sum() / cells) ** 2).sum()) / (items - 1)
    usual = (cells - float((runs**2).sum()) / cells) / (items - 1)  # runs of an item, if all had alike
    return max(0.0, (outside - inside) / usual), inside

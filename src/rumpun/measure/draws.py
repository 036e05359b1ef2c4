"""Draws of items with replacement (the bootstrap), as counts, and the interval of any figure that counts can make.

A draw is told by how often each item is in it. A metric that is made of sums over items (F1, balanced accuracy, corpus
chrF) is then worked out for thousands of draws by one product of matrices. A metric that knows only a few kinds of item
(right or wrong; the four cells of a table) needs no more than the count of each kind: `outcome_counts`.

Items that belong together (questions on one text, translations of one question) are given the same cluster, and
clusters are drawn whole: what such items share is one chance, not many.
"""

import math
import statistics
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.measure.student import student

__all__ = ["Counts", "Floats", "cluster_codes", "draw_counts", "figure_interval", "outcome_counts"]

Counts = npt.NDArray[np.int64]  # [draws, items]: how often each item is drawn
Floats = npt.NDArray[np.float64]

CLUSTERS_MIN = 2  # one cluster says nothing of how clusters differ
_CELLS = 4_000_000  # counts held at once: 32 MB
_LEFT_OUT = 1_000  # times that a figure is worked out with a cluster, or a group of clusters, left out


def cluster_codes(items: int, clusters: Sequence[Hashable] | None) -> tuple[Counts, int]:
    """([items] the number of each item's cluster, from 0 in order of appearance; how many clusters there are).

    Args:
        items: how many items there are.
        clusters: [items] what each item belongs to; None: each to itself.

    Raises:
        InputError: there is not one cluster for each item.
    """
    if clusters is None:
        return np.arange(items), items
    if len(clusters) != items:
        raise InputError(
            f"clusters of {len(clusters)} items, values of {items}", "name one cluster for each item"
        )
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], np.int64)
    return codes, len(numbers)


def draw_counts(
    items: int,
    draws: int,
    *,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
    block: int | None = None,
) -> Iterator[Counts]:
    """Blocks of draws with replacement, each [draws of the block, items]: how often each item is drawn.

    As many clusters are drawn as there are (Efron 1979; Davison and Hinkley 1997, ch. 3.8), so that the number of
    items differs from draw to draw where clusters differ in size.

    Args:
        items: how many items there are.
        draws: how many draws all blocks hold together.
        clusters: [items] what each item belongs to, drawn whole; None: each item by itself.
        seed: same seed, same draws, whatever the blocks.
        block: draws in one block; None: as many as fit in 32 MB.

    Raises:
        InputError: there is not one cluster for each item, or there are no items.
    """
    codes, count = cluster_codes(items, clusters)
    if not count:
        raise InputError("there are no items to draw from", "give at least one")
    random = np.random.default_rng(seed)
    size = block or max(1, _CELLS // items)
    for start in range(0, draws, size):
        rows = min(size, draws - start)
        drawn = random.integers(0, count, (rows, count))
        drawn += np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times if clusters is None else times[:, codes]


def outcome_counts(codes: Counts, draws: int, *, outcomes: int | None = None, seed: int = 0) -> Counts:
    """[draws, outcomes]: how many items of each outcome a draw of all items with replacement holds.

    The fast way for a metric that sees outcomes alone, such as right and wrong or the cells of a table: these counts
    follow a multinomial distribution, so that items need not be drawn one by one. Items must be independent of one
    another: where they come in clusters, take `draw_counts`.

    Args:
        codes: [items] the outcome of each item, a whole number from 0.
        draws: of all items with replacement.
        outcomes: how many outcomes there are; None: the highest code and those below it.
        seed: same codes and seed, same counts.

    Raises:
        InputError: there are no items, or a code is below 0 or not below `outcomes`.
    """
    if not len(codes):
        raise InputError("there are no items to draw from", "give at least one")
    if codes.min() < 0 or (outcomes is not None and codes.max() >= outcomes):
        raise InputError(
            f"outcomes are coded from {codes.min()} to {codes.max()}",
            f"expected 0 to {'the number of outcomes' if outcomes is None else outcomes} less one",
        )
    found = np.bincount(codes, minlength=outcomes or 0)
    return np.random.default_rng(seed).multinomial(len(codes), found / len(codes), size=draws)


def figure_interval(
    at: Callable[[Counts], Mapping[str, Floats]],
    items: int,
    *,
    clusters: Sequence[Hashable] | None = None,
    draws: int = 2_000,
    share: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float] | None]:
    """The interval of each figure that `at` makes of counts; None where there are fewer than two clusters.

    The bias-corrected and accelerated bootstrap (BCa; Efron 1987): percentiles of the draws, moved for the figure's
    bias and for how its error grows with it, the latter from the figures with each cluster left out. Percentiles alone
    are too narrow for few clusters; they are taken as far out as Student's t with one degree of freedom less than
    clusters lies (Hesterberg 2015, The American Statistician 69).

    Seen in simulation (tests/measure/test_draws.py): balanced accuracy, F1 and a ratio of sums over 30 clusters hold
    the truth in 94 to 96 % of cases. Where a class has so few items that its errors can be counted on one hand, no
    resampling knows better than those: with 10 items of a class that is 90 % right it holds in three cases of four.

    To compare two models by such a figure, let `at` return their difference.

    Args:
        at: counts [draws, items] -> {name: [draws]}; NaN where a draw has no such figure, which is then left out.
        items: how many items there are.
        clusters: [items] what each item belongs to, drawn whole; None: each item by itself.
        draws: of all clusters with replacement.
        share: that the interval should hold the truth.
        seed: same figures and seed, same interval.

    Returns:
        (low, high) of each name. Where all draws give one figure the two are equal: the items show no spread, which
        is not to say that there is none. None also where the figure of the items themselves is NaN.

    Raises:
        InputError: there is not one cluster for each item.
    """
    codes, count = cluster_codes(items, clusters)
    whole = {name: float(found[0]) for name, found in at(np.ones((1, items), np.int64)).items()}
    if count < CLUSTERS_MIN:
        return dict.fromkeys(whole)
    drawn = _gather(at, draw_counts(items, draws, clusters=clusters, seed=seed))
    without = _gather(at, _left_out(codes, min(count, _LEFT_OUT)))
    reach = student((1 + share) / 2, count - 1) * math.sqrt(count / (count - 1))
    return {name: _accelerated(figure, drawn[name], without[name], reach) for name, figure in whole.items()}


def _gather(at: Callable[[Counts], Mapping[str, Floats]], blocks: Iterator[Counts]) -> dict[str, Floats]:
    found: dict[str, list[Floats]] = {}
    for block in blocks:
        for name, figures in at(block).items():
            found.setdefault(name, []).append(figures)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _left_out(codes: Counts, groups: int) -> Iterator[Counts]:
    """Every item once, but for one group of clusters in each row."""
    size = max(1, _CELLS // len(codes))
    for start in range(0, groups, size):
        rows = np.arange(start, min(start + size, groups))
        yield (codes[None] % groups != rows[:, None]).astype(np.int64)


def _accelerated(figure: float, drawn: Floats, without: Floats, reach: float) -> tuple[float, float] | None:
    drawn, without = drawn[~np.isnan(drawn)], without[~np.isnan(without)]
    if math.isnan(figure) or not len(drawn):
        return None
    normal = statistics.NormalDist()
    below = float((drawn < figure).mean() + (drawn == figure).mean() / 2)
    least = 0.5 / len(drawn)
    bias = normal.inv_cdf(min(max(below, least), 1 - least))
    apart = without.mean() - without if len(without) else np.zeros(1)
    spread = float((apart**2).sum())
    growth = float((apart**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    ends = []
    for side in (-reach, reach):
        # beyond 1 the formula turns round; there the draws' own end is all that is known
        at = bias + (bias + side) / max(1 - growth * (bias + side), 1e-3)
        ends.append(float(np.quantile(drawn, normal.cdf(at))))
    return ends[0], ends[1]

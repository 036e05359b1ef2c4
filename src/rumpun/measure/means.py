"""The interval of a mean over items: right or wrong, scores with two ends, or values without an end.

An item's value is the mean of its runs (several answers to one question). A run that failed is NaN and is left out; an
item whose runs all failed is left out. Neither is ever a zero.
"""

import math
import statistics
from collections.abc import Hashable, Sequence

import numpy as np

from rumpun.errors import InputError
from rumpun.measure import resample
from rumpun.measure.draws import CLUSTERS_MIN, Counts, Floats, cluster_codes, draw_counts
from rumpun.measure.rates import score_interval
from rumpun.measure.student import student

__all__ = ["cluster_error", "cluster_sums", "item_means", "mean_interval"]

_RESAMPLED_MIN = 10  # clusters; fewer give too few different draws, and Student's t takes their place
_ERROR_MIN = 0.05  # of the whole set's error: a draw of alike clusters has hardly one of its own


def mean_interval(
    values: Floats,
    *,
    clusters: Sequence[Hashable] | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    share: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The interval of the mean over items; None where fewer than two clusters have a value.

    - Right or wrong, one run, no clusters: Wilson's score interval.
    - Scores between two ends: the bootstrap over clusters, studentised on the scale of angles, asin(sqrt(score)), on
      which a score's error depends little on the score (Efron and Tibshirani 1993, ch. 12.6). It stays within the ends,
      and does not break where nearly all scores are equal, as the plain studentised one does. Below ten clusters, or
      where all clusters are equal at an end: the score interval of as many independent items as would have the error
      that is seen, with Student's t (Korn and Graubard 1998; Franco et al. 2019).
    - Values without ends: the studentised bootstrap of `resample`.

    Items are drawn whole, with all their runs: what differs between items and what differs between runs of one item
    are both in the spread of the items' means. To draw runs again within the drawn items would count the runs' noise
    twice (Davison and Hinkley 1997, ch. 3.8). Runs must be answers of their own to the same item. Where runs share
    something over all items, such as one training, their spread is not in the interval.

    Seen in simulation (tests/measure/test_means.py): 94 to 96 % of 95 % intervals hold the truth from 50 items, or 30
    clusters, on; fewer where clusters are few and nearly all right (30 clusters, 95 % right: about nine in ten).

    Args:
        values: [items] or [items, runs]; NaN: no value.
        clusters: [items] what each item belongs to; None: each to itself.
        bounds: the least and the highest score there can be; None: values have no ends.
        share: that the interval should hold the truth.
        draws: of all clusters with replacement.
        seed: same values and seed, same interval.

    Raises:
        InputError: a value is infinite or beyond the bounds, or there is not one cluster for each item.
    """
    values = np.asarray(values, np.float64)
    means = item_means(values)
    codes, _ = cluster_codes(len(means), clusters)
    low, high = bounds or (0.0, 1.0)
    outside = (values < low) | (values > high)
    if bounds and outside.any():
        where = np.argwhere(outside)[0]
        raise InputError(
            f"item {where[0]}: its score is {values[tuple(where)]:g}, not between {low:g} and {high:g}",
            "give the ends of the scale as bounds, or None where it has none",
        )
    told = ~np.isnan(means)
    tops, sizes = cluster_sums((means[told] - low) / (high - low), codes[told])
    if len(tops) < CLUSTERS_MIN:
        return None
    if bounds is None:
        return resample.interval(tops, sizes, draws=draws, share=share, seed=seed)
    level = (1 + share) / 2
    whole, error = float(tops.sum() / sizes.sum()), cluster_error(tops, sizes)
    single = values.ndim == 1 or values.shape[1] == 1
    if single and sizes.max() == 1 and np.isin(tops, (0, 1)).all():
        ends = score_interval(whole, len(tops), statistics.NormalDist().inv_cdf(level))
    elif error == 0 and 0 < whole < 1:
        ends = whole, whole  # every cluster has the same score, which is at no end
    elif error == 0 or len(tops) < _RESAMPLED_MIN:
        # equal scores at an end: clusters count as one item each
        as_many = whole * (1 - whole) / error**2 if error else len(tops)
        ends = score_interval(whole, as_many, student(level, len(tops) - 1))
    else:
        ends = _by_angles(tops, sizes, draws=draws, level=level, seed=seed)
    return low + ends[0] * (high - low), low + ends[1] * (high - low)


def item_means(values: Floats) -> Floats:
    """[items] the mean of each item's runs that have a value; NaN where none has.

    Raises:
        InputError: a value is infinite, or values are neither [items] nor [items, runs].
    """
    values = np.asarray(values, np.float64)
    if values.ndim not in (1, 2):
        raise InputError(
            f"values of shape {values.shape}", "give one row for each item, with its runs side by side"
        )
    if np.isinf(values).any():
        where = int(np.argwhere(np.isinf(values))[0][0])
        raise InputError(f"item {where}: its value is infinite", "give NaN where there is no value")
    if values.ndim == 1:
        return values
    told = ~np.isnan(values)
    runs = told.sum(axis=1)
    sums = np.where(told, values, 0.0).sum(axis=1)
    return np.where(runs > 0, sums / np.maximum(runs, 1), np.nan)


def cluster_sums(values: Floats, codes: Counts) -> tuple[Floats, Floats]:
    """([clusters] sums of the items' values, [clusters] how many items each has), of the clusters that have any.

    Args:
        values: [items].
        codes: [items] the number of each item's cluster.
    """
    _, codes = np.unique(codes, return_inverse=True)
    return np.bincount(codes, values).astype(np.float64), np.bincount(codes).astype(np.float64)


def cluster_error(tops: Floats, sizes: Floats) -> float:
    """The standard error of sum(tops) / sum(sizes) from the figures with each cluster left out (the jackknife).

    Args:
        tops: [clusters] sums of the clusters' values, of two clusters or more.
        sizes: [clusters] how many items each has.
    """
    count = len(tops)
    without = (tops.sum() - tops) / (sizes.sum() - sizes)
    apart = without - tops.sum() / sizes.sum()
    error = math.sqrt((count - 1) / count * float((apart**2).sum()))
    # what rounding leaves of equal values is nothing
    return error if error > 1e-12 * float(np.abs(tops).max()) else 0.0


def _by_angles(tops: Floats, sizes: Floats, *, draws: int, level: float, seed: int) -> tuple[float, float]:
    count, mean = len(tops), float(tops.sum() / sizes.sum())
    apart = tops - mean * sizes  # sums of these lose less to rounding than sums of the values
    moments = np.stack([apart, sizes, apart * apart, apart * sizes, sizes * sizes], axis=1)
    angle, error = _angles(moments.sum(axis=0, keepdims=True), mean, count, np.nan)
    found = []
    for times in draw_counts(count, draws, seed=seed):
        drawn, errors = _angles(times.astype(np.float64) @ moments, mean, count, float(error[0]))
        found.append((drawn - angle) / np.maximum(errors, _ERROR_MIN * error))
    low, high = np.quantile(np.concatenate(found), [1 - level, level])
    ends = np.clip(angle - np.array([high, low]) * error, 0, math.pi / 2)
    return float(np.sin(ends[0]) ** 2), float(np.sin(ends[1]) ** 2)


def _angles(sums: Floats, mean: float, count: int, at_end: float) -> tuple[Floats, Floats]:
    """Angles of the draws' means and their linearised errors; a draw at 0 or 1 has no error of its own: `at_end`."""
    apart, sizes, squares, mixed, weights = sums.T
    off = apart / sizes
    means = np.clip(mean + off, 0.0, 1.0)
    left = np.maximum(squares - 2 * off * mixed + off**2 * weights, 0.0)
    errors = np.sqrt(left * count / (count - 1)) / sizes
    inner = means * (1 - means)
    ends = inner < 1e-9 * mean * (1 - mean)
    return np.arcsin(np.sqrt(means)), np.where(ends, at_end, errors / (2 * np.sqrt(np.where(ends, 1, inner))))

"""Model against model on the same items: the difference, its interval, and a test that knows the pairs.

Two models find the same items hard, so that a test which takes their figures as strangers sees less than there is: at
220 items of which one model alone got 12 right and the other alone 30, it gives p = 0.080 where the pairs give 0.008.
"""

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.measure.draws import CLUSTERS_MIN, Floats, cluster_codes
from rumpun.measure.means import cluster_error, cluster_sums, item_means
from rumpun.measure.student import student

__all__ = ["Differences", "Paired", "differences", "holm", "paired"]

K = TypeVar("K")

_CELLS = 4_000_000  # signs held at once
_TIE = 1e-9  # of the sum of all sizes: sums that differ by rounding are equal
_HALVINGS = 60  # of the span in which an end of an interval lies


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One model against another on the same items.

    `p` is the chance of a difference at least this great, either way, if the models were equal. The verdict is `p`
    (after `holm` where there are several); the interval tells the size. Near p = 0.05 the two may differ by a little,
    since the exact test never errs more often than it says and the interval holds as often as it says.
    """

    difference: float  # mean of model less mean of the other
    interval: tuple[float, float] | None  # None: fewer than two clusters
    p: float
    test: str
    items: int  # that have a value from both
    clusters: int
    left_out: int  # items without a value from one model or from both


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """The differences of two models, cluster by cluster."""

    values: Floats  # [items] of the items that have a value from both
    tops: Floats  # [clusters] their sums
    sizes: Floats  # [clusters] how many items each has
    left_out: int
    right_or_wrong: bool  # every value is 0 or 1, of one run, and no two items share a cluster

    def error(self) -> float:
        """The standard error of the mean difference; there must be two clusters or more."""
        return cluster_error(self.tops, self.sizes)


def paired(
    model: Floats,
    against: Floats,
    *,
    clusters: Sequence[Hashable] | None = None,
    share: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Test and interval of the mean of `model` less the mean of `against` over the items that both have a value of.

    The test turns the signs of the clusters' differences: if the models are equal, each difference might as well have
    had the other sign. All turns are tried where there are no more than `draws`; otherwise `draws` of them, the turn
    that was seen counted with them, so that p is never 0 (Phipson and Smyth 2010). For single answers that are right
    or wrong, without clusters, this test has a closed form, the exact test of McNemar (1947), which is then taken. Its
    mid-p variant would find two to four more of a hundred true differences, but would be another test than that of
    scores, and may err more often than it says, which a claim that a model is better must not.

    The interval for right or wrong answers is the score interval of Tango (1998); for all else the mean difference
    and its error over clusters (jackknife) with Student's t of one degree of freedom less than clusters. Bootstrap
    intervals are too narrow here: differences are mostly zeros with a few of either sign, and the skewness that the
    bootstrap then corrects for is chance (tests/measure/test_paired.py).

    Args:
        model: [items] or [items, runs]; NaN: no value (an error, a time-out).
        against: the same items in the same order, [items] or [items, runs], not necessarily as many runs.
        clusters: [items] what each item belongs to; None: each to itself.
        share: that the interval should hold the truth.
        draws: of signs.
        seed: same values and seed, same p.

    Raises:
        InputError: the models have different numbers of items, no item has a value from both, a value is infinite, or
            there is not one cluster for each item.
    """
    found = differences(model, against, clusters=clusters)
    count, items = len(found.tops), len(found.values)
    difference = float(found.values.mean())
    unit = "items" if found.sizes.max() == 1 else "clusters"
    interval: tuple[float, float] | None = None
    if found.right_or_wrong:
        gains, losses = int((found.values > 0).sum()), int((found.values < 0).sum())
        p, test = _mcnemar(gains, losses), "McNemar exact"
        if count >= CLUSTERS_MIN:
            interval = _tango(gains, losses, items, statistics.NormalDist().inv_cdf((1 + share) / 2))
    else:
        p, exact = _signs(found.tops, draws, seed)
        test = f"sign-flip permutation of {unit}{', exact' if exact else ''}"
        if count >= CLUSTERS_MIN:
            reach = student((1 + share) / 2, count - 1) * found.error()
            interval = difference - reach, difference + reach
    return Paired(
        difference=difference,
        interval=interval,
        p=p,
        test=test,
        items=items,
        clusters=count,
        left_out=found.left_out,
    )


def differences(model: Floats, against: Floats, *, clusters: Sequence[Hashable] | None = None) -> Differences:
    """The differences of the items that both models have a value of, and their sums over clusters.

    Raises:
        InputError: as `paired`.
    """
    ours, theirs = item_means(model), item_means(against)
    if len(ours) != len(theirs):
        raise InputError(
            f"{len(ours)} items of one model, {len(theirs)} of the other", "score the same items with both"
        )
    codes, _ = cluster_codes(len(ours), clusters)
    apart = ours - theirs
    told = ~np.isnan(apart)
    if not told.any():
        raise InputError(
            "no item has a value from both models", "look at the errors of both, and run them again"
        )
    tops, sizes = cluster_sums(apart[told], codes[told])
    single = all(np.ndim(values) == 1 or np.shape(values)[1] == 1 for values in (model, against))
    return Differences(
        values=apart[told],
        tops=tops,
        sizes=sizes,
        left_out=int((~told).sum()),
        right_or_wrong=bool(
            single and sizes.max() == 1 and np.isin(np.concatenate([ours[told], theirs[told]]), (0, 1)).all()
        ),
    )


def holm(p: Mapping[K, float]) -> dict[K, float]:
    """The p-values adjusted for being several, under the same names and in the same order (Holm 1979).

    Those not above 0.05 may be claimed together: the chance that any of the claims is false is at most 0.05.

    Raises:
        InputError: a p is not between 0 and 1.
    """
    for name, value in p.items():
        if not 0 <= value <= 1:
            raise InputError(f"p of {name} is {value}", "expected a number from 0 to 1")
    adjusted, least = {}, 0.0
    for place, name in enumerate(sorted(p, key=lambda name: p[name])):
        least = max(least, min(1.0, (len(p) - place) * p[name]))
        adjusted[name] = least
    return {name: adjusted[name] for name in p}


def _mcnemar(gains: int, losses: int) -> float:
    """Twice the chance of so few of the rarer kind among fair tosses; 1 where there are none."""
    tosses, rarer = gains + losses, min(gains, losses)
    steps = np.arange(1, rarer + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((tosses - steps + 1) / steps))]) - tosses * math.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))


def _tango(gains: int, losses: int, items: int, reach: float) -> tuple[float, float]:
    """The differences of two paired shares whose score test does not reject them (Tango 1998, Statistics in Medicine 17)."""

    def off(difference: float) -> float:
        """How many errors the difference lies below what was seen; the losses' share is the likeliest one."""
        linear = (2 * items - gains + losses) * difference - gains - losses
        constant = -losses * difference * (1 - difference)
        share = (math.sqrt(max(0.0, linear**2 - 8 * items * constant)) - linear) / (4 * items)
        variance = items * (2 * share + difference * (1 - difference))
        apart = gains - losses - items * difference
        return apart / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, apart)

    def end(far: float) -> float:
        """Where between what was seen and `far` the test begins to reject."""
        near = (gains - losses) / items
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if abs(off(middle)) < reach else (near, middle)
        return near

    return end(-1.0), end(1.0)


def _signs(tops: Floats, draws: int, seed: int) -> tuple[float, bool]:
    """(p of the sum of the clusters' differences under turned signs, whether all turns were tried)."""
    tops = tops[tops != 0]  # a zero has no sign to turn
    count = len(tops)
    least = abs(float(tops.sum())) - _TIE * float(np.abs(tops).sum())
    if count <= 62 and 2**count <= draws:
        turned = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((np.abs(_turn(turned, tops)) >= least).mean()), True
    random, as_great = np.random.default_rng(seed), 0
    size = max(1, _CELLS // count)
    for start in range(0, draws, size):
        turned = random.integers(0, 2, (min(size, draws - start), count), np.int8)
        as_great += int((np.abs(_turn(turned, tops)) >= least).sum())
    return (1 + as_great) / (1 + draws), False


def _turn(turned: npt.NDArray[np.integer], tops: Floats) -> Floats:
    """[rows] sums of the differences, those marked 1 with the other sign."""
    sums: Floats = tops.sum() - 2 * (turned @ tops)
    return sums

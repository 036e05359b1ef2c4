"""Intervals by resampling documents (the bootstrap), for a ratio of sums and for the difference of two in pairs.

A figure here is total bits over total bytes, so documents are drawn whole, with both models' bits and the bytes together:
long and short documents weigh as they do in the figure, and what makes a document hard for both models cancels.

The interval is the studentised one (bootstrap-t): each draw's distance from the figure is measured in its own standard
error, which keeps the promised coverage at a few dozen documents, where percentile and BCa intervals are too narrow
(0.91 instead of 0.95 at 20 to 40 documents of skewed lengths; the simulation is in tests/measure).
Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 12.5.
"""

import math
from typing import TYPE_CHECKING

from rumpun.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["DOCUMENTS_MIN", "interval", "paired_interval"]

DOCUMENTS_MIN = 2  # one document says nothing of how documents differ
_RESAMPLED_MIN = 5  # documents; fewer give too few different draws, and Student's t takes their place
_CELLS = 4_000_000  # counts drawn at once: 32 MB
_ERROR_MIN = 0.01  # of the whole set's error: a draw of one document many times has none of its own


def interval(
    bits: "Floats", bytes_: "Floats", *, draws: int = 10_000, share: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """The interval of sum(bits) / sum(bytes); None for a single document.

    Args:
        bits: [documents] bits of each document.
        bytes_: [documents] UTF-8 bytes of each document.
        draws: of all documents with replacement.
        share: that the interval should hold the truth.
        seed: same numbers and seed, same interval.

    Raises:
        InputError: the lengths differ, a number is not finite, or a document has no bytes.
    """
    return _interval(bits, bytes_, draws=draws, share=share, seed=seed)


def paired_interval(
    model: "Floats",
    against: "Floats",
    bytes_: "Floats",
    *,
    draws: int = 10_000,
    share: float = 0.95,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The interval of (sum(model) - sum(against)) / sum(bytes); None for a single document.

    Args:
        model: [documents] bits of each document under one model.
        against: [documents] bits of the same documents under the other.
        bytes_: [documents] UTF-8 bytes of each document.
        draws: of all documents with replacement, each with both its bits.
        share: that the interval should hold the truth.
        seed: same numbers and seed, same interval.

    Raises:
        InputError: the lengths differ, a number is not finite, or a document has no bytes.
    """
    import numpy as np

    if len(model) != len(against):
        raise InputError(
            f"{len(model)} documents of one model, {len(against)} of the other",
            "score the same documents with both",
        )
    return _interval(np.subtract(model, against), bytes_, draws=draws, share=share, seed=seed)


def _interval(
    tops: "Floats", bottoms: "Floats", *, draws: int, share: float, seed: int
) -> tuple[float, float] | None:
    import numpy as np

    tops, bottoms = np.asarray(tops, dtype=np.float64), np.asarray(bottoms, dtype=np.float64)
    if len(tops) != len(bottoms):
        raise InputError(
            f"bits of {len(tops)} documents, bytes of {len(bottoms)}", "give both for each document"
        )
    if not np.isfinite(tops).all():
        where = int(np.flatnonzero(~np.isfinite(tops))[0])
        raise InputError(f"document {where}: its bits are {tops[where]}", "score it again")
    if (bottoms <= 0).any():
        where = int(np.flatnonzero(bottoms <= 0)[0])
        raise InputError(f"document {where}: {bottoms[where]:.0f} bytes", "leave empty documents out")
    if len(tops) < DOCUMENTS_MIN:
        return None
    return _studentised(tops, bottoms, draws=draws, tail=(1 - share) / 2, seed=seed)


def _studentised(
    tops: "Floats", bottoms: "Floats", *, draws: int, tail: float, seed: int
) -> tuple[float, float]:
    import numpy as np

    count = len(tops)
    random = np.random.default_rng(seed)
    even = np.full(count, 1 / count)
    moments = np.stack([tops, bottoms, tops * tops, tops * bottoms, bottoms * bottoms], axis=1)
    figure, error = (float(x[0]) for x in _figures(moments.sum(axis=0, keepdims=True), count))
    if error == 0.0:
        return figure, figure  # every document has the same figure
    if count < _RESAMPLED_MIN:
        reach = _student(1 - tail, count - 1) * error
        return figure - reach, figure + reach
    found = []
    size = max(1, _CELLS // count)
    for start in range(0, draws, size):
        times = random.multinomial(count, even, size=min(size, draws - start))
        drawn, errors = _figures(times.astype(np.float64) @ moments, count)
        found.append((drawn - figure) / np.maximum(errors, error * _ERROR_MIN))
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return figure - float(high) * error, figure - float(low) * error


def _figures(sums: "Floats", count: int) -> "tuple[Floats, Floats]":
    """Ratio of sums and its linearised standard error, from [draws, 5] sums of t, b, tt, tb, bb."""
    import numpy as np

    tops, bottoms, squares, mixed, weights = sums.T
    figures = tops / bottoms
    left = squares - 2 * figures * mixed + figures**2 * weights
    # what rounding leaves of a difference of equal numbers is nothing
    left = np.where(left <= squares * 1e-13, 0.0, left)
    return figures, np.sqrt(left * count / (count - 1)) / bottoms


def _student(level: float, freedom: int) -> float:
    """A quantile of Student's t with one degree of freedom, or with two, which also serves (wider) for more."""
    at = level - 0.5
    if freedom == 1:
        return math.tan(math.pi * at)
    return 2 * at * math.sqrt(2 / (1 - 4 * at * at))

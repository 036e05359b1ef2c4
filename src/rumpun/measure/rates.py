"""Shares with their intervals, and the area under the ROC curve."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["auroc", "score_interval", "wilson"]

_Z95 = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), each end from 0 to 1; (0, 1) where there are no rows.

    Raises:
        ValueError: hits are not within 0 and rows.
    """
    if not 0 <= hits <= rows:
        raise ValueError(f"{hits} hits of {rows} rows: expected 0 <= hits <= rows")
    if rows == 0:
        return 0.0, 1.0
    return score_interval(hits / rows, rows, _Z95)


def score_interval(mean: float, items: float, reach: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a mean between 0 and 1 with the error that as many yes-or-no items have.

    Args:
        mean: the share.
        items: how many; not whole where their error is that of fewer.
        reach: the quantile on either side: 1.96 for 95 %.
    """
    wide = reach**2 / items
    middle = (mean + wide / 2) / (1 + wide)
    half = math.sqrt(wide * mean * (1 - mean) + wide**2 / 4) / (1 + wide)
    return max(0.0, middle - half), min(1.0, middle + half)


def auroc(positive: "npt.NDArray[np.floating]", negative: "npt.NDArray[np.floating]") -> float:
    """The chance that a positive's score is above a negative's, ties counted half (Mann and Whitney 1947).

    Raises:
        ValueError: one side is empty.
    """
    import numpy as np

    if not len(positive) or not len(negative):
        raise ValueError(f"{len(positive)} positives, {len(negative)} negatives: expected some of both")
    ordered = np.sort(np.asarray(negative, np.float64))
    below = np.searchsorted(ordered, positive, side="left")
    upto = np.searchsorted(ordered, positive, side="right")
    return float((below + upto).mean() / 2 / len(ordered))

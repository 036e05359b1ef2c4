"""Shares with their intervals, and the area under the ROC curve."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["auroc", "wilson"]

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
    share, z2 = hits / rows, _Z95**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z95 * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
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

"""Quantiles of Student's t: how far a mean may lie off where its own error is estimated from few values."""

import math
import statistics

import numpy as np

__all__ = ["student"]

_AT, _WEIGHTS = np.polynomial.legendre.leggauss(48)  # Gauss and Legendre's points and weights on -1 .. 1
_STEPS = 200  # Newton's steps at most: about five are needed, more only far out with one degree of freedom


def student(level: float, freedom: float) -> float:
    """The value that Student's t with `freedom` degrees of freedom stays below with probability `level`.

    With t = sqrt(freedom) * tan(u) the density is a power of cos(u), which is integrated by Gauss and Legendre's rule;
    Newton's method inverts it, from the normal distribution's quantile, which lies nearer to zero.

    Raises:
        ValueError: level is not between 0 and 1, or freedom is below 1.
    """
    if not 0 < level < 1 or not freedom >= 1:
        raise ValueError(f"level {level}, freedom {freedom}: expected 0 < level < 1 and freedom >= 1")
    if level < 0.5:
        return -student(1 - level, freedom)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    angle = math.atan(statistics.NormalDist().inv_cdf(level) / math.sqrt(freedom))
    for _ in range(_STEPS):
        below = scale * angle / 2 * float(_WEIGHTS @ np.cos(angle / 2 * (_AT + 1)) ** (freedom - 1))
        step = (level - 0.5 - below) / (scale * math.cos(angle) ** (freedom - 1))
        angle += step
        if abs(step) <= 1e-13 * angle:
            break
    return math.sqrt(freedom) * math.tan(angle)

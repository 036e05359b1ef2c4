"""The interval of a mean of figures that each have one."""

import math
from collections.abc import Iterable

from rumpun.evaluate.records import Figure

__all__ = ["weighted"]


def weighted(parts: Iterable[tuple[float, Figure]]) -> Figure | None:
    """The sum of weight times figure, with a 95 % interval from the figures' own; None where there is no figure.

    Each end lies as far from the sum as the root of the summed squares of the parts' distances to their ends: the method of
    variance estimates recovery (Zou and Donner 2008, Statistics in Medicine 27), which keeps intervals that are not even.
    The figures are taken as independent of one another: cells of different tasks or languages are, as long as their items
    are no translations of one another; where they are, the interval is too narrow.

    Args:
        parts: weight (above 0) and figure, both finite. A figure without an interval leaves the sum without one.
    """
    found = list(parts)
    if not found:
        return None
    value = math.fsum(weight * figure.value for weight, figure in found)
    below, above = 0.0, 0.0
    for weight, figure in found:
        if figure.ci95 is None:
            return Figure(value=value)
        below += (weight * (figure.value - figure.ci95[0])) ** 2
        above += (weight * (figure.ci95[1] - figure.value)) ** 2
    return Figure(value=value, ci95=(value - math.sqrt(below), value + math.sqrt(above)))

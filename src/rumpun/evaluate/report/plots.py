"""Where the marks of a plot stand: shares of a row's width, so that a plot fits a phone and a page alike.

`plots.html.jinja` draws them as SVG, a row of a table each, the numbers beside it as text.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rumpun.evaluate.records import Figure
from rumpun.evaluate.report.numbers import finite, number

__all__ = ["Bar", "Mark", "Scale", "scale_of", "stacked"]

_EDGE = 4.0  # per cent of the width kept free at either end, for half a mark and half a label
_LEAST = 1e-12
_SMALL, _GREAT = 1e-9, 1e15  # spreads and values beyond which floats leave no scale to draw


@dataclass(frozen=True, slots=True)
class Scale:
    """A line of numbers."""

    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int
    zero: bool  # whether the line at zero is what marks are held against
    sign: bool = False

    def at(self, value: float) -> str:
        """Where a value stands, in per cent of the width; values off the scale stand at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{_EDGE + (100 - 2 * _EDGE) * share:.2f}"

    def label(self, tick: float) -> str:
        """A tick's number."""
        return number(float(tick), self.digits, sign=self.sign)


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure on a scale."""

    value: float
    ci95: tuple[float, float] | None = None
    shape: Literal["dot", "ring", "diamond"] = "dot"  # of the model; not told from zero; of the other model
    tone: Literal["model", "other", "better", "worse", "unclear"] = "model"


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a stacked bar, in per cent of the width."""

    start: float
    width: float
    kind: str


def scale_of(
    values: Iterable[Figure | None], *, zero: bool = False, sign: bool = False, most: int = 5
) -> Scale | None:
    """A scale with round ticks that holds figures and their intervals; None where there is nothing to show.

    Args:
        values: figures; None is left out.
        zero: whether the scale must hold zero, and shows a line there.
        sign: whether ticks above zero have a plus.
        most: ticks, about.
    """
    ends = [end for one in values if one is not None for end in (one.value, *(one.ci95 or ()))]
    told = [end for end in ends if finite(end) is not None and abs(end) < _GREAT]
    if not told:
        return None
    low, high = min(told), max(told)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    step = _step((high - low) / most)
    first, last = math.floor(low / step + _LEAST), math.ceil(high / step - _LEAST)
    if first == last:
        last += 1
    ticks = tuple(step * place for place in range(first, last + 1))
    digits = max(0, -math.floor(math.log10(step)))
    return Scale(ticks[0], ticks[-1], ticks, digits, zero, sign)


def _step(rough: float) -> float:
    """The round step (1, 2 or 5 times a power of ten) that is not below a rough one; 1 where there is none."""
    if rough < _SMALL:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= rough * (1 - _LEAST))


def stacked(parts: Sequence[tuple[str, int]], whole: int) -> tuple[Bar, ...]:
    """Parts of a whole one after the other; those of nothing are left out."""
    bars, start = [], 0.0
    for kind, count in parts:
        if count > 0 and whole > 0:
            width = min(100 * count / whole, 100 - start)
            bars.append(Bar(start, width, kind))
            start += width
    return tuple(bars)

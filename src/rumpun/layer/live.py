"""What a run says of itself while it goes on: a line, and for a terminal a table of the languages below it.

The first line of a note stands alone where there is no terminal; the command line shows the rest where there is one.
"""

import itertools
import resource
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["View", "duration", "sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 24  # characters of a sparkline


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Numbers as blocks of eighths, the least lowest; more of them than `width` are averaged in groups."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [round(place * len(values) / count) for place in range(count + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in itertools.pairwise(edges)]
    least, span = min(means), max(means) - min(means)
    return "".join(_BLOCKS[int((value - least) / span * 7.999) if span > 0 else 0] for value in means)


def duration(seconds: float) -> str:
    """Two units at most: "2 h 05 min", "3 min 10 s", "40 s"."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class View:
    """Keeps what was seen of each source and words it.

    Args:
        names: of the sources, in the order of the losses.
        steps: of the whole run.
    """

    def __init__(self, names: Sequence[str], steps: int) -> None:
        self._names, self._steps = tuple(names), steps
        self._losses: dict[str, list[float]] = {name: [] for name in names}
        self._measured: Mapping[str, Any] | None = None

    def saw(self, row: Sequence[Sequence[float]]) -> None:
        """The (nats, learnt tokens) of each source in one step."""
        for name, (nats, count) in zip(self._names, row, strict=True):
            if count:
                self._losses[name].append(nats / count)

    def measured(self, row: Mapping[str, Any]) -> None:
        """A line of the curve."""
        self._measured = row

    def note(self, loss: float, step: int, rate: float, tokens_left: int) -> str:
        """The line and the table after a step.

        Args:
            loss: of the step, in nats a token.
            step: finished.
            rate: tokens a second.
            tokens_left: to the end of the run.
        """
        left = duration(tokens_left / rate) if rate > 0 else "?"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        head = (
            f"loss {loss:.3f}, {rate:,.0f} tokens/s, step {step} of {self._steps}, {left} left, {peak:.1f} GB"
        )
        if self._measured is not None:
            head += f", held out {self._measured['mean']:.3f} bits per byte"
        return "\n".join([head, *(self._line(name) for name in self._names)])

    def _line(self, name: str) -> str:
        losses = self._losses[name]
        words = f"{name:5} {losses[-1]:6.3f} {sparkline(losses):{_WIDTH}}" if losses else f"{name:5}"
        row = None if self._measured is None else self._measured["languages"].get(name)
        if row is None:
            return words.rstrip()
        return f"{words} {row['bpb']:.3f} bits per byte, {row['bpb'] - row['base']:+.3f} to the base"

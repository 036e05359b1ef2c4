"""Where each code point of a changed text stood in the original.

A text changes in steps; a step is a list of edits. `Offsets` keeps the steps as they were made and walks them
backwards when it is asked, so that making a text costs nothing for places nobody asks about.
"""

import bisect
import re
from collections.abc import Callable, Sequence

__all__ = ["Edit", "Offsets", "rewrite"]

Edit = tuple[
    int, int, int
]  # start, end (code points of the text before the edit), length of what stands there now


class _Step:
    """One step's edits, with the places where they stand in the text after it."""

    __slots__ = ("edits", "shift", "starts")

    def __init__(self, edits: Sequence[Edit]) -> None:
        self.edits = edits
        self.starts: list[int] = []
        self.shift = 0  # how much longer the text is after the step
        for start, end, length in edits:
            self.starts.append(start + self.shift)
            self.shift += length - (end - start)

    def before(self, point: int) -> tuple[int, int]:
        """[start, end) before the step of the code point that stands at `point` after it."""
        place = bisect.bisect_right(self.starts, point) - 1
        if place < 0:
            return point, point + 1
        start, end, length = self.edits[place]
        beyond = point - self.starts[place] - length
        return (start, end) if beyond < 0 else (end + beyond, end + beyond + 1)


class Offsets:
    """A map from the code points of a normalised text to those of the original.

    Every edit replaces at least one code point, so every code point of the result has a span of the original that is
    not empty; starts and ends never fall from one code point to the next. What was removed belongs to no code point.
    """

    __slots__ = ("_length", "_walk", "steps")

    def __init__(self, length: int, steps: Sequence[Sequence[Edit]] = ()) -> None:
        """`length` is the original's, in code points; `steps` are in the order in which they were made."""
        self._length = length
        self.steps = tuple(tuple(step) for step in steps if step)
        self._walk: tuple[_Step, ...] | None = None  # last step first; made when first asked for
        if any(start >= end for step in self.steps for start, end, _ in step):
            raise ValueError("an edit that replaces nothing has no place in the original")

    @property
    def identity(self) -> bool:
        """Whether every code point stands where it stood."""
        return not self.steps

    @property
    def length(self) -> int:
        """Code points of the text after the last step."""
        return self._length + sum(step.shift for step in self._backwards())

    def then(self, later: "Offsets") -> "Offsets":
        """The map of this change followed by another that began with this one's result."""
        return Offsets(self._length, (*self.steps, *later.steps))

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that [start, end) of the result came from.

        An empty span gives an empty one before the same code point.

        Raises:
            ValueError: the span does not lie in the result.
        """
        if not 0 <= start <= end <= self.length:
            raise ValueError(f"span {start}:{end} does not lie in a text of {self.length} code points")
        if start == end:
            place = self._first(start) if start < self.length else self._length
            return place, place
        return self._first(start), self._last(end - 1)

    def spans(self) -> list[tuple[int, int]]:
        """[start, end) in the original of each code point of the result."""
        return [(self._first(point), self._last(point)) for point in range(self.length)]

    def _backwards(self) -> tuple[_Step, ...]:
        if self._walk is None:
            self._walk = tuple(_Step(step) for step in reversed(self.steps))
        return self._walk

    def _first(self, point: int) -> int:
        for step in self._backwards():
            point = step.before(point)[0]
        return point

    def _last(self, point: int) -> int:
        for step in self._backwards():
            point = step.before(point)[1] - 1
        return point + 1


def rewrite(
    text: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]
) -> tuple[str, list[Edit]]:
    """The text with every match replaced, and the edits; the same object where nothing changes.

    What a match and its replacement have in common at either end is no part of the edit.
    """
    pieces: list[str] = []
    edits: list[Edit] = []
    done = 0
    for found in pattern.finditer(text):
        old, new = found.group(), replace(found)
        if old == new:
            continue
        head, tail = _common(old, new)
        start, end = found.start() + head, found.end() - tail
        new = new[head : len(new) - tail]
        pieces += (text[done:start], new)
        edits.append((start, end, len(new)))
        done = end
    if not edits:
        return text, edits
    pieces.append(text[done:])
    return "".join(pieces), edits


def _common(old: str, new: str) -> tuple[int, int]:
    """How many code points are the same at the start and at the end, leaving at least one of `old` between."""
    most = min(len(old) - 1, len(new))
    head = 0
    while head < most and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < most - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return head, tail

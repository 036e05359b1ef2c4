"""Which script a code point belongs to, by Unicode ranges, and how a text's letters are spread over scripts.

The ranges are whole blocks of the Unicode Standard (Blocks.txt) that hold one script each, with the letters of Latin-1
and the full-width forms picked out. Digits, punctuation, white space and symbols in the ASCII and general blocks
belong to no script ("").
"""

import bisect
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["SCRIPTS", "runs", "script_counts", "script_numbers", "script_of"]

_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x41, 0x5A, "Latn"), (0x61, 0x7A, "Latn"), (0xAA, 0xAA, "Latn"), (0xBA, 0xBA, "Latn"),
    (0xC0, 0xD6, "Latn"), (0xD8, 0xF6, "Latn"), (0xF8, 0x2B8, "Latn"), (0x2E0, 0x2E4, "Latn"), (0x300, 0x36F, "Latn"),
    (0x370, 0x3FF, "Grek"), (0x400, 0x52F, "Cyrl"), (0x531, 0x58F, "Armn"), (0x591, 0x5F4, "Hebr"),
    (0x620, 0x65F, "Arab"), (0x66E, 0x6D3, "Arab"), (0x6D5, 0x6EF, "Arab"), (0x6FA, 0x6FF, "Arab"),
    (0x750, 0x77F, "Arab"), (0x870, 0x8FF, "Arab"), (0x900, 0x963, "Deva"), (0x966, 0x97F, "Deva"),
    (0x980, 0x9FF, "Beng"), (0xA00, 0xA7F, "Guru"), (0xA80, 0xAFF, "Gujr"), (0xB00, 0xB7F, "Orya"),
    (0xB80, 0xBFF, "Taml"), (0xC00, 0xC7F, "Telu"), (0xC80, 0xCFF, "Knda"), (0xD00, 0xD7F, "Mlym"),
    (0xD80, 0xDFF, "Sinh"), (0xE01, 0xE3A, "Thai"), (0xE40, 0xE5B, "Thai"), (0xE80, 0xEFF, "Laoo"),
    (0xF00, 0xFFF, "Tibt"), (0x1000, 0x109F, "Mymr"), (0x10A0, 0x10FF, "Geor"), (0x1100, 0x11FF, "Hang"),
    (0x1200, 0x139F, "Ethi"), (0x1700, 0x171F, "Tglg"), (0x1720, 0x1734, "Hano"), (0x1740, 0x175F, "Buhd"),
    (0x1760, 0x177F, "Tagb"), (0x1780, 0x17FF, "Khmr"), (0x1800, 0x18AF, "Mong"), (0x1980, 0x19DF, "Talu"),
    (0x19E0, 0x19FF, "Khmr"), (0x1A00, 0x1A1F, "Bugi"), (0x1A20, 0x1AAF, "Lana"), (0x1B00, 0x1B7F, "Bali"),
    (0x1B80, 0x1BBF, "Sund"), (0x1BC0, 0x1BFF, "Batk"), (0x1CC0, 0x1CCF, "Sund"), (0x1D00, 0x1DBF, "Latn"),
    (0x1E00, 0x1EFF, "Latn"), (0x1F00, 0x1FFF, "Grek"), (0x2C60, 0x2C7F, "Latn"), (0x2E80, 0x2FDF, "Hani"),
    (0x3005, 0x3007, "Hani"), (0x3021, 0x3029, "Hani"), (0x3038, 0x303B, "Hani"), (0x3041, 0x309F, "Hira"), (0x30A1, 0x30FA, "Kana"), (0x30FC, 0x30FF, "Kana"),
    (0x3105, 0x312F, "Bopo"), (0x3131, 0x318E, "Hang"), (0x3400, 0x4DBF, "Hani"), (0x4E00, 0x9FFF, "Hani"),
    (0xA720, 0xA7FF, "Latn"), (0xA900, 0xA92F, "Kali"), (0xA930, 0xA95F, "Rjng"), (0xA980, 0xA9DF, "Java"),
    (0xA9E0, 0xA9FF, "Mymr"), (0xAA00, 0xAA5F, "Cham"), (0xAA60, 0xAA7F, "Mymr"), (0xAC00, 0xD7AF, "Hang"),
    (0xF900, 0xFAFF, "Hani"), (0xFB50, 0xFDFF, "Arab"), (0xFE70, 0xFEFC, "Arab"), (0xFF21, 0xFF3A, "Latn"),
    (0xFF41, 0xFF5A, "Latn"), (0xFF66, 0xFF9D, "Kana"), (0x20000, 0x3347F, "Hani"),
)  # fmt: skip
_STARTS = [first for first, _, _ in _RANGES]
SCRIPTS: tuple[str, ...] = ("", *sorted({script for _, _, script in _RANGES}))  # ISO 15924; "" is none


def script_of(point: int) -> str:
    """The ISO 15924 code of a code point's script, "" for digits, signs and what is not in the table."""
    place = bisect.bisect_right(_STARTS, point) - 1
    if place >= 0 and point <= _RANGES[place][1]:
        return _RANGES[place][2]
    return ""


@functools.cache
def _table() -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]":
    import numpy as np

    starts, numbers = [0], [0]
    for first, last, script in _RANGES:
        starts += [first, last + 1]
        numbers += [SCRIPTS.index(script), 0]
    return np.array(starts), np.array(numbers, np.int8)


@functools.cache
def _plane() -> "npt.NDArray[np.int8]":
    """The number of every code point of the first plane: one look-up instead of a search."""
    import numpy as np

    starts, numbers = _table()
    found: npt.NDArray[np.int8] = numbers[np.searchsorted(starts, np.arange(0x10000), side="right") - 1]
    return found


def script_numbers(points: "npt.NDArray[np.uint32]") -> "npt.NDArray[np.int8]":
    """For each code point the place of its script in SCRIPTS; 0 for what has none."""
    import numpy as np

    found: npt.NDArray[np.int8] = _plane()[np.minimum(points, 0xFFFF)]
    high = np.flatnonzero(points > 0xFFFF)
    if len(high):
        starts, numbers = _table()
        found[high] = numbers[np.searchsorted(starts, points[high], side="right") - 1]
    return found


def _numbers(text: str) -> "npt.NDArray[np.int8]":
    import numpy as np

    return script_numbers(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32))


def script_counts(text: str) -> dict[str, int]:
    """Script -> how many code points of the text are in it, most first; "" is left out."""
    import numpy as np

    counts = np.bincount(_numbers(text), minlength=len(SCRIPTS))
    found = {SCRIPTS[n]: int(counts[n]) for n in np.flatnonzero(counts) if n}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def runs(text: str) -> list[tuple[int, int, str]]:
    """(start, end, script) of each run of one script, in code points.

    What has no script belongs to the run before it, or at the start to the first run; kana counts with Han.
    The runs cover the text without gaps; a text with no letter has none.
    """
    import numpy as np

    numbers = _numbers(text)
    for kana in ("Hira", "Kana"):
        numbers = np.where(numbers == SCRIPTS.index(kana), np.int8(SCRIPTS.index("Hani")), numbers)
    letters = np.flatnonzero(numbers)
    if not len(letters):
        return []
    kinds = numbers[letters]
    changes = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    starts = [0, *(int(letters[n]) for n in changes)]
    ends = [*starts[1:], len(text)]
    first = [0, *(int(n) for n in changes)]
    return [(s, e, SCRIPTS[kinds[k]]) for s, e, k in zip(starts, ends, first, strict=True)]

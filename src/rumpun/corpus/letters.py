"""Texts as one array of code points, so that counting and comparing letters costs nanoseconds a character.

Shapes: N texts, C code points in all, L of them letters or marks. Folding is NFC, then Unicode's case folding.
"""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.code_points import ASSIGNED, EVERY, categories, folded

__all__ = [
    "CONTROL",
    "LETTERS",
    "REPLACEMENT",
    "SCRIPTS",
    "SPACE",
    "Hashes",
    "Int",
    "Letters",
    "kinds_table",
    "member",
]

# what a code point is: below LETTERS no letter; from LETTERS on, a letter or mark of script value - LETTERS
OTHER, SPACE, CONTROL, REPLACEMENT = 0, 1, 2, 3
LETTERS = 16
SCRIPTS = (
    "Zyyy",
    "Latn",
    "Thai",
    "Laoo",
    "Mymr",
    "Khmr",
    "Taml",
    "Hani",
    "Arab",
    "Java",
    "Sund",
    "Bali",
    "Bugi",
    "Tglg",
)
_NAMES = (
    "", "Latin", "Thai", "Lao", "Myanmar", "Khmer", "Tamil", "Han", "Arabic", "Javanese", "Sundanese", "Balinese",
    "Buginese", "Tagalog",
)  # fmt: skip

Int = NDArray[np.int64]
Hashes = NDArray[np.uint64]
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so it has an inverse modulo 2**64
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # of splitmix64


@functools.cache
def kinds_table() -> NDArray[np.uint8]:
    """[0x110000] what each code point is."""
    import regex

    named = categories()
    table = np.zeros(EVERY, dtype=np.uint8)
    table[:ASSIGNED][np.isin(named[:, 0], list(b"LM"))] = LETTERS
    table[:ASSIGNED][named[:, 0] == ord("Z")] = SPACE
    table[:ASSIGNED][(named == tuple(b"Cc")).all(axis=1)] = CONTROL
    table[[9, 10, 13]] = SPACE
    table[0xFFFD] = REPLACEMENT
    basic = "".join(map(chr, range(0x10000)))
    for number, name in enumerate(_NAMES):
        for match in regex.finditer(rf"\p{{Script={name}}}+", basic) if name else ():
            run = table[match.start() : match.end()]
            run[run == LETTERS] = LETTERS + number
    han = slice(0x20000, 0x32400)
    table[han][table[han] == LETTERS] = LETTERS + SCRIPTS.index("Hani")
    return table


@functools.lru_cache(maxsize=4)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    ones = np.ones(1, dtype=np.uint64)
    up = np.concatenate([ones, np.full(size - 1, _BASE, dtype=np.uint64)])
    down = np.concatenate([ones, np.full(size - 1, _INVERSE, dtype=np.uint64)])
    return np.cumprod(up), np.cumprod(down)


def member(values: Hashes, table: Hashes) -> NDArray[np.bool_]:
    """Which values stand in a sorted table."""
    if not len(table) or not len(values):
        return np.zeros(len(values), dtype=np.bool_)
    marks = np.zeros(1 << 20, dtype=np.bool_)  # a first sieve by 20 bits: most values fall through it
    marks[table >> np.uint64(44)] = True
    found: NDArray[np.bool_] = marks[(values >> np.uint64(44)).view(np.int64)]
    close = np.flatnonzero(found)
    at = np.minimum(np.searchsorted(table, values[close]), len(table) - 1)
    found[close] = table[at] == values[close]
    return found


class Letters:
    """N texts, folded, as code points with their kinds.

    Args:
        texts: any strings; lone surrogates are kept.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.codes, lengths = folded(texts)  # [C]
        self.kinds: NDArray[np.uint8] = kinds_table()[self.codes]  # [C]
        self.ends: Int = np.cumsum(lengths)  # [N]
        self.starts: Int = self.ends - lengths  # [N]

    def some(self, rows: Int) -> "Letters":
        """Those of these texts, numbered ascending; nothing is folded again."""
        lengths = self.ends - self.starts
        chosen = np.zeros(len(lengths), dtype=np.bool_)
        chosen[rows] = True
        inside = np.repeat(chosen, lengths)
        found = Letters(())
        found.codes, found.kinds = self.codes[inside], self.kinds[inside]
        found.ends = np.cumsum(lengths[rows])
        found.starts = found.ends - lengths[rows]
        return found

    def count(self, mask: NDArray[np.bool_]) -> Int:
        """[N] how many code points of each text a mask [C] marks."""
        sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(mask, dtype=np.int64)])
        found: Int = sums[self.ends] - sums[self.starts]
        return found

    @functools.cached_property
    def _kept(self) -> tuple[Int, Int, Int]:
        """Positions [L] of letters, and where each text's letters start and end among them [N]."""
        positions = np.flatnonzero(self.kinds >= LETTERS)
        return positions, np.searchsorted(positions, self.starts), np.searchsorted(positions, self.ends)

    @functools.cached_property
    def _owner(self) -> Int:
        """[L] the text that each letter lies in."""
        _, starts, ends = self._kept
        found: Int = np.repeat(np.arange(len(starts), dtype=np.int64), ends - starts)
        return found

    def script_counts(self) -> Int:
        """[N, scripts] letters and marks of each script in each text."""
        width = len(SCRIPTS)
        places = self._owner * width
        places += self.kinds[self._kept[0]]
        places -= LETTERS
        return np.bincount(places, minlength=len(self.starts) * width).reshape(-1, width)

    def letter_counts(self) -> Int:
        """[N] letters and marks in each text."""
        _, starts, ends = self._kept
        return ends - starts

    def keys(self) -> Hashes:
        """[N] a 64-bit key of each text's letters and marks alone, to compare within one run."""
        _, starts, ends = self._kept
        sums, down = self._sums
        found: Hashes = (sums[ends] - sums[starts]) * down[starts]
        return _finished(found + (ends - starts).astype(np.uint64) * _BASE)

    def digests(self) -> Hashes:
        """[N] the same from BLAKE2b, to be stored."""
        positions, starts, ends = self._kept
        letters = self.codes[positions]
        made = [
            int.from_bytes(hashlib.blake2b(letters[a:b].tobytes(), digest_size=8).digest(), "little")
            for a, b in zip(starts, ends, strict=True)
        ]
        return np.array(made, dtype=np.uint64)

    def runs(self, *, letters: int = 0, words: int = 0) -> tuple[Hashes, Int]:
        """Hashes [R] of every run of so many letters, or words, and the text [R] that each lies in.

        A run never crosses from one text to the next. A word is letters and marks side by side.
        """
        positions, owner = self._kept[0], self._owner
        if not len(positions):
            return np.zeros(0, dtype=np.uint64), owner
        sums, down = self._sums
        if letters:
            inside = owner[: -letters + 1 or None] == owner[letters - 1 :]
            found = sums[letters:] - sums[: -letters or None]
            found *= down[: len(found)]
            return _finished(found[inside]), owner[: len(inside)][inside]
        first = np.concatenate([[True], (np.diff(positions) != 1) | (np.diff(owner) != 0)])
        word = np.flatnonzero(first)
        closing = np.concatenate([word[1:], [len(positions)]])
        begin = word[: max(0, len(word) - words + 1)]
        finish = closing[words - 1 :] if words <= len(word) else closing[:0]
        whole = owner[begin] == owner[finish - 1] if len(begin) else np.zeros(0, dtype=np.bool_)
        begin, finish = begin[whole], finish[whole]
        return _finished((sums[finish] - sums[begin]) * down[begin]), owner[begin]

    @functools.cached_property
    def _sums(self) -> tuple[Hashes, Hashes]:
        """Sums [L + 1] of the letters so far, each times a power of the base, and what takes the power off again [L].

        What lies between two sums is a polynomial hash modulo 2**64.
        """
        positions = self._kept[0]
        up, down = _powers(1 << len(positions).bit_length())
        mixed = self.codes[positions].astype(np.uint64)
        mixed += np.uint64(1)
        mixed ^= mixed << np.uint64(29)
        mixed *= _MIX
        mixed ^= mixed >> np.uint64(32)
        mixed *= up[: len(mixed)]
        sums = np.zeros(len(mixed) + 1, dtype=np.uint64)
        np.cumsum(mixed, out=sums[1:])
        return sums, down


def _finished(hashes: Hashes) -> Hashes:
    hashes ^= hashes >> np.uint64(32)
    hashes *= _MIX
    return hashes

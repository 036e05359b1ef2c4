"""Lines of a slice's texts, found and hashed on the array of code points.

A line ends at a line feed or where its text ends, so a text with k line feeds has k + 1 lines, and an empty text has one.
What a line is compared by is its trimmed content with letters in lower case and every digit as one: "Page 3 of 9" and
"page 4 of 9" are the same line. Shapes: N texts, C code points, L lines.
"""

import functools
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.letters import SPACE, Hashes, Int

__all__ = ["Lines", "boilerplate", "find_lines", "line_hash", "line_hashes", "mixed", "spans_of"]

_FIRST = np.uint64(0x9E3779B97F4A7C15)  # the odd constants of splitmix64
_SECOND = np.uint64(0xBF58476D1CE4E5B9)
_THIRD = np.uint64(0x94D049BB133111EB)
OWN = 3  # as many equal lines in one text are its own structure
LONG = 16  # code points of a line that is boilerplate by itself
_PLANES = 0x20000  # beyond the second plane there are no letters with case and no digits


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """L lines, in the order of the texts; all places are places in the slice's array of code points."""

    owner: Int  # [L] the text that the line lies in
    starts: Int  # [L]
    ends: Int  # [L] without the line feed
    first: Int  # [L] where its content starts, after white space
    last: Int  # [L] where its content ends; not after `first` where the line is blank

    @property
    def blank(self) -> NDArray[np.bool_]:
        """[L] which lines hold nothing but white space."""
        return self.last <= self.first


def find_lines(codes: NDArray[np.uint32], kinds: NDArray[np.uint8], starts: Int, ends: Int) -> Lines:
    """The lines of N texts that lie side by side in `codes` [C], from starts [N] to ends [N]."""
    feeds = np.flatnonzero(codes == 10)
    # in order, the k-th start and the k-th end belong to one line: both run through the texts from left to right
    begin = np.sort(np.concatenate([starts, feeds + 1]), kind="stable")
    finish = np.sort(np.concatenate([feeds, ends]), kind="stable")
    each = np.searchsorted(feeds, ends) - np.searchsorted(feeds, starts) + 1
    owner = np.repeat(np.arange(len(starts), dtype=np.int64), each)
    solid = np.flatnonzero(kinds != SPACE)
    low, high = np.searchsorted(solid, begin), np.searchsorted(solid, finish)
    padded = np.append(solid, len(codes))  # a blank last line looks one place past the end
    first = np.where(low < high, padded[low], begin)
    last = np.where(low < high, padded[high - 1] + 1, begin)
    return Lines(owner, begin, finish, first, last)


@functools.cache
def _folded() -> NDArray[np.uint32]:
    """[0x110000] each code point in lower case, and every decimal digit as 0, one for one."""
    table = np.arange(0x110000, dtype=np.uint32)
    for code in range(_PLANES):
        character = chr(code)
        lower = character.lower()
        if unicodedata.category(character) == "Nd":
            table[code] = ord("0")
        elif lower != character and len(lower) == 1:
            table[code] = ord(lower)
    return table


def mixed(values: Hashes) -> Hashes:
    """The finaliser of splitmix64, a bijection of 64-bit numbers."""
    values = (values ^ (values >> np.uint64(30))) * _SECOND
    values = (values ^ (values >> np.uint64(27))) * _THIRD
    return values ^ (values >> np.uint64(31))


def line_hashes(codes: NDArray[np.uint32], lines: Lines) -> Hashes:
    """[L] 64-bit hashes of the lines' content; 0 for a blank line, and never 0 for another.

    The hash is the mixed sum of mix(code point, place in the line), modulo 2**64: equal content, equal hash, in every text
    and every slice.
    """
    if not len(lines.starts):
        return np.zeros(0, dtype=np.uint64)
    sizes = np.diff(np.append(lines.starts, len(codes)))
    place = np.arange(len(codes), dtype=np.int64) - np.repeat(lines.first, sizes)
    terms = _folded()[codes].astype(np.uint64) | (place.astype(np.uint64) << np.uint64(21))
    terms = (terms + np.uint64(1)) * _FIRST
    terms = (terms ^ (terms >> np.uint64(29))) * _SECOND
    terms ^= terms >> np.uint64(32)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms, dtype=np.uint64)])
    found = mixed(sums[lines.last] - sums[lines.first])
    found[found == 0] = 1
    found[lines.blank] = 0
    return found


def line_hash(text: str) -> int:
    """The hash of one line, for looking a line up."""
    from rumpun.corpus.letters import kinds_table

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    ends = np.array([len(codes)], dtype=np.int64)
    lines = find_lines(codes, kinds_table()[codes], np.zeros(1, dtype=np.int64), ends)
    return int(line_hashes(codes, lines)[0])


def boilerplate(line_ends: Sequence[int], hashes: Sequence[int], numbers: Sequence[int]) -> list[int]:
    """Those of a text's frequent lines that are a page's frame and not the text's own structure.

    A line that stands in the text OWN times or more ("Article 5", "Article 6", a code fence) is its structure; of the others a
    long one is boilerplate, and a short one where another stands beside it, blank lines aside: a menu, not a heading.

    Args:
        line_ends: [lines of the text] the code point after each line's last.
        hashes: [lines of the text] of their content, 0 for blank ones.
        numbers: of lines that many documents have, counted from 0.
    """
    there = [n for n in numbers if 0 <= n < len(hashes) and hashes[n]]
    times = Counter(hashes) if there else Counter()
    left = {n for n in there if times[hashes[n]] < OWN}
    return [
        n
        for n in sorted(left)
        if line_ends[n] - (line_ends[n - 1] + 1 if n else 0) >= LONG
        or _beside(hashes, n, -1) in left
        or _beside(hashes, n, 1) in left
    ]


def _beside(hashes: Sequence[int], number: int, step: int) -> int:
    """The number of the next line before or after one that is not blank; outside of the text where there is none."""
    number += step
    while 0 <= number < len(hashes) and not hashes[number]:
        number += step
    return number


def spans_of(line_ends: Sequence[int], numbers: Sequence[int]) -> list[tuple[int, int]]:
    """What to cut out of a text (start, end) so that these of its lines are gone and no empty line stays behind.

    Args:
        line_ends: [lines of the text] the code point after each line's last, as `figures.line_ends` has them.
        numbers: of lines, counted from 0; lines that are not there are passed over.
    """
    count, found = len(line_ends), []
    chosen = sorted({number for number in numbers if 0 <= number < count})
    at = 0
    while at < len(chosen):
        first = last = chosen[at]
        while at + 1 < len(chosen) and chosen[at + 1] == last + 1:
            at += 1
            last = chosen[at]
        at += 1
        start = line_ends[first - 1] + 1 if first else 0
        end = line_ends[last] + 1
        if last == count - 1:  # the last line has no line feed after it: the one before it goes
            start, end = max(0, start - 1), line_ends[last]
        found.append((start, end))
    return found

"""Words of many texts at once, and the hashed features of each word: what the identifier's model adds up.

A word is a run of letters of Latin script, with an apostrophe between two of them. It is lower-cased, three and more of
one letter in a row are two ("bangeeeet"), and of a longer word the first 32 letters count. Its features are its n-grams of
1 to 5 code points, with a mark at each end of the word, and the whole word; two words in a row are one more feature.
None crosses a word, so a word that comes often is worked out once for all texts of a batch.

A sequence c0 … ck hashes to the sum of v(ci) * P**i modulo 2**64, where v is the first half of MurmurHash3's 64-bit
finaliser on ci * 0x9E3779B97F4A7C15; the sum goes through the same finaliser with a number for the kind of feature. The
hash of every word comes from one running sum over all texts: differences of it, times the inverse of a power of P.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import regex

from rumpun.language.scripts import SCRIPTS, script_numbers

__all__ = [
    "GRAMS",
    "KINDS",
    "Grams",
    "Joined",
    "Words",
    "finish",
    "grams",
    "join",
    "pairs",
    "words",
    "words_of",
]

GRAMS = (1, 2, 3, 4, 5)  # code points
KINDS = (*GRAMS, "word", "pair")
MOST_LETTERS = 32  # of a word; a longer one is a link, a hash, or a cat on the keyboard

_LATIN = SCRIPTS.index("Latn")
_P = 0x2545F4914F6CDD1D  # odd, so that it has an inverse modulo 2**64
_INVERSE = pow(_P, -1, 1 << 64)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)
_APOSTROPHE = 0x27
_EDGE = 1  # the mark at each end of a word; no text's letter
_FOLDED = 0x2500  # Latin letters that have a case, and ’, lie below
_NOT_SPEECH = regex.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\S+|(?<![\p{L}\p{N}])@\w+")

Uint64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Texts one after another, a line feed after each."""

    points: npt.NDArray[np.uint32]  # [n] code points
    scripts: npt.NDArray[np.int8]  # [n] places in SCRIPTS
    bounds: Int64s  # [texts + 1] where each text begins; its last point is the line feed
    silent: npt.NDArray[np.bool_] | None  # [n] links, addresses and @names, where there are any

    @property
    def texts(self) -> int:
        """How many texts."""
        return len(self.bounds) - 1

    @property
    def rows(self) -> npt.NDArray[np.int32]:
        """[n] the text of each point."""
        return np.repeat(np.arange(self.texts, dtype=np.int32), np.diff(self.bounds))


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of joined texts, in order."""

    row: npt.NDArray[np.int32]  # [words] the text that a word is in
    start: Int64s  # [words] code points from the text's beginning
    key: Uint64s  # [words] hash of the whole word, not finished
    length: Int64s  # [words] letters, at most MOST_LETTERS
    values: Uint64s  # [points kept] v(c)
    place: Int64s  # [words] where the word begins in values

    def __len__(self) -> int:
        return len(self.key)

    @property
    def follows(self) -> npt.NDArray[np.bool_]:
        """[words] whether the word before it is of the same text."""
        found = np.zeros(len(self), np.bool_)
        found[1:] = self.row[1:] == self.row[:-1]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Grams:
    """Features of one kind: hashes in the order of the words, and how many each word has."""

    kind: int | str
    hashes: Uint64s
    counts: Int64s  # [words]


@functools.cache
def _folds() -> npt.NDArray[np.uint32]:
    table = np.arange(_FOLDED, dtype=np.uint32)
    for point in range(0x41, _FOLDED):
        lower = chr(point).lower()
        table[point] = ord(lower[0])  # İ is two code points in lower case: the dot goes
    table[0x2019] = table[0x2BC] = _APOSTROPHE
    return table


def _fold(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return np.where(points < _FOLDED, _folds()[np.minimum(points, _FOLDED - 1)], points)


_powers_kept: list[tuple[Uint64s, Uint64s]] = []


def _powers(count: int) -> tuple[Uint64s, Uint64s]:
    """P and its inverse to the powers 0 … count - 1 and more."""
    if not _powers_kept or len(_powers_kept[0][0]) < count:
        size = max(1 << 12, 1 << (count - 1).bit_length())
        steps = []
        for base in (_P, _INVERSE):
            step = np.full(size, base, np.uint64)
            step[0] = 1
            steps.append(np.cumprod(step))
        _powers_kept[:] = [(steps[0], steps[1])]
    return _powers_kept[0]


def _mixed(values: Uint64s) -> Uint64s:
    mixed = (values ^ (values >> _SHIFT)) * _MIX
    return mixed ^ (mixed >> _SHIFT)


def finish(states: Uint64s, kind: int | str) -> Uint64s:
    """The hash of a feature of this kind."""
    return _mixed(states + np.uint64((KINDS.index(kind) + 1) * 0xD6E8FEB86659FD93 & (1 << 64) - 1))


def join(texts: Sequence[str]) -> Joined:
    """Texts as one array; links, addresses and @names are marked where a text has other letters too."""
    whole = "\n".join(texts) + "\n"
    points = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), np.uint32)
    bounds = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1, out=bounds[1:])
    if not texts:
        points = points[:0]
    scripts = script_numbers(points)
    silent = None
    if "@" in whole or "://" in whole or "www." in whole:
        silent = np.zeros(len(points), np.bool_)
        for number, text in enumerate(texts):
            if "@" in text or "://" in text or "www." in text:
                here = slice(bounds[number], bounds[number + 1])
                marked = silent[here]
                for found in _NOT_SPEECH.finditer(text):
                    marked[found.start() : found.end()] = True
                if not (scripts[here] * ~marked).any():
                    marked[:] = False  # nothing else is there to go by
    return Joined(points, scripts, bounds, silent)


def words(joined: Joined) -> Words:
    """The words of joined texts."""
    folded = _fold(joined.points)
    latin = joined.scripts == _LATIN
    if joined.silent is not None:
        latin &= ~joined.silent
    letter = latin.copy()
    letter[1:-1] |= (folded[1:-1] == _APOSTROPHE) & latin[:-2] & latin[2:]
    again = np.zeros(len(folded), np.bool_)
    again[2:] = letter[2:] & (folded[2:] == folded[1:-1]) & (folded[1:-1] == folded[:-2])
    kept = np.flatnonzero(~again)
    folded, letter = folded[kept], letter[kept]
    edges = np.diff(letter.astype(np.int8), prepend=np.int8(0))
    start, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    length = np.minimum(end - start, MOST_LETTERS)
    values = _mixed(folded.astype(np.uint64) * _GOLDEN)
    powers, inverses = _powers(len(values) + 1)
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values * powers[: len(values)], out=sums[1:])
    key = (sums[start + length] - sums[start]) * inverses[start]
    where = kept[start]
    row = (np.searchsorted(joined.bounds, where, side="right") - 1).astype(np.int32)
    return Words(row, where - joined.bounds[row], key, length, values, start)


def words_of(vocabulary: Sequence[str]) -> Words:
    """Words given one by one, folded as in a text; what is no word is refused by the caller's own count."""
    return words(join(vocabulary))


def grams(found: Words, which: npt.NDArray[np.int64]) -> Iterator[Grams]:
    """The features of the words with these numbers, one kind after another; `pairs` gives those of two words."""
    start, length = found.place[which], found.length[which]
    padded = length + 2
    ends = np.cumsum(padded)
    total = int(ends[-1]) if len(ends) else 0
    within = np.arange(total) - np.repeat(ends - padded, padded)
    left = np.repeat(padded, padded) - within
    outer = (within == 0) | (left == 1)
    source = np.repeat(start - 1, padded) + within
    source[outer] = 0
    values = found.values[source] if total else np.zeros(0, np.uint64)
    values[outer] = _mixed(np.array([_EDGE], np.uint64) * _GOLDEN)[0]
    powers, _ = _powers(8)
    state = np.zeros(total, np.uint64)
    for size in GRAMS:
        if total < size:
            break
        state = state[: total - size + 1] + values[size - 1 :] * powers[size - 1]
        inside = ~outer if size == 1 else left[: len(state)] >= size
        counts = length if size == 1 else np.maximum(padded - size + 1, 0)
        yield Grams(size, finish(state[inside], size), counts)
    yield Grams("word", finish(found.key[which], "word"), np.ones(len(which), np.int64))


def pairs(first: Uint64s, second: Uint64s) -> Uint64s:
    """The hashes of two words in a row, from their keys."""
    return finish(_mixed(first) + second * np.uint64(_P), "pair")

"""Tables over all code points, each made in a few hundredths of a second, and texts folded by them.

Folding is NFC, then Unicode's full case folding, as `unicodedata` and `str.casefold` of this Python have them. Nearly every
text is in NFC already and folds code point by code point: what would say otherwise is looked for on the array, and only
texts that have it are folded as strings. Shapes: N texts, C code points.
"""

import functools
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["ASSIGNED", "EVERY", "categories", "folded", "folding_table"]

EVERY = 0x110000
ASSIGNED = 0xE0200  # from here on there are private letters alone
_EMPTY = (0x40000, 0xE0000)  # no plane between them has an assigned code point
_SHIFT = np.uint64(32)
_LONE, _STRING = 1, 2  # may change or combine with what stands before it; calls for folding as a string


@functools.cache
def categories() -> NDArray[np.uint8]:
    """[ASSIGNED, 2] the two letters of each code point's general category, in ASCII."""
    found = np.empty((ASSIGNED, 2), dtype=np.uint8)
    found[:] = tuple(b"Cn")
    for first, last in ((0, _EMPTY[0]), (_EMPTY[1], ASSIGNED)):
        names = "".join(map(unicodedata.category, map(chr, range(first, last))))
        found[first:last] = np.frombuffer(names.encode(), dtype=np.uint8).reshape(-1, 2)
    return found


@functools.cache
def folding_table() -> NDArray[np.uint32]:
    """[EVERY] the folded code point; itself where folding gives several."""
    return _tables()[0]


@functools.cache
def _tables() -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint64]]:
    """[EVERY] folded, what folding meets there (_LONE, _STRING) and the class of the last part; and sorted pairs that combine."""
    table = np.arange(EVERY, dtype=np.uint32)
    meets, order = np.zeros(EVERY, dtype=np.uint8), np.zeros(EVERY, dtype=np.uint8)
    named = categories()
    first, second = named[:, 0], named[:, 1]
    # letters with case, and the few marks, numbers and signs that fold
    for code in np.flatnonzero(
        np.isin(first, list(b"MNS")) | ((first == ord("L")) & (second != ord("o")))
    ).tolist():
        lower = chr(code).casefold()
        if len(lower) > 1:
            meets[code] = _STRING
        else:
            table[code] = ord(lower)
    marks = np.flatnonzero(first == ord("M"))
    order[marks] = list(map(unicodedata.combining, map(chr, marks)))
    meets[marks[order[marks] > 0]] |= _LONE
    pairs = []
    there = np.flatnonzero(first != ord("C")).tolist()
    for code, parts in zip(there, map(unicodedata.decomposition, map(chr, there)), strict=True):
        if not parts or parts[0] == "<":
            continue
        if unicodedata.is_normalized("NFC", chr(code)):
            one, _, other = parts.partition(" ")
            pairs.append(int(one, 16) << 32 | int(other, 16))
            order[code] = unicodedata.combining(unicodedata.normalize("NFD", chr(code))[-1])
        else:
            meets[code] |= _STRING
    meets[0x1161:0x1176] |= _STRING  # Hangul vowels
    meets[0x11A8:0x11C3] |= _STRING  # and finals
    made = np.array(sorted(pairs), dtype=np.uint64)
    meets[(made & np.uint64(0xFFFFFFFF)).astype(np.int64)] |= _LONE
    return table, meets, order, made


def folded(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """[C] the code points of N texts, folded, side by side, and [N] how many each has.

    Args:
        texts: any strings; lone surrogates are kept.
    """
    table = folding_table()
    codes, lengths = _codes(texts)
    odd = _odd(codes)
    if len(odd):
        rows = np.unique(np.searchsorted(np.cumsum(lengths), odd, side="right")).tolist()
        texts = list(texts)
        for row in rows:
            texts[row] = unicodedata.normalize("NFC", texts[row]).casefold()
        codes, lengths = _codes(texts)
    return table[codes], lengths


def _codes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32), lengths


def _odd(codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Places [C] of code points for which a text has to be folded as a string.

    In NFC marks stand in the order of their classes, those inside of a composed letter too, and nothing combines: what has
    class 0 can only with the code point before it, a mark with that or with what stands before other marks (taken as if
    it did).
    """
    _, meets, order, pairs = _tables()
    met = meets[codes]
    places = np.flatnonzero(met)
    if not len(places):
        return places
    own, before = codes[places], codes[np.maximum(places - 1, 0)]
    own_order, before_order = order[own], order[before]
    keys = before.astype(np.uint64) << _SHIFT | own
    at = np.minimum(np.searchsorted(pairs, keys), len(pairs) - 1)
    combines = pairs[at] == keys
    seconds = _seconds()[own]
    out_of_order = (before_order > own_order) & (own_order > 0)
    behind = seconds & (before_order > 0) & (own_order > 0)
    found: NDArray[np.int64] = places[((met[places] & _STRING) > 0) | combines | out_of_order | behind]
    return found


@functools.cache
def _seconds() -> NDArray[np.bool_]:
    """[EVERY] what is the second of some pair that combines."""
    found = np.zeros(EVERY, dtype=np.bool_)
    found[(_tables()[3] & np.uint64(0xFFFFFFFF)).astype(np.int64)] = True
    return found

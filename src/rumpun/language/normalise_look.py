"""A quick look at a long text, or at many short ones at once: is there anything that a rule of normalisation might mend?

One table lookup for each code point and one for each pair of neighbours. What it calls clean is clean; what it does
not, the rules themselves look at. The table is made of the rules' own classes: a rule that is changed there is changed
here, and a test holds the two together.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rumpun.language import normalise_marks as marks
from rumpun.language import zawgyi
from rumpun.language.homoglyphs import FOREIGN, PRESENTATION
from rumpun.language.normalise_nfc import combining
from rumpun.language.normalise_signs import HIDDEN, LINE_ENDS, ends_word

__all__ = ["clean", "clean_each"]

_CODES = 0x20000  # beyond: rare ideographs and tags, always looked at closely
_OWN = (*range(0xE01, 0xE5C), *range(0xE81, 0xEE0), *range(0x1000, 0x10A0), *range(0x1780, 0x17DE),
        0xB92, 0xBBE, 0xBC6, 0xBC7, 0xBCD, 0xBD7, 0x200B)  # fmt: skip
_OLD = (0x17A3, 0x17A4, 0x17B4, 0x17B5)  # Khmer letters that are replaced or taken out
_KINDS = 512
_CALLS = _KINDS - 1  # the kind of code points that always call for a closer look
_CHUNK = 1 << 20  # code points at a time
_AT_ONCE = 1 << 17  # code points of short texts: the arrays stay in the processor's cache


_BAD = 1  # two neighbours that call for a closer look; higher values are numbers in THIRDS


@functools.cache
def _tables() -> tuple[NDArray[np.uint16], NDArray[np.uint8], NDArray[np.bool_]]:
    """Kinds [_CODES] of code points; what pairs of kinds call for [_KINDS * _KINDS]; and with which third [., _KINDS]."""
    kinds = np.zeros(_CODES, np.uint16)
    kinds[[*combining()]] = _CALLS
    every = "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, _CODES)))
    calls = re.findall(rf"[{HIDDEN}{LINE_ENDS}{FOREIGN}{PRESENTATION}\u1b35]", every)
    kinds[0xD800:0xE000] = kinds[_CODES - 1] = _CALLS
    kinds[[*_OLD, *map(ord, calls)]] = _CALLS
    for number, code in enumerate(_OWN, start=1):
        if code not in _OLD:
            kinds[code] = number
    own = "".join(map(chr, _OWN))

    def of(pattern: str) -> NDArray[np.uint16]:
        return kinds[[ord(sign) for sign in re.findall(f"[{pattern}]", own)]]

    pairs = np.zeros((_KINDS, _KINDS), np.uint8)
    thirds = np.zeros((2 + len(marks.TRIPLES), _KINDS), np.bool_)
    for number, (first, second, third) in enumerate(marks.TRIPLES, start=2):
        pairs[np.ix_(of(first), of(second))] = number
        thirds[number, of(third)] = thirds[number, _CALLS] = True
    for classes in (marks.thai.classes, marks.lao.classes, marks.KHMER_CLASSES, marks.BURMESE_CLASSES):
        for place, later in enumerate(classes):
            for earlier in classes[:place]:
                pairs[np.ix_(of(later), of(earlier))] = _BAD
    pairs[np.ix_(of("\u103a"), of(marks.BEFORE_ASAT))] = (
        0  # a contraction: the triples look at what stands before
    )
    for first, second in marks.PAIRS:
        pairs[np.ix_(of(first), of(second))] = _BAD
    everything = np.arange(_KINDS)
    pairs[np.ix_(np.setdiff1d(everything, of(zawgyi.CARRIER)), of("\u1031\u103b"))] = _BAD
    pairs[np.ix_(of("\u107e-\u1084"), of(zawgyi.CONSONANT))] = _BAD
    pairs[np.ix_(of("\u1039"), np.setdiff1d(everything, of(zawgyi.STACKABLE)))] = _BAD
    order = np.zeros(_KINDS, np.int16)  # canonical combining class
    order[kinds[list(_OWN)]] = [unicodedata.combining(chr(code)) for code in _OWN]
    pairs[(order[:, None] > order[None, :]) & (order[None, :] > 0)] = _BAD
    zero_width = kinds[0x200B]
    pairs[zero_width, :] = pairs[:, zero_width] = _BAD
    pairs[kinds[[ord(sign) for sign in own if ends_word(sign, "ก")]], zero_width] = 0
    pairs[zero_width, kinds[[ord(sign) for sign in own if ends_word("ก", sign)]]] = 0
    pairs[_CALLS, :] = pairs[:, _CALLS] = _BAD
    return kinds, pairs.ravel(), thirds


def clean(text: str) -> bool:
    """Whether no rule has anything to mend; False means only that one might. Word marks count as kept."""
    for start in range(0, len(text), _CHUNK):
        piece = text[max(0, start - 2) : start + _CHUNK]
        piece = ("" if start else "\n") + piece + ("" if start + _CHUNK < len(text) else "\n\n")
        if any(len(places) for places in _calls(piece)):
            return False
    return True


def clean_each(texts: Sequence[str]) -> list[bool]:
    """`clean` of each text, some hundred thousand code points at once."""
    found = [False] * len(texts)
    group: list[int] = []
    size = 0
    for number, text in enumerate(texts):
        if len(text) > _AT_ONCE:
            found[number] = clean(text)
            continue
        group.append(number)
        size += len(text)
        if size > _AT_ONCE:
            _clean_group(texts, group, found)
            group, size = [], 0
    if group:
        _clean_group(texts, group, found)
    return found


def _clean_group(texts: Sequence[str], group: Sequence[int], found: list[bool]) -> None:
    chosen = [texts[number] for number in group]
    ends = np.cumsum([len(text) + 2 for text in chosen])
    bad: set[int] = set()
    for places in _calls("\n" + "\n\n".join(chosen) + "\n\n"):
        bad.update(np.unique(np.searchsorted(ends, places, side="right")).tolist())
    for place, number in enumerate(group):
        found[number] = place not in bad


def _calls(piece: str) -> Iterator[NDArray[np.intp]]:
    """Where two neighbours, and then where three, call for a closer look."""
    kinds, pairs, thirds = _tables()
    codes = np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)
    found = kinds[np.minimum(codes, np.uint32(_CODES - 1))]
    values = pairs[found[:-1].astype(np.uint32) * np.uint32(_KINDS) + found[1:]]
    yield np.flatnonzero(values == _BAD)
    at = np.flatnonzero(values[:-1])
    yield at[thirds[values[at], found[at + 2]]]

"""A quick look at a long text: is there anything that a rule of normalisation might mend?

One table lookup for each code point and one for each pair of neighbours. What it calls clean is clean; what it does
not, the rules themselves look at. The table is made of the rules' own classes: a rule that is changed there is changed
here, and a test holds the two together.
"""

import functools
import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from rumpun.language import normalise_marks as marks
from rumpun.language import zawgyi
from rumpun.language.homoglyphs import FOREIGN, PRESENTATION
from rumpun.language.normalise_nfc import combining
from rumpun.language.normalise_signs import HIDDEN, LINE_ENDS

__all__ = ["clean"]

_CODES = 0x20000  # beyond: rare ideographs and tags, always looked at closely
_OWN = (*range(0xE01, 0xE5C), *range(0xE81, 0xEE0), *range(0x1000, 0x10A0), *range(0x1780, 0x17DE),
        0xB92, 0xBBE, 0xBC6, 0xBC7, 0xBCD, 0xBD7)  # fmt: skip
_KINDS = 512
_CALLS = _KINDS - 1  # the kind of code points that always call for a closer look
_CHUNK = 1 << 20  # code points at a time


@functools.cache
def _tables() -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """[_CODES] the kind of each code point, and [_KINDS * _KINDS] which kinds side by side call for a closer look."""
    kinds = np.zeros(_CODES, np.uint16)
    kinds[[*combining()]] = _CALLS
    every = "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, _CODES)))
    calls = rf"[{HIDDEN}{LINE_ENDS}{FOREIGN}{PRESENTATION}\u17a3\u17a4\u17cc\u1b35]"
    kinds[[ord(sign) for sign in re.findall(calls, every)]] = _CALLS
    kinds[0xD800:0xE000] = kinds[_CODES - 1] = _CALLS
    kinds[list(_OWN)] = np.arange(1, len(_OWN) + 1)
    kinds[[0x17A3, 0x17A4, 0x17CC]] = _CALLS
    kinds[[0x17B4, 0x17B5]] = _CALLS  # hidden
    bad = np.zeros((_KINDS, _KINDS), np.bool_)
    bad[_CALLS, :] = bad[:, _CALLS] = True

    own = "".join(map(chr, _OWN))

    def of(pattern: str) -> NDArray[np.uint16]:
        return kinds[[ord(sign) for sign in re.findall(f"[{pattern}]", own)]]

    for classes in (marks.thai.classes, marks.lao.classes, marks.KHMER_CLASSES[1:], marks.BURMESE_CLASSES):
        for place, later in enumerate(classes):
            for earlier in classes[:place]:
                bad[np.ix_(of(later), of(earlier))] = True
    for later, earlier in marks.PAIRS:
        bad[np.ix_(of(later), of(earlier))] = True
    carrier = np.setdiff1d(np.arange(_KINDS), of(zawgyi.CARRIER))
    bad[np.ix_(carrier, of("\u1031\u103b"))] = True
    bad[np.ix_(of("\u107e-\u1084"), of(zawgyi.CONSONANT))] = True
    bad[np.ix_(of("\u1039"), np.setdiff1d(np.arange(_KINDS), of(zawgyi.STACKABLE)))] = True
    order = np.zeros(_KINDS, np.int16)  # canonical combining class
    order[kinds[list(_OWN)]] = [unicodedata.combining(chr(code)) for code in _OWN]
    bad |= (order[:, None] > order[None, :]) & (order[None, :] > 0)
    return kinds, bad.ravel()


def clean(text: str) -> bool:
    """Whether no rule has anything to mend; False means only that one might."""
    kinds, bad = _tables()
    for start in range(0, len(text), _CHUNK):
        piece = (text[start - 1] if start else "\n") + text[start : start + _CHUNK]
        piece += "" if start + _CHUNK < len(text) else "\n"
        codes = np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)
        found = kinds[np.minimum(codes, np.uint32(_CODES - 1))]
        pairs = found[:-1].astype(np.uint32) * np.uint32(_KINDS) + found[1:]
        if bad[pairs].any():
            return False
    return True

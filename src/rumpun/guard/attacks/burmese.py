"""Burmese in Unicode as somebody with a Zawgyi font types it: the inverse of `rumpun.language.zawgyi.convert`.

The shapes are asked of the converter itself: each sign of Zawgyi is converted, and what comes out is a piece of Unicode
that the sign may stand for. Where several do (medial RA in its widths, letters below the line), one is drawn.
"""

import functools
import random
import re

from rumpun.guard.attacks.attack import Attack
from rumpun.language.normalise import normalise
from rumpun.language.zawgyi import convert

__all__ = ["ZAWGYI", "as_zawgyi"]

_BASE = "\u1000"  # any consonant, to carry a mark
_KINZI = "\u1004\u103a\u1039"
_RA, _E = "\u103c", "\u1031"
_SYLLABLE = re.compile(
    "(\u1004\u103a\u1039)?([\u1000-\u1021\u1025\u103f])((?:\u1039[\u1000-\u1021])*)([\u102b-\u1032\u1036-\u1038\u103a-\u103e]*)"
)
_AFOREMENTIONED = "\u104e\u1004\u103a\u1038"
_WIDE = frozenset("ကဃဆဏတထဘယလသဟအဿည")  # letters under the wide shape of medial RA


@functools.cache
def _shapes() -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Unicode -> the signs of Zawgyi that are read so: marks (with stacked letters and kinzi), and letters."""
    marks: dict[str, tuple[str, ...]] = {}
    letters: dict[str, tuple[str, ...]] = {}
    for point in (*range(0x102B, 0x1031), *range(0x1032, 0x103E), *range(0x105A, 0x1098)):
        sign = chr(point)
        read, alone = convert(_BASE + sign)[0], convert(sign)[0]
        if read in (_BASE + sign, _BASE + alone) and alone != sign and len(read) > 1 and read.startswith(_BASE):
            marks[read[1:]] = (*marks.get(read[1:], ()), sign)
        elif read.startswith(_KINZI):
            key = _KINZI + read.removeprefix(_KINZI).removeprefix(_BASE)
            marks[key] = (*marks.get(key, ()), sign)
        elif read.startswith(_BASE + "\u1039"):
            marks[read[1:]] = (*marks.get(read[1:], ()), sign)
        elif alone != sign:
            letters[alone] = (*letters.get(alone, ()), sign)
    return marks, letters

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
    """Unicode -> the signs of Zawgyi that are read so: letters, and marks (stacked letters and kinzi among them)."""
    letters: dict[str, tuple[str, ...]] = {}
    marks: dict[str, tuple[str, ...]] = {}
    for point in (*range(0x102B, 0x103E), 0x105A, *range(0x1060, 0x1098)):
        sign = chr(point)
        carried, alone = convert(_BASE + sign)[0], convert(sign)[0]
        if carried.startswith(_KINZI):
            key, into = _KINZI + carried[len(_KINZI) + 1 :], marks
        else:
            key, into = alone, letters if alone[0] <= "\u1021" or alone == "\u103f" else marks
        into[key] = (*into.get(key, ()), sign)
    return letters, marks


def as_zawgyi(text: str, dice: random.Random) -> str:
    """Burmese in Unicode, in its normal form, as Zawgyi; other text stays."""
    text = text.replace(_AFOREMENTIONED, "\u104e")
    return _SYLLABLE.sub(lambda found: _syllable(found, dice), text)


def _syllable(found: re.Match[str], dice: random.Random) -> str:
    kinzi, base, stack, marks = found.groups(default="")
    letters, shapes = _shapes()
    before = _E * marks.count(_E)
    if _RA in marks:
        wide, *others = shapes[_RA][1:]
        usual = wide if base in _WIDE else shapes[_RA][0]
        before += dice.choice(others) if dice.random() < 0.2 else usual
    marks = marks.replace(_E, "").replace(_RA, "")
    if base + stack in letters and (stack or base == "\u103f" or dice.random() < 0.2):
        base, stack = dice.choice(letters[base + stack]), ""
    elif base == "\u1009" and marks.startswith(("\u103a", "\u1037\u103a")):
        base = "\u1025"  # the shape without its tail, before an asat
    above = ""
    if kinzi:
        vowel = next((mark for mark in marks if _KINZI + mark in shapes), "")
        above, marks = shapes[_KINZI + vowel][0], marks.replace(vowel, "") if vowel else marks
    below = "".join(
        dice.choice(shapes.get(stack[n : n + 2], (stack[n : n + 2],))) for n in range(0, len(stack), 2)
    )
    return before + base + above + below + _drawn(marks, shapes, dice)


def _drawn(marks: str, shapes: dict[str, tuple[str, ...]], dice: random.Random) -> str:
    """Marks as signs of Zawgyi, two at once where one sign holds both."""
    found, place = "", 0
    while place < len(marks):
        size = 2 if marks[place : place + 2] in shapes else 1
        piece = marks[place : place + size]
        signs = shapes.get(piece, (piece,))
        found += signs[0] if dice.random() < 0.7 else dice.choice(signs)
        place += size
    return found


ZAWGYI = Attack(
    name="zawgyi", kind="character", scripts=("Mymr",), about="Burmese in the Zawgyi encoding",
    change=lambda text, dice: as_zawgyi(normalise(text, "my").text, dice),
)  # fmt: skip

"""Marks of a syllable in another order that looks the same: Thai, Lao, Khmer, Burmese and Vietnamese."""

import random
import re
import unicodedata
from collections.abc import Callable, Sequence

import regex

from rumpun.guard.attacks.attack import Attack
from rumpun.language.normalise import normalise
from rumpun.language.normalise_marks import BURMESE_CLASSES, KHMER_CLASSES, lao, thai

__all__ = ["MARK_ORDER"]

_STACK = "\u17d2[\u1780-\u17b3]"  # a subscript of Khmer
_ASAT, _E = "\u103a", "\u1031"


def _mixed(
    classes: Sequence[str], *, stacks: str = "", fixed: str = ""
) -> Callable[[str, random.Random], str]:
    """A function that draws the order of marks of different classes anew; those of one class keep theirs.

    `fixed` marks stay where they are, and nothing is moved over them.
    """
    kinds = [re.compile(f"[{marks}]") for marks in classes]
    token = re.compile(f"{stacks}|[{''.join(classes)}]" if stacks else f"[{''.join(classes)}]")
    run = re.compile(f"(?:{token.pattern}){{2,}}")

    def kind(mark: str) -> int:
        return next((n for n, of in enumerate(kinds) if len(mark) == 1 and of.match(mark)), -1)

    def draw(found: re.Match[str], dice: random.Random) -> str:
        marks = token.findall(found.group())
        for place in range(len(marks) - 1):
            one, two = marks[place : place + 2]
            if kind(one) != kind(two) and one not in fixed and two not in fixed and dice.random() < 0.7:
                marks[place : place + 2] = two, one
        return "".join(marks)

    return lambda text, dice: run.sub(lambda found: draw(found, dice), text)


_MIXED = (
    _mixed(thai.classes),
    _mixed(lao.classes),
    _mixed(KHMER_CLASSES, stacks=_STACK),
    _mixed(
        BURMESE_CLASSES, fixed=_ASAT + _E
    ),  # before its vowel an asat means another word, an E another letter's
)
_TWO_PART = (  # one sign -> two that look the same together
    ("\u0e33", "\u0e4d\u0e32"), ("\u0eb3", "\u0ecd\u0eb2"), ("\u0e41", "\u0e40\u0e40"), ("\u0ec1", "\u0ec0\u0ec0"),
    ("\u17c4", "\u17c1\u17b6"), ("\u17be", "\u17c1\u17b8"),
)  # fmt: skip
_ALONE = regex.compile("[\u1ea0-\u1ef9]|[a-zA-Z\u00c0-\u01b0](?=\\p{M})")
_BURMESE_TONED = re.compile("\u1037\u103a")


def _mark_order(text: str, dice: random.Random) -> str:
    text = normalise(text).text
    for mix in _MIXED:
        text = mix(text, dice)
    for one, two in _TWO_PART:
        text = "".join(two if sign == one and dice.random() < 0.6 else sign for sign in text)
    text = _BURMESE_TONED.sub(lambda _: dice.choice(("\u1037\u103a", "\u103a\u1037")), text)
    return str(_ALONE.sub(lambda found: _vietnamese(found.group(), dice), text))


def _vietnamese(letter: str, dice: random.Random) -> str:
    """A letter with its marks as code points of their own, the tone first or last, or the tone in the letter."""
    apart = unicodedata.normalize("NFD", letter)
    base, marks = apart[0], list(apart[1:])
    if len(marks) != 2 or dice.random() < 0.4:
        return letter
    first, second = marks if dice.random() < 0.5 else reversed(marks)
    return (
        base + first + second if dice.random() < 0.5 else unicodedata.normalize("NFC", base + first) + second
    )


MARK_ORDER = Attack(
    name="mark_order", kind="character", scripts=("Thai", "Laoo", "Khmr", "Mymr", "Latn"), change=_mark_order,
    needs=regex.compile("[\u0e31-\u0e4e\u0eb1-\u0ece\u17b6-\u17dd\u102b-\u103e\u1ea0-\u1ef9]"),
    about="marks of a syllable in another order that looks the same",
)  # fmt: skip

"""Numbers with letters: NRIC, passports, plates; found by their digits, which are rarer than letters."""

import re
from collections.abc import Iterator

from rumpun.personal.found import Candidate
from rumpun.personal.numbers import scored
from rumpun.personal.rules import Lettered, Rules
from rumpun.personal.runs import MASK, Context

__all__ = ["shapes", "with_letters"]

_DIGITS = re.compile(r"(?<![0-9])[0-9]{1,9}(?![0-9])")
_HIDDEN = re.compile(r"(?<![A-Za-z0-9])[STFG][*Xx\u2022]{4}[0-9]{3}[A-Z](?![A-Za-z0-9])")
_SHAPE = re.compile(r"[A-Z]{0,3}[0-9]{3,9}[A-Z]?(?![A-Za-z0-9])", re.IGNORECASE)


def with_letters(text: str, rules: Rules, context: Context) -> Iterator[Candidate]:
    """Readings of a folded text as layouts that have letters."""
    for digits in _DIGITS.finditer(text) if rules.lettered else ():
        start, end = digits.span()
        layouts = rules.lettered.get(end - start, ())
        sides = (text[start - 1 : start], text[end : end + 1])
        if layouts and any(side.isascii() and side.isalpha() for side in sides):
            for layout in layouts:
                found = _reading(text, start, layout, context, asked=rules.asked)
                if found:
                    yield found
    if any(layout.rule.identifier.type == "SG_NRIC" for layout in rules.lettered.get(7, ())):
        for hidden in _HIDDEN.finditer(text):
            yield Candidate("SG_NRIC_PART", *hidden.span(), 0.7, "sg", ["a number with its middle hidden"])


def _reading(text: str, start: int, layout: Lettered, context: Context, *, asked: bool) -> Candidate | None:
    """The layout whose digits start at a place, or None."""
    first = start - layout.lead
    if first < 0 or not _open(text, first) or (layout.lead and context.is_word(text[first:start])):
        return None
    match = layout.pattern.match(text, first)
    if not match:
        return None
    rule, value = layout.rule, match.group().upper()
    around = context.around(start)
    word, passes = around.words.get(rule.key), rule.passes(value)
    if word is None and (rule.identifier.needs_context or passes is False):
        return None
    found = Candidate(
        rule.identifier.type, *match.span(), rule.identifier.base, rule.country, ["its layout"], value=value,
        key=rule.key, needs_context=rule.identifier.needs_context, rank=rule.rank,
    )  # fmt: skip
    return scored(found, rule, passes, word, around=around, asked=asked, stuck=False)


def _open(text: str, first: int) -> bool:
    """Whether a layout may begin here: not within an ASCII word, save where capitals follow small letters."""
    if first == 0:
        return True
    before = text[first - 1]
    if before == MASK:
        return False
    if not before.isascii() or not before.isalnum():
        return True
    return before.islower() and text[first].isupper()


def shapes(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, capitals) of everything with the shape of a lettered number."""
    for digits in _DIGITS.finditer(text):
        start = digits.start()
        for lead in (1, 2, 3, 0):
            first = start - lead
            if first >= 0 and _open(text, first) and (match := _SHAPE.match(text, first)):
                yield match.start(), match.end(), match.group().upper()

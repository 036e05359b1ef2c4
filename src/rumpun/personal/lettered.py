"""Numbers with letters: NRIC, passports, plates; found by their digits, which are rarer than letters."""

import re
from collections.abc import Iterator

from rumpun.personal.found import Candidate
from rumpun.personal.numbers import scored
from rumpun.personal.rules import Lettered, Rule, Rules
from rumpun.personal.runs import MASK, Context

__all__ = ["hidden_numbers", "shapes", "with_letters"]

_DIGITS = re.compile(r"[0-9]+")
_DIGITS_MOST = 9
_HIDDEN = re.compile(r"[STFGM][*Xx\u2022]{4}[0-9]{3}[A-Z](?![A-Za-z0-9])")
_SHAPE = re.compile(r"[A-Z]{0,3}[0-9]{3,9}[A-Z]?(?![A-Za-z0-9])", re.IGNORECASE)


def with_letters(text: str, rules: Rules, context: Context) -> Iterator[Candidate]:
    """Readings of a folded text as layouts that have letters."""
    for digits in _DIGITS.finditer(text) if rules.lettered else ():
        start, end = digits.span()
        layouts = rules.lettered.get(end - start, ())
        if layouts and (_letter(text, start - 1) or _letter(text, end)):
            for layout in layouts:
                found = _reading(text, start, layout, context, asked=rules.asked)
                if found:
                    yield found


def hidden_numbers(text: str) -> Iterator[Candidate]:
    """NRIC and FIN numbers whose middle is hidden already: the rest is personal too."""
    for mark in ("****", "XXXX", "xxxx", "\u2022\u2022\u2022\u2022"):
        place = text.find(mark)
        while place >= 0:
            if place and (match := _HIDDEN.match(text, place - 1)) and _open(text, place - 1):
                yield Candidate("SG_NRIC_PART", *match.span(), 0.7, "sg", ["a number with its middle hidden"])
            place = text.find(mark, place + 4)


def _letter(text: str, place: int) -> bool:
    return 0 <= place < len(text) and text[place].isascii() and text[place].isalpha()


def _reading(text: str, start: int, layout: Lettered, context: Context, *, asked: bool) -> Candidate | None:
    """The layout whose digits start at a place, or None."""
    first = start - layout.lead
    match = layout.pattern.match(text, first) if first >= 0 else None
    if not match or not (_open(text, first) or _behind_digits(text, first, layout.rule, match.group())):
        return None
    rule, value = layout.rule, match.group().upper()
    around = context.around(start)
    word, passes = around.words.get(rule.key), rule.passes(value)
    lead_is_word = layout.lead > 0 and context.is_word(text[first:start])  # "IC1234567"
    if word is None and (rule.identifier.needs_context or passes is False or lead_is_word):
        return None
    found = Candidate(
        rule.identifier.type, *match.span(), rule.identifier.base, rule.country, ["its layout"], value=value,
        key=rule.key, needs_context=rule.identifier.needs_context, rank=rule.rank,
    )  # fmt: skip
    return scored(found, rule, passes, word, around=around, asked=asked, stuck=False)


def _behind_digits(text: str, first: int, rule: Rule, value: str) -> bool:
    """Whether a number in capitals whose check passes is glued to the digits of another."""
    return text[first - 1].isdigit() and value.isupper() and rule.passes(value) is True


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
        start, end = digits.span()
        if end - start > _DIGITS_MOST:
            continue
        for lead in (1, 2, 3, 0):
            first = start - lead
            if first >= 0 and _open(text, first) and (match := _SHAPE.match(text, first)):
                yield match.start(), match.end(), match.group().upper()

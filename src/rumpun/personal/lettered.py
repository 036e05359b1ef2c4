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
_HIDDEN_BY = "*Xx\u2022\u25cf\u2217"
_HIDDEN = re.compile(rf"[STFGM{_HIDDEN_BY}][{_HIDDEN_BY}]{{4}}[0-9]{{3}}[A-Z](?![A-Za-z])")
_GAPS = frozenset(" .\u00b7\u200b-")
_CAPITALS = re.compile(r"(?<![A-Za-z0-9])([A-Z]{1,2})[ .\u00b7\u200b-]?\Z")
_LONG = re.compile(r"[0-9](?:[ .\u00b7\u200b-]?[0-9]){5}")
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
        before = text[start - 1 : start]
        if before in _GAPS or (text[end : end + 1] in _GAPS and "A" <= before <= "Z"):
            yield from _apart(text, start, rules, context)


def _apart(text: str, start: int, rules: Rules, context: Context) -> Iterator[Candidate]:
    """Numbers in capitals with separators where their layout has none: "S 1234567 D", "A-1234567"."""
    letters = _CAPITALS.search(text, max(0, start - 4), start)
    if not letters or not _LONG.match(text, start) or context.is_word(letters.group(1)):
        return
    for layout in rules.led:
        if layout.lead != len(letters.group(1)):
            continue
        match = layout.apart.match(text, letters.start(1))
        if match and not match.group().isalnum():
            found = _judged(match, layout, context, place=start, asked=rules.asked)
            if found and (found.named or layout.rule.passes(found.value)):
                yield found


def hidden_numbers(text: str) -> Iterator[Candidate]:
    """NRIC and FIN numbers whose middle is hidden already: the rest is personal too."""
    for mark in [sign * 4 for sign in _HIDDEN_BY]:
        place = text.find(mark)
        while place >= 0:
            for first in (place - 1, place):
                if first >= 0 and (match := _HIDDEN.match(text, first)) and _open(text, first):
                    yield Candidate(
                        "SG_NRIC_PART", *match.span(), 0.7, "sg", ["a number with its middle hidden"]
                    )
                    break
            place = text.find(mark, place + 4)


def _letter(text: str, place: int) -> bool:
    return 0 <= place < len(text) and text[place].isascii() and text[place].isalpha()


def _reading(text: str, start: int, layout: Lettered, context: Context, *, asked: bool) -> Candidate | None:
    """The layout whose digits start at a place, or None."""
    first = start - layout.lead
    match = layout.pattern.match(text, first) if first >= 0 else None
    if not match or not (_open(text, first) or _behind_digits(text, first, layout.rule, match.group())):
        return None
    if (
        layout.lead
        and context.is_word(text[first:start])
        and layout.rule.key not in context.around(start).words
    ):
        return None  # "IC1234567"
    return _judged(match, layout, context, place=start, asked=asked)


def _judged(
    match: "re.Match[str]", layout: Lettered, context: Context, *, place: int, asked: bool
) -> Candidate | None:
    """A layout that fits, with what its check and the words around a place of it say."""
    rule, value = layout.rule, "".join(sign for sign in match.group().upper() if sign.isalnum())
    around = context.around(place)
    word, passes = around.words.get(rule.key), rule.passes(value)
    if word is None and (rule.identifier.needs_context or passes is False):
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

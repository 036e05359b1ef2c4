"""Words, lengths of time and numbers in a text, in scripts with and without spaces."""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from between.tables import Term, Times, tables

__all__ = ["clean", "days_in", "lacking_numbers", "numbers_in", "phrase_at", "plain", "terms_in"]

_SPACED = frozenset({"en", "id", "ms", "tl"})  # languages whose words stand between spaces
# what may follow a word and still be the same word: Indonesian and Malay clitics, an English plural
_TAILS = {"id": "(?:nya|ku|mu|lah|kah|pun)?", "ms": "(?:nya|ku|mu|lah|kah|pun)?", "en": "(?:s|es)?", "tl": ""}
# a number in ASCII digits: thousands by point, comma or space, then at most two decimals
_NUMBER = re.compile(r"(?:\d{1,3}(?:[.,'\u00a0\u202f ]\d{3})+(?!\d)|\d+)(?:[.,]\d{1,2}(?!\d))?")


def clean(text: str) -> str:
    """NFC without control characters: a terminal would obey them, and direction marks make a text read otherwise."""
    whole = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    kept = (
        sign
        for sign in whole
        if sign in "\n\t\u200b\u200c\u200d" or not unicodedata.category(sign).startswith("C")
    )
    return "".join(kept).strip()


def plain(text: str) -> str:
    """NFC, lower case."""
    return unicodedata.normalize("NFC", text).casefold()


@functools.cache
def _pattern(phrase: str, tag: str) -> re.Pattern[str]:
    parts = [
        r"\s+".join(map(re.escape, part.split()))
        for part in (half.strip() for half in plain(phrase).split("…"))
    ]
    if tag in _SPACED:
        parts = [rf"(?<![^\W_]){part}{_TAILS[tag]}(?![^\W_])" for part in parts]
    elif re.fullmatch(r"[a-z ]+", plain(phrase)):  # a Latin word in a text without spaces
        parts = [rf"(?<![a-z]){part}(?![a-z])" for part in parts]
    return re.compile(r"[^.!?。!?\n]{0,40}?".join(parts))


def phrase_at(text: str, phrases: Sequence[str], tag: str) -> bool:
    """Whether one of the phrases stands in the text; «…» in a phrase is up to 40 characters of one sentence."""
    seen = plain(text)
    return any(_pattern(phrase, tag).search(seen) for phrase in phrases)


def terms_in(text: str, tag: str) -> tuple[Term, ...]:
    """The terms named in a text of this language, in the file's order; a mixed-in English word counts too."""
    return tuple(
        term
        for term in tables().terms
        if phrase_at(text, term.phrases[tag], tag)
        or (tag != "en" and phrase_at(text, term.phrases["en"], "en"))
    )


def days_in(text: str, tag: str) -> float:
    """The longest time that a text names, in days; 0 if none."""
    seen, times = plain(text), tables().times[tag]
    found = [days for word, days in times.whole.items() if phrase_at(text, [word], tag)]
    found.extend(_measured(seen, times, tag))
    return max(found, default=0)


def _measured(seen: str, times: Times, tag: str) -> Iterator[float]:
    for unit, days in times.units:
        pattern = _times_pattern(tuple(times.numbers), unit, tag)
        for match in pattern.finditer(seen):
            said = match.group(1)
            number = times.numbers.get(said)
            yield days * (number if number is not None else min(int(said), 10_000))


@functools.cache
def _times_pattern(words: tuple[str, ...], unit: str, tag: str) -> re.Pattern[str]:
    named = "|".join(sorted(map(re.escape, map(plain, words)), key=len, reverse=True))
    end = r"(?![^\W_])" if tag in _SPACED else ""
    start = r"(?<![^\W_])" if tag in _SPACED else r"(?<!\d)"
    return re.compile(rf"{start}(\d{{1,6}}|{named})[ \u00a0-]*{re.escape(plain(unit))}{end}")


def numbers_in(text: str) -> frozenset[str]:
    """The numbers of a text as plain digits, whatever their script and grouping: «1.200,50», «၁၂၀၀» and «1 200» too.

    A point or comma before three digits groups thousands; before one or two it is a decimal.
    """
    digits = "".join(str(unicodedata.digit(sign)) if sign.isdigit() else sign for sign in text)
    return frozenset(_canonical(match.group()) for match in _NUMBER.finditer(digits))


def lacking_numbers(original: str, translation: str, tag: str) -> tuple[str, ...]:
    """Numbers of the original that the translation (of this language) has neither in digits nor, up to 12, in words.

    A month's name counts as its number.
    """
    times, seen = tables().times[tag], plain(translation)
    said = {f"{value:g}" for word, value in times.numbers.items() if plain(word) in seen}
    said |= {str(number) for number, name in enumerate(times.names, 1) if plain(name) in seen}
    return tuple(sorted(numbers_in(original) - numbers_in(translation) - said))


def _canonical(number: str) -> str:
    whole, decimals = number, ""
    if match := re.search(r"[.,](\d{1,2})$", number):
        whole, decimals = number[: match.start()], match.group(1).rstrip("0")
    whole = re.sub(r"\D", "", whole).lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals else whole

"""Other spellings of a query, each with the name of its rule; the index holds texts as they are spelled.

Old and new spelling of Indonesian and Malay are asked for one beside the other, never folded together in the index:
`oe` in an English or Dutch text stays `oe`. A span that mixes both spellings in one word is not found.
"""

import unicodedata
from collections.abc import Callable, Iterator

import regex

__all__ = ["variants"]

_LATIN = regex.compile(r"\p{Script=Latin}")
_LETTER = regex.compile(r"\p{L}")


def _replacing(*pairs: tuple[str, str]) -> Callable[[str], str]:
    """A function that replaces all the pairs at once, the longest first."""
    table = dict(pairs)
    pattern = regex.compile("|".join(sorted(map(regex.escape, table), key=len, reverse=True)))

    def replace(text: str) -> str:
        return str(pattern.sub(lambda match: table[match.group()], text))

    return replace


# van Ophuijsen 1901, Suwandi 1947, Malaysia until 1972, to the spelling of 1972 and back
_CONSONANTS = (("tj", "c"), ("dj", "j"), ("nj", "ny"), ("sj", "sy"), ("ch", "kh"), ("j", "y"))
_BACK = tuple((new, old) for old, new in _CONSONANTS)
_LATIN_RULES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("spelling of 1901", _replacing(*_BACK, ("u", "oe"))),
    ("spelling of 1947", _replacing(*_BACK)),
    ("spelling of 1901 read as of 1972", _replacing(*_CONSONANTS, ("oe", "u"))),
    ("spelling of 1947 read as of 1972", _replacing(*_CONSONANTS)),
    ("oe read as u", _replacing(("oe", "u"))),
    ("u as oe", _replacing(("u", "oe"))),
    ("Malay spelling before 1972", _replacing(("c", "ch"), ("sy", "sh"))),
    ("Malay spelling before 1972 read as of 1972", _replacing(("ch", "c"), ("sh", "sy"))),
)
_DOUBLED = regex.compile(r"\b(\p{L}{2,})[-\u2010\u2011 ]\1(?=\P{L}|$)")
_TWO = regex.compile(r"\b(\p{Script=Latin}{2,})[2\u00b2](?!\d)")
_TONES = "[\u0300\u0301\u0303\u0309\u0323]"
_TONE, _MARK = regex.compile(_TONES), regex.compile(r"\p{M}")
_VOWEL_PAIRS = "o[ae]|u[ey]"
_TONE_FIRST = regex.compile(rf"(?<!q)([ou])({_TONES})([aey])(?![\p{{L}}\p{{M}}])", regex.IGNORECASE)
_TONE_LAST = regex.compile(rf"(?<!q)({_VOWEL_PAIRS})({_TONES})(?![\p{{L}}\p{{M}}])", regex.IGNORECASE)


def variants(text: str, *, most: int = 12) -> list[tuple[str, str]]:
    """(rule, other spelling) of a query, at most so many, each spelling once; empty where none applies.

    For every script: as `language.normalise` writes it (Zawgyi as Unicode, syllables in order, look-alikes of other
    alphabets). For Latin letters: reduplication with a figure two, spellings of Indonesian and Malay before 1972, and the
    place of the tone mark in Vietnamese.
    """
    found: dict[str, str] = {}
    for rule, spelled in (*_normalised(text), *_latin(text)):
        if spelled != text:
            found.setdefault(spelled, rule)
    return [(rule, spelled) for spelled, rule in list(found.items())[:most]]


def _normalised(text: str) -> Iterator[tuple[str, str]]:
    if not text.isascii():
        from rumpun.language.normalise import normalise

        yield "normalised", normalise(text).text


def _latin(text: str) -> Iterator[tuple[str, str]]:
    letters = len(_LETTER.findall(text))
    if not letters or len(_LATIN.findall(text)) * 2 < letters:
        return
    whole = _TWO.sub(r"\1-\1", text)
    yield "reduplication written with 2, written out", whole
    yield "reduplication written with 2", _DOUBLED.sub(r"\g<1>2", text)
    apart = unicodedata.normalize("NFD", text)
    if _TONE.search(apart):
        for rule, spelled in (
            ("tone mark on the second vowel", _TONE_FIRST.sub(r"\1\3\2", apart)),
            ("tone mark on the first vowel", _TONE_LAST.sub(_first, apart)),
        ):
            if spelled != apart:
                yield rule, unicodedata.normalize("NFC", spelled)
    if not _MARK.search(apart):
        lower = whole.lower()
        for rule, change in _LATIN_RULES:
            spelled = change(lower)
            if spelled != lower:
                yield rule, spelled


def _first(match: "regex.Match[str]") -> str:
    vowels, tone = match.group(1), match.group(2)
    return f"{vowels[0]}{tone}{vowels[1]}"

"""Letters of other alphabets that pass for Latin ones inside a Latin word, and letters in presentation forms.

A word with Latin letters in which every other letter is Cyrillic, Greek or full-width and has a Latin double is
written in Latin throughout, if at least half of its letters are Latin already. So «pаypal» with a Cyrillic «а» is
mended; Russian and Greek words, «TNFα», «kΩ» and words wholly in full-width letters (as Chinese text has them) are
not touched. The pairs are a part of Unicode Technical Standard 39's confusables: those that look the same in ordinary
fonts. Replacing is one code point for one.
"""

import unicodedata

import regex

from rumpun.language.offsets import Edit, rewrite

__all__ = ["FOREIGN", "PRESENTATION", "latin_words", "letters"]

_LOOKALIKES = (
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухԁԛԝһ"  # Cyrillic
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"  # Greek
)
_DOUBLES = "ABESIJKMHOPCTYXaesijopcyxdqwhABEZHIKMNOPTYXo"
_LATIN = dict(zip(_LOOKALIKES, _DOUBLES, strict=True)) | {
    chr(0xFEE0 + code): chr(code) for code in (*range(0x41, 0x5B), *range(0x61, 0x7B))
}
FOREIGN = (
    r"\u0370-\u03ff\u0400-\u052f\uff21-\uff3a\uff41-\uff5a"  # a character class: where doubles may come from
)
PRESENTATION = r"\ufb50-\ufbb1\ufe80-\ufefc"  # Arabic letters in the shapes of their places
_FOREIGN_LETTERS = regex.compile(rf"[{FOREIGN}]")
_INSIDE = rf"\p{{Latin}}\p{{M}}{FOREIGN}"
_WORD = regex.compile(rf"(?<![{_INSIDE}])(?:(?![{FOREIGN}])[\p{{Latin}}\p{{M}}])*+[{FOREIGN}][{_INSIDE}]*")
_SHAPES = regex.compile(rf"[{PRESENTATION}]")


def _word(found: "regex.Match[str]") -> str:
    word: str = found.group()
    foreign = _FOREIGN_LETTERS.findall(word)
    own = sum(1 for sign in word if sign.isalpha()) - len(foreign)
    others = [sign for sign in word if sign.isalpha() and sign not in _LATIN and not _is_latin(sign)]
    if own < len(foreign) or not own or others:
        return word
    return "".join(_LATIN.get(sign, sign) for sign in word)


def _is_latin(sign: str) -> bool:
    return sign.isascii() or "LATIN" in unicodedata.name(sign, "")


def latin_words(text: str) -> tuple[str, list[Edit]]:
    """The text with mixed words in Latin letters, and the edits."""
    return rewrite(text, _WORD, _word)


def letters(text: str) -> tuple[str, list[Edit]]:
    """The text with Arabic presentation forms as letters, and the edits."""
    return rewrite(text, _SHAPES, lambda found: unicodedata.normalize("NFKC", found.group()))

"""Words of context: which of them stand in a short stretch of text, and what they speak for.

List and text are normalised alike: NFC, case folded, the two ways to write Thai sara am, Lao sam and Burmese U with
anusvara as one, without signs of no width (as Khmer writes between words). Vietnamese words also count without their
marks. Words of Latin script count whole, the others wherever they stand.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rumpun.personal.fold import ZERO_WIDTH

__all__ = ["LONGEST_WORD", "Word", "Words", "normal", "scripts_in"]

LONGEST_WORD = 24  # code points; a test sees that no word is longer
_SPELT = {"\u0e4d\u0e32": "\u0e33", "\u0ecd\u0eb2": "\u0eb3", "\u1036\u102f": "\u102f\u1036"}
_SPELLINGS = re.compile("|".join(_SPELT))
_VIETNAMESE = re.compile("[ăđơưĂĐƠƯ\u1ea0-\u1ef9]")
_CUES = (
    ("Thai", re.compile("[\u0e01-\u0e4e]")),
    ("Laoo", re.compile("[\u0e81-\u0ecd]")),
    ("Mymr", re.compile("[\u1000-\u103f]")),
    ("Khmr", re.compile("[\u1780-\u17d3]")),
    ("Viet", _VIETNAMESE),
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word that speaks for some identifiers."""

    text: str
    whole: bool  # counts only between non-letters
    keys: frozenset[str]
    marked: bool  # Latin words of other languages do not count in Vietnamese text, whose plain words they often are


def normal(text: str) -> str:
    """As words and text are compared."""
    plain = unicodedata.normalize("NFC", text.replace(ZERO_WIDTH, "").casefold())
    return _SPELLINGS.sub(lambda found: _SPELT[found.group()], plain)


def scripts_in(text: str) -> frozenset[str]:
    """The scripts of the text that point to one country."""
    if text.isascii():
        return frozenset()
    return frozenset(script for script, letters in _CUES if letters.search(text))


def _latin(sign: str) -> bool:
    return sign.isalpha() and (sign < "\u0250" or "\u1e00" <= sign < "\u1f00")


def _unmarked(text: str) -> str:
    plain = unicodedata.normalize("NFD", text).replace("đ", "d")
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


class Words:
    """Every word of the chosen countries."""

    def __init__(self) -> None:
        self._keys: dict[str, set[str]] = {}
        self._marked: dict[str, bool] = {}
        self._table: dict[str, list[Word]] | None = None
        self._short: frozenset[str] = frozenset()

    def add(self, lists: Mapping[str, Sequence[str]], key: str, country: str) -> None:
        """Words, language by language, that speak for a key."""
        for language, words in lists.items():
            for word in words:
                spellings = {normal(word)} | ({_unmarked(normal(word))} if language == "vi" else set())
                for spelling in spellings:
                    self._keys.setdefault(spelling, set()).add(key)
                    ours = language in ("vi", "en") or (not language and country == "vn")
                    self._marked[spelling] = self._marked.get(spelling, True) and not ours
        self._table = None

    def _built(self) -> dict[str, list[Word]]:
        if self._table is None:
            table: dict[str, list[Word]] = {}
            for text, keys in self._keys.items():
                whole = _latin(text[-1])
                table.setdefault(text[:2], []).append(
                    Word(text, whole, frozenset(keys), whole and self._marked[text])
                )
            self._short = frozenset(text for text in self._keys if len(text) <= 2 and text.isascii())
            self._table = table
        return self._table

    def is_short(self, letters: str) -> bool:
        """Whether one or two letters are a word themselves: "ic", "hp"."""
        self._built()
        return letters.lower() in self._short

    def scan(self, text: str) -> list[tuple[int, int, Word]]:
        """(start, end, word) of every word in a text that is normal already; words may overlap."""
        table, found = self._built(), []
        vietnamese = _VIETNAMESE.search(text) is not None
        for place in range(len(text) - 1):
            for word in table.get(text[place : place + 2], ()):
                if not text.startswith(word.text, place) or (vietnamese and word.marked):
                    continue
                end = place + len(word.text)
                if word.whole and (
                    (place and _latin(text[place - 1])) or (end < len(text) and _latin(text[end]))
                ):
                    continue
                found.append((place, end, word))
        return found

"""Segmenters that stand on a library: ICU, and those of the field for Thai, Khmer and Lao."""

from collections.abc import Callable, Iterable
from importlib.metadata import version as installed_version
from typing import Any

import regex

from rumpun.errors import RumpunError
from rumpun.language.segment import Segmenter

__all__ = ["IcuSegmenter", "TokenSegmenter", "load"]

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]")


def load(name: str, language: str | None) -> Segmenter:
    """The segmenter of that name, whose library is installed."""
    if name == "icu":
        return IcuSegmenter(language)
    return TokenSegmenter(name, *_LIBRARIES[name]())


class IcuSegmenter:
    """Words by ICU's break iterator: dictionaries for Thai, Lao, Khmer, Burmese and Chinese, rules elsewhere."""

    name = "icu"

    def __init__(self, language: str | None = None) -> None:
        import icu

        self._breaks: Any = icu.BreakIterator.createWordInstance(icu.Locale.forLanguageTag(language or "und"))
        self.version = f"icu {icu.ICU_VERSION}"

    def words(self, text: str) -> list[tuple[int, int]]:
        """[start, end) of each word, in code points."""
        self._breaks.setText(text)
        places = _code_points(text)
        found, start = [], 0
        for end in self._breaks:  # in UTF-16 units
            span = (places[start], places[end]) if places else (start, end)
            if _WORD.search(text, *span):
                found.append(span)
            start = end
        return found


def _code_points(text: str) -> list[int]:
    """The code point that each UTF-16 unit belongs to, one more for the end; empty where they are the same."""
    if not text or max(text) < "\U00010000":
        return []
    places: list[int] = []
    for place, sign in enumerate(text):
        places += (place,) if sign < "\U00010000" else (place, place)
    return [*places, len(text)]


class TokenSegmenter:
    """Words by a library that gives tokens; they are found again in the text."""

    def __init__(self, name: str, version: str, tokens: Callable[[str], Iterable[str]]) -> None:
        self.name = name
        self.version = version
        self._tokens = tokens

    def words(self, text: str) -> list[tuple[int, int]]:
        """[start, end) of each word, in code points.

        Raises:
            RumpunError: the library gave a token that does not stand in the text.
        """
        found, at = [], 0
        for token in self._tokens(text):
            start = text.find(token, at)
            if start < 0:
                raise RumpunError(
                    f"{self.version}: the token {token!r} does not stand in the text after place {at}",
                    "normalise the text first, or choose another segmenter",
                )
            at = start + len(token)
            if _WORD.search(token):
                found.append((start, at))
        return found


def _newmm() -> tuple[str, Callable[[str], Iterable[str]]]:
    from pythainlp.tokenize import word_tokenize

    def tokens(text: str) -> Iterable[str]:
        cut: Iterable[str] = word_tokenize(text, engine="newmm", join_broken_num=False)
        return cut

    return f"newmm (pythainlp {installed_version('pythainlp')})", tokens


def _khmercut() -> tuple[str, Callable[[str], Iterable[str]]]:
    from khmercut import tokenize

    return f"khmercut {installed_version('khmercut')}", tokenize


def _laonlp() -> tuple[str, Callable[[str], Iterable[str]]]:
    from laonlp.tokenize import word_tokenize

    version = f"laonlp {installed_version('laonlp')} (pythainlp {installed_version('pythainlp')})"
    return version, word_tokenize


_LIBRARIES = {"newmm": _newmm, "khmercut": _khmercut, "laonlp": _laonlp}

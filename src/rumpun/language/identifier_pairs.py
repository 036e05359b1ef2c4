"""Texts of one language turned into its sister, word by word, for training: what both share stays, what differs decides.

`identifier_pairs/id-ms.toml` names the words that Indonesian and Malay write differently. A text that is turned keeps its
subject, so the subject cannot become a sign of the language; a piece of it without such a word is as likely either.
"""

import random
import tomllib
from collections.abc import Iterable
from pathlib import Path

import regex

__all__ = ["PAIRS", "Turner", "known_words", "plain_words", "turners"]

PAIRS = Path(__file__).parent / "identifier_pairs"
_SUFFIXES = ("nya", "lah", "kah", "ku", "mu")
_WORD = regex.compile(r"[\p{L}\p{M}]+(?:-[\p{L}\p{M}]+)*")
_TURNED_MIN = 1  # words of a text that must change for it to count as the other language
_TURNED_SHARE_MIN = 0.08
_KNOWN_TEXTS = 2  # one text may quote the sister


def plain_words(text: str) -> set[str]:
    """The words of a text that begin with a small letter."""
    return {word for word in _WORD.findall(text) if word[:1].islower()}


def known_words(texts: Iterable[str]) -> set[str]:
    """Words that are met in two of the texts or more."""
    seen: dict[str, int] = {}
    for text in texts:
        for word in set(_WORD.findall(text.lower())):
            seen[word] = seen.get(word, 0) + 1
    return {word for word, times in seen.items() if times >= _KNOWN_TEXTS}


class Turner:
    """Turns texts of one language into the other."""

    def __init__(self, source: str, target: str, table: dict[str, list[str]]) -> None:
        self.source, self.target = source, target
        self._table = table
        phrases = sorted((key for key in table if " " in key), key=len, reverse=True)
        self._phrase = (
            regex.compile(r"\b(?:" + "|".join(map(regex.escape, phrases)) + r")\b") if phrases else None
        )

    def turned(self, text: str, dice: random.Random) -> str | None:
        """The text in the other language's words; None where too few of them differ."""
        changed = 0

        def word(found: regex.Match[str]) -> str:
            nonlocal changed
            whole = str(found.group())
            other = self._other(whole.lower(), dice)
            if other is None or other == whole.lower():
                return whole
            changed += 1
            return str(other.capitalize() if whole[:1].isupper() else other)

        lowered = text
        if self._phrase is not None:
            lowered = self._phrase.sub(lambda m: m.group().replace(" ", "-"), text)
        result = str(_WORD.sub(word, lowered))
        enough = changed >= _TURNED_MIN and changed >= _TURNED_SHARE_MIN * (text.count(" ") + 1)
        return result if enough else None

    def _other(self, word: str, dice: random.Random) -> str | None:
        spaced = word.replace("-", " ") if word.replace("-", " ") in self._table else word
        if spaced in self._table:
            return dice.choice(self._table[spaced])
        for suffix in _SUFFIXES:
            stem = word.removesuffix(suffix)
            if stem != word and stem in self._table:
                return dice.choice(self._table[stem]) + suffix
        return None


def turners() -> list[Turner]:
    """Both directions of every file of pairs."""
    found = []
    for path in sorted(PAIRS.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        both = [entry.split("=") for entry in table["both"].split()]
        for source, target, extra, turn in (("one", "two", "to_two", 1), ("two", "one", "to_one", -1)):
            words: dict[str, list[str]] = {}
            for left, right in [pair[::turn] for pair in both] + [e.split("=") for e in table[extra].split()]:
                words.setdefault(_spaced(left), []).append(_spaced(right))
            found.append(Turner(table[source], table[target], words))
    return found


def _spaced(word: str) -> str:
    """A hyphen in the file joins a phrase, but for a doubled word and what is always written with one."""
    parts = word.split("-")
    doubled = len(parts) == 2 and (parts[0] == parts[1] or word == "e-mel")
    return word if doubled else " ".join(parts)

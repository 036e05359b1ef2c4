"""Rules of words: what a list can tell better than a head that had few rows to learn from.

`words/<language>.toml` hold, for each language, ordinary words and phrases as people write them: of distress (level 1,
and level 2 where a plan or a moment is spoken of), of declining (answers), of people under 18, of sexual matters. A text
that names both of the last two close together sets `sexual_minors`, unless it speaks of protecting, teaching or
reporting; that category is never left to a threshold.

Texts are compared as `normalised` leaves them; in scripts without spaces a phrase may stand anywhere, in others at the
bounds of words.
"""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex

from rumpun.guard.judgement import Level, Role
from rumpun.guard.normalise import normalised
from rumpun.recipes import build

__all__ = ["WordRules", "WordTable"]

_NEAR = 80  # code points between a word for a minor and a sexual one
_SPACED = regex.compile(r"[\p{Latin}\p{Tamil}\p{N}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTable:
    """One language's file."""

    language: str
    reviewed: str  # by whom and when, or "not reviewed"
    distress: tuple[str, ...] = ()
    distress_now: tuple[str, ...] = ()  # a plan, a means, a moment
    distress_not: tuple[str, ...] = ()  # figures of speech and others' stories, taken out before looking
    refusals: tuple[str, ...] = ()  # beginnings of answers that decline
    minors: tuple[str, ...] = ()
    sexual: tuple[str, ...] = ()
    protecting: tuple[str, ...] = ()  # teaching, law, reporting, medicine: such a text is about protection


@dataclass(frozen=True, slots=True)
class WordRules:
    """All languages' lists, as patterns. Make one with `WordRules.load`."""

    patterns: Mapping[str, "regex.Pattern[str]"] = field(repr=False)

    @classmethod
    def load(cls, folder: Path | None = None) -> "WordRules":
        """Read every file of a folder, by default ours.

        Raises:
            UsageError: an unknown key, with the file named.
        """
        return _load(folder or Path(__file__).parent / "words")

    def levels(self, texts: Sequence[str], role: Role) -> dict[str, tuple[Level, str]]:
        """Category or signal -> (level, the rule's name), the highest over the texts."""
        found: dict[str, tuple[Level, str]] = {}
        for text in texts:
            plain = normalised(text)
            if role == "answer" and self.patterns["refusals"].search(plain[:400]):
                found["refusal"] = (1, "words.refusals")
            calm = self.patterns["distress_not"].sub(" ", plain)
            if role == "prompt" and self.patterns["distress_now"].search(calm):
                found["selfharm_risk"] = (2, "words.distress_now")
            elif role == "prompt" and "selfharm_risk" not in found and self.patterns["distress"].search(calm):
                found["selfharm_risk"] = (1, "words.distress")
            if self._minors(plain):
                found["sexual_minors"] = (2, "words.minors and words.sexual")
        return found

    def _minors(self, plain: str) -> bool:
        sexual = [m.start() for m in self.patterns["sexual"].finditer(plain)]
        if not sexual:
            return False
        near = [m.start() for m in self.patterns["minors"].finditer(plain)]
        if not any(abs(a - b) <= _NEAR for a in near for b in sexual):
            return False
        return not self.patterns["protecting"].search(plain)


@functools.cache
def _load(folder: Path) -> WordRules:
    tables = [
        build(WordTable, tomllib.loads(path.read_text(encoding="utf-8")), path.name)
        for path in sorted(folder.glob("*.toml"))
    ]
    kinds: tuple[str, ...] = (
        "distress",
        "distress_now",
        "distress_not",
        "refusals",
        "minors",
        "sexual",
        "protecting",
    )
    patterns: dict[str, Any] = {}
    for kind in kinds:
        words = {normalised(word).strip() for table in tables for word in getattr(table, kind)}
        parts = [_part(word) for word in sorted(words, key=len, reverse=True) if word]
        patterns[kind] = regex.compile("|".join(parts) if parts else r"(?!)")
    return WordRules(patterns)


def _part(word: str) -> str:
    """A pattern for a word: at bounds of words where its script has spaces; white space of any length within."""
    body = r"\s+".join(regex.escape(piece) for piece in word.split())
    before = r"(?<![\p{L}\p{M}\p{N}])" if _SPACED.match(word[0]) else ""
    after = r"(?![\p{L}\p{M}\p{N}])" if _SPACED.match(word[-1]) and not word.endswith("*") else ""
    return before + body + after

"""Rejected answers made by rule from answers that are good: in another language or a sister of its own, cut off, repeated, to another question.

Nothing is written that a model could learn to say: each rejected answer is a piece of good ones, and wrong only where it
stands.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rumpun.language import split
from rumpun.language.graphemes import graphemes
from rumpun.language.tables import languages
from rumpun.layer.prefer.rows import PreferenceRow, Turn

__all__ = ["Answered", "cut", "draw", "joined_licences", "pairs_by_rule", "repeated"]

_CUT_LEAST, _CUT_MOST = 0.3, 0.7  # share of an answer that is left of it
_REPEATS_LEAST, _REPEATS_MOST = 3, 12


def draw(*made_of: object) -> int:
    """A number of 64 bits that depends on what it is made of alone."""
    return int.from_bytes(hashlib.sha256(repr(made_of).encode()).digest()[:8], "big")


def joined_licences(one: str, other: str) -> str:
    """Both licences as one expression."""
    named = {one, other} - {""}
    parts = sorted(
        {part for licence in named for part in ([licence] if " OR " in licence else licence.split(" AND "))}
    )
    return " AND ".join(f"({part})" if " OR " in part and len(parts) > 1 else part for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A conversation with a good answer."""

    messages: tuple[Turn, ...]  # the user's turn last
    answer: str
    language: str
    source: str
    licence: str
    key: str = ""  # the same in every language; empty: the conversation stands alone

    @property
    def group(self) -> str:
        """What is held out together: a conversation in all its languages."""
        return f"{self.source}\n{self.key}" if self.key else "\n".join(turn.content for turn in self.messages)

    @property
    def identity(self) -> str:
        """What a draw for this conversation is made of."""
        return "\n".join([self.source, self.language, *(turn.content for turn in self.messages)])


def cut(text: str, number: int) -> str:
    """The text broken off in the middle, between two characters as readers take them and not after a sentence's end."""
    ends = [end for _, end in graphemes(text)]
    share = _CUT_LEAST + (_CUT_MOST - _CUT_LEAST) * (number % 1000) / 1000
    begun = text[: ends[int(share * (len(ends) - 1))]]
    word, space, _ = begun.rpartition(" ")
    begun = word if space and len(word) > len(begun) / 2 else begun
    while begun and unicodedata.category(begun[-1])[0] in "PZC":
        begun = begun[:-1]
    return begun


def repeated(text: str, language: str, number: int) -> str:
    """The text's first sentence over and over."""
    first = split(text, language)[0].strip()
    times = min(_REPEATS_MOST, max(_REPEATS_LEAST + number % 3, len(text) // max(1, len(first))))
    return (" " if " " in text else "").join([first] * times)


Made = tuple[str, str, str]  # rejected answer, its licence, its source where it is another row's


class _Rules:
    """What rules need to know of all conversations."""

    def __init__(self, rows: Sequence[Answered], least: int) -> None:
        self.least = least
        self.aligned: dict[tuple[str, str], dict[str, Answered]] = {}
        self.spoken: dict[str, list[Answered]] = {}
        for row in rows:
            self.spoken.setdefault(row.language, []).append(row)
            if row.key:
                self.aligned.setdefault((row.source, row.key), {})[row.language] = row

    def language(self, row: Answered, number: int) -> Made | None:
        """The same answer in English; for an English question in another language."""
        others = self.aligned.get((row.source, row.key), {}) if row.key else {}
        tags = ["en"] if row.language != "en" else sorted(others.keys() - {"en"})
        found = others.get(tags[number % len(tags)]) if tags else None
        return (found.answer, found.licence, "") if found else None

    def sister(self, row: Answered, number: int) -> Made | None:
        """The same answer in a sister language, which a small model mixes in: Malay for Indonesian, Lao for Thai."""
        others = self.aligned.get((row.source, row.key), {}) if row.key else {}
        tags = sorted(tag for tag in others if _sisters(row.language, tag))
        found = others[tags[number % len(tags)]] if tags else None
        return (found.answer, found.licence, "") if found else None

    def cut(self, row: Answered, number: int) -> Made | None:
        """The answer broken off."""
        return (cut(row.answer, number), row.licence, "") if len(row.answer) >= self.least else None

    def repeat(self, row: Answered, number: int) -> Made | None:
        """The answer's beginning over and over."""
        if len(row.answer) < self.least:
            return None
        return repeated(row.answer, row.language, number), row.licence, ""

    def other(self, row: Answered, number: int) -> Made | None:
        """The answer to another question in the same language."""
        around = self.spoken[row.language]
        found = around[number % len(around)]
        if found.messages == row.messages or found.answer == row.answer:
            return None
        return found.answer, found.licence, found.source


def _sisters(one: str, other: str) -> bool:
    known = languages()
    return any(a in known and b in known[a].sisters for a, b in ((one, other), (other, one)))


def pairs_by_rule(
    rows: Sequence[Answered], rules: Sequence[str], *, most: int, least: int, seed: int
) -> tuple[list[PreferenceRow], Counter[str]]:
    """Pairs in a fixed order, and how often a rule had no rejected answer for a conversation.

    Args:
        rows: conversations with good answers.
        rules: of `RULES`.
        most: pairs of one rule and language; which ones depends on the seed and the conversation alone.
        least: characters of an answer that is cut or repeated.
        seed: of the recipe.
    """
    known = _Rules(rows, least)
    pairs: list[PreferenceRow] = []
    none: Counter[str] = Counter()
    for rule in rules:
        make: Callable[[Answered, int], Made | None] = getattr(known, rule)
        for _, spoken in sorted(known.spoken.items()):
            numbered = sorted(
                ((draw(seed, rule, row.identity), row) for row in spoken), key=lambda item: item[0]
            )
            taken: list[PreferenceRow] = []
            for place, (number, row) in enumerate(numbered):
                if len(taken) == most:
                    none[f"{rule}: over pairs_per_rule"] += len(numbered) - place
                    break
                made = make(row, number)
                pair = _pair(row, rule, made) if made else None
                if pair is None or pair.fault():
                    none[f"{rule}: nothing to reject"] += 1
                else:
                    taken.append(pair)
            pairs += taken
    return pairs, none


def _pair(row: Answered, rule: str, made: Made) -> PreferenceRow:
    rejected, licence, source = made
    return PreferenceRow(
        messages=row.messages, chosen=row.answer, rejected=rejected, language=row.language, source=row.source,
        licence=joined_licences(row.licence, licence), rule=rule,
        rejected_source=source if source != row.source else "",
    )  # fmt: skip

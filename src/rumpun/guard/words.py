"""Rules of words: what a list can tell better than a head that had few rows to learn from.

`words/<language>.toml` hold, for each language, ordinary words and phrases as people write them: of distress (level 1,
and level 2 where a plan or a moment is spoken of), of people under 18, of sexual matters; what declines an answer is
`language.refusals`, the weak signs too. A text
that names both a minor and a sexual matter close together sets `sexual_minors`, unless it speaks of protecting, teaching, health or
reporting; that category is never left to a threshold. How a phrase is written and compared:
`language.phrases`, here read by `guard.normalise`.
"""

import functools
import tomllib
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from rumpun.errors import UsageError
from rumpun.guard.judgement import Level, Role
from rumpun.guard.normalise import normalised
from rumpun.language.phrases import Phrases, Spans, shortest
from rumpun.language.refusals import refusals
from rumpun.recipes import build

__all__ = ["KINDS", "WordRules", "WordTable"]

_NEAR = 80  # code points between a word for a minor and a sexual one
_EXCUSES = 240  # code points between these and what excuses them
_DECLINES = 400  # code points of an answer in which it declines, if it does
_UNMARKED_LEAST = 5  # letters of several Vietnamese words that are known without their marks
_FIRST = frozenset(
    {"distress", "distress_now", "refusals", "sexual", "lewd"}
)  # the others only bear on these


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTable:
    """One language's file."""

    language: str
    reviewed: str  # by whom and when, or "not reviewed"
    distress: tuple[str, ...] = ()
    distress_now: tuple[str, ...] = ()  # a plan, a means, a moment
    distress_not: tuple[str, ...] = ()  # figures of speech and others' stories: no distress where they stand
    minors: tuple[str, ...] = ()  # people under 18, by name, age or school
    offspring: tuple[str, ...] = ()  # somebody's children, of any age
    sexual: tuple[str, ...] = ()
    lewd: tuple[str, ...] = ()  # stories and pictures made to arouse: beside a minor nothing excuses them
    protecting: tuple[
        str, ...
    ] = ()  # teaching, law, reporting, medicine, worry: such a text is about protection
    family: tuple[str, ...] = ()  # a couple's life, birth: excuses where only offspring is named


KINDS = tuple(f.name for f in fields(WordTable) if f.name not in {"language", "reviewed"})


@dataclass(frozen=True, slots=True)
class WordRules:
    """All languages' lists. Make one with `WordRules.load`."""

    phrases: Phrases = field(repr=False)

    @classmethod
    def load(cls, folder: Path | None = None, declining: Path | None = None) -> "WordRules":
        """Read every file of a folder of words, and of one of refusals; by default ours.

        Raises:
            UsageError: an unknown key or an unreadable phrase, with the file named.
        """
        return _load(folder or Path(__file__).parent / "words", declining)

    def levels(self, texts: Sequence[str], role: Role) -> dict[str, tuple[Level, str]]:
        """Category or signal -> (level, the rule's name), the highest over the texts.

        Args:
            texts: the text that is judged, then that text with what stands before it, if anything does.
            role: who wrote it.
        """
        found: dict[str, tuple[Level, str]] = {}
        for n, text in enumerate(texts):
            hits = self.phrases.find(text, _FIRST)
            # the prompt before an answer may quote a refusal: only the answer's own beginning declines
            if (
                role == "answer"
                and n == 0
                and any(start < _DECLINES for start, _ in hits.get("refusals", ()))
            ):
                found["refusal"] = (1, "words.refusals")
            if role == "prompt" and _outside(hits, "distress_now"):
                found["selfharm_risk"] = (2, "words.distress_now")
            elif role == "prompt" and "selfharm_risk" not in found and _outside(hits, "distress"):
                found["selfharm_risk"] = (1, "words.distress")
            if _of_minors(hits):
                found["sexual_minors"] = (2, "words.minors and words.sexual")
        return found


def _outside(hits: Mapping[str, Spans], kind: str) -> bool:
    """Whether a phrase of distress begins anywhere but within a figure of speech."""
    calm = _joined(hits.get("distress_not", ()))
    return any(not _touched(calm, (start, start + 1)) for start, _ in hits.get(kind, ()))


def _of_minors(hits: Mapping[str, Spans]) -> bool:
    """Whether a minor and a sexual matter are named together and nothing near excuses it.

    A sexual word inside a phrase of protection («sex education») is none.
    """
    protecting, family = (_joined(hits.get(kind, ())) for kind in ("protecting", "family"))
    for kind in ("lewd", "sexual"):
        for span in hits.get(kind, ()):
            if _within(protecting, span):
                continue
            near = (span[0] - _NEAR, span[0] + _NEAR)
            around = (span[0] - _EXCUSES, span[1] + _EXCUSES)
            excused = _touched(protecting, around)
            if _starts_in(hits.get("minors", ()), near) and (kind == "lewd" or not excused):
                return True
            if _starts_in(hits.get("offspring", ()), near) and not excused and not _touched(family, around):
                return True
    return False


def _joined(spans: Sequence[tuple[int, int]]) -> Spans:
    """Spans in order of their starts, those that overlap made one."""
    joined: Spans = []
    for start, end in spans:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _touched(joined: Spans, span: tuple[int, int]) -> bool:
    """Whether any of the joined spans shares a code point with the span."""
    place = bisect_left(joined, (span[1],))
    return place > 0 and joined[place - 1][1] > span[0]


def _within(joined: Spans, span: tuple[int, int]) -> bool:
    """Whether one of the joined spans holds the whole span."""
    place = bisect_left(joined, (span[0] + 1,))
    return place > 0 and joined[place - 1][1] >= span[1]


def _starts_in(spans: Sequence[tuple[int, int]], near: tuple[int, int]) -> bool:
    place = bisect_left(spans, (near[0],))
    return place < len(spans) and spans[place][0] <= near[1]


@functools.cache
def _load(folder: Path, declining: Path | None) -> WordRules:
    found = Phrases(normalised)
    for path in sorted(folder.glob("*.toml")):
        table = build(WordTable, tomllib.loads(path.read_text(encoding="utf-8")), path.name)
        for kind in KINDS:
            _add(found, kind, getattr(table, kind), table.language, path.name)
    for tag, own in refusals(declining).items():
        _add(found, "refusals", own.phrases + own.weak, tag, f"refusals/{tag}.toml")
    return WordRules(found)


def _add(found: Phrases, kind: str, entries: Sequence[str], language: str, file: str) -> None:
    for entry in entries:
        try:
            found.add(kind, entry)
            if language == "vi" and _known_unmarked(entry):
                found.add(kind, entry, spelled=_unmarked)
        except ValueError as error:
            raise UsageError(f"{file}: {kind}: {error}", "write the phrase anew") from error


def _known_unmarked(entry: str) -> bool:
    """Whether each of an entry's phrases is long enough to be itself without Vietnamese marks."""
    words, length = shortest(entry)
    return words > 1 and length >= _UNMARKED_LEAST


def _unmarked(word: str) -> str:
    parts = unicodedata.normalize("NFD", word).replace("đ", "d")
    return "".join(sign for sign in parts if not unicodedata.combining(sign))

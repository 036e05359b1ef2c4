"""Checks of what an answer says: words and sentences counted, keywords, given beginnings and ends, its language.

Each is a frozen dataclass of its parameters with `met(answer, language)`; `instructions` names them. Words, sentences and
keywords are those of the script, compared as they look, native digits included.
"""

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import regex

from rumpun.evaluate.answer_marks import fold
from rumpun.evaluate.spoken import spoken
from rumpun.evaluate.words import occurrences, words
from rumpun.language.scripts import script_counts
from rumpun.language.sentences import LONGEST, split
from rumpun.language.tables import languages

__all__ = [
    "Begins",
    "Check",
    "Count",
    "Ends",
    "Forbidden",
    "Frequency",
    "InLanguage",
    "Keywords",
    "OneOf",
    "Relation",
    "RepeatPrompt",
    "Sentences",
    "Words",
    "compare",
    "parts",
    "sentences",
    "trimmed",
]

Relation = Literal["exactly", "at least", "at most", "less than", "more than"]
_RELATIONS: Mapping[str, Callable[[int, int], bool]] = {
    "exactly": operator.eq,
    "at least": operator.ge,
    "at most": operator.le,
    "less than": operator.lt,
    "more than": operator.gt,
}
_SURE = 0.8  # probability of a sister language from which an answer is taken to be in it
_SAYS = regex.compile(r"[\p{L}\p{N}]")
_HYPHEN = regex.compile(r"(?<=\p{L})[-‐‑](?=\p{L})")
_NO_SENTENCE = regex.compile(r"(?m)^[ \t]*(?:#{1,6}[ \t].*|<<.*>>|[*_=-]{3,})[ \t]*$")
_EDGE = r"""[\s*_`~"'“”‘’«»「」『』#>]"""
_AROUND = regex.compile(rf"\A{_EDGE}+|{_EDGE}+\Z")
_SPACED = r"[[\p{L}\p{N}]--[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Han}]]"
_INSIDE = regex.compile(rf"(?V1)(?<={_SPACED}){_SPACED}|\p{{M}}")  # a word, or a cluster, goes on here


def compare(found: int, relation: Relation, count: int) -> bool:
    """Whether the number found stands in that relation to the number asked for."""
    return _RELATIONS[relation](found, count)


@functools.cache
def _ends() -> "regex.Pattern[str]":
    marks = sorted({mark for one in languages().values() for mark in one.sentence_ends})
    return regex.compile(rf"[{regex.escape(''.join(marks))}][\p{{P}}\s]*\Z|\n\s*\Z")


def sentences(text: str, language: str) -> int:
    """How many sentences a text has; headings, titles between << >> and dividers are none.

    Thai, and Lao without full stops, mark no ends: there spaces after some length part them (`rumpun.language.sentences`).
    """
    count, open_ended = 0, False
    for piece in split(_NO_SENTENCE.sub("", text), language):
        if not _SAYS.search(piece):
            continue
        count += not open_ended
        # a piece that was cut for its length goes on in the next
        open_ended = len(piece) > LONGEST // 2 and not _ends().search(piece)
    return count


def parts(text: str, divider: str) -> list[str]:
    """What stands between dividers, or between blank lines; parts without letters or digits are none."""
    found = text.split(divider) if divider else regex.split(r"\n\s*\n", text)
    return [part.strip() for part in found if _SAYS.search(part)]


def trimmed(text: str) -> str:
    """The folded text on one line without signs of quoting and emphasis around it."""
    found: str = _AROUND.sub("", " ".join(fold(text).split()))
    return found


class Check(Protocol):
    """One instruction with its parameters."""

    def met(self, answer: str, language: str) -> bool:
        """Whether the answer keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many of something."""

    count: int
    relation: Relation = "at least"

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.count < 0:
            raise ValueError(f"count = {self.count}: fewer than none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Count):
    """So many words; one with hyphens is one."""

    def met(self, answer: str, language: str) -> bool:
        """Whether the answer has so many."""
        return compare(len(words(_HYPHEN.sub("", answer), language)), self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences(Count):
    """So many sentences; parts between dividers instead, where one is named."""

    divider: str = ""

    def met(self, answer: str, language: str) -> bool:
        """Whether the answer has so many."""
        found = len(parts(answer, self.divider)) if self.divider else sentences(answer, language)
        return compare(found, self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _WordList:
    words: tuple[str, ...]

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not self.words or not all(word.strip() for word in self.words):
            raise ValueError("words: none, or an empty one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords(_WordList):
    """Every one of the words stands in the answer."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether they do."""
        return all(occurrences(answer, word) for word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden(_WordList):
    """None of the words stands in the answer."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether none does."""
        return not any(occurrences(answer, word) for word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency(Count):
    """A word stands so often in the answer."""

    word: str

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether it does."""
        return compare(occurrences(answer, self.word), self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phrase:
    phrase: str

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not _SAYS.search(self.phrase):
            raise ValueError("phrase: it has no letter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begins(_Phrase):
    """The answer begins with a phrase; quotes and emphasis around it do not matter."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether it does."""
        text, phrase = trimmed(answer), trimmed(self.phrase)
        return text.startswith(phrase) and not _INSIDE.match(text, len(phrase))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends(_Phrase):
    """The answer ends with a phrase; quotes and emphasis around it do not matter."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether it does."""
        text, phrase = trimmed(answer), trimmed(self.phrase)
        if not text.endswith(phrase):
            text = text.rstrip(".!?។။。 ")
        return text.endswith(phrase) and not _INSIDE.match(text, len(text) - len(phrase))


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """One of the given answers and no other; where `alone`, nothing beside it."""

    answers: tuple[str, ...]
    alone: bool = False

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer is, or has, exactly one of them."""
        text = trimmed(answer)
        given = [trimmed(one) for one in self.answers]
        if text.rstrip(".。") in [one.rstrip(".。") for one in given]:
            return True
        held = [one for one in given if occurrences(text, one)]
        longest = [one for one in held if not any(one != other and one in other for other in held)]
        return not self.alone and len(longest) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatPrompt:
    """The answer repeats the prompt first, and then says something."""

    prompt: str

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether it does."""
        text, prompt = trimmed(answer), trimmed(self.prompt)
        return text.startswith(prompt) and bool(_SAYS.search(text[len(prompt) :]))


@dataclass(frozen=True, slots=True, kw_only=True)
class InLanguage:
    """The answer is in a language and script; without a language, in the one of the task.

    A sister language passes where the identifier is not sure of it, and an answer too short to tell where its letters are
    of the script: there nothing shows that the instruction was not kept. An answer without letters does not pass.
    """

    language: str = ""
    script: str = ""

    def met(self, answer: str, language: str) -> bool:
        """Whether it is."""
        asked = self.language or language
        (found,) = spoken([answer], asked, self.script)
        if found.kind == "sister":
            return found.probability < _SURE
        if found.kind == "short":
            known = languages().get(asked) or languages()[asked.partition("-")[0]]
            scripts = (self.script,) if self.script else known.scripts
            own = {"Hani" if one in ("Hans", "Hant") else one for one in scripts}
            return next(iter(script_counts(answer)), "") in own
        return found.kind == "right"

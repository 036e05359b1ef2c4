"""Checks of the form of an answer: its paragraphs, lists, headings, marks and wrappings.

Each is a frozen dataclass of its parameters with `met(answer, language)`; `instructions` names them. Marks are Markdown's;
numbers may be in native digits.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import msgspec
import regex

from rumpun.evaluate.answer_marks import fold
from rumpun.evaluate.instruction_words import Count, Relation, compare, parts, trimmed
from rumpun.recipes import build, read_toml

__all__ = [
    "Bullets",
    "Highlights",
    "Json",
    "Paragraphs",
    "Placeholders",
    "Postscript",
    "Quoted",
    "Sections",
    "Title",
    "TwoAnswers",
]

_SAYS = regex.compile(r"[\p{L}\p{N}]")
_TITLE = regex.compile(r"<<[^<>\n]*[\p{L}\p{N}][^<>\n]*>>")
_PLACEHOLDER = regex.compile(r"\[(?!\s*x?\s*\])[^\[\]\n]*[\p{L}\p{N}][^\[\]\n]*\](?!\()")
_BULLET = regex.compile(r"(?m)^[ \t]*[*•‣◦▪●+–-][ \t]+[^\n]*[\p{L}\p{N}]")
_STARRED = r"(?<!\*)(\*{1,3})(?![\s*])[^*\n]*(?<!\s)\1(?!\*)"
_LINED = r"(?<![\p{L}\p{N}_])(_{1,3})(?![\s_])[^_\n]*(?<!\s)\2(?![\p{L}\p{N}_])"
_HIGHLIGHT = regex.compile(rf"{_STARRED}|{_LINED}")
_FENCE = regex.compile(r"(?s)```[\w-]*\n(.*?)\n?```")
_QUOTES = ('""', "“”", "„“", "«»", "「」", "『』", "＂＂")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraphs:
    """So many paragraphs, between blank lines or dividers."""

    count: int
    relation: Relation = "exactly"
    divider: str = ""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer has so many."""
        return compare(len(parts(answer, self.divider)), self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postscript:
    """A postscript: a line that begins with its mark and goes on; the language's marks and «P.S.» where none is named."""

    marker: str = ""

    def met(self, answer: str, language: str) -> bool:
        """Whether the answer has one."""
        table = _postscripts()
        native = table.get(language) or table.get(language.partition("-")[0], ())
        marks = (self.marker,) if self.marker else (*native, "P.S.", "P.P.S.")
        return any(_marker(mark).search(fold(answer)) for mark in marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The table in `instructions.toml`."""

    postscripts: dict[str, tuple[str, ...]]


@functools.cache
def _postscripts() -> dict[str, tuple[str, ...]]:
    path = Path(__file__).parent / "instructions.toml"
    return build(_Table, read_toml(path), path.name).postscripts


@functools.lru_cache(maxsize=64)
def _marker(mark: str) -> "regex.Pattern[str]":
    """A postscript's mark before its text; full stops and the spaces after them may be missing."""
    parts = [regex.escape(part.strip()) for part in fold(mark).split(".") if part.strip()]
    dotted = r"\. ?".join(parts) + (r"\." if mark.strip().endswith(".") else "")
    bare = r" ?\.? ?".join(parts) + r"(?![\p{L}\p{M}])"
    return regex.compile(rf"(?m)^[*_>\# ]*(?:{dotted}|{bare})[:.*_ –-]*\n?[^\n]*?[\p{{L}}\p{{N}}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholders(Count):
    """So many placeholders such as [name]; links and boxes to tick are none."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer has so many."""
        return compare(len(_PLACEHOLDER.findall(answer)), self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """A title, <<so>>, on one line."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer has one."""
        return bool(_TITLE.search(answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """So many bullet points: lines that begin with *, -, + or • and a space."""

    count: int
    relation: Relation = "exactly"

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer has so many."""
        return compare(len(_BULLET.findall(answer)), self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """So many sections: lines that begin with the name and a number, native digits included, or a letter."""

    name: str
    count: int
    relation: Relation = "exactly"

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer has so many."""
        number = r"(?:\p{Nd}+|[ivxlc]+|\p{L})(?![\p{L}\p{M}\p{N}])"
        name = r"\s+".join(map(regex.escape, fold(self.name).split()))
        found = regex.findall(rf"(?m)^[*_>\# ]*{name} ?{number}", fold(answer))
        return compare(len(found), self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Highlights(Count):
    """So many spans that are emphasised in Markdown, *so*, **so** or _so_; each counts once."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer has so many."""
        found = sum(1 for span in _HIGHLIGHT.finditer(answer) if _SAYS.search(span.group()))
        return compare(found, self.relation, self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Json:
    """The whole answer is a JSON object or list, in a code fence or not; not a bare number, nor NaN."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether the answer is one."""
        text = answer.strip()
        fenced = _FENCE.fullmatch(text)
        try:
            found = msgspec.json.decode(fenced[1] if fenced else text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return False
        return isinstance(found, dict | list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """The whole answer stands in double quotation marks, of any kind in use."""

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether it does."""
        text = answer.strip()
        around = text[:1] + text[-1:] if len(text) > 1 else ""
        return around in _QUOTES and bool(_SAYS.search(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoAnswers:
    """Two different answers, and nothing else, with a divider between them."""

    divider: str = "******"

    def met(self, answer: str, language: str) -> bool:  # noqa: ARG002
        """Whether there are two."""
        found = [trimmed(part) for part in parts(answer, self.divider)]
        return len(found) == 2 and found[0] != found[1]

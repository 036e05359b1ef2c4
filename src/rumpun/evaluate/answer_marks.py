"""What stands around a decision in an answer: `answers.toml`, the patterns made of it, and words that are looked for.

Texts are compared as they look (`fold`). Words of scripts with spaces match between word boundaries; Thai, Lao, Khmer,
Burmese and Han have none, so there a word may stand among other letters, but is never cut inside a cluster.
"""

import functools
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import regex

from rumpun.errors import UsageError
from rumpun.language.normalise import normalise
from rumpun.recipes import build, read_toml

__all__ = [
    "CLOSE",
    "OPEN",
    "STOP",
    "WORDY",
    "How",
    "Lexicon",
    "Marks",
    "Mention",
    "Read",
    "Tag",
    "alone",
    "any_of",
    "every",
    "fold",
    "join",
    "lead",
    "lexicon",
    "marks",
    "one_of",
    "sentence_of",
    "tags_in",
]

_UNSPACED = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Han}"
WORDY = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"  # what a word of a script with spaces is made of
_TIED = r"[\p{M}\u0E30\u0E32\u0E33\u0E45\u0EB0\u0EB2\u0EB3\u0EBD]"  # belongs to the letter before it
# signs and markup before and after what is decided
OPEN = r"""(?:[\s*_`~"'“”‘’«»「」『』《》(\[{<>$\#|:៖=→–—-]|\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{)*+"""
CLOSE = r"""[*_`~"'“”‘’«»「」『』《》)\]}>$.:៖,;!?။។。、]*+"""
_QUOTED = r"""[*_`~"'”’»」』》)\]}>$]*+"""
STOP = r"""[ *_`~"'”’»」』》)\]}>$]*+(?:[.,:;!?\n(—–-]|[။។。、]|\Z)"""  # what is decided ends here
_CLAUSE = regex.compile(r"[.,;:!?\n。、។៖၊။()]+")
_SHORT = 300  # code points
_NEAR_WORDS, _NEAR_SIGNS = 3, 12  # so far before a word a denial still denies it

How = Literal[
    "tag",  # what followed the last tag
    "line",  # a letter, label or text on a line of its own, or a label that opens the answer
    "mark",  # the one letter that was marked or named
    "text",  # the one option or label that was mentioned
    "whole",  # a text without a tag
    "ambiguous",  # from here on there is no answer
    "denied",
    "copied",  # the options, with no decision after them
    "nothing",  # no letter, label or text
    "empty",
    "unfinished",  # thinking aloud that never ended
]


@dataclass(frozen=True, slots=True)
class Read:
    """What was read out of an answer."""

    value: str | int | None  # the option's place, the label or the text; None where there is no answer
    how: How


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The table in `answers.toml`: language -> words, where it is by language."""

    thoughts: tuple[tuple[str, ...], ...]
    letters: tuple[str, ...]
    words: dict[str, tuple[str, ...]]
    phrases: dict[str, tuple[str, ...]]
    names: dict[str, tuple[str, ...]]
    links: dict[str, tuple[str, ...]]
    joins: dict[str, tuple[str, ...]]
    because: dict[str, tuple[str, ...]]
    denials: dict[str, tuple[str, ...]]
    denials_after: dict[str, tuple[str, ...]]

    def check(self) -> None:
        """Refuse what cannot be meant."""
        for pair in self.thoughts:
            if len(pair) != 2:
                raise ValueError(f"thoughts: {list(pair)}: expected what opens it and what closes it")


@functools.cache
def marks() -> Marks:
    """The table in `answers.toml`.

    Raises:
        UsageError: an unknown key, or a value of another type.
    """
    path = Path(__file__).parent / "answers.toml"
    return build(Marks, read_toml(path), path.name)


@functools.cache
def _wide() -> dict[int, str]:
    """Full-width, circled, bracketed and mathematical letters and digits -> the plain ones."""
    ranges = ((0xFF01, 0xFF5F), (0x2460, 0x2500), (0x1D400, 0x1D800), (0x1F110, 0x1F14A))
    found = {
        code: unicodedata.normalize("NFKC", chr(code)) for low, high in ranges for code in range(low, high)
    }
    for first in (0x1F150, 0x1F170):  # white letters on black: Unicode decomposes none of them
        found |= {first + place: chr(ord("A") + place) for place in range(26)}
    return found | {0xFE0F: ""}


def fold(text: str) -> str:
    """The text as it looks, without case: normalised, plain digits and letters, each run of blanks one space.

    Lines stay lines.
    """
    plain = normalise(text.translate(_wide()), digits=True).text
    folded = unicodedata.normalize("NFC", plain.casefold())
    lines: str = regex.sub(r" ?\n ?", "\n", regex.sub(r"[^\S\n]+", " ", folded))
    return lines


@functools.cache
def every(table: str) -> tuple[str, ...]:
    """The words of every language in one of the tables, folded."""
    return tuple(fold(word) for words in getattr(marks(), table).values() for word in words)


def any_of(words: Iterable[str]) -> str:
    """A pattern (version 1) for any of the folded words, the longest first, each between its boundaries."""
    ordered = sorted({word.strip() for word in words if word.strip()}, key=lambda word: (-len(word), word))
    return "(?:" + "|".join(map(_bounded, ordered)) + ")" if ordered else "(?!)"


def _bounded(word: str) -> str:
    body = r"\s+".join(map(regex.escape, word.split()))
    left = rf"(?<!{WORDY})" if regex.match(rf"(?V1){WORDY}", word) else ""
    if word[0].isdecimal():
        left += r"(?<!\d[.,])"
    if regex.search(rf"(?V1){WORDY}\Z", word):
        return rf"{left}{body}(?!{WORDY}|['’]{WORDY}|[.,]\d)"
    return rf"{left}{body}(?!{_TIED})" if regex.search(r"[\p{L}\p{M}]\Z", word) else left + body


@functools.cache
def lead() -> regex.Pattern[str]:
    """What may stand before what is decided: signs, and words such as «option» or «is»."""
    between = any_of([*every("names"), *every("links")])
    return regex.compile(rf"(?V1){OPEN}(?:{between}{OPEN})*+")


@functools.cache
def join() -> regex.Pattern[str]:
    """What joins two into no decision, from the end of the first to the beginning of the second."""
    words = any_of(every("joins"))
    return regex.compile(rf"(?V1){_QUOTED} ?(?:[,/&+、;|]+ ?(?:{words} ?)?|{words} ?){OPEN}")


@dataclass(frozen=True, slots=True)
class Mention:
    """A word of one of the kinds that are looked for."""

    kind: int
    start: int
    end: int
    denied: bool


@functools.lru_cache(maxsize=4096)
def _wordy(sign: str) -> bool:
    return bool(regex.match(rf"(?V1){WORDY}", sign))


@functools.lru_cache(maxsize=4096)
def _tied(sign: str) -> bool:
    return bool(regex.match(_TIED, sign))


def _bounds(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] stands between its boundaries; the same rule as `any_of`."""
    first, last = text[start], text[end - 1]
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if _wordy(first) and before and _wordy(before[-1]):
        return False
    if first.isdecimal() and before[-1:] in (".", ",") and before[0].isdecimal():
        return False
    if not after:
        return True
    if not _wordy(last):
        return not (last.isalpha() or _tied(last)) or not _tied(after[0])
    if last.isdecimal() and after[0] in ".," and after[1:].isdecimal():
        return False
    return not _wordy(after[0]) and not (after[0] in "'’" and len(after) > 1 and _wordy(after[1]))


def _places(text: str, words: Iterable[str]) -> list[tuple[int, str]]:
    """Where the words stand in a text, each between its boundaries; in order and apart, the longest at its place."""
    flat, every_place = text.replace("\n", " "), []
    for word in words:
        start = flat.find(word)
        while start >= 0:
            if _bounds(flat, start, start + len(word)):
                every_place.append((start, -len(word), word))
            start = flat.find(word, start + 1)
    found: list[tuple[int, str]] = []
    for start, _, word in sorted(every_place):
        if not found or start >= found[-1][0] + len(found[-1][1]):
            found.append((start, word))
    return found


@functools.cache
def _denials() -> "tuple[regex.Pattern[str], regex.Pattern[str], regex.Pattern[str]]":
    """Denials before a word: of scripts with spaces, of those without; and those behind it."""
    before, after = every("denials"), every("denials_after")
    unspaced = [word for word in before if regex.match(f"[{_UNSPACED}]", word)]
    spaced = any_of(set(before) - set(unspaced))
    patterns = (spaced, any_of(unspaced), rf"{_QUOTED} ?(?P<word>{any_of(after)})")
    first, second, third = (regex.compile(f"(?V1){pattern}") for pattern in patterns)
    return first, second, third


class Lexicon:
    """Words of several kinds: the labels of a task, or the texts of its options."""

    def __init__(self, kinds: Sequence[Sequence[str]]) -> None:
        """`kinds`: the words of each kind; one without words is never found.

        Raises:
            UsageError: a word stands for two kinds.
        """
        self._kind: dict[str, int] = {}
        for kind, words in enumerate(kinds):
            for word in {" ".join(fold(word).split()) for word in words} - {""}:
                if self._kind.setdefault(word, kind) != kind:
                    raise UsageError(f"'{word}' stands for two labels", "give each label words of its own")
        self._longest_first = sorted(self._kind, key=len, reverse=True)

    def mentions(self, text: str) -> list[Mention]:
        """Every word in a folded text, in order and apart, the longest at its place."""
        return [self._mention(text, word, start) for start, word in _places(text, self._kind)]

    def at(self, text: str, place: int) -> Mention | None:
        """The longest word that begins at a place of a folded text."""
        for word in self._longest_first:
            end = place + len(word)
            if text[place:end].replace("\n", " ") == word and _bounds(text, place, end):
                return self._mention(text, word, place)
        return None

    def _mention(self, text: str, word: str, start: int) -> Mention:
        end = start + len(word)
        return Mention(self._kind[word], start, end, self.denied(text, start, end))

    def denied(
        self, text: str, start: int, end: int, another: Callable[[str, int], object] | None = None
    ) -> bool:
        """Whether words next to text[start:end], in its clause, take it back; what is looked for itself is no denial.

        A denial behind it that another kind follows («A, not B») is of that one; `another` tells it, else `at`.
        """
        spaced, unspaced, behind = _denials()
        before = _CLAUSE.split(text[max(0, start - 80) : start].rstrip(" *_`\"'“‘«([{"))[-1]
        near = " ".join(before.split()[-_NEAR_WORDS:])
        for found in (*spaced.finditer(near), *unspaced.finditer(before[-_NEAR_SIGNS:])):
            if found.group() not in self._kind:
                return True
        after = behind.match(text, end)
        if not after or after["word"] in self._kind:
            return False
        return not (another or self.at)(text, lead().match(text, after.end()).end())

    def denial_at(self, text: str, place: int) -> bool:
        """Whether a denial begins at a place of a folded text."""
        spaced, unspaced, _ = _denials()
        return bool(spaced.match(text, place) or unspaced.match(text, place))


def one_of(found: Iterable[Mention], how: How) -> Read:
    """The one kind that is said and not denied."""
    found = list(found)
    said, denied = ({one.kind for one in found if one.denied == no} for no in (False, True))
    if len(said) == 1 and not said & denied:
        return Read(said.pop(), how)
    return Read(None, "ambiguous" if said else "denied" if denied else "nothing")


def sentence_of(text: str) -> str:
    """Where a mention without any mark may be the answer: a short text, or the short last line of a longer one.

    In longer ones options and labels are named for many reasons.
    """
    if len(text) > _SHORT:
        text = text.rstrip().rpartition("\n")[2]
    return text if len(text) <= _SHORT else ""


def alone(text: str, kind: Callable[[str], int | None]) -> Read:
    """What the first or the last line of a text is, where `kind` tells it of a whole line."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    found = {kind(lines[0]), kind(lines[-1])} - {None}
    return Read(found.pop(), "line") if len(found) == 1 else Read(None, "ambiguous" if found else "nothing")


@functools.lru_cache(maxsize=256)
def lexicon(kinds: tuple[tuple[str, ...], ...]) -> Lexicon:
    """The lexicon of those kinds; made once for a task's many answers."""
    return Lexicon(kinds)


_COLON = regex.compile(r"""[ *_`~"'”’)\]>]*+(?:[:：=→៖]|[-–—](?!\p{Latin}{2})) ?""")
_OWN_LINE = regex.compile(r"[ \t*_`#]*\n")
_LINE_START = regex.compile(r"[\s*_`#>]*")


@dataclass(frozen=True, slots=True)
class Tag:
    """What announces a decision."""

    end: int  # where what is decided may begin
    kind: Literal["sure", "phrase", "word"]  # a colon, or a line of its own; words that lead on; neither
    begins_line: bool


def tags_in(text: str, tags: Sequence[str], *, own: bool = True) -> Iterator[Tag]:
    """Every tag in a text, in order: those given, whatever colon they end with, and where `own` those of the table."""
    phrases, every_tag = _tags(tuple(tags), own=own)
    small = text.lower()
    for start, tag in _places(small if len(small) == len(text) else text, every_tag):
        end = start + len(tag)
        begins = bool(_LINE_START.fullmatch(text, text.rfind("\n", 0, start) + 1, start))
        if colon := _COLON.match(text, end):
            yield Tag(colon.end(), "sure", begins)
        elif tag in phrases:
            yield Tag(end, "phrase", begins)
        else:
            line = _OWN_LINE.match(text, end) if begins else None
            yield Tag(line.end() if line else end, "sure" if line else "word", begins)


@functools.lru_cache(maxsize=64)
def _tags(tags: tuple[str, ...], *, own: bool) -> tuple[frozenset[str], frozenset[str]]:
    """Those that lead on, and all."""
    bare = [(tag.strip(), tag.rstrip(" :：៖-–—=\n")) for tag in tags]
    phrases = [fold(short) for tag, short in bare if tag == short]
    words = [fold(short) for tag, short in bare if tag != short]
    if own:
        phrases += every("phrases")
        words += every("words")
    flat = [frozenset(" ".join(one.split()) for one in some if one.strip()) for some in (phrases, words)]
    return flat[0], flat[0] | flat[1]

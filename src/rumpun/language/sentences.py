"""Sentences, of a whole text or while it streams in; joined again, the pieces are the text exactly.

A piece ends after an end mark of any language's table with its closing quotes and the white space behind it, or after a
line end. Marks that have other uses (`.!?…`) need the white space or the text's end; full stops inside numbers, after
abbreviations (the tables'), after initials and before a lower-case word do not end one. Thai, Lao, Khmer, Burmese,
Javanese and Balinese letters may run on without end marks: there a space ends a piece that has `SOFT` code points,
and no piece of any script is longer than `LONGEST`; a cut never falls inside a grapheme cluster (Unicode Standard
Annex 29), save in a cluster that is itself longer than `LONGEST`.

Every decision depends on the text from the piece's start to at most `LONGEST` + 1 code points on, never on how the
text was cut into chunks: streaming gives what `split` gives.
"""

import functools
from dataclasses import dataclass

import regex

from rumpun.language.tables import languages

__all__ = ["LONGEST", "SOFT", "SentenceStream", "split"]

LONGEST = 400  # code points
SOFT = 80  # code points

_SPACED = ".!?…"  # end marks only before white space or the text's end; every other one ends a piece at once
_UNTABLED = "།।॥"  # of scripts that no table has: the shad of Tibet, the dandas of India
_CLOSERS = "\"'”’»)]）」』】〉》"
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_NO_SPACES = (  # Thai, Lao, Myanmar, Khmer, Balinese, Javanese
    r"[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u1B00-\u1B7F\uA980-\uA9DF\uA9E0-\uA9FF\uAA60-\uAA7F]"
)
_QUOTES = regex.compile(rf"[{regex.escape(_CLOSERS)}]*")
_WHITE = regex.compile(r"[\s\u200B]*")
_EXTENDS = regex.compile(
    r"[\p{M}\p{Grapheme_Cluster_Break=Extend}\u200d\p{Grapheme_Cluster_Break=SpacingMark}]"
)
_WORD_BEFORE = regex.compile(r"(?r)[\p{L}\p{M}.]+\Z")
_LIST_NUMBER = regex.compile(r"\s*\d{1,3}")
_SPACE_RUN = regex.compile(r"\s+")
_CLUSTER = regex.compile(r"\X")
_THAI_LETTER = regex.compile(r"[\u0E01-\u0E4E]")
_BEFORE_NUMBERS = frozenset({"no", "nos", "hlm", "hal", "vol", "pp", "p", "fig", "tgl", "pasal", "art"})
_WAIT = -1
_NO = 0


@dataclass(frozen=True, slots=True)
class _Ends:
    """The tables' end marks, as the search needs them."""

    at_once: frozenset[str]
    candidate: regex.Pattern[str]  # where a piece may end
    run: regex.Pattern[str]  # marks side by side


@functools.cache
def _ends() -> _Ends:
    at_once = {mark for language in languages().values() for mark in language.sentence_ends} - {*_SPACED}
    marks = regex.escape("".join(sorted({*at_once, *_UNTABLED})) + _SPACED)
    return _Ends(
        frozenset(at_once | {*_UNTABLED}),
        regex.compile(rf"[{marks}{_LINE_ENDS}]|(?<={_NO_SPACES})[ \u00A0\u200B]"),
        regex.compile(rf"[{marks}]*"),
    )


@functools.cache
def _abbreviations(hint: str) -> frozenset[str]:
    known = languages()
    tags = [tag for tag in (hint, hint.split("-", maxsplit=1)[0]) if tag in known] or ["id"]
    return frozenset(word for tag in (*tags, "en") for word in known[tag].abbreviations)


class SentenceStream:
    """Text in, chunk by chunk; whole pieces out.

    `feed` returns the pieces that are sure by now, `flush` the rest (after it the stream is empty and may be fed
    again). The time taken is linear in the text.
    """

    def __init__(self, hint: str = "und") -> None:
        """`hint` is the text's language, where it is known: it chooses the abbreviations."""
        self._abbreviations = _abbreviations(hint)
        self._ends = _ends()
        self._text = ""
        self._start = 0  # of the piece being built, in _text
        self._seen = 0  # no piece ends before this place

    def feed(self, text: str) -> list[str]:
        """Add text and take the pieces that cannot change any more."""
        self._text = self._text[self._start :] + text
        self._seen -= self._start
        self._start = 0
        return self._take(final=False)

    def flush(self) -> list[str]:
        """Take what is left."""
        pieces = self._take(final=True)
        rest = self._text[self._start :]
        self._text, self._start, self._seen = "", 0, 0
        return [*pieces, rest] if rest else pieces

    def _take(self, *, final: bool) -> list[str]:
        pieces = []
        while (end := self._end(final=final)) > self._start:
            pieces.append(self._text[self._start : end])
            self._start = self._seen = end
        return pieces

    def _end(self, *, final: bool) -> int:
        """Where the piece from _start ends, or _start where that is not sure yet."""
        stop = self._start + LONGEST + 1
        window = self._text[self._start : stop]
        full = len(window) > LONGEST
        place = self._seen - self._start
        while found := self._ends.candidate.search(window, place):
            cut = self._decide(window, found.start(), open_ended=full or not final)
            if cut == _WAIT:
                if full:
                    break
                self._seen = self._start + found.start()
                return self._start
            if cut > 0:
                return self._start + cut
            place = found.end()
        if full:
            return self._start + _forced(window)
        self._seen = self._start + max(place, self._seen - self._start)
        return self._start

    def _decide(self, window: str, at: int, *, open_ended: bool) -> int:
        """The cut that the candidate at `at` makes, _NO, or _WAIT where the window ends too early to know."""
        mark = window[at]
        marks: int = at
        after: int = at
        if mark in self._ends.at_once or mark in _SPACED:
            marks = self._ends.run.match(window, at).end()
            after = _QUOTES.match(window, marks).end()
        white: int = _WHITE.match(window, after).end()
        if white == len(window):
            return _WAIT if open_ended else white
        if _EXTENDS.match(window, white):
            return _NO
        if mark in _LINE_ENDS or any(sign in self._ends.at_once for sign in window[at:marks]):
            return white
        if mark in _SPACED:
            ends = white > after and not self._goes_on(window, at, marks, white)
        else:  # a space after a script that needs no end marks
            ends = at >= SOFT or _has_line_end(window, at, white)
        return white if ends else _NO

    def _goes_on(self, window: str, at: int, marks: int, white: int) -> bool:
        """Whether the sentence goes on after the marks at `at`."""
        if _has_line_end(window, marks, white) or window[at:marks].strip(".…"):
            return False
        if window[white].islower():
            return True
        if marks - at > 1 or window[at] == "…":
            return False
        return self._abbreviated(window, at, window[white])

    def _abbreviated(self, window: str, at: int, following: str) -> bool:
        """Whether the one full stop at `at` belongs to the word before it."""
        if at and _THAI_LETTER.match(window, at - 1):
            return True  # in Thai the full stop marks abbreviations only
        if _LIST_NUMBER.fullmatch(window, 0, at):
            return True
        found = _WORD_BEFORE.search(window, 0, at)
        if not found:
            return False
        word: str = found.group().lower().strip(".")
        if word in _BEFORE_NUMBERS:
            return following.isdecimal()
        return word in self._abbreviations or (len(word) == 1 and found.group().isupper())


def _has_line_end(window: str, start: int, end: int) -> bool:
    return any(sign in _LINE_ENDS for sign in window[start:end])


def _forced(window: str) -> int:
    """Where to cut a window of LONGEST + 1 code points that has no end: at a space, or between clusters."""
    bounds: list[int] = [found.start() for found in _CLUSTER.finditer(window) if found.start()]
    whole = set(bounds)
    spaces: list[int] = [
        found.end() for found in _SPACE_RUN.finditer(window, LONGEST // 2) if found.end() in whole
    ]
    if spaces:
        return spaces[-1]
    return bounds[-1] if bounds else LONGEST


def split(text: str, hint: str = "und") -> list[str]:
    """The pieces of a whole text, in order; joined they are the text. Nothing for an empty text."""
    stream = SentenceStream(hint)
    return [*stream.feed(text), *stream.flush()]

"""Many phrases looked for at once: one look-up a word or sign, however long the lists are.

A phrase may hold alternatives, «(i|we) want to (go|go home|)», within one another if need be; «#» stands for a number
under 18. Texts are compared as a reading leaves them (`plain`, or one that undoes more tricks), without apostrophes, word by
word in Latin script, else sign by sign, so that neither blanks nor punctuation count (the end of a line, «!», «?» and «。»
do). The ends of a phrase are ends of
words (Latin), or of syllables where a script has no spaces. A Tamil word may go on, since endings are glued to it.

The phrases are an automaton that is made deterministic as texts need it.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import regex

from rumpun.language.hanzi import simplified
from rumpun.language.normalise import normalise

__all__ = ["Phrases", "Spans", "phrases", "plain", "shortest", "tokens"]

_ADULT = 18  # years

_SIGNS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f\u0b80-\u0bff\u3400-\u9fff"
_TOKEN = re.compile(
    f"[{_SIGNS}]|[a-z\u00df-\u00f6\u00f8-\u024f\u0300-\u036f\u1e00-\u1eff]+|[0-9]+|[#!?\u3002\n]"
)
_NUMBER = re.compile("[0-9]")
_UNSPACED = re.compile(f"[{_SIGNS}]")
_GOES_ON = re.compile(  # dependent vowels, marks, and a Burmese letter that closes the syllable
    "[\u0e30-\u0e3a\u0e47-\u0e4e\u0eb0-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b6-\u17d3\u0bbe-\u0bcd]"
    "|[\u1000-\u1021]\u1037?[\u1039\u103a]"
)
_GOES_BEFORE = re.compile("[\u0e40-\u0e44\u0ec0-\u0ec4\u1039\u17d2]")  # what the first letter would belong to
_TAMIL = re.compile("[\u0b80-\u0bff]")
_UNSEEN = regex.compile(r"\p{Cf}")  # zero-width characters among them
_APOSTROPHES = re.compile("['\u2019\u2018\u02bc\u0060\u00b4]")
_PARTS = re.compile("([()\n])")
_HALF = re.compile("[a-z\u00df-\u024f\u1e00-\u1eff]\\(|\\)[a-z\u00df-\u024f\u1e00-\u1eff]", re.IGNORECASE)

T = TypeVar("T")
Spans = list[tuple[int, int]]


def plain(text: str) -> str:
    """A text in one spelling: compatibility forms, what does not show, case, and traditional characters taken off."""
    seen = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return simplified(normalise(seen).text.casefold())


def tokens(text: str) -> list[str]:
    """The words, signs and numbers of a text that was read; «#» for a number under 18.

    The last digits of a longer number are none («1,012»).
    """
    words = _TOKEN.findall(text)
    return [_counted(word) for word in words] if _NUMBER.search(text) else words


def _counted(word: str) -> str:
    young = len(word) < 3 and word.isdecimal() and word[0] != "0" and int(word) < _ADULT
    return "#" if young else word


def phrases(entry: str) -> list[str]:
    """The phrases that an entry of a list stands for: one for each choice of its alternatives.

    Raises:
        ValueError: as `Phrases.add`.
    """
    begun = _over(_lines(entry), [""], lambda before, piece: [first + piece for first in before])
    return list(dict.fromkeys(" ".join(phrase.split()) for phrase in begun))


def shortest(entry: str) -> tuple[int, int]:
    """Words (parted by blanks) of an entry's phrase that has the fewest, code points of them in the shortest."""

    def more(before: list[tuple[int, int]], piece: str) -> list[tuple[int, int]]:
        words = piece.split()
        return [(min(w for w, _ in before) + len(words), min(n for _, n in before) + len("".join(words)))]

    found = _over(_lines(entry), [(0, 0)], more)
    return min(w for w, _ in found), min(n for _, n in found)


def _lines(entry: str) -> str:
    """The entry with its alternatives on lines, since the normaliser may take a bar for a letter."""
    if half := _HALF.search(entry):
        raise ValueError(f"{entry!r}: {half.group()!r} is half a word; alternatives are whole words")
    return entry.replace("|", "\n")


def _over(entry: str, begun: list[T], more: Callable[[list[T], str], list[T]]) -> list[T]:
    """What becomes of `begun` over all alternatives of an entry, piece by piece."""
    pieces = _PARTS.split(entry)
    chosen, end = _alternatives(pieces, 0, begun, more)
    if end < len(pieces) or pieces.count("(") != pieces.count(")"):
        raise ValueError(f"{entry!r}: brackets of alternatives do not match")
    return chosen


def _alternatives(
    pieces: list[str], at: int, begun: list[T], more: Callable[[list[T], str], list[T]]
) -> tuple[list[T], int]:
    """The choices from a place on, to the bracket that closes them or the end, and where that is."""
    found: list[T] = []
    now = begun
    while at < len(pieces) and pieces[at] != ")":
        if pieces[at] == "(":
            now, at = _alternatives(pieces, at + 1, now, more)
        elif pieces[at] == "\n":
            found += now
            now = begun
        else:
            now = more(now, pieces[at])
        at += 1
    return [*found, *now], at


@dataclass(slots=True, eq=False)
class _State:
    """Where several phrases may stand after the same tokens."""

    kinds: tuple[str, ...]  # of the phrases that end here
    after: dict[
        str, "tuple[int, ...] | _State"
    ]  # token -> what follows: places, or their state once it was needed


@dataclass(slots=True, eq=False)
class Phrases:
    """Lists of phrases by kind. After the last `add` it only grows caches, so threads may share it."""

    reading: Callable[[str], str] = plain  # of phrases and texts alike, before they are compared
    _after: list[dict[str, list[int]]] = field(default_factory=lambda: [{}])  # place -> token -> places
    _ends: dict[int, set[str]] = field(default_factory=dict)  # place -> kinds of the phrases that end there
    _made: dict[tuple[int, ...], _State] = field(default_factory=dict)

    def add(self, kind: str, entry: str, *, spelled: Callable[[str], str] = str) -> None:
        """Look for an entry's phrases too.

        Args:
            kind: the name of its list.
            entry: a phrase, perhaps with alternatives.
            spelled: another spelling of a token, which is looked for instead.

        Raises:
            ValueError: brackets that do not match, half a word beside one, or a choice without a word.
        """

        def more(places: list[int], piece: str) -> list[int]:
            for token in tokens(piece):
                places = [self._next(places, spelled(token))] if places else []
            return places

        for place in _over(self._compared(_lines(entry)), [0], more):
            if place == 0:
                raise ValueError(f"{entry!r}: a choice without a word")
            self._ends.setdefault(place, set()).add(kind)
        self._made.clear()

    def _compared(self, text: str) -> str:
        return _APOSTROPHES.sub("", self.reading(text))

    def _next(self, places: Iterable[int], token: str) -> int:
        """A new place, reached by a token from any of these."""
        self._after.append({})
        new = len(self._after) - 1
        for place in places:
            self._after[place].setdefault(token, []).append(new)
        return new

    def _state(self, places: tuple[int, ...]) -> _State:
        made = self._made.get(places)
        if made is None:
            after: dict[str, set[int]] = defaultdict(set)
            for place in places:
                for token, following in self._after[place].items():
                    after[token].update(following)
            kinds = sorted({kind for place in places for kind in self._ends.get(place, ())})
            made = _State(
                tuple(kinds), {token: tuple(sorted(following)) for token, following in after.items()}
            )
            self._made[places] = made
        return made

    def find(self, text: str, first: Collection[str]) -> Mapping[str, Spans]:
        """Kind -> where its phrases stand in the text as it is compared, in order of their starts.

        Args:
            text: as it was written.
            first: kinds that make the others worth knowing: without any of these the answer is empty.
        """
        read = self._compared(text)
        words = tokens(read)
        last = len(words) - 1
        start = self._state((0,)).after
        ends: list[tuple[int, int, tuple[str, ...]]] = []
        for place in range(len(words)):
            after, at = start, place
            while (following := after.get(words[at])) is not None:
                if isinstance(following, tuple):
                    following = after[words[at]] = self._state(following)
                state = following
                if state.kinds:
                    ends.append((place, at, state.kinds))
                if at == last:
                    break
                at += 1
                after = state.after
        if not any(kind in first for _, _, kinds in ends for kind in kinds):
            return {}
        found: dict[str, Spans] = defaultdict(list)
        spans = [token.span() for token in _TOKEN.finditer(read)]
        for place, at, kinds in ends:
            span = spans[place][0], spans[at][1]
            if _whole(read, *span):
                for kind in kinds:
                    found[kind].append(span)
        return found


def _whole(text: str, start: int, end: int) -> bool:
    """Whether the phrase at this place is no part of a longer word or syllable, as far as its script tells."""
    if _GOES_ON.match(text, end):
        return False
    if start == 0:
        return True
    if _TAMIL.match(text, start):
        return not _TAMIL.match(text, start - 1)
    return not (_GOES_BEFORE.match(text, start - 1) and _UNSPACED.match(text, start))

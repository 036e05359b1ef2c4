"""Where numbers stand in a text, and which words of context stand around them.

A run is a stretch of numbers, masks and what separates them. Context is measured in the text between runs, every run
counting as one sign: so a list of numbers shares its heading, and masking some of them brings no word nearer to the
others. That is what makes masking twice the same as masking once.
"""

import bisect
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rumpun.personal.fold import folded
from rumpun.personal.words import LONGEST_WORD, Words, normal, scripts_in

__all__ = ["MASK", "REACH", "Around", "Context", "Near", "known"]

REACH = 30  # code points between a word and the run that it speaks for
MASK = "\u2588"  # what our masks hide with; nobody else writes it beside a number
_TOKEN = re.compile(
    rf"[0-9<{MASK}](?:(?<=[0-9])(?:[ .\u00b7()\u200b-]{{0,3}}+[0-9])*+(?:[A-Za-z](?![A-Za-z0-9]))?"
    rf"|(?<=<)[A-Z][A-Z_]*+(?::[a-p]++)?>|(?<={MASK}){MASK}*+[A-Za-z0-9]*+)"
)
_LEAD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{1,2}\Z")
_SAID = 10  # code points: the distance given to words that are said to speak for all of a text
_RUNS_MOST = 12  # runs that a word may speak across
_BETWEEN = re.compile(r"[\s.\u00b7()\u200b+-]*")


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest word that speaks for a key."""

    distance: int  # code points between it and the run
    after: bool
    word: str

    @property
    def bonus(self) -> float:
        """What it adds to a score: more before the number than after it, and more when nearer."""
        return (0.32 if self.after else 0.36) - 0.001 * min(self.distance, 10)


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a run."""

    words: dict[str, Near]  # key -> the nearest word that speaks for it
    scripts: frozenset[str]  # that point to one country


def known(words: Words, said: Collection[str]) -> dict[str, Near]:
    """Words that speak for all of a text, as if they stood a few signs behind every number; others count for nothing."""
    found: dict[str, Near] = {}
    for text in said:
        for _, _, word in words.scan(normal(folded(text))):
            for key in word.keys:
                found.setdefault(key, Near(_SAID, after=True, word=word.text))
    return found


class Context:
    """The runs of one text, made when the first is asked for."""

    def __init__(
        self,
        text: str,
        words: Words,
        taken: Sequence[tuple[int, int]],
        said: Mapping[str, Near] = MappingProxyType({}),
    ) -> None:
        """`taken` are places already found (addresses, codes): each is a run too, in order; `said` holds everywhere."""
        self._said = said
        self._text = text
        self._words = words
        self._taken = taken
        self._runs: list[tuple[int, int]] | None = None
        self._starts: list[int] = []
        self._around: dict[int, Around] = {}

    def _made(self) -> list[tuple[int, int]]:
        if self._runs is not None:
            return self._runs
        places = list(self._taken)
        for token in _TOKEN.finditer(self._text):
            start, end = token.span()
            lead = _LEAD.search(self._text[max(0, start - 3) : start]) if 6 <= end - start <= 10 else None
            if lead and not self._words.is_short(
                lead.group()
            ):  # the letters of a number, not a word before it
                start -= len(lead.group())
            places.append((start, end))
        places.sort()
        runs: list[tuple[int, int]] = []
        for start, end in places:
            last = runs[-1][1] if runs else -1
            if runs and (start <= last or _BETWEEN.fullmatch(self._text, last, start)):
                runs[-1] = (runs[-1][0], max(last, end))
            else:
                runs.append((start, end))
        self._runs, self._starts = runs, [start for start, _ in runs]
        return runs

    def is_word(self, letters: str) -> bool:
        """Whether one or two letters before digits are a word of context: "IC", "HP"."""
        return self._words.is_short(letters)

    def around(self, place: int) -> Around:
        """What stands around the run at a place."""
        runs = self._made()
        number = max(0, bisect.bisect_right(self._starts, place) - 1)
        if number not in self._around:
            self._around[number] = self._read(runs, number)
        return self._around[number]

    def _read(self, runs: list[tuple[int, int]], number: int) -> Around:
        most = REACH + LONGEST_WORD
        before = ""
        for n in range(number, max(-1, number - _RUNS_MOST), -1):
            if len(before) >= most:
                break
            start = runs[n - 1][1] if n else 0
            piece = self._text[max(start, runs[n][0] - most) : runs[n][0]].strip(" \t\n")
            before = f"{piece}\0{before}" if n < number else piece
        after = ""
        for n in range(number, min(len(runs), number + _RUNS_MOST)):
            if len(after) >= most:
                break
            end = runs[n + 1][0] if n + 1 < len(runs) else len(self._text)
            piece = self._text[runs[n][1] : min(end, runs[n][1] + most)].strip(" \t\n")
            after = f"{after}\0{piece}" if n > number else piece
        before, after = normal(before[-most:]), normal(after[:most])
        found = dict(self._said)
        for _, end, word in self._words.scan(before):
            self._keep(found, word.keys, Near(len(before) - end, after=False, word=word.text))
        for start, _, word in self._words.scan(after):
            self._keep(found, word.keys, Near(start, after=True, word=word.text))
        return Around(found, scripts_in(before[-REACH:]) | scripts_in(after[:REACH]))

    @staticmethod
    def _keep(found: dict[str, Near], keys: frozenset[str], near: Near) -> None:
        if near.distance > REACH:
            return
        for key in keys:
            if key not in found or near.bonus > found[key].bonus:
                found[key] = near

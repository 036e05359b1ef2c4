"""Which parts of a long answer stand in a corpus word for word: maximal spans, as OLMoTrace finds them (arXiv 2504.07096).

A span is maximal where no longer one that holds it stands in the corpus. Spans shorter than `min_letters` are not looked
for: short ones stand everywhere and say nothing. The rarest come first: fewest documents, then longest.
"""

import msgspec
import numpy as np

from rumpun.corpus.trace.fold import Folded, fold, folded_bytes, is_mark
from rumpun.corpus.trace.search import Found, TraceIndex
from rumpun.corpus.trace.shard import Suffixes
from rumpun.errors import UsageError

__all__ = ["MIN_LETTERS", "Span", "Spans", "find_spans"]

MIN_LETTERS = 24  # folded letters and digits: about four words


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the answer that stands in the corpus. Positions are code points of the answer."""

    start: int
    end: int
    text: str
    letters: int
    found: Found


class Spans(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, the rarest first."""

    letters: int  # of the answer, folded
    covered: int  # of them, in a span
    min_letters: int
    spans_in_all: int
    spans: tuple[Span, ...]


def find_spans(
    index: TraceIndex, text: str, *, min_letters: int = MIN_LETTERS, limit: int = 20, documents: int = 5
) -> Spans:
    """The maximal spans of a text that stand in the index.

    Args:
        index: where to look.
        text: the answer.
        min_letters: of a span, folded.
        limit: spans to show.
        documents: to show for each span.

    Raises:
        UsageError: the text is shorter than `min_letters`, or that is below 8.
    """
    if min_letters < 8:
        raise UsageError(f"a span of {min_letters} letters stands everywhere", "ask for 8 letters or more")
    folded = fold(text)
    if len(folded.codes) < min_letters:
        raise UsageError(
            f"the text has {len(folded.codes)} letters and digits, its spans need {min_letters} or more",
            "give a longer text, or ask for it without --spans",
        )
    answer = _Answer(folded, min_letters)
    spans = _widest([span for shard in index.shards for span in answer.spans(shard.letters)])
    shown: list[Span] = []
    covered = np.zeros(len(folded.codes), dtype=np.bool_)
    for first, last in spans:
        for end_letter in answer.ends(first, last):
            origin = folded.origin[first:end_letter]
            start, end = int(origin.min()), int(origin.max()) + 1
            found = index.find(text[start:end], limit=documents, spellings=False)
            if found.documents:
                covered[first:end_letter] = True
                shown.append(
                    Span(start=start, end=end, text=text[start:end], letters=end_letter - first, found=found)
                )
                break
    shown.sort(key=lambda span: (span.found.documents, -span.letters, span.start))
    return Spans(
        letters=len(folded.codes),
        covered=int(covered.sum()),
        min_letters=min_letters,
        spans_in_all=len(shown),
        spans=tuple(shown[:limit]),
    )


class _Answer:
    """A folded answer of F letters, ready to be looked for."""

    def __init__(self, folded: Folded, min_letters: int) -> None:
        self._codes = folded.codes
        self._data = folded_bytes(folded.codes)
        codes = folded.codes
        sizes = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
        self._begins = np.concatenate([[0], np.cumsum(sizes)])  # [F + 1] of each letter in the bytes
        # where a span may begin or end: not inside a cluster, nor inside what one character folds to
        same = np.concatenate([[False], np.diff(folded.origin) == 0])
        self._whole = np.concatenate([~(is_mark(codes) | same), [True]])  # [F + 1]
        self._min = min_letters

    def _bytes(self, first: int, last: int) -> bytes:
        return self._data[int(self._begins[first]) : int(self._begins[last])]

    def ends(self, first: int, last: int) -> list[int]:
        """Where a span may end: where its letters end, or a cluster before, if in the corpus a mark follows there."""
        before = last - 1
        while before > first and not self._whole[before]:
            before -= 1
        return [last, before] if before - first >= self._min else [last]

    def spans(self, suffixes: Suffixes) -> list[tuple[int, int]]:
        """(first letter, letter after the last) of the maximal spans that stand in one shard.

        A span of the least length holds a whole block of half that length, at a multiple of it; so where a block stands
        nowhere, nothing that holds it is looked for.
        """
        count, half = len(self._codes), self._min // 2
        found: list[tuple[int, int]] = []
        reach = 0  # the farthest end of a match so far
        begin = 0  # no span that reaches farther begins before
        for block in range(0, count - half + 1, half):
            if block < begin or _nowhere(suffixes, self._bytes(block, block + half)):
                continue
            for start in range(max(0, block - half + 1), block + 1):
                least = max(reach + 1, start + self._min, block + half)
                if start < begin or not self._whole[start] or least > count:
                    continue
                size = suffixes.longest(self._data[int(self._begins[start]) :])
                end = int(np.searchsorted(self._begins, self._begins[start] + size, side="right")) - 1
                while not self._whole[end]:
                    end -= 1
                if end >= least:
                    found.append((start, end))
                    reach = end
                    begin = start + 1
                    probe = end + 1 - self._min  # what begins before and reaches farther holds these letters
                    if end < count and probe > start and _nowhere(suffixes, self._bytes(probe, end + 1)):
                        begin = probe + 1
        return found


def _nowhere(suffixes: Suffixes, wanted: bytes) -> bool:
    first, last = suffixes.find(wanted)
    return first == last


def _widest(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that lie in no other, by their beginnings."""
    kept: list[tuple[int, int]] = []
    reach = -1
    for first, last in sorted(set(spans), key=lambda span: (span[0], -span[1])):
        if last > reach:
            kept.append((first, last))
            reach = last
    return kept

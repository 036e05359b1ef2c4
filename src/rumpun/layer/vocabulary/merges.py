"""Pairs merged on from a base's own merges, inside the base's own words.

Every merge makes a token that is new, and stands behind all of the base's: so the base's merges are done first and give
what they always gave, then these are done in their order. A merge of two of the base's tokens that stand side by side
in a word of the reference is refused, so no token of the reference can change. (Sennrich et al. 2016.)
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Learnt", "Word", "learn_merges"]

Pair = tuple[int, int]
COUNT_MIN = 4  # occurrences; rarer pairs say little of the language
LENGTH_MAX = 64  # bytes of a token


@dataclass(frozen=True, slots=True)
class Word:
    """A word's base pieces and how often each language has it."""

    pieces: tuple[int, ...]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Learnt:
    """New tokens in the order of their merges."""

    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    refused: Mapping[str, int]  # why -> merges that would have been made


class _Counts:
    """How much each pair of neighbours weighs, and in which words it stands."""

    def __init__(self, words: Sequence[Word], rows: list[list[int]], weights: Mapping[str, int]) -> None:
        self.words, self.rows = words, rows
        self.value = [sum(weights[tag] * count for tag, count in word.counts.items()) for word in words]
        self.pairs: defaultdict[Pair, int] = defaultdict(int)
        self.where: defaultdict[Pair, list[int]] = defaultdict(
            list
        )  # a word may be named twice, or have lost it
        for place, row in enumerate(rows):
            for pair in pairwise(row):
                self.pairs[pair] += self.value[place]
                self.where[pair].append(place)
        self.heap = [(-count, pair) for pair, count in self.pairs.items()]
        heapq.heapify(self.heap)

    def places(self, pair: Pair) -> list[int]:
        """The words in which the pair stands."""
        return [place for place in sorted(set(self.where[pair])) if _stands(self.rows[place], pair)]

    def merge(self, place: int, pair: Pair, number: int, touched: set[Pair]) -> int:
        """Join the pair in a word, from left to right; returns how often. Pairs that gained go into `touched`."""
        row, value, (one, other) = self.rows[place], self.value[place], pair
        out: list[int] = []
        at, end = 0, len(row)
        while at < end:
            if row[at] != one or at + 1 == end or row[at + 1] != other:
                out.append(row[at])
                at += 1
                continue
            if out:
                self.pairs[out[-1], one] -= (
                    value  # after a join just made it is the pair (number, one) that goes
                )
                self._gain((out[-1], number), place, value, touched)
            if at + 2 < end:
                self.pairs[other, row[at + 2]] -= value
                self._gain((number, row[at + 2]), place, value, touched)
            out.append(number)
            at += 2
        self.rows[place] = out
        return end - len(out)

    def _gain(self, pair: Pair, place: int, value: int, touched: set[Pair]) -> None:
        self.pairs[pair] += value
        self.where[pair].append(place)
        touched.add(pair)

    def drop(self, tag: str, weight: int) -> None:
        """Let a language count no more."""
        for place, word in enumerate(self.words):
            if tag in word.counts and self.value[place]:
                less = weight * word.counts[tag]
                self.value[place] -= less
                for pair in pairwise(self.rows[place]):
                    self.pairs[pair] -= less

    def best(self) -> Pair | None:
        """The heaviest pair; of equals the one with the smallest numbers."""
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            now = self.pairs.get(pair, 0)
            if now == -count and now > 0:
                return pair
            if 0 < now < -count:
                heapq.heappush(self.heap, (-now, pair))
        return None


def learn_merges(
    words: Sequence[Word],
    tokens: Sequence[str],
    *,
    tokens_max: int,
    weights: Mapping[str, int],
    targets: Mapping[str, int],
    refuse: Callable[[str, Pair], str],
    by_sum: bool = False,
) -> Learnt:
    """Merge the heaviest pair again and again.

    Args:
        words: what is merged in; each language's pieces are counted in them.
        tokens: the base's, as its vocabulary writes them.
        tokens_max: new tokens at most.
        weights: what an occurrence counts in each language.
        targets: pieces of each language at which it counts no more.
        refuse: (the token that would be made, the pair) -> why not, or nothing; a pair of new tokens has numbers from
            `len(tokens)` on.
        by_sum: any pair that spells a new token is joined to it, as a SentencePiece vocabulary does, not the one pair
            that it was made of.
    """
    symbols, known = list(tokens), set(tokens)
    rows = [list(word.pieces) for word in words]
    left = _pieces(words)
    weighing = {tag: weight if left[tag] > targets.get(tag, 0) else 0 for tag, weight in weights.items()}
    counts = _Counts(words, rows, weighing)
    made: list[str] = []
    refused: Counter[str] = Counter()
    dead: set[Pair] = set()
    numbers: dict[str, int] = {}  # of new tokens
    while len(made) < tokens_max and (pair := counts.best()) is not None:
        if pair in dead:
            continue
        new = symbols[pair[0]] + symbols[pair[1]]
        places = counts.places(pair)
        if by_sum and new in numbers:
            _join(counts, pair, numbers[new], places, left)
            continue
        why = refuse(new, pair) or _why_not(new, known, words, places)
        if why:
            dead.add(pair)
            refused[why] += 1
            continue
        made.append(f"{symbols[pair[0]]} {symbols[pair[1]]}")
        number = len(symbols)
        symbols.append(new)
        known.add(new)
        numbers[new] = number
        _join(counts, pair, number, places, left)
        for tag, weight in weighing.items():
            if weight and left[tag] <= targets.get(tag, 0):
                counts.drop(tag, weight)
                weighing[tag] = 0
    return Learnt(tuple(symbols[len(tokens) :]), tuple(made), dict(sorted(refused.items())))


def _join(counts: _Counts, pair: Pair, number: int, places: Sequence[int], left: Counter[str]) -> None:
    """Merge the pair wherever it stands; `left` are the pieces of each language."""
    touched: set[Pair] = set()
    for place in places:
        joined = counts.merge(place, pair, number, touched)
        for tag, count in counts.words[place].counts.items():
            left[tag] -= count * joined
    counts.pairs[pair] = 0
    for other in sorted(touched):
        heapq.heappush(counts.heap, (-counts.pairs[other], other))


def _pieces(words: Sequence[Word]) -> Counter[str]:
    """Pieces of each language's words."""
    found: Counter[str] = Counter()
    for word in words:
        for tag, count in word.counts.items():
            found[tag] += count * len(word.pieces)
    return found


def _why_not(new: str, known: set[str], words: Sequence[Word], places: Sequence[int]) -> str:
    if new in known:
        return "the token is there already"
    if len(new) > LENGTH_MAX:
        return f"longer than {LENGTH_MAX} bytes"
    seen = 0
    for place in places:
        seen += sum(words[place].counts.values())
        if seen >= COUNT_MIN:
            return ""
    return f"fewer than {COUNT_MIN} times"


def _stands(row: Sequence[int], pair: Pair) -> bool:
    return any(one == pair for one in pairwise(row))

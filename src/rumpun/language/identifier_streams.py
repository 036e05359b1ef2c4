"""Training snippets as numbers: every source is a stream of words, and a snippet is a piece of it.

Words, their features and the frequent pairs of words are numbered once; then a batch of snippets is put together from
arrays. Each epoch draws new snippets and spoils some of them as people do: without marks on the letters, with the marks as
separate code points, with the last word cut off, with words left out, with English in the middle.
"""

import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.language.identifier_romanise import romanised

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.language.snippets import Pool

    Int64s = npt.NDArray[np.int64]

__all__ = ["Batch", "Draw", "Snippets", "Streams", "shares"]

_RANKED = "frequency-words"  # a list by falling frequency, no text
_RANK_OFFSET = 8  # so that the first words of such a list do not crowd out the others
_SALAD_WORDS = 40_000  # drawn from a list of words
_SEEN_MIN = 4  # times that a feature must be met in the streams
_PAIR_SEEN_MIN = 6
_WORD_FORCE = 4.0  # a word is one feature among some thirty n-grams of its own
_PAIR_FORCE = 3.0


@dataclass(frozen=True, slots=True)
class Draw:
    """How snippets are drawn."""

    shortest: int  # letters and spaces
    longest: int
    mixed: float = 0.15  # share of snippets with English inside, in the languages that mix
    bare: float = 0.15  # share without marks on letters
    apart: float = 0.03  # share with marks as code points of their own
    clipped: float = 0.3  # share whose last word is cut off
    thinned: float = 0.6  # share that lose words
    lost: float = 0.3  # share of words that those lose
    mixing: tuple[str, ...] = ()  # languages that have English inside


@dataclass(frozen=True, slots=True, eq=False)
class Snippets:
    """Pieces of the streams."""

    truth: "npt.NDArray[np.int64]"  # place of the language
    start: "npt.NDArray[np.int64]"  # first word
    count: "npt.NDArray[np.int64]"  # words

    def __len__(self) -> int:
        return len(self.truth)

    def part(self, chosen: "slice | npt.NDArray[np.int64]") -> "Snippets":
        """Some of them."""
        return Snippets(self.truth[chosen], self.start[chosen], self.count[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Snippets as rows of features."""

    features: "npt.NDArray[np.int64]"  # known features only
    rows: "npt.NDArray[np.int64]"  # the snippet of each
    sizes: "npt.NDArray[np.int64]"  # [snippets] features of each, known or not
    truth: "npt.NDArray[np.int64]"  # [snippets] place of the language


def shares(
    pools: "Sequence[Pool]", groups: Mapping[str, Sequence[str]], most: Mapping[str, float], exponent: float
) -> list[float]:
    """How much of one language's snippets each of its pools gives: by a power of its size, capped by group of domains."""
    weights = [float(pool.characters) ** exponent for pool in pools]
    total = sum(weights)
    weights = [weight / total for weight in weights]
    of = {domain: group for group, domains in groups.items() for domain in domains}
    member = [of.get(pool.domain, "") for pool in pools]
    for _ in range(len(most) + 1):
        held = {group: sum(w for w, m in zip(weights, member, strict=True) if m == group) for group in most}
        over = {group for group in most if held[group] > most[group] + 1e-9}
        free = sum(w for w, m in zip(weights, member, strict=True) if m not in most)
        if not over or free <= 0:
            break
        weights = [w * most[m] / held[m] if m in over else w for w, m in zip(weights, member, strict=True)]
        room = 1 - sum(w for w, m in zip(weights, member, strict=True) if m in most)
        weights = [w * room / free if m not in most else w for w, m in zip(weights, member, strict=True)]
    total = sum(weights)
    return [weight / total for weight in weights]


class Streams:
    """All pools as one array of word numbers, with what is known of each word."""

    def __init__(
        self, pools: "Sequence[Pool]", labels: Sequence[str], characters_max: int, seed: int
    ) -> None:
        import numpy as np

        self.labels = tuple(labels)
        self._numbers: dict[str, int] = {}
        tokens, gaps, edges = [], [], [0]
        dice = random.Random(seed)  # noqa: S311 - sampling
        for pool in pools:
            numbers, gap = self._read(pool, characters_max, dice)
            tokens.append(numbers)
            gaps.append(gap)
            edges.append(edges[-1] + len(numbers))
        self.edges = np.array(edges)
        self.truth = np.array([self.labels.index(pool.language) for pool in pools], np.int64)
        self.tokens = np.concatenate(tokens)
        self.gaps = np.concatenate(gaps)
        self.gaps[self.edges[:-1][self.edges[:-1] < len(self.gaps)]] = True
        self._spoilt(dice)
        self._features()

    def _read(self, pool: "Pool", characters_max: int, dice: random.Random) -> "tuple[Any, Any]":
        """(word numbers, whether a text begins at each) of one pool, of so many characters at most."""
        import numpy as np

        from rumpun.language.identifier_words import join, words

        texts = list(pool.texts)
        if pool.source == _RANKED:
            odds = [1 / (rank + _RANK_OFFSET) for rank in range(len(texts))]
            texts = dice.choices(texts, odds, k=_SALAD_WORDS)
        elif pool.domain == "own-words":
            salad = [word for line in texts for word in line.split()]
            texts = [
                w
                for _ in range(max(1, _SALAD_WORDS // 10 // len(salad)))
                for w in dice.sample(salad, len(salad))
            ]
        else:
            dice.shuffle(texts)
        if pool.language == "ta-Latn" and not pool.domain.startswith("own"):
            texts = [romanised(text, dice) for text in texts]
        kept, size = [], 0
        for text in texts:
            if size > characters_max:
                break
            kept.append(text[: characters_max // 4])
            size += len(kept[-1])
        found = words(join(kept))
        _, which, inverse = np.unique(found.key, return_index=True, return_inverse=True)
        spelt = [
            kept[row][start : start + length].lower()
            for row, start, length in zip(
                found.row[which].tolist(),
                found.start[which].tolist(),
                found.length[which].tolist(),
                strict=True,
            )
        ]
        numbers = np.fromiter(map(self._number, spelt), np.int64, len(spelt))
        return numbers[inverse], ~found.follows

    def _number(self, word: str) -> int:
        return self._numbers.setdefault(word, len(self._numbers))

    def _spoilt(self, dice: random.Random) -> None:
        """For each word its forms without marks, with marks apart, and cut off."""
        import numpy as np

        known = list(self._numbers)
        bare, apart, clipped = [], [], []
        for word in known:
            split = unicodedata.normalize("NFD", word)
            simple = "".join(c for c in split if not "\u0300" <= c <= "\u036f").replace("đ", "d")
            bare.append(self._number(simple or word))
            apart.append(self._number(split))
            clipped.append(self._number(word[: dice.randint(1, max(1, len(word) - 1))].rstrip("'’") or word))
        rest = list(range(len(known), len(self._numbers)))
        self.bare, self.apart, self.clipped = (
            np.array([*row, *rest], np.int64) for row in (bare, apart, clipped)
        )

    def _features(self) -> None:
        """Number the features of every word, and the pairs, that are met often enough."""
        import numpy as np

        from rumpun.language.identifier_words import grams, pairs, words_of

        found = words_of(list(self._numbers))
        first = np.flatnonzero(~found.follows)  # one word of each entry, whatever it folds to
        if len(first) != len(self._numbers):
            raise AssertionError(f"{len(self._numbers)} words, {len(first)} after folding")
        seen = np.bincount(self.tokens, minlength=len(first))
        self.key = found.key[first]
        hashes, owners, whole = [], [], []
        for some in grams(found, first):
            hashes.append(some.hashes)
            whole.append(np.full(len(some.hashes), some.kind == "word"))
            owners.append(np.repeat(np.arange(len(first)), some.counts))
        every, owner = np.concatenate(hashes), np.concatenate(owners)
        self.size = np.bincount(owner, minlength=len(first))
        unique, at, inverse = np.unique(every, return_index=True, return_inverse=True)
        seen_each = np.bincount(inverse, seen[owner], minlength=len(unique))
        often = seen_each >= _SEEN_MIN
        second = np.flatnonzero(~self.gaps)
        pair, times = np.unique(
            pairs(self.key[self.tokens[second - 1]], self.key[self.tokens[second]]), return_counts=True
        )
        self.hashes = np.concatenate((unique[often], pair[times >= _PAIR_SEEN_MIN]))  # of each feature
        self.force = np.where(np.concatenate(whole)[at[often]], _WORD_FORCE, 1.0)
        self.force = np.append(self.force, np.full(len(self.hashes) - len(self.force), _PAIR_FORCE))
        self.force = self.force.astype(np.float32)  # of each feature: how fast it learns against an n-gram
        place = np.full(len(unique), -1, np.int64)
        place[often] = np.arange(int(often.sum()))
        number = place[inverse]
        kept = number >= 0
        owner, number = owner[kept], number[kept]
        order = np.argsort(owner, kind="stable")
        self.of_word = number[order]  # features of the words, one word after another
        self.ends = np.searchsorted(owner[order], np.arange(len(first) + 1))
        self._pair_hashes = pair[times >= _PAIR_SEEN_MIN]
        self._pair_first = int(often.sum())
        self._met = np.concatenate((seen_each[often], times[times >= _PAIR_SEEN_MIN]))

    def worth(self) -> "npt.NDArray[np.float64]":
        """[features] how often each is met, as a square root: what a slot is given by."""
        import numpy as np

        return np.asarray(np.sqrt(self._met + 1.0), np.float64)

    def restrict(self, kept: "npt.NDArray[np.bool_]") -> None:
        """Forget all features but these; the rest keep their order under new numbers."""
        import numpy as np

        place = np.cumsum(kept) - 1
        inside = kept[self.of_word]
        self.ends = np.concatenate(([0], np.cumsum(inside)))[self.ends]
        self.of_word = place[self.of_word[inside]]
        pairs = kept[self._pair_first :]
        self._pair_hashes = self._pair_hashes[pairs]
        self._pair_first = int(kept[: self._pair_first].sum())
        self.hashes, self._met, self.force = self.hashes[kept], self._met[kept], self.force[kept]

    def drawn(self, wanted: Sequence[int], draw: Draw, dice: "np.random.Generator") -> Snippets:
        """So many new snippets of each pool, in any order."""
        import numpy as np

        letters = np.fromiter(map(len, self._numbers), np.int64, len(self._numbers))
        along = np.concatenate(([0], np.cumsum(letters[self.tokens] + 1)))
        starts, counts, truths = [], [], []
        for pool, number in enumerate(wanted):
            low, high = int(self.edges[pool]), int(self.edges[pool + 1])
            if high == low or not number:
                continue
            begin = dice.integers(low, high, number)
            size = np.exp(dice.uniform(np.log(draw.shortest), np.log(draw.longest), number)).astype(np.int64)
            end = np.minimum(np.searchsorted(along, along[begin] + size), high)
            starts.append(begin)
            counts.append(np.maximum(end - begin, 1))
            truths.append(np.full(number, self.truth[pool]))
        order = dice.permutation(sum(map(len, starts)))
        return Snippets(np.concatenate(truths), np.concatenate(starts), np.concatenate(counts)).part(order)

    def batch(self, some: Snippets, draw: Draw, dice: "np.random.Generator") -> Batch:
        """The features of these snippets, spoilt as the draw says."""
        import numpy as np

        from rumpun.language.identifier_words import pairs

        rows = np.repeat(np.arange(len(some)), some.count)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(some.count) - some.count, some.count)
        place, seam = self._with_english(some, rows, within, draw, dice)
        words, gap = self.tokens[place], self.gaps[place] | seam
        spoil = dice.random(len(some))[rows]
        words = np.where(spoil < draw.bare, self.bare[words], words)
        words = np.where(spoil > 1 - draw.apart, self.apart[words], words)
        last = np.flatnonzero(np.diff(rows, append=-1))
        cut = last[dice.random(len(last)) < draw.clipped]
        words[cut] = self.clipped[words[cut]]
        thin = (dice.random(len(some)) < draw.thinned)[rows]
        kept = ~(thin & (dice.random(len(rows)) < draw.lost))
        kept[last] = True
        words, rows, gap = words[kept], rows[kept], gap[kept]
        counts = self.ends[words + 1] - self.ends[words]
        offsets = np.cumsum(counts) - counts
        index = np.repeat(self.ends[words] - offsets, counts) + np.arange(int(counts.sum()))
        features, owners = self.of_word[index], np.repeat(rows, counts)
        second = np.flatnonzero(~gap & (np.diff(rows, prepend=-1) == 0))
        marks = pairs(self.key[words[second - 1]], self.key[words[second]])
        sizes = np.bincount(rows, self.size[words], minlength=len(some))
        sizes = sizes + np.bincount(rows[second], minlength=len(some))
        if len(self._pair_hashes):
            found = np.minimum(np.searchsorted(self._pair_hashes, marks), len(self._pair_hashes) - 1)
            known = self._pair_hashes[found] == marks
            features = np.concatenate((features, self._pair_first + found[known]))
            owners = np.concatenate((owners, rows[second][known]))
        return Batch(features, owners, sizes.astype(np.int64), some.truth)

    def _with_english(
        self, some: Snippets, rows: "Int64s", within: "Int64s", draw: Draw, dice: "np.random.Generator"
    ) -> "tuple[Int64s, npt.NDArray[np.bool_]]":
        """(place of each word, whether a seam is before it): in some snippets a run of words is English instead."""
        import numpy as np

        place = some.start[rows] + within
        english = np.flatnonzero(self.truth == self.labels.index("en")) if "en" in self.labels else rows[:0]
        hosts = np.isin(some.truth, [self.labels.index(tag) for tag in draw.mixing if tag in self.labels])
        chosen = hosts & (some.count >= 4) & (dice.random(len(some)) < draw.mixed)
        if not len(english) or not chosen.any():
            return place, np.zeros(len(place), np.bool_)
        size = np.maximum(1, (some.count * dice.uniform(0.15, 0.5, len(some))).astype(np.int64))
        begin = (dice.random(len(some)) * (some.count - size + 1)).astype(np.int64)
        pool = dice.choice(english, len(some))
        low, room = self.edges[pool], np.maximum(self.edges[pool + 1] - size - self.edges[pool], 1)
        source = low + (dice.random(len(some)) * room).astype(np.int64)
        inside = chosen[rows] & (within >= begin[rows]) & (within < (begin + size)[rows])
        place = np.where(inside, source[rows] + within - begin[rows], place)
        seam = np.diff(inside.astype(np.int8), prepend=np.int8(0)) != 0
        return np.minimum(place, len(self.tokens) - 1), seam

"""Near-duplicates: which signatures meet in a band, which of them are alike, and which document of a cluster stays.

1. Documents whose signatures agree in all rows of a band meet in a bucket (locality-sensitive hashing). With 25 bands of 5 rows
   a pair of similarity 0.7 meets with probability 0.99, of 0.8 with 0.9999, of 0.3 with 0.06.
2. Whoever meets is compared: all pairs of a bucket of up to ALL_PAIRS documents; in a larger one the first document with all
   others, then the first of those that were not like it, up to PEELS times. A pair counts from a stated estimated similarity on.
3. Pairs make connected components.
4. Of a component the best document stays, and those that are like it themselves go: they and it are a cluster. Of the others
   again the best stays, and so on. So nothing goes that is not itself like the one document of its cluster that stays, however
   long a chain of likenesses is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.minhash import BINS, Hashes, Int, similarity

__all__ = ["Pairs", "Settled", "Signatures", "alike", "components", "settle"]

ALL_PAIRS = 32  # documents of a bucket that are compared each with each: 496 pairs
PEELS = 64  # in a larger bucket; documents alike in many bands meet again elsewhere
ROUNDS = 256  # in which the best of a component is compared with all others; the rest goes by the pairs that are known
_AT_ONCE = 1 << 16  # pairs whose signatures are in memory together: 17 MB
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """P pairs of rows that are alike."""

    one: Int  # [P]
    other: Int  # [P]
    similarity: NDArray[np.float32]  # [P]
    left: Int  # rows that were still to be compared when the rounds were over


class Signatures:
    """Signatures [D, 128] in several arrays, such as memory-mapped files, asked for by row."""

    def __init__(self, parts: "list[Bytes]") -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def rows(self, numbers: Int) -> Bytes:
        """[len(numbers), 128] the signatures of these rows."""
        found = np.zeros((len(numbers), BINS), dtype=np.uint8)
        part = np.searchsorted(self._ends, numbers, side="right")
        for number in np.unique(part):
            chosen = np.flatnonzero(part == number)
            start = self._ends[number] - len(self._parts[number])
            found[chosen] = self._parts[number][numbers[chosen] - start]
        return found

    def similarity(self, one: Int, other: Int) -> NDArray[np.float32]:
        """[P] of pairs of rows."""
        made = [
            similarity(self.rows(one[n : n + _AT_ONCE]), self.rows(other[n : n + _AT_ONCE]))
            for n in range(0, len(one), _AT_ONCE)
        ]
        return np.concatenate(made) if made else np.zeros(0, dtype=np.float32)


def alike(keys: Hashes, rows: Int, signatures: Signatures, threshold: float) -> Pairs:
    """Pairs of one band that are alike.

    Args:
        keys: [M] the band's keys, sorted.
        rows: [M] whose they are, ascending among equal keys.
        signatures: of all rows.
        threshold: the least estimated similarity of a pair.
    """
    group = np.cumsum(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)]) - 1
    sizes = np.bincount(group) if len(group) else np.zeros(0, dtype=np.int64)
    met = sizes[group] > 1
    rows, group = rows[met], group[met]
    small = sizes[group] <= ALL_PAIRS
    one, other, found = _each_with_each(rows[small], group[small], signatures, threshold)
    peeled = _peel(rows[~small], group[~small], signatures, threshold, PEELS)
    return Pairs(
        np.concatenate([one, peeled.one]),
        np.concatenate([other, peeled.other]),
        np.concatenate([found, peeled.similarity]),
        peeled.left,
    )


def _each_with_each(
    rows: Int, group: Int, signatures: Signatures, threshold: float
) -> tuple[Int, Int, NDArray[np.float32]]:
    ones, others, found = [rows[:0]], [rows[:0]], [np.zeros(0, dtype=np.float32)]
    for apart in range(1, ALL_PAIRS):
        where = np.flatnonzero(group[apart:] == group[:-apart])
        if not len(where):
            break
        one, other = rows[where], rows[where + apart]
        close = signatures.similarity(one, other)
        kept = close >= threshold
        ones.append(one[kept])
        others.append(other[kept])
        found.append(close[kept])
    return np.concatenate(ones), np.concatenate(others), np.concatenate(found)


def _peel(rows: Int, group: Int, signatures: Signatures, threshold: float, rounds: int) -> Pairs:
    """Compare the first row of every group with the rest; those that are not like it go on among themselves.

    Groups are ascending; within a group the order of the rows is the order in which they are first.
    """
    ones, others, found = [rows[:0]], [rows[:0]], [np.zeros(0, dtype=np.float32)]
    for _ in range(rounds):
        if not len(rows):
            break
        new = np.concatenate([[True], group[1:] != group[:-1]])
        first = rows[np.flatnonzero(new)][np.cumsum(new) - 1]
        one, other, group = first[~new], rows[~new], group[~new]
        close = signatures.similarity(one, other)
        kept = close >= threshold
        ones.append(one[kept])
        others.append(other[kept])
        found.append(close[kept])
        rows, group = other[~kept], group[~kept]
    return Pairs(np.concatenate(ones), np.concatenate(others), np.concatenate(found), rows)


def components(one: Int, other: Int) -> tuple[Int, Int]:
    """Connected components of pairs: (rows, ascending; the lowest row of each one's component)."""
    rows, flat = np.unique(np.concatenate([one, other]), return_inverse=True)
    a, b = flat[: len(one)], flat[len(one) :]
    label = np.arange(len(rows))
    while True:
        before = label.copy()
        least = np.minimum(label[a], label[b])
        for end in (label[a], label[b]):  # the component's root takes the lower label with it
            np.minimum.at(label, end, least)
        while True:
            jumped = label[label]
            if (jumped == label).all():
                break
            label = jumped
        if (label == before).all():
            return rows, rows[label]


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """What became of the M rows that lie in clusters; a cluster has one row that stays, and at least one that goes."""

    rows: Int  # [M] ascending
    cluster: Int  # [M] the lowest row of its cluster
    first: Int  # [M] the row that stays in its place; itself where it stays
    similarity: NDArray[np.float32]  # [M] to that row; 1 where it stays


def settle(
    one: Int, other: Int, rank: "tuple[NDArray[np.generic], ...]", signatures: Signatures, threshold: float
) -> Settled:
    """Which rows stay, and which go with which.

    Args:
        one: [P] pairs that are alike.
        other: [P]
        rank: columns [D] over all rows by which rows of a component are put in order, lowest first, the first column first;
            the row's number comes last.
        signatures: of all rows.
        threshold: the least estimated similarity to a document that stays.
    """
    rows, component = components(one, other)
    order = np.lexsort((rows, *(column[rows] for column in reversed(rank)), component))
    peeled = _peel(rows[order], component[order], signatures, threshold, ROUNDS)
    late = _by_pairs(peeled.left, one, other)
    stay, go = (np.concatenate(ends) for ends in zip((peeled.one, peeled.other), late, strict=True))
    close = np.concatenate([peeled.similarity, signatures.similarity(*late)])
    rows = np.unique(np.concatenate([stay, go]))
    first, similar = rows.copy(), np.ones(len(rows), dtype=np.float32)
    gone = np.searchsorted(rows, go)
    first[gone], similar[gone] = stay, close
    lowest = rows.copy()
    stays = np.searchsorted(rows, first)
    np.minimum.at(lowest, stays, rows)
    return Settled(rows, lowest[stays], first, similar)


def _by_pairs(rows: Int, one: Int, other: Int) -> tuple[Int, Int]:
    """(rows that stay, rows that go for them): each row in order stays unless it is in a pair with one that stays.

    Bounded work for what is left of a component of many thousand documents that all differ a little.
    """
    among = np.isin(one, rows) & np.isin(other, rows)
    near: dict[int, list[int]] = {}
    for a, b in zip(one[among].tolist(), other[among].tolist(), strict=True):
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    gone: dict[int, int] = {}
    stayed: set[int] = set()
    for row in rows.tolist():
        if row not in gone:
            stayed.add(row)
            for neighbour in near.get(row, ()):
                if neighbour not in stayed:
                    gone.setdefault(neighbour, row)
    return np.array(list(gone.values()), dtype=np.int64), np.array(list(gone), dtype=np.int64)

"""Hashed character n-grams: the only copy, used by the language identifier and by the guard.

The text is lower-cased, runs of white space become one space, and one space stands before and after it as a mark of
the boundary. Each n-gram of code points c1 … cn is hashed with 64-bit FNV-1a taken over code points instead of bytes:

    h = 14695981039346656037;  for each c:  h = (h xor c) * 1099511628211  (mod 2**64)

and finished with the first half of MurmurHash3's 64-bit finaliser; the lowest bits name the bucket. The numbers are
those of the public descriptions of both hashes; tests compare with a plain-Python copy. Results depend on nothing but
the text, the number of buckets and the lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rumpun.errors import UsageError

__all__ = ["Counts", "fold", "hashed"]

_OFFSET = np.uint64(14695981039346656037)
_PRIME = np.uint64(1099511628211)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)
_MOST_BUCKETS = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """A sparse matrix [texts, buckets] in compressed rows.

    indptr [texts + 1] int64, indices [n] int64 (sorted within a row, each once), values [n] float32.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    buckets: int

    @property
    def rows(self) -> int:
        """How many texts."""
        return len(self.indptr) - 1

    def normalised(self) -> "Counts":
        """The same with 1 + ln(count) for a count, and each row of length 1 (Euclidean)."""
        values = 1 + np.log(self.values)
        length = np.sqrt(_row_sums(values[:, None] ** 2, self.indptr)[:, 0])
        length[length == 0] = 1
        scaled = values / np.repeat(length, np.diff(self.indptr))
        return Counts(self.indptr, self.indices, scaled.astype(np.float32), self.buckets)

    def dot(self, weights: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """The product with weights [buckets, heads]: [texts, heads] float32."""
        part = weights[self.indices].astype(np.float32) * self.values[:, None]
        return _row_sums(part, self.indptr)


def _row_sums(part: npt.NDArray[np.float32], indptr: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    sums = np.zeros((len(indptr) - 1, part.shape[1]), np.float32)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        sums[filled] = np.add.reduceat(part, indptr[:-1][filled], axis=0)
    return sums


def fold(text: str) -> str:
    """Lower case, single spaces, one space at each end."""
    return f" {' '.join(text.lower().split())} "


def hashed(texts: Sequence[str], *, buckets: int, lengths: Sequence[int]) -> Counts:
    """Count the hashed n-grams of each text.

    Args:
        texts: any text; an empty one has the n-grams of its two boundary marks.
        buckets: a power of two, at most 2**24.
        lengths: n-gram lengths in code points, ascending, 1 to 8.

    Raises:
        UsageError: buckets or lengths out of range.
    """
    if buckets < 2 or buckets > _MOST_BUCKETS or buckets & (buckets - 1):
        raise UsageError(f"buckets = {buckets}", "expected a power of two from 2 to 16777216")
    if not lengths or list(lengths) != sorted(set(lengths)) or lengths[0] < 1 or lengths[-1] > 8:
        raise UsageError(f"lengths = {list(lengths)}", "expected ascending n-gram lengths from 1 to 8")
    folded = [fold(text) for text in texts]
    sizes = np.array([len(text) for text in folded], np.int64)
    points = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    row = np.repeat(np.arange(len(folded), dtype=np.int64), sizes)
    left = np.repeat(np.cumsum(sizes), sizes) - np.arange(
        len(points)
    )  # code points from here to the text's end
    keys = _keys(points, row, left, buckets, lengths)
    keys.sort()
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else keys
    unique = keys[first]
    values = np.diff(np.append(first, len(keys))).astype(np.float32)
    per_row = np.bincount(unique // buckets, minlength=len(folded))
    indptr = np.concatenate(([0], np.cumsum(per_row))).astype(np.int64)
    return Counts(indptr, unique % buckets, values, buckets)


def _keys(
    points: npt.NDArray[np.uint64],
    row: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    buckets: int,
    lengths: Sequence[int],
) -> npt.NDArray[np.int64]:
    """Row * buckets + bucket of every n-gram that lies within one text."""
    found: list[npt.NDArray[np.int64]] = []
    state = np.full(len(points), _OFFSET, np.uint64)
    for length in range(1, lengths[-1] + 1):
        shifted = points[length - 1 :]
        if not len(shifted):
            break
        state = (state[: len(shifted)] ^ shifted) * _PRIME
        if length not in lengths:
            continue
        inside = left[: len(state)] >= length
        mixed = state[inside]
        mixed = (mixed ^ (mixed >> _SHIFT)) * _MIX
        bucket = ((mixed ^ (mixed >> _SHIFT)) & np.uint64(buckets - 1)).astype(np.int64)
        found.append(row[: len(state)][inside] * buckets + bucket)
    return np.concatenate(found) if found else np.zeros(0, np.int64)

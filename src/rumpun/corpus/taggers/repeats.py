"""How much a text says again: n-grams of code points, hashed and sorted, for all texts of a slice at once.

It stands in for the repetition rules of Gopher (Rae et al. 2021, table A1: top n-gram and duplicate n-gram shares over
words) without a word splitter: 8 code points are about two short words of an alphabet, 24 about five. Hashes of 44 bits:
within a text of a million code points about one n-gram in 17 million is taken for another.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.batch import Batch
from rumpun.corpus.letters import Hashes, Int

__all__ = ["DISTINCT_CHARACTERS", "LENGTHS", "repeats"]

LENGTHS = (8, 24)  # code points of an n-gram
DISTINCT_CHARACTERS = 2_000  # of a text whose 4-grams are counted; more text has ever fewer new ones
_DISTINCT = 4
_TEXT_BIT = np.uint64(44)  # a key is the text's number above, 44 bits of the n-gram's hash below
_CODE = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xD6E8FEB86659FD93)
_LAST = np.uint64(0xBF58476D1CE4E5B9)


def _doubled(codes: NDArray[np.uint32]) -> dict[int, Hashes]:
    """For n = 4, 8, 16 and 24, a hash of the n-gram that starts at each place."""
    found = (codes.astype(np.uint64) + np.uint64(1)) * _CODE
    found ^= found >> np.uint64(29)
    kept: dict[int, Hashes] = {}
    size = 1
    while size < 16:
        found = found[:-size] * _STEP + found[size:] if len(found) > size else found[:0]
        found ^= found >> np.uint64(32)
        size *= 2
        kept[size] = found
    kept[24] = kept[16][:-8] * _STEP + kept[8][16:] if len(kept[16]) > 8 else found[:0]
    return kept


def _keys(owner: Int, hashes: Hashes, size: int) -> Hashes:
    """Sorted keys of the n-grams that lie within one text."""
    begin, finish = owner[: len(hashes)], owner[size - 1 :]
    keys: Hashes = (begin.astype(np.uint64) << _TEXT_BIT) | ((hashes * _LAST) >> np.uint64(64 - 44))
    inside: Hashes = keys[begin == finish]
    inside.sort()
    return inside


def _tally(keys: Hashes, texts: int) -> tuple[Int, Int]:
    """[N] different n-grams of each text, and [N] how often its most frequent one stands there."""
    distinct, most = np.zeros(texts, dtype=np.int64), np.zeros(texts, dtype=np.int64)
    if not len(keys):
        return distinct, most
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    counts = np.diff(np.append(first, len(keys)))
    of = (keys[first] >> _TEXT_BIT).astype(np.int64)
    distinct = np.bincount(of, minlength=texts)
    opens = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1]]))
    most[of[opens]] = np.maximum.reduceat(counts, opens)
    return distinct, most


def repeats(batch: Batch) -> dict[str, NDArray[Any]]:
    """[N] `top_n`, `repeat_n` for n in LENGTHS, and `distinct_4`; all 0 where a text is shorter than n.

    `top_n`: the share of the text that its most frequent n-gram covers, 0 where none stands twice, 1 at most.
    `repeat_n`: the share of its n-grams that stood in it before.
    `distinct_4`: different 4-grams of its first 2,000 code points over all 4-grams there; 1 for a text below 4.
    """
    size = batch.ends - batch.starts
    hashes = _doubled(batch.codes)
    found: dict[str, NDArray[Any]] = {}
    for length in LENGTHS:
        distinct, most = _tally(_keys(batch.owner, hashes[length], length), len(batch))
        windows = np.maximum(size - length + 1, 0)
        covered = np.where(most > 1, most * length, 0) / np.maximum(size, 1)
        found[f"top_{length}"] = np.minimum(covered, 1)
        found[f"repeat_{length}"] = np.where(windows > 0, 1 - distinct / np.maximum(windows, 1), 0)
    looked = np.minimum(size, DISTINCT_CHARACTERS)
    near = np.repeat(batch.starts, looked) + _places(looked)
    owner, short = batch.owner[near], _doubled(batch.codes[near])[_DISTINCT]
    distinct, _ = _tally(_keys(owner, short, _DISTINCT), len(batch))
    windows = np.maximum(looked - _DISTINCT + 1, 0)
    found["distinct_4"] = np.where(windows > 0, distinct / np.maximum(windows, 1), 1)
    return found


def _places(lengths: Int) -> Int:
    """0 … n-1 for each of the lengths, side by side."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0, dtype=np.int64) - np.repeat(ends - lengths, lengths)

"""How much a text says again: n-grams of code points, hashed and sorted, for all texts of a slice at once.

It stands in for the repetition rules of Gopher (Rae et al. 2021, table A1: top n-gram and duplicate n-gram shares over
words) without a word splitter: 8 code points are about two short words of an alphabet, 24 about five. Hashes of 44 bits:
within a text of a million code points about one n-gram in 17 million is taken for another.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.letters import Hashes, Int
from rumpun.corpus.tag.batch import Batch

__all__ = ["DISTINCT_CHARACTERS", "LENGTHS", "repeats"]

LENGTHS = (8, 24)  # code points of an n-gram
DISTINCT_CHARACTERS = 2_000  # of a text whose 4-grams are counted; more text has ever fewer new ones
_DISTINCT = 4
_TEXT_BIT = np.uint64(44)  # a key is the text's number above, 44 bits of the n-gram's hash below
_CODE = np.uint64(0x9E3779B97F4A7C15)
_STEPS = tuple(  # one odd factor for each doubling, and one for the last eight of 24
    np.uint64(step)
    for step in (
        0xD6E8FEB86659FD93,
        0xBF58476D1CE4E5B9,
        0x94D049BB133111EB,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
    )
)
_LAST = np.uint64(0x8EBC6AF09C88C6E3)


def _doubled(codes: NDArray[np.uint32]) -> dict[int, Hashes]:
    """For n = 4, 8, 16 and 24, a hash of the n-gram that starts at each place: a sum of mixed code points, weighed by place."""
    found = codes.astype(np.uint64)
    found += np.uint64(1)
    found *= _CODE
    found ^= found >> np.uint64(29)
    kept: dict[int, Hashes] = {}
    size = 1
    for step in _STEPS[:4]:
        found = _beside(found, found, size, step)
        size *= 2
        kept[size] = found
    kept[24] = _beside(kept[16], kept[8], 16, _STEPS[4])
    return kept


def _beside(left: Hashes, right: Hashes, size: int, step: np.uint64) -> Hashes:
    """Hashes of an n-gram followed by another `size` places on."""
    count = max(0, len(right) - size)
    found: Hashes = left[:count] * step
    found += right[size : size + count]
    return found


def _within(starts: Int, counts: Int) -> tuple[Int, Int]:
    """Where so many n-grams from each text's start on lie, and whose they are."""
    ends = np.cumsum(counts)
    owner = np.repeat(np.arange(len(starts), dtype=np.int64), counts)
    places = np.arange(ends[-1] if len(ends) else 0, dtype=np.int64)
    places += np.repeat(starts - ends + counts, counts)
    return places, owner


def _keys(places: Int, owner: Int, hashes: Hashes) -> Hashes:
    """Sorted keys of the n-grams at these places."""
    keys: Hashes = hashes[places]
    keys *= _LAST
    keys >>= np.uint64(64 - 44)
    keys |= owner.astype(np.uint64) << _TEXT_BIT
    keys.view(np.int64).sort()  # the same order, since no key reaches 2**63, and a fifth faster
    return keys


def _tally(keys: Hashes, texts: int) -> tuple[Int, Int]:
    """[N] different n-grams of each text, and [N] how often its most frequent one stands there."""
    distinct, most = np.zeros(texts, dtype=np.int64), np.zeros(texts, dtype=np.int64)
    if not len(keys):
        return distinct, most
    bounds = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]])
    first, counts = bounds[:-1], np.diff(bounds)
    of = (keys[first] >> _TEXT_BIT).astype(np.int64)
    distinct = np.bincount(of, minlength=texts)
    opens = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1]]))
    most[of[opens]] = np.maximum.reduceat(counts, opens)
    return distinct, most


def repeats(batch: Batch) -> dict[str, NDArray[Any]]:
    """[N] `top_n`, `repeat_n` for n in LENGTHS, and `distinct_4`; all 0 where a text is shorter than n.

    `top_n`: the share of the text that its most frequent n-gram covers, 0 where none stands three times, 1 at most.
    `repeat_n`: the share of its n-grams that stood in it before.
    `distinct_4`: different 4-grams of its first 2,000 code points over all 4-grams there; 1 for a text below 4.
    """
    size = batch.ends - batch.starts
    hashes = _doubled(batch.codes)
    found: dict[str, NDArray[Any]] = {}
    for length in LENGTHS:
        windows = np.maximum(size - length + 1, 0)
        distinct, most = _tally(_keys(*_within(batch.starts, windows), hashes[length]), len(batch))
        covered = np.where(most > 2, most * length, 0) / np.maximum(size, 1)
        found[f"top_{length}"] = np.minimum(covered, 1)
        found[f"repeat_{length}"] = np.where(windows > 0, 1 - distinct / np.maximum(windows, 1), 0)
    windows = np.maximum(np.minimum(size, DISTINCT_CHARACTERS) - _DISTINCT + 1, 0)
    distinct, _ = _tally(_keys(*_within(batch.starts, windows), hashes[_DISTINCT]), len(batch))
    found["distinct_4"] = np.where(windows > 0, distinct / np.maximum(windows, 1), 1)
    return found

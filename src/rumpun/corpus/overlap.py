"""Keeping held-out and evaluation text out of training.

A text overlaps when its letters equal a held-out text's, or when the two share an exact run of so many words (of so many
letters where the language writes no spaces). Comparing is by 64-bit hashes of folded letters: a false alarm drops one row
in about 10**12, and no overlap is missed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.letters import Hashes, Letters, member
from rumpun.errors import InputError

__all__ = ["HeldOut", "evaluation_keys"]

_LETTERS_AT_LEAST = 20  # shorter evaluation strings ("yes", a name) are no evidence of a leak
_AT_ONCE = 2_000


class HeldOut:
    """An index of one language's held-out texts.

    Args:
        texts: the held-out texts.
        words: the length of a run in words; used where `letters` is 0.
        letters: the length of a run in letters, for languages that write no spaces.
    """

    def __init__(self, texts: Sequence[str], *, words: int = 0, letters: int = 0) -> None:
        self._words, self._letters = words, letters
        found = [Letters(texts[n : n + _AT_ONCE]) for n in range(0, len(texts), _AT_ONCE)]
        self._keys: Hashes = _sorted([part.keys() for part in found])
        self._runs: Hashes = _sorted([part.runs(letters=letters, words=words)[0] for part in found])

    def hits(self, letters: Letters) -> NDArray[np.bool_]:
        """[N] which texts overlap."""
        found = member(letters.keys(), self._keys) & (letters.letter_counts() > 0)
        if len(self._runs):
            runs, owner = letters.runs(letters=self._letters, words=self._words)
            found[owner[member(runs, self._runs)]] = True
        return found


def _sorted(parts: Iterable[Hashes]) -> Hashes:
    every = list(parts)
    return np.unique(np.concatenate(every)) if every else np.zeros(0, dtype=np.uint64)


def evaluation_keys(folder: Path) -> Hashes:
    """Sorted letters-only keys of every string in the evaluation sets' rows that are not for training.

    A folder that is not there gives none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: list[Hashes] = []
    for path in sorted(folder.glob("*.parquet")):
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: not readable as Parquet ({error})", "fetch the file again") from error
        names = table.schema.names
        if "split" in names:
            import pyarrow.compute as pc

            table = table.filter(pc.invert(pc.equal(table["split"], "train")))
        for name in names:
            if name in ("id", "url", "licence", "source", "language", "split"):
                continue
            found.append(_column(table[name].to_pylist()))
    return _sorted(found)


def _column(values: list[object]) -> Hashes:
    texts: set[str] = set()
    for value in values:
        if isinstance(value, str):
            texts.add(value)
        elif isinstance(value, list):
            strings = [item for item in value if isinstance(item, str)]
            texts.update(strings)
            texts.add(" ".join(strings))
    letters = Letters(sorted(texts))
    return letters.keys()[letters.letter_counts() >= _LETTERS_AT_LEAST]

"""Hashes of all documents on disk, sorted by part, gathered range by range: how equal ones meet in bounded memory.

Each part writes its rows once, sorted by their first column, a 64-bit hash. A reader opens all parts memory-mapped and takes
the rows of one range of hashes, so that what it holds is RANGE_ROWS rows, however many there are. Ranges depend on the
rows alone, never on workers.
"""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.minhash import Hashes

__all__ = ["RANGE_ROWS", "Range", "gather", "join", "load", "look_up", "ranges", "save", "spill"]

RANGE_ROWS = 2 << 20  # 100 MB while they are sorted
Range = tuple[int, int]  # hashes from low to below high; high may be 2**64


def save(path: Path, array: NDArray[np.generic]) -> Path:
    """Write an array aside and rename it: a file that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.npy")
    try:
        np.save(aside, array, allow_pickle=False)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def load(path: Path) -> NDArray[Any]:
    """An array memory-mapped; an empty one read."""
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # a file without rows cannot be mapped
        found = np.load(path, allow_pickle=False)
    return found


def spill(folder: Path, name: str, part: int, *columns: Hashes) -> int:
    """Write the rows of one part, sorted by the first column, then the second and so on; the number of rows."""
    order = np.lexsort(columns[::-1])
    save(folder / name / f"part-{part:05}.npy", np.stack([column[order] for column in columns]))
    return len(order)


def _files(folder: Path, name: str) -> list[NDArray[Any]]:
    return [load(path) for path in sorted((folder / name).glob("part-*.npy"))]


def ranges(folder: Path, name: str) -> list[Range]:
    """Ranges of equal width that hold about RANGE_ROWS rows each."""
    rows = sum(file.shape[1] for file in _files(folder, name))
    count = max(1, -(-rows // RANGE_ROWS))
    edges = [(number << 64) // count for number in range(count + 1)]
    return list(itertools.pairwise(edges))


def gather(folder: Path, name: str, bounds: Range) -> Hashes:
    """[columns, rows] all rows of a range, sorted by the first column, then the second and so on."""
    low, high = bounds
    found: list[Hashes] = []
    for file in _files(folder, name):
        begin = int(np.searchsorted(file[0], np.uint64(low)))
        end = file.shape[1] if high >= 1 << 64 else int(np.searchsorted(file[0], np.uint64(high)))
        found.append(np.asarray(file[:, begin:end]))
    rows = np.concatenate(found, axis=1)
    return rows if len(found) == 1 else rows[:, np.lexsort(rows[::-1])]


def join(path: Path, pieces: list[Path]) -> Path:
    """Write one array from pieces [columns, n], side by side, one in memory at a time."""
    found = [load(piece) for piece in pieces]
    width = sum(piece.shape[1] for piece in found)
    if not width:
        return save(path, found[0])
    aside = path.with_name(f".{path.name}.{os.getpid()}.npy")
    into = np.lib.format.open_memmap(aside, mode="w+", dtype=found[0].dtype, shape=(found[0].shape[0], width))
    at = 0
    for piece in found:
        into[:, at : at + piece.shape[1]] = piece
        at += piece.shape[1]
    into.flush()
    return aside.replace(path)


def look_up(values: Hashes, table: Hashes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which values [n] stand in a sorted table, and where (anywhere for the others).

    The values are gone through in order, so that a table on disk is read from front to back, and none of it is copied.
    """
    order = np.argsort(values)
    at = np.zeros(len(values), dtype=np.int64)
    if not len(table):
        return np.zeros(len(values), dtype=np.bool_), at
    at[order] = np.minimum(np.searchsorted(table, values[order]), len(table) - 1)
    return np.asarray(table[at] == values), at

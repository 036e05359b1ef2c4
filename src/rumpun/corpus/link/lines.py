"""Frequent lines: those that stand in many documents of one source, or of one language.

They are menus, footers and notices, or what a form prints in every document; which of the two cannot be seen from the line. So a line
counts only in documents in which it stands at most twice ("Article 5" stands once for every article, and digits are alike
here), only from a stated length on (a brace, a rule of dashes), and not in domains whose repeated lines are law, verse or code.
Lines are known by the hashes of the tagger `figures`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.link.rows import group_keys, some_columns
from rumpun.corpus.link.spill import look_up
from rumpun.corpus.link.substrings import document_counts
from rumpun.corpus.minhash import Hashes, Int
from rumpun.corpus.parts import read_part

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TIMES", "count_lines", "frequent_lines"]

TIMES = 2  # how often a line may stand in one document
_GROUPS = ("source", "language")
_MIX = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """The lines of a part's documents that can be frequent: L of them."""

    hashes: Hashes  # [L]
    owner: Int  # [L] row of its document
    number: Int  # [L] which line of it, from 0
    groups: list[Hashes]  # by source, by language: [rows] the key of each document's group
    counted: NDArray[np.bool_]  # [rows] documents whose domain is not left out


def count_lines(unit: dict[str, Any], stays: NDArray[np.bool_]) -> tuple[Hashes, dict[str, int]]:
    """[3, n] (line in its group, the group, in how many documents) of a part, and key of a group -> its documents.

    Args:
        unit: with `documents`, `attributes`, `line_characters` and `line_exclude_domains`.
        stays: [rows] documents that are looked at.
    """
    lines = _read(unit)
    chosen = stays[lines.owner]
    hashes, owner = lines.hashes[chosen], lines.owner[chosen]
    rows: list[Hashes] = []
    sizes: dict[str, int] = {}
    for group in lines.groups:
        value, whose = _in_group(hashes, group[owner]), group[owner]
        found, counts = document_counts(value, owner)
        rows.append(np.stack([found, whose[np.unique(value, return_index=True)[1]], counts]))
        names, documents = np.unique(group[stays & lines.counted], return_counts=True)
        sizes |= {str(name): int(count) for name, count in zip(names, documents, strict=True)}
    return np.concatenate(rows, axis=1), sizes


def frequent_lines(unit: dict[str, Any], table: Hashes) -> "tuple[pa.Array, pa.Array]":
    """Numbers of the frequent lines of each document of a part, and in how many documents each stands.

    Args:
        unit: as above, and `rows_in_part`.
        table: [2, n] sorted lines in their groups, and in how many documents each stands.
    """
    import pyarrow as pa

    lines = _read(unit)
    most = np.zeros(len(lines.hashes), dtype=np.int64)
    for group in lines.groups:
        value = _in_group(lines.hashes, group[lines.owner])
        held, where = look_up(value, table[0])
        hit = np.flatnonzero(held)
        most[hit] = np.maximum(most[hit], table[1][where[hit]].astype(np.int64))
    hit = np.flatnonzero(most)
    offsets = pa.array(
        np.searchsorted(lines.owner[hit], np.arange(unit["rows_in_part"] + 1)).astype(np.int32)
    )
    numbers, documents = (pa.array(found.astype(np.int32)) for found in (lines.number[hit], most[hit]))
    return pa.ListArray.from_arrays(offsets, numbers), pa.ListArray.from_arrays(offsets, documents)


def _read(unit: dict[str, Any]) -> _Lines:
    documents = read_part(Path(unit["documents"]), [*_GROUPS, "domain"])
    groups = [group_keys(kind, documents[kind].to_pylist()) for kind in _GROUPS]
    left_out = set(unit["line_exclude_domains"])
    counted = np.array([domain not in left_out for domain in documents["domain"].to_pylist()], dtype=np.bool_)
    figures = some_columns(unit["attributes"], ["figures.line_hashes", "figures.line_ends"])
    if figures.num_columns < 2:  # the tagger has not run
        none = np.zeros(0, dtype=np.int64)
        return _Lines(np.zeros(0, dtype=np.uint64), none, none, groups, counted)
    column = figures["figures.line_hashes"].combine_chunks()
    counts = np.diff(column.offsets.to_numpy())
    hashes = column.flatten().to_numpy()
    ends = figures["figures.line_ends"].combine_chunks().flatten().to_numpy().astype(np.int64)
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    number = np.arange(len(hashes), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    before = np.concatenate([[-1], ends[:-1]])[: len(ends)]
    size = ends - np.where(number == 0, 0, before + 1)
    kept = np.flatnonzero((hashes != 0) & (size >= unit["line_characters"]) & counted[owner])
    kept = kept[_times(hashes[kept], owner[kept]) <= TIMES]
    return _Lines(hashes[kept], owner[kept], number[kept], groups, counted)


def _times(hashes: Hashes, owner: Int) -> Int:
    """[L] how often each line stands in its document."""
    order = np.lexsort((hashes, owner))
    same = (hashes[order][1:] == hashes[order][:-1]) & (owner[order][1:] == owner[order][:-1])
    group = np.cumsum(np.concatenate([[True], ~same])[: len(order)]) - 1
    found = np.zeros(len(order), dtype=np.int64)
    found[order] = np.bincount(group)[group] if len(order) else 0
    return found


def _in_group(lines: Hashes, group: Hashes) -> Hashes:
    """Keys of lines that differ from group to group."""
    x = (lines ^ group) * _MIX
    x ^= x >> np.uint64(32)
    found: Hashes = x * _MIX
    return found

"""Exact substrings: runs of at least so many letters that stand in several documents.

Comparing every window of 100 letters with every other would take eight bytes a letter. So two passes: first anchors, a few
per cent of the positions, which two copies of a run are sure to share; then every window, but only around anchors that
several documents hold. What is found is exactly what a comparison of all windows would find (64-bit hashes apart).

An anchor is the start of a half window (half of the window's letters) whose hash is the smallest of those in some window of
the text: winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003). A whole window holds all its half windows, so both copies
of it pick the same anchor. Letters are as in `minhash`: spaces, digits and signs do not count and may differ.

A suffix array was measured beside it: pydivsufsort with its table of common prefixes 4.9 MB of Latin a processor second, one shard
at a time; anchors 40, over all shards, and windows only where something is shared.

Shapes: L letters of a block, W windows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.link.spill import look_up
from rumpun.corpus.minhash import Block, Hashes, Int, blocks, polynomial

__all__ = ["Windows", "anchors", "document_counts", "marks", "repeated", "windows"]

_MIX = np.uint64(0xD6E8FEB86659FD93)


def _finished(hashes: Hashes) -> Hashes:
    x = hashes ^ (hashes >> np.uint64(32))
    x *= _MIX
    x ^= x >> np.uint64(29)
    return x


def _sliding(values: Hashes, width: int, *, least: bool) -> Hashes:
    """[len - width + 1] the least or greatest of every `width` neighbours, by doubling."""
    of = np.minimum if least else np.maximum
    size = 1
    while size * 2 <= width:
        values = of(values[:-size], values[size:])
        size *= 2
    rest = width - size
    return of(values[: len(values) - rest], values[rest:]) if rest else values


def _anchors(block: Block, letters: int) -> tuple[Hashes, Int]:
    """Hashes of a block's anchors and the letters at which they start."""
    half = letters // 2
    hashes = _finished(polynomial(block.letters, half))
    inside = block.left()[: len(hashes)] >= half
    width = letters - half + 1  # half windows of a window
    if len(hashes) < width:
        return hashes[:0], np.zeros(0, dtype=np.int64)
    # a half window that runs over its text's end belongs to no window: as the least it would hide the others
    least = _sliding(np.where(inside, hashes, np.uint64(0)), width, least=True)
    pad = np.zeros(width - 1, dtype=np.uint64)
    greatest = _sliding(
        np.concatenate([pad, least, pad]), width, least=False
    )  # of the windows that hold the half window
    chosen = np.flatnonzero((greatest == hashes) & inside & (hashes != 0))
    return hashes[chosen], chosen


def anchors(
    codes: NDArray[np.uint32], kinds: NDArray[np.uint8], starts: Int, ends: Int, letters: int
) -> tuple[Hashes, Int]:
    """Hashes [A] of the anchors of N texts, and the text [A] of each.

    Args:
        codes: [C] code points of normalised texts.
        kinds: [C] as in `letters`.
        starts: [N] where each text starts, ascending.
        ends: [N] where it ends.
        letters: of a window, from 2 on.
    """
    found, texts = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for block in blocks(codes, kinds, starts, ends, before=letters, after=letters):
        hashes, at = _anchors(block, letters)
        own = (at >= block.first) & (at < block.last)
        found.append(hashes[own])
        texts.append(block.owners()[at[own]])
    return np.concatenate(found), np.concatenate(texts)


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """W windows around anchors that several documents hold."""

    hashes: Hashes  # [W]
    text: Int  # [W] number of the text
    start: Int  # [W] where its first letter stands in the text, in code points
    end: Int  # [W] after its last letter


def windows(
    codes: NDArray[np.uint32],
    kinds: NDArray[np.uint8],
    starts: Int,
    ends: Int,
    *,
    letters: int,
    shared: Hashes,
) -> Windows:
    """Every window of N texts that holds an anchor of the sorted table `shared`, in the order of the texts.

    Other arguments as for `anchors`.
    """
    half = letters // 2
    found: list[tuple[Hashes, Int, Int, Int]] = []
    for block in blocks(codes, kinds, starts, ends, before=letters, after=letters):
        hashes, at = _anchors(block, letters)
        at = at[look_up(hashes, shared)[0]]
        if not len(at):
            continue
        edge = np.zeros(len(block.letters) + 1, dtype=np.int64)
        np.add.at(edge, np.maximum(at - (letters - half), 0), 1)
        np.add.at(edge, at + 1, -1)
        near = np.cumsum(edge[:-1]) > 0
        whole = block.left() >= letters
        begin = np.flatnonzero(near & whole)
        begin = begin[(begin >= block.first) & (begin < block.last)]
        if not len(begin):
            continue
        owner = block.owners()[begin]
        text = starts[owner]
        found.append(
            (
                _finished(polynomial(block.letters, letters)[begin]),
                owner,
                block.at[begin] - text,
                block.at[begin + letters - 1] + 1 - text,
            )
        )
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return Windows(np.zeros(0, dtype=np.uint64), none, none, none)
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    return Windows(*columns)


def document_counts(hashes: Hashes, texts: Int) -> tuple[Hashes, Hashes]:
    """(hashes, sorted, each once; in how many texts each stands)."""
    order = np.lexsort((texts, hashes))
    hashes, texts = hashes[order], texts[order]
    once = np.concatenate([[True], (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])])[: len(hashes)]
    found, counts = np.unique(hashes[once], return_counts=True)
    return found, counts.astype(np.uint64)


def repeated(rows: Hashes, least: int) -> Hashes:
    """[2, n] (hashes, how many documents): of rows [2, M] (hash, documents of one part), sorted, those that reach `least`."""
    if not rows.shape[1]:
        return rows[:2]
    begin = np.flatnonzero(np.concatenate([[True], rows[0, 1:] != rows[0, :-1]]))
    total = np.add.reduceat(rows[1], begin)
    kept = total >= np.uint64(least)
    return np.stack([rows[0][begin][kept], total[kept]])


def marks(found: Windows, table: Hashes) -> dict[int, list[dict[str, int]]]:
    """Text -> its marks: places that windows of the table cover, as code points from `start` to before `end`.

    Windows that share a letter make one mark; its `documents` says in how many the most widespread of them stands.

    Args:
        found: windows, in the order of the texts.
        table: [2, n] sorted hashes of windows, and in how many documents each stands.
    """
    held, where = look_up(found.hashes, table[0])
    kept = np.flatnonzero(held)
    if not len(kept):
        return {}
    text, start, end = found.text[kept], found.start[kept], found.end[kept]
    documents = table[1][where[kept]]
    # ends ascend with starts, so a window opens a new mark where it starts at or after the end of the one before it
    new = np.concatenate([[True], (text[1:] != text[:-1]) | (start[1:] >= end[:-1])])
    first = np.flatnonzero(new)
    last = np.concatenate([first[1:], [len(kept)]]) - 1
    most = np.maximum.reduceat(documents, first)
    into: dict[int, list[dict[str, int]]] = {}
    for n, a, b, count in zip(text[first], start[first], end[last], most, strict=True):
        into.setdefault(int(n), []).append({"start": int(a), "end": int(b), "documents": int(count)})
    return into

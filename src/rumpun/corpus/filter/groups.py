"""Duplicates over all documents: who stays of each group.

A group's representative is chosen among the documents that nothing else removes, so that a text whose first copy has a
licence that forbids its use, or that failed a filter, is not lost with it. Where all are removed anyway, the group keeps the
member that the links name, and each document its own reason. Shapes: D documents of all parts, by key.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.letters import Int

__all__ = ["NONE", "representatives", "settle_near"]

NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class _Ordered:
    """Members of groups, side by side: `members` [M] in order of group, `opens` where each group starts."""

    members: Int
    opens: Int
    of: Int  # [M] the number of the group


def _grouped(groups: Int, order: tuple[NDArray[np.generic], ...]) -> _Ordered | None:
    """Members of the groups in `groups` [D] (NONE: in none), within a group sorted by the last key of `order` first."""
    members = np.flatnonzero(groups != NONE)
    if not len(members):
        return None
    keys = tuple(key[members] for key in order)
    sorting = np.lexsort((members, *keys, groups[members]))
    members = members[sorting]
    first = np.concatenate([[True], groups[members][1:] != groups[members][:-1]])
    return _Ordered(members, np.flatnonzero(first), np.cumsum(first) - 1)


def representatives(first: Int, alive: NDArray[np.bool_]) -> Int:
    """[D] the document that stays in the place of each one; NONE for those that stay or are in no group.

    Args:
        first: [D] the first document of the group as the links name it, NONE for that one itself and for single ones.
        alive: [D] documents that no other rule removes.
    """
    heads = np.unique(first[first != NONE])
    groups = first.copy()
    groups[heads] = heads
    return _stay(groups, (~alive,))


def settle_near(clusters: Int, keep: NDArray[np.bool_], characters: Int, alive: NDArray[np.bool_]) -> Int:
    """As `representatives` for near-duplicates: the one that the links keep, or else the longest that is alive.

    Args:
        clusters: [D] the cluster, NONE outside.
        keep: [D] whether the links keep it; True outside clusters.
        characters: [D] its length.
        alive: [D] documents that no other rule removes.
    """
    return _stay(clusters, (-characters, ~keep, ~alive))


def _stay(groups: Int, order: tuple[NDArray[np.generic], ...]) -> Int:
    found = np.full(len(groups), NONE, dtype=np.int64)
    ordered = _grouped(groups, order)
    if ordered is not None:
        stays = ordered.members[ordered.opens][ordered.of]
        found[ordered.members] = np.where(stays == ordered.members, NONE, stays)
    return found

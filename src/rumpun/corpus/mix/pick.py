"""Which documents, how often: from the targets of leaves to whole documents, in an order drawn from the seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.mix.mixture import BUCKETS, Leaf, Real, language_weights, spread, targets
from rumpun.corpus.mix.params import MixParams
from rumpun.corpus.mix.table import BUDGET, TRAIN, Table, buckets, quantiles

__all__ = ["Chosen", "Picks", "choose_documents", "pick"]

_ALMOST = 1e-3  # of a byte: targets are sums of real numbers, and 99.9999 bytes are 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """One leaf with what became of it; amounts in the mixture's unit."""

    leaf: Leaf
    target: float
    documents: int  # that it has
    taken_documents: int  # at least once
    taken: int  # with repetitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Picks:
    """A whole mixture."""

    times: NDArray[np.uint16]  # [D] how often each document is taken
    running: Real  # [D] for one over budget: what its leaf would give with it
    over: Real  # [D] for one over budget: its leaf's target
    chosen: dict[str, list[Chosen]]  # language -> leaves
    weights: dict[str, float]  # language -> weight before caps
    cuts: dict[str, tuple[float, float]]  # language -> least score of the head, least score of the middle


def pick(sizes: NDArray[np.int64], order: NDArray[np.uint64], target: float) -> NDArray[np.uint16]:
    """[N] how often each of N documents is taken: whole rounds, then single ones in their order.

    What is taken is at most the target, and no document that was passed over would fit in what is left.
    """
    whole = int(sizes.sum())
    left = int(target + _ALMOST)
    rounds = left // whole if whole else 0
    times = np.full(len(sizes), rounds, dtype=np.uint16)
    left -= rounds * whole
    rest = np.lexsort((np.arange(len(sizes)), order))
    while len(rest):
        rest = rest[sizes[rest] <= left]  # what does not fit now never will
        fitting = int(np.searchsorted(np.cumsum(sizes[rest]), left, side="right"))
        times[rest[:fitting]] += 1
        left -= int(sizes[rest[:fitting]].sum())
        rest = rest[fitting:]
    return times


def _leaves(
    table: Table, tag: str, cut: tuple[float, float], params: MixParams, kinds: Mapping[str, str]
) -> tuple[list[Leaf], list[NDArray[np.int64]]]:
    here = table.of(tag, TRAIN)
    width = len(BUCKETS)
    keys = table.source[here].astype(np.int64) * len(table.domains.all) + table.domain[here]
    keys = keys * width + buckets(table.score[here], *cut)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group))[:-1]
    found: list[tuple[Leaf, NDArray[np.int64]]] = []
    for n, at in zip(first.tolist(), np.split(here[order], ends), strict=False):
        leaf = table.leaf_key(int(here[n]), BUCKETS[keys[n] % width], params, kinds)
        found.append((replace(leaf, size=int(table.weight[at].sum())), at))
    found.sort(key=lambda pair: (pair[0].source_class, pair[0].source, pair[0].domain, pair[0].bucket))
    return [leaf for leaf, _ in found], [at for _, at in found]


def choose_documents(table: Table, params: MixParams, kinds: Mapping[str, str]) -> Picks:
    """Weigh, cap and pick; documents that nothing is left for are marked BUDGET.

    Args:
        table: with held-out and overlapping documents marked.
        params: of the mixture.
        kinds: source -> kind, as the inventory names it.
    """
    count = len(table.state)
    leaves: dict[str, list[Leaf]] = {}
    places: dict[str, list[NDArray[np.int64]]] = {}
    cuts: dict[str, tuple[float, float]] = {}
    for tag in table.tags():
        here = table.of(tag, TRAIN)
        cuts[tag] = quantiles(table.score[here], table.weight[here], params.head_share, params.tail_share)
        leaves[tag], places[tag] = _leaves(table, tag, cuts[tag], params, kinds)
    weights = language_weights(
        {tag: sum(leaf.size for leaf in of) for tag, of in leaves.items()},
        params.weights,
        exponent=params.temperature,
        ratios=params.language_ratios,
    )
    given = targets(
        leaves,
        weights,
        float(params.budget) if params.budget else float("inf"),
        {tag: params.limit(tag) for tag in leaves},
        params.caps,
        lambda tag, of, budget, caps: spread(
            of,
            budget,
            caps,
            class_ratios=params.ratios(tag),
            source_exponent=params.source_exponent,
            strength=params.quality_strength,
        ),
    )
    picks = Picks(
        times=np.zeros(count, dtype=np.uint16),
        running=np.full(count, np.nan),
        over=np.full(count, np.nan),
        chosen={},
        weights=weights,
        cuts=cuts,
    )
    for tag, of in leaves.items():
        picks.chosen[tag] = _pick_leaves(table, of, places[tag], given[tag], picks)
    return picks


def _pick_leaves(
    table: Table, leaves: Sequence[Leaf], places: Sequence[NDArray[np.int64]], given: Real, picks: Picks
) -> list[Chosen]:
    chosen: list[Chosen] = []
    for leaf, at, target in zip(leaves, places, given.tolist(), strict=True):
        sizes = table.weight[at]
        times = pick(sizes, table.order[at], target)
        picks.times[at] = times
        taken = int((sizes * times).sum())
        left_out = at[times == 0]
        table.state[left_out] = BUDGET
        picks.running[left_out] = taken + table.weight[left_out]
        picks.over[left_out] = target
        chosen.append(
            Chosen(leaf, target, documents=len(at), taken_documents=int((times > 0).sum()), taken=taken)
        )
    return chosen

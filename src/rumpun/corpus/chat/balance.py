"""Who gets how much of a budget: no source, domain or machine translation may rule a language."""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from rumpun.corpus.read.inventory import machine_translated

__all__ = ["Cell", "allot", "water_fill"]

Cell = tuple[str, str]  # (source, domain)
K = TypeVar("K", bound=Hashable)


def water_fill(sizes: Mapping[K, int], budget: int) -> dict[K, int]:
    """Max-min fair shares: everyone gets up to one common level, the small ones all that they have.

    The shares sum to min(budget, the sum of sizes), and none is above its size.
    """
    left = max(0, budget)
    shares: dict[K, int] = {}
    waiting = sorted(sizes, key=lambda key: (sizes[key], str(key)))
    while waiting:
        key = waiting.pop(0)
        shares[key] = min(sizes[key], left // (len(waiting) + 1))
        left -= shares[key]
    return shares


def allot(
    sizes: Mapping[Cell, int],
    budget: int,
    *,
    source_share: float,
    domain_share: Callable[[str], float],
    machine_share: float,
) -> dict[Cell, int]:
    """How much each (source, domain) may give, in the unit of `sizes`; shares are of the budget."""
    shares = dict(sizes)
    groupings: list[tuple[Callable[[Cell], str | None], Callable[[str], float]]] = [
        (lambda cell: cell[0], lambda _: source_share),
        (lambda cell: "machine" if machine_translated(cell[0]) else None, lambda _: machine_share),
        (lambda cell: cell[1], domain_share),
    ]
    for group_of, share_of in groupings:
        groups: dict[str, dict[Cell, int]] = {}
        for cell, size in shares.items():
            group = group_of(cell)
            if group is not None:
                groups.setdefault(group, {})[cell] = size
        for group, members in groups.items():
            shares.update(water_fill(members, int(share_of(group) * budget)))
    return water_fill(shares, budget)

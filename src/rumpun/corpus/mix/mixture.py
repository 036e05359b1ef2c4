"""Who gets how much: language -> source class -> source -> quality bucket, in real numbers.

A mixture is weighted water-filling, level by level. Everyone gets in proportion to a weight, nobody more than a cap, and
what a capped one cannot take is shared among the others. So shares are never negative, never above their caps, and a
small change of a size, weight or cap changes them little. (The cascade is SEA-LION's, described in its training course;
there a quality bucket's weight jumps by half when two sizes cross, and a small set is repeated as often as it takes.)

Sizes, budgets and targets are in one unit, bytes of UTF-8 text or tokens, as the caller counts them. K leaves.
"""

import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BUCKETS",
    "Caps",
    "Leaf",
    "Real",
    "fill",
    "language_weights",
    "multipliers",
    "spread",
    "targets",
]

Real = NDArray[np.float64]
Scheme = Literal["natural", "temperature", "unimax", "ratios"]
_TURNS = 60  # in search of the level; the sums are piecewise linear in it, so ten are usual
_CLOSE = 1e-12  # of the budget: below one byte of any corpus
BUCKETS = ("head", "middle", "tail", "all")  # by the language's own quantiles of quality; "all": not scored
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """Documents that share a language, class, source, domain and quality bucket."""

    language: str
    source_class: str
    source: str
    domain: str
    bucket: str
    machine: bool  # machine translation
    size: int  # in the mixture's unit, each document once


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How often and how much at most, within one language."""

    epochs: float = 1.0  # a document at most so many times
    source_share: float = 1.0  # of the language's budget
    domain_share: Callable[[str], float] = lambda _: 1.0
    machine_share: float = 1.0  # all machine translation together


def fill(weights: Real, caps: Real, budget: float) -> Real:
    """[K] shares min(cap, level * weight) that sum to the budget, or to all caps where that is less.

    Whoever has no weight (less than 1e-100 of the largest) gets nothing.
    """
    shares = np.zeros(len(weights), dtype=np.float64)
    here = np.flatnonzero((weights > 1e-100 * weights.max(initial=0.0)) & (caps > 0))
    if not len(here) or budget <= 0:
        return shares
    w, c = weights[here] / weights.max(), caps[here]
    if c.sum() <= budget:
        shares[here] = c
        return shares
    order = np.argsort(c / w, kind="stable")  # whoever meets the cap at the lowest level comes first
    w, c = w[order], c[order]
    capped = np.concatenate([[0.0], np.cumsum(c)[:-1]])  # what those before take
    open_weight = np.cumsum(w[::-1])[::-1]
    levels = (budget - capped) / open_weight  # the level, if exactly those before are capped
    first = int(np.argmax(levels <= c / w))
    shares[here[order]] = np.minimum(c, max(float(levels[first]), 0.0) * w)
    return shares


def language_weights(
    sizes: Mapping[str, int], scheme: Scheme, *, exponent: float = 0.3, ratios: Mapping[str, float] = {}
) -> dict[str, float]:
    """Weights that sum to 1 before any cap.

    Args:
        sizes: language -> what it has.
        scheme: `natural`, in proportion to sizes; `temperature`, to sizes ** exponent; `unimax`, equal, which with caps
            on epochs is UniMax (Chung et al. 2023: the smallest language first, each an equal part of what is left, at
            most its cap); `ratios`, as given.
        exponent: of `temperature`: 1 is natural, 0 equal.
        ratios: language -> ratio; a language that is not named gets nothing.
    """
    raw: dict[str, float] = {}
    for tag, size in sizes.items():
        if scheme == "ratios":
            raw[tag] = ratios.get(tag, 0.0) if size else 0.0
        elif scheme == "unimax":
            raw[tag] = float(size > 0)
        else:
            raw[tag] = _power(size, exponent if scheme == "temperature" else 1.0)
    return _normal(raw)


def _normal(raw: Mapping[K, float]) -> dict[K, float]:
    total = sum(raw.values())
    return {key: value / total if total else 0.0 for key, value in raw.items()}


def multipliers(strength: float) -> dict[str, float]:
    """Bucket -> how much a byte of it weighs: e**strength, 1 and e**-strength, so positive and without a jump."""
    return {"head": math.exp(strength), "middle": 1.0, "tail": math.exp(-strength), "all": 1.0}


def spread(
    leaves: Sequence[Leaf],
    budget: float,
    caps: Caps,
    *,
    class_ratios: Mapping[str, float] = {},
    source_exponent: float = 1.0,
    strength: float = 0.5,
) -> Real:
    """[K] how much each leaf of one language gives: at most the budget in all, at most its caps each.

    Args:
        leaves: of one language.
        budget: of the language; shares in `caps` are of it.
        caps: epochs and shares.
        class_ratios: source class -> ratio; classes that are not named keep what they have naturally of the rest.
        source_exponent: sources of a class weigh size ** exponent; 0 weighs them equally.
        strength: of the re-weighting by quality, see `multipliers`.
    """
    sizes = np.array([leaf.size for leaf in leaves], dtype=np.float64)
    times = multipliers(strength)
    worth = sizes * np.array([times[leaf.bucket] for leaf in leaves], dtype=np.float64)
    limits = sizes * caps.epochs
    cascade = functools.partial(
        _cascade, leaves, sizes, worth, budget=budget, ratios=class_ratios, exponent=source_exponent
    )
    free = cascade(limits)
    groupings: list[tuple[Callable[[Leaf], str | None], Callable[[str], float]]] = [
        (lambda leaf: leaf.source, lambda _: caps.source_share),
        (lambda leaf: "machine" if leaf.machine else None, lambda _: caps.machine_share),
        (lambda leaf: leaf.domain, caps.domain_share),
    ]
    for group_of, share_of in groupings:
        for group, members in _groups(leaves, group_of).items():
            if share_of(group) < 1:  # each member in proportion to what it would get if there were no shares
                limits[members] = fill(free[members], limits[members], share_of(group) * budget)
    return cascade(limits)


def _cascade(
    leaves: Sequence[Leaf],
    sizes: Real,
    worth: Real,
    limits: Real,
    *,
    budget: float,
    ratios: Mapping[str, float],
    exponent: float,
) -> Real:
    """[K] class by class, source by source, leaf by leaf."""
    given = np.zeros(len(leaves), dtype=np.float64)
    classes = _groups(leaves, lambda leaf: leaf.source_class)
    natural = {name: float(sizes[members].sum()) for name, members in classes.items()}
    shares = _fill_groups(_class_weights(natural, ratios), classes, limits, budget)
    for name, members in classes.items():
        inner = {
            source: members[places]
            for source, places in _groups([leaves[n] for n in members], lambda leaf: leaf.source).items()
        }
        weights = {source: _power(float(sizes[places].sum()), exponent) for source, places in inner.items()}
        for source, share in _fill_groups(weights, inner, limits, shares[name]).items():
            given[inner[source]] = fill(worth[inner[source]], limits[inner[source]], share)
    return given


def _power(size: float, exponent: float) -> float:
    return size**exponent if size else 0.0


def _groups(leaves: Sequence[Leaf], group_of: Callable[[Leaf], str | None]) -> dict[str, NDArray[np.int64]]:
    found: dict[str, list[int]] = {}
    for n, leaf in enumerate(leaves):
        group = group_of(leaf)
        if group is not None:
            found.setdefault(group, []).append(n)
    return {group: np.array(members, dtype=np.int64) for group, members in sorted(found.items())}


def _fill_groups(
    weights: Mapping[str, float], groups: Mapping[str, NDArray[np.int64]], limits: Real, budget: float
) -> dict[str, float]:
    names = list(groups)
    caps = np.array([limits[groups[name]].sum() for name in names], dtype=np.float64)
    shares = fill(np.array([weights[name] for name in names], dtype=np.float64), caps, budget)
    return dict(zip(names, shares.tolist(), strict=True))


def _class_weights(natural: Mapping[str, float], ratios: Mapping[str, float]) -> dict[str, float]:
    named = {name: ratio for name, ratio in ratios.items() if natural.get(name)}
    left = max(0.0, 1.0 - sum(named.values()))
    rest = sum(size for name, size in natural.items() if name not in named)
    return {
        name: named[name] if name in named else (left * size / rest if rest else 0.0)
        for name, size in natural.items()
    }


def targets(  # noqa: PLR0917 - all of them are tables by language, named at the call
    leaves: Mapping[str, Sequence[Leaf]],
    weights: Mapping[str, float],
    budget: float,
    limits: Mapping[str, float],
    caps: Callable[[str], Caps],
    within: Callable[[str, Sequence[Leaf], float, Caps], Real],
) -> dict[str, Real]:
    """Language -> [K] what each of its leaves gives.

    A language's budget is min(its limit, its epochs, level * weight). The one level is sought at which all languages
    together take the budget: what one cannot take, for its epochs or its inner shares, goes to the others, and nothing
    jumps. A language may take less than its budget where shares within it forbid more.

    Args:
        leaves: language -> its leaves.
        weights: language -> weight.
        budget: of all languages together; infinity for none.
        limits: language -> its own limit; infinity for none.
        caps: language -> its caps.
        within: (language, leaves, budget, caps) -> [K], as `spread`.
    """
    most = {
        tag: min(limits.get(tag, math.inf), sum(leaf.size for leaf in of) * caps(tag).epochs)
        for tag, of in leaves.items()
    }

    def at(level: float) -> dict[str, Real]:
        return {
            tag: within(tag, of, min(most[tag], level * weights.get(tag, 0.0)), caps(tag))
            for tag, of in leaves.items()
        }

    tags = [tag for tag in leaves if weights.get(tag, 0.0) > 0]
    w = np.array([weights[tag] for tag in tags], dtype=np.float64)
    plain = fill(w, np.array([most[tag] for tag in tags], dtype=np.float64), budget)
    low = float((plain / w).max(initial=0.0))  # the level, if no language falls short within
    found = at(low)
    high = max((most[tag] / weights[tag] for tag in tags), default=0.0) * (1 + 1e-9)
    if low >= high or _sum(found) >= budget * (1 - _CLOSE):
        return found
    top = at(high)
    if _sum(top) <= budget:
        return top
    return _between(at, budget, (low, _sum(found)), (high, _sum(top)), found)


def _between(
    at: Callable[[float], dict[str, Real]],
    budget: float,
    below: tuple[float, float],
    above: tuple[float, float],
    found: dict[str, Real],
) -> dict[str, Real]:
    """The shares at the highest level that stays within the budget, by false position with halving (level, sum)."""
    for turn in range(_TURNS):
        (low, least), (high, most) = below, above
        part = (budget - least) / (most - least) if turn % 3 < 2 and most > least else 0.5
        level = low + min(max(part, 1e-6), 1 - 1e-6) * (high - low)
        tried = at(level)
        total = _sum(tried)
        if total <= budget:
            below, found = (level, total), tried
            if total >= budget * (1 - _CLOSE):
                break
        else:
            above = (level, total)
    return found


def _sum(given: Mapping[str, Real]) -> float:
    return sum(float(shares.sum()) for shares in given.values())

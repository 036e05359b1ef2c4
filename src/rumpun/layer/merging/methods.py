"""Merging one tensor: every method as a function of float32 arrays of one shape.

Differences from a base are the "task vectors" of Ilharco et al. 2023. Each method's paper stands at its function. What a
method does with weights, `normalize` and `lambda` agrees with mergekit 0.1 to float32's rounding (bench/merge.py).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from rumpun.layer.merging.params import MergeSettings
from rumpun.weights.quantise import Float

__all__ = ["merge_differences", "merge_tensor"]

_CHUNK: Final = 1 << 20  # numbers drawn or multiplied at once
_PARALLEL: Final = 0.9995  # cosine above which an arc is a line
_NEAR_ZERO: Final = 1e-8


def merge_tensor(
    settings: MergeSettings, name: str, parents: Iterable[Float], base: Float | None, *, seed: int = 0
) -> Float:
    """One merged tensor.

    Args:
        settings: fit to so many parents (`check_count`).
        name: the tensor's; seeds what is drawn, and chooses slerp's t.
        parents: arrays of one shape, read one after the other; they may be overwritten.
        base: of that shape; for the methods that need one.
        seed: of DARE.
    """
    if settings.method == "linear":
        return _linear(settings, parents)
    if settings.method == "slerp":
        first, second = parents
        return slerp(settings.t_of(name), first, second)
    if base is None:
        raise ValueError(f"{settings.method} without a base")
    differences = (np.subtract(parent, base, out=_own(parent)) for parent in parents)
    change = merge_differences(settings, name, differences, seed=seed)
    return np.add(base, change, out=change)


def merge_differences(
    settings: MergeSettings, name: str, differences: Iterable[Float], *, seed: int = 0
) -> Float:
    """What is added to the base, from each parent's difference from it (overwritten).

    * task_arithmetic (Ilharco et al. 2023, arXiv 2212.04089): the weighted sum.
    * ties (Yadav et al. 2023, arXiv 2306.01708): each difference keeps its largest numbers (`density`), each place
      elects the sign of the weighted sum, and those of that sign are averaged.
    * dare_linear, dare_ties (Yu et al. 2024, arXiv 2311.03099): each number is dropped with probability 1 - density,
      the rest divided by density; then as task_arithmetic, or with elected signs.
    * breadcrumbs, breadcrumbs_ties (Davari and Belilovsky 2024, arXiv 2312.06795): the largest (`gamma`) and the smallest
      are dropped, `density` is kept; then as task_arithmetic, or with elected signs.
    """
    weights, thinned = [], []
    total: Float | None = None
    signs = settings.method.endswith("ties")
    for place, difference in enumerate(differences):
        count = place + 1
        kept = _thin(settings, name, place, difference, seed)
        weight = settings.weights(count)[place]
        weights.append(weight)
        np.multiply(kept, np.float32(weight), out=kept)
        if signs:
            thinned.append(kept)
        total = kept.copy() if total is None else np.add(total, kept, out=total)
    if total is None:
        raise ValueError("nothing to merge")
    if signs:
        total = _agreeing(total, thinned, weights, divide=settings.divides)
    elif settings.divides:
        total /= np.float32(sum(weights))
    if settings.lambda_ != 1:
        total *= np.float32(settings.lambda_)
    return total


def _linear(settings: MergeSettings, parents: Iterable[Float]) -> Float:
    """The weighted mean, or sum (Wortsman et al. 2022, "Model soups", arXiv 2203.05482)."""
    total: Float | None = None
    whole = 0.0
    for place, parent in enumerate(parents):
        weight = settings.weights(place + 1)[place]
        whole += weight
        part = np.multiply(parent, np.float32(weight), out=_own(parent))
        total = part if total is None else np.add(total, part, out=total)
    if total is None:
        raise ValueError("nothing to merge")
    return np.divide(total, np.float32(whole), out=total) if settings.divides else total


def slerp(t: float, first: Float, second: Float) -> Float:
    """Along the arc between two tensors, each taken as one vector (Shoemake 1985); parallel ones along the line."""
    one, two = (float(np.sqrt(np.sum(np.square(side, dtype=np.float64)))) for side in (first, second))
    cosine = 1.0
    if one > _NEAR_ZERO and two > _NEAR_ZERO:
        cosine = _dot(first, second) / (one * two)
    if abs(cosine) > _PARALLEL:
        left, right = 1 - t, t
    else:
        angle = np.arccos(cosine)
        left, right = (float(np.sin(share * angle) / np.sin(angle)) for share in (1 - t, t))
    return first * np.float32(left) + second * np.float32(right)


def _dot(first: Float, second: Float) -> float:
    """Summed in float64, a chunk at a time."""
    one, two = first.reshape(-1), second.reshape(-1)
    return sum(
        float(np.dot(one[at : at + _CHUNK].astype(np.float64), two[at : at + _CHUNK].astype(np.float64)))
        for at in range(0, one.size, _CHUNK)
    )


def _own(array: Float) -> Float | None:
    """Where a result may be written: over the array, unless it is a view of a file."""
    return array if array.flags.writeable else None


def _thin(settings: MergeSettings, name: str, place: int, difference: Float, seed: int) -> Float:
    density = settings.density[place] if isinstance(settings.density, tuple) else settings.density
    if settings.method == "ties":
        return _largest(difference, density)
    if settings.method.startswith("dare"):
        return _dropped(difference, density, name, place, seed)
    if settings.method.startswith("breadcrumbs"):
        return _middle(difference, density, settings.gamma)
    return difference


def _largest(difference: Float, density: float) -> Float:
    """The share of largest magnitudes; numbers as large as the smallest kept one are all kept."""
    keep = int(density * difference.size)
    if keep >= difference.size:
        return difference
    if keep == 0:
        difference[...] = 0
        return difference
    sizes = np.abs(difference).reshape(-1)
    sizes.partition(sizes.size - keep)
    _drop_below(difference, sizes[sizes.size - keep])
    return difference


def _drop_below(difference: Float, least: np.float32) -> None:
    difference[(difference < least) & (difference > -least)] = 0


def _middle(difference: Float, density: float, gamma: float) -> Float:
    """Without the share `gamma` of largest magnitudes, and of the rest the largest that make up `density`."""
    top = int(gamma * difference.size)
    keep = int(density * difference.size)
    if density >= 1 or keep >= difference.size:
        return difference
    if keep == 0:
        difference[...] = 0
        return difference
    sizes = np.abs(difference).reshape(-1)
    sizes.sort()
    least, most = sizes[max(0, sizes.size - top - keep)], sizes[sizes.size - top] if top else np.inf
    del sizes
    _drop_below(difference, least)
    difference[(difference >= most) | (difference <= -most)] = 0
    return difference


def _dropped(difference: Float, density: float, name: str, place: int, seed: int) -> Float:
    """Each number kept with probability `density` and divided by it; which ones depends on seed, name and place alone."""
    if density >= 1:
        return difference
    key = hashlib.blake2b(f"{seed}\0{place}\0{name}".encode(), digest_size=16).digest()
    random = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    flat = difference.reshape(-1)
    for at in range(0, flat.size, _CHUNK):
        part = flat[at : at + _CHUNK]
        part[random.random(part.size, dtype=np.float32) >= density] = 0
        part /= np.float32(density)
    return difference


def _agreeing(total: Float, weighted: Sequence[Float], weights: Sequence[float], *, divide: bool) -> Float:
    """The sum of the weighted differences that have the sign of `total`, over the sum of their weights where asked."""
    positive = total >= 0
    out = total
    out[...] = 0
    share = np.zeros_like(out) if divide else None
    for difference, weight in zip(weighted, weights, strict=True):
        agrees = np.where(positive, difference > 0, difference < 0)
        np.add(out, difference, out=out, where=agrees)
        if share is not None:
            np.add(share, np.float32(weight), out=share, where=agrees)
    if share is not None:
        np.divide(out, share, out=out, where=np.abs(share) > _NEAR_ZERO)
    return out

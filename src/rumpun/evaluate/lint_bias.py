"""Whether the place or the length of an option gives the right one away."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from rumpun.evaluate.items import Item

__all__ = ["longest_bias", "place_bias"]

_P = 0.001  # below this a set is said to be biased: one in a thousand sound sets is accused
_EXPECTED = 5  # items that each place must expect, for the chi-square distribution to hold


def place_bias(items: Sequence[Item]) -> Iterator[tuple[str, str, str]]:
    """(source, language, what was found) where the right option stands in some places more often than by chance.

    Two places: the exact binomial test, both sides. More: the chi-square test (Pearson 1900).
    """
    for (source, language, places), some in _alike(items):
        counts = [0] * places
        for item in some:
            counts[int(item.gold)] += 1  # type: ignore[arg-type]
        if len(some) < _EXPECTED * places:
            continue
        if places == 2:
            p = min(1.0, 2 * _upper(max(counts), len(some), 0.5))
        else:
            even = len(some) / places
            p = _chi_square(sum((count - even) ** 2 / even for count in counts), places - 1)
        if p < _P:
            yield source, language, f"right answers by place: {', '.join(map(str, counts))} (p = {p:.1e})"


def longest_bias(items: Sequence[Item]) -> Iterator[tuple[str, str, str]]:
    """(source, language, what was found) where the right option is the longest more often than by chance.

    The exact binomial test, one side; items whose longest options are of one length say nothing.
    """
    for (source, language, places), some in _alike(items):
        told = right = 0
        for item in some:
            sizes = [len(option) for option in item.options]
            if sizes.count(max(sizes)) == 1:
                told += 1
                right += sizes[int(item.gold)] == max(sizes)  # type: ignore[arg-type]
        p = _upper(right, told, 1 / places)
        if p < _P:
            yield (
                source,
                language,
                f"the right option is the longest in {right} of {told}, chance is 1 in {places} (p = {p:.1e})",
            )


def _alike(items: Sequence[Item]) -> Iterator[tuple[tuple[str, str, int], list[Item]]]:
    """Items of one source and language that have as many options; minimal pairs, whose options are not shown, not."""
    found: dict[tuple[str, str, int], list[Item]] = defaultdict(list)
    for item in items:
        shown = any(name != "phenomenon" for name in item.fields)
        if shown and isinstance(item.gold, int) and 0 <= item.gold < len(item.options) > 1:
            found[item.source, item.language, len(item.options)].append(item)
    yield from found.items()


def _upper(hits: int, items: int, share: float) -> float:
    """The chance of so many hits or more, each with this share."""
    if not hits:
        return 1.0
    logs = [
        math.lgamma(items + 1) - math.lgamma(k + 1) - math.lgamma(items - k + 1)
        + k * math.log(share) + (items - k) * math.log1p(-share)
        for k in range(hits, items + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))


def _chi_square(value: float, freedom: int) -> float:
    """The chance of this value or more, by the closed forms for whole degrees of freedom."""
    half = value / 2
    if freedom % 2 == 0:
        return math.exp(-half) * math.fsum(half**k / math.factorial(k) for k in range(freedom // 2))
    rest = math.fsum(half ** (k - 0.5) / math.gamma(k + 0.5) for k in range(1, (freedom + 1) // 2))
    return math.erfc(math.sqrt(half)) + math.exp(-half) * rest

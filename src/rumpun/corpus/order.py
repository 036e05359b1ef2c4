"""Orders drawn from a seed, and rows taken in runs of bounded size."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["by_characters", "order_key"]

CHARACTERS_AT_ONCE = 1_000_000
T = TypeVar("T")


def order_key(seed: int, *parts: str) -> int:
    """A 64-bit number that orders rows at random, the same for the same seed."""
    digest = hashlib.blake2b(
        "\0".join((str(seed), *parts)).encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "little")


def by_characters(rows: Sequence[T], length: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """The rows in runs of about CHARACTERS_AT_ONCE, so that memory does not grow with long documents."""
    start = 0
    characters = 0
    for n, row in enumerate(rows):
        characters += length(row)
        if characters >= CHARACTERS_AT_ONCE:
            yield rows[start : n + 1]
            start, characters = n + 1, 0
    if start < len(rows):
        yield rows[start:]

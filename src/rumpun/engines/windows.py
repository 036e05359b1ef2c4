"""How a text longer than the context is scored: windows that overlap by half, each token scored once.

Both engines that hold weights plan with this, so that their figures can be compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["WINDOW_TOKENS_MAX", "Window", "first_of_continuation", "window_tokens", "windows"]

# A model's own context is its window, up to this: the cost of attention grows with the square, and past some thousand
# tokens a farther past hardly changes a probability.
WINDOW_TOKENS_MAX: Final = 8192


@dataclass(frozen=True, slots=True)
class Window:
    """One run of the model: tokens[start:stop] go in, tokens[first:stop] are scored."""

    start: int
    stop: int
    first: int  # more than start: a token is predicted from the one before


def window_tokens(context_tokens: int) -> int:
    """The window of a model that was trained for so many tokens (0: unknown)."""
    return min(context_tokens or WINDOW_TOKENS_MAX, WINDOW_TOKENS_MAX)


def windows(count: int, first: int, size: int) -> Iterator[Window]:
    """Windows over `count` tokens (the first is the end-of-text token) that score each of tokens[first:] once.

    A token past the first window is predicted from half a window at least.
    """
    scored, start = 1, 0
    while scored < count:
        stop = min(start + size, count)
        if stop > first:
            yield Window(start, stop, max(scored, first))
        scored = stop
        start += max(size // 2, 1)


def first_of_continuation(token_bytes: Sequence[int], context_bytes: int) -> int:
    """Index of the first token with a byte past the context; `token_bytes` are the lengths of the tokens."""
    end = 0
    for index, size in enumerate(token_bytes):
        end += size
        if end > context_bytes:
            return index
    return len(token_bytes)

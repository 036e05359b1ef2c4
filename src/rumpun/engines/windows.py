"""How a text longer than the context is scored: windows that overlap by half, each token scored once.

Both engines that hold weights plan with this, so that their figures can be compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "WINDOW_TOKENS_MAX",
    "Window",
    "Work",
    "first_of_continuation",
    "packed_groups",
    "padded_groups",
    "window_tokens",
    "windows",
]

# A model's own context is its window, up to this: the cost of attention grows with the square, and past some thousand
# tokens a farther past hardly changes a probability.
WINDOW_TOKENS_MAX: Final = 8192

_SHARED_MIN: Final = 4  # tokens; fewer are not worth the coupling of two texts


@dataclass(frozen=True, slots=True)
class Window:
    """One run of the model: tokens[start:stop] go in, tokens[first:stop] are scored."""

    start: int
    stop: int
    first: int  # more than start: a token is predicted from the one before


Work = tuple[int, list[int], Window]  # number of the pair, all its tokens, one window over them


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


def padded_groups(todo: Sequence[Work], tokens_max: int) -> Iterator[list[Work]]:
    """Windows, shortest first, that fill one batch padded to the longest of them."""
    group: list[Work] = []
    for item in sorted(todo, key=_size):
        if group and (len(group) + 1) * _size(item) > tokens_max:
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def packed_groups(
    todo: Sequence[Work], tokens_max: int, sequences_max: int
) -> Iterator[list[tuple[Work, int]]]:
    """Windows that fill one batch without padding, each with how many first tokens it shares with the one before it.

    Texts that begin alike (the options of one question) stand together, so that what they share is computed once and
    counts once; such families come shortest first. What all windows of a batch share does not count: the options of a
    question that is longer than a batch stay together. A window with more tokens than that stands alone.
    """
    families: list[list[Work]] = []
    for item in sorted(todo, key=lambda one: (one[2].start > 0, one[1])):
        if families and _shared(families[-1][-1], item):
            families[-1].append(item)
        else:
            families.append([item])
    group: list[tuple[Work, int]] = []
    tokens, common = 0, 0  # of the group; that all of it begins with
    for family in sorted(families, key=lambda some: min(map(_size, some))):
        for item in family:
            shared = _shared(group[-1][0], item) if group else 0
            beyond = tokens + _size(item) - shared - min(common, shared)
            if group and (beyond > tokens_max or len(group) == sequences_max):
                yield group
                group, tokens, shared = [], 0, 0
            common = min(common, shared) if group else _size(item)
            group.append((item, shared))
            tokens += _size(item) - shared
    if group:
        yield group


def _shared(before: Work, item: Work) -> int:
    """First tokens that both windows put in; none where one of them begins within its text."""
    if before[2].start or item[2].start:
        return 0
    most = min(_size(before), _size(item))
    found = next((at for at in range(most) if before[1][at] != item[1][at]), most)
    return found if found >= _SHARED_MIN else 0


def _size(item: Work) -> int:
    return item[2].stop - item[2].start - 1  # the last token is predicted, and predicts nothing

"""From windows to the tokens of one batch, and from its logits to log-probabilities; nothing here knows llama.cpp."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rumpun.engines.windows import Work

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Row", "log_softmax_at", "rows_of"]


@dataclass(slots=True)
class Row:
    """One token of a batch: whose it is, and what should follow it."""

    token: int
    position: int
    sequences: list[int] = field(default_factory=list)
    targets: list[tuple[int, int]] = field(default_factory=list)  # (sequence, token)


def rows_of(group: Sequence[tuple[Work, int]]) -> list[Row]:
    """The tokens of windows that share so many first ones with the window before them: what is shared stands once."""
    rows: list[Row] = []
    path: list[Row] = []  # the rows of the window before
    for sequence, ((_, tokens, w), shared) in enumerate(group):
        path = path[:shared]
        for at in range(w.start, w.stop - 1):
            if at - w.start == len(path):
                path.append(Row(tokens[at], at - w.start))
                rows.append(path[-1])
            row = path[at - w.start]
            row.sequences.append(sequence)
            if at + 1 >= w.first:
                row.targets.append((sequence, tokens[at + 1]))
    return rows


def log_softmax_at(
    logits: "npt.NDArray[np.float32]", places: "npt.NDArray[np.int64]", targets: "npt.NDArray[np.int64]"
) -> "npt.NDArray[np.float64]":
    """Natural log-probability of tokens, [targets], each in its row of [rows, vocabulary]; a slice of rows at a time.

    Sums are in float64.
    """
    import numpy as np

    base = np.empty(len(logits), np.float64)
    for begin in range(0, len(logits), 32):
        part = logits[begin : begin + 32]
        most = part.max(axis=1, keepdims=True)
        base[begin : begin + 32] = most[:, 0] + np.log(np.exp(part - most).sum(axis=1, dtype=np.float64))
    found: npt.NDArray[np.float64] = logits[places, targets].astype(np.float64) - base[places]
    return found

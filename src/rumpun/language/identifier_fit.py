"""Fitting the identifier's weights: a softmax over sparse rows by mini-batches with Adagrad, then the best feature a slot."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.language.identifier_streams import Batch, Draw, Streams

    Floats = npt.NDArray[np.float32]

__all__ = ["calibrated", "fitted", "packed"]

_ROWS = 512  # snippets a step


def fitted(
    streams: "Streams",
    wanted: Sequence[int],
    draw: "Draw",
    *,
    epochs: int,
    rate: float,
    decay: float,
    weights: "Floats | None",
    seed: int,
    progress: Callable[[float, float, str], None],
) -> "Floats":
    """Weights [features, labels] that make the labels of snippets likely; a feature weighs its force / sqrt(features of its row).

    Args:
        streams: what snippets are drawn from, anew in each epoch.
        wanted: snippets of each pool in an epoch.
        draw: how they are drawn and spoilt.
        epochs: how often.
        rate: first step size; it falls to nothing along a line.
        decay: how much of a weight is lost at each step that touches it, times the step size.
        weights: to start from; None starts from nothing.
        seed: same streams and seed, same weights.
        progress: told of snippets done and in all.
    """
    import numpy as np
    from scipy import sparse  # type: ignore[import-untyped]

    labels = len(streams.labels)
    found = np.zeros((len(streams.hashes), labels), np.float32) if weights is None else weights.copy()
    squares = np.full(found.shape, 1e-4, np.float32)
    dice = np.random.default_rng(seed)
    for epoch in range(epochs):
        snippets = streams.drawn(wanted, draw, dice)
        for start in range(0, len(snippets), _ROWS):
            batch = streams.batch(snippets.part(slice(start, start + _ROWS)), draw, dice)
            step = rate * (1 - (epoch + start / len(snippets)) / epochs)
            touched, place = np.unique(batch.features, return_inverse=True)
            rows = sparse.csr_matrix(
                (_values(batch) * streams.force[batch.features], (batch.rows, place)),
                (len(batch.truth), len(touched)),
                np.float32,
            )
            mine = found[touched]
            error = _odds(rows @ mine)
            error[np.arange(len(batch.truth)), batch.truth] -= 1
            gradient = np.asarray(rows.T @ error, np.float32) + decay * mine
            squares[touched] += gradient**2
            found[touched] = mine - step * gradient / np.sqrt(squares[touched])
            progress(epoch * len(snippets) + start, epochs * len(snippets), "snippets")
    return found


def _values(batch: "Batch") -> "Floats":
    import numpy as np

    return np.asarray(1 / np.sqrt(np.maximum(batch.sizes, 1)), np.float32)[batch.rows]


def _odds(logits: "Floats") -> "Floats":
    import numpy as np

    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def packed(
    hashes: "npt.NDArray[np.uint64]", weights: "Floats", worth: "npt.NDArray[np.float64]", slots: int
) -> "npt.NDArray[np.bool_]":
    """Which features are kept: in each slot the one of most worth."""
    import numpy as np

    from rumpun.language.identifier_model import placed

    slot, _ = placed(hashes, slots)
    spread = weights.std(axis=1).astype(np.float64) * worth
    order = np.lexsort((spread, slot))
    last = np.flatnonzero(np.diff(slot[order], append=-1))
    kept = np.zeros(len(hashes), np.bool_)
    kept[order[last]] = True
    return np.asarray(kept & (spread > 0))


def calibrated(
    sums: "Floats", sizes: "npt.NDArray[np.int64]", truth: "npt.NDArray[np.int64]", prior: "Floats"
) -> tuple[float, float]:
    """(gain, power) of a grid that make the truth likeliest, each label weighing the same."""
    import numpy as np

    rows = np.arange(len(truth))
    emphasis = 1 / np.bincount(truth, minlength=sums.shape[1])[truth]
    size = np.maximum(sizes, 1).astype(np.float32)

    def loss(gain: float, power: float) -> float:
        odds = _odds(sums * (gain * size**-power)[:, None] + prior)
        return float(-(np.log(odds[rows, truth] + 1e-6) * emphasis).sum())

    grid = [
        (gain * 20 ** (power - 0.5), power) for power in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7) for gain in _GAINS
    ]
    return min(grid, key=lambda pair: loss(*pair))


_GAINS = tuple(round(0.1 * 1.15**n, 4) for n in range(30))

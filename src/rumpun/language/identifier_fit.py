"""Fitting the identifier's weights: a softmax over sparse rows by mini-batches with Adagrad, then the best feature a slot."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.language.identifier_model import Model
    from rumpun.language.identifier_streams import Batch, Draw, Streams

    Floats = npt.NDArray[np.float32]

__all__ = ["Unseen", "fitted", "packed"]

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
    from scipy import sparse

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


class Unseen:
    """Texts of sources that were not trained on, and the labels that they have: what a model is calibrated with."""

    def __init__(self, texts: Sequence[str], truth: "npt.NDArray[np.int64]") -> None:
        import numpy as np

        from rumpun.language.identifier_words import join, words

        self._words, self._truth = words(join(texts)), truth
        self._emphasis = 1 / np.bincount(truth)[truth]  # each label weighs the same

    def loss(self, model: "Model") -> float:
        """How unlikely the model finds the labels."""
        return self._loss(self._sums(model), model.gain, model.power, model.prior)

    def calibrated(self, model: "Model") -> "Model":
        """The model with the gain and power, of a grid, that make the labels likeliest."""
        import dataclasses

        scores = self._sums(model)
        grid = [
            (gain * 20 ** (power - 0.5), power) for power in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7) for gain in _GAINS
        ]
        gain, power = min(grid, key=lambda pair: self._loss(scores, pair[0], pair[1], model.prior))
        return dataclasses.replace(model, gain=gain, power=power)

    def _sums(self, model: "Model") -> "tuple[Floats, Floats]":
        import numpy as np

        scores, texts = model.scores(self._words), len(self._truth)
        sums = np.zeros((texts, len(model.labels)), np.float32)
        np.add.at(sums, self._words.row, scores.sums)
        sizes = np.bincount(self._words.row, scores.features, minlength=texts)
        return sums, np.maximum(sizes, 1).astype(np.float32)

    def _loss(self, scores: "tuple[Floats, Floats]", gain: float, power: float, prior: "Floats") -> float:
        import numpy as np

        sums, sizes = scores
        odds = _odds(sums * (gain * sizes**-power)[:, None] + prior)
        chances = odds[np.arange(len(self._truth)), self._truth]
        return float(-(np.log(chances + 1e-6) * self._emphasis).sum())


_GAINS = tuple(round(0.1 * 1.15**n, 4) for n in range(30))

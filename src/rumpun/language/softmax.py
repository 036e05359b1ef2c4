"""A softmax over sparse rows, trained by mini-batches with Adagrad: small, exact to repeat. It needs scipy (parts corpus and train)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from rumpun.language.ngrams import Counts

__all__ = ["fit", "matrix", "temperature"]


def matrix(counts: "Counts") -> Any:
    """The counts as scipy's sparse matrix [texts, buckets]."""
    from scipy import sparse

    return sparse.csr_matrix((counts.values, counts.indices, counts.indptr), (counts.rows, counts.buckets))


def fit(
    counts: "Counts",
    labels: "npt.NDArray[np.int64]",
    classes: int,
    *,
    epochs: int,
    rate: float,
    seed: int,
    progress: "Callable[[float, float, str], None]",
) -> "tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]":
    """Weights [buckets, classes] and bias [classes] that make the labels likely.

    Rows are visited in an order drawn from the seed; each class weighs the same however many rows it has.
    """
    import numpy as np

    rows = matrix(counts)
    weights = np.zeros((counts.buckets, classes), np.float32)
    squares = np.full((counts.buckets, classes), 1e-6, np.float32)
    bias = np.zeros(classes, np.float32)
    share = counts.rows / (classes * np.maximum(np.bincount(labels, minlength=classes), 1)).astype(np.float32)
    order, size = np.random.default_rng(seed), 512
    for epoch in range(epochs):
        places = order.permutation(counts.rows)
        step = rate * (1 - epoch / epochs)
        for start in range(0, counts.rows, size):
            chosen = places[start : start + size]
            batch, truth = rows[chosen], labels[chosen]
            error = _softmax(batch @ weights + bias)
            error[np.arange(len(truth)), truth] -= 1
            error *= (share[truth] / len(truth))[:, None]
            touched = np.unique(batch.indices)
            gradient = np.asarray(batch[:, touched].T @ error, np.float32)
            squares[touched] += gradient**2
            weights[touched] -= step * gradient / np.sqrt(squares[touched])
            bias -= step * error.sum(axis=0)
            progress(epoch * counts.rows + start, epochs * counts.rows, "snippets")
    return weights, bias


def _softmax(logits: Any) -> "npt.NDArray[np.float32]":
    import numpy as np

    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def temperature(logits: "npt.NDArray[np.float32]", labels: "npt.NDArray[np.int64]") -> float:
    """The divisor of the logits, from a grid of 0.1 to 4, that makes the labels likeliest."""
    import numpy as np

    rows = np.arange(len(labels))
    grid = [n / 20 for n in range(2, 81)]
    return min(grid, key=lambda t: float(-np.log(_softmax(logits / t)[rows, labels] + 1e-9).mean()))

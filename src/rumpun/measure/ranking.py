"""Rankings: area under precision and recall, recall at a false-positive rate, with resampled intervals."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["auprc", "f1", "recall_at", "resampled"]

Scores = npt.NDArray[np.floating]


def auprc(positive: Scores, negative: Scores) -> float:
    """Average precision (Zhu 2004; scikit-learn's definition): the sum of precision times the growth of recall.

    Ties count as one step. Chance is the share of positives.

    Raises:
        ValueError: one side is empty.
    """
    if not len(positive) or not len(negative):
        raise ValueError(f"{len(positive)} positives, {len(negative)} negatives: expected some of both")
    scores = np.concatenate([positive, negative])
    truth = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # a difference of infinities is none
    hits = np.cumsum(truth[order])[ends]
    precision, recall = hits / (ends + 1), hits / len(positive)
    return float((precision * np.diff(recall, prepend=0)).sum())


def recall_at(positive: Scores, negative: Scores, share: float) -> float:
    """The share of positives above the threshold that at most this share of the negatives reaches.

    Raises:
        ValueError: one side is empty.
    """
    if not len(positive) or not len(negative):
        raise ValueError(f"{len(positive)} positives, {len(negative)} negatives: expected some of both")
    ordered = np.sort(np.asarray(negative, np.float64))[::-1]
    allowed = int(share * len(ordered))
    threshold = ordered[allowed] if allowed < len(ordered) else -np.inf
    return float((np.asarray(positive, np.float64) > threshold).mean())


def f1(found: int, missed: int, false: int) -> float:
    """The harmonic mean of precision and recall; 0 where nothing was found."""
    return 2 * found / (2 * found + missed + false) if found else 0.0


def resampled(
    figure: Callable[[Scores, Scores], float],
    positive: Scores,
    negative: Scores,
    *,
    draws: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """A 95 % percentile interval of a figure over rows drawn with replacement from each side (Efron 1979)."""
    draw = np.random.default_rng(seed)
    found = [
        figure(
            positive[draw.integers(0, len(positive), len(positive))],
            negative[draw.integers(0, len(negative), len(negative))],
        )
        for _ in range(draws)
    ]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)

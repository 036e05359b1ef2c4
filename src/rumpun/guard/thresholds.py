"""Calibration and operating points: one table of least probabilities, by point, head and language.

A point is a promise on safe texts: at most `ordinary` of the ordinary ones and `sensitive` of the safe ones on hard
matters reach level 2, in each language; level 1 is a lower mark, of concern. Thresholds are set on rows kept for it, never on what is measured. A language's
own rows are few, so each quantile is taken over its rows together with as many drawn from all languages, after its
scores were moved to the common median: a language keeps its own place, the tail is everyone's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rumpun.guard.heads import ANY
from rumpun.guard.judgement import POINTS, Point

if TYPE_CHECKING:
    from rumpun.guard.rows import Row

__all__ = ["Promise", "calibrate", "choose"]

Floats = npt.NDArray[np.float32]
_LEAST = 40  # safe rows for a language to have its own threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a point promises of safe texts."""

    ordinary: float  # share of ordinary texts that may reach level 2
    sensitive: float  # share of safe texts on hard matters that may reach level 2
    concern: float  # share of all safe texts that may reach level 1
    category: float  # share of safe texts that a category's head may take to level 2; three times as many to level 1


def calibrate(logits: Floats, rows: "Sequence[Row]", steps: int = 200) -> dict[str, tuple[float, float]]:
    """(a, b) of sigmoid(a * logit + b) for the harm head (Platt 1999), for all languages together and for each with both sides.

    Both sides weigh the same. Newton's method on the logistic loss, with a little weight on a = 1, b = 0.
    """
    found = {}
    places: dict[str, list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        if row.role == "prompt":
            places[ANY].append(n)
            places[row.language].append(n)
    for language, mine in places.items():
        unsafe = np.array([rows[n].unsafe for n in mine])
        if min(unsafe.sum(), (~unsafe).sum()) >= _LEAST:
            found[language] = _platt(logits[mine].astype(float), unsafe, steps)
    if ANY not in found:
        found[ANY] = (1.0, 0.0)
    return found


def _platt(x: "npt.NDArray[np.float64]", y: "npt.NDArray[np.bool_]", steps: int) -> tuple[float, float]:
    weight = np.where(y, 0.5 / max(1, y.sum()), 0.5 / max(1, (~y).sum()))
    theta, prior = np.array([1.0, 0.0]), 0.01
    features = np.stack([x, np.ones_like(x)], 1)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(features @ theta, -30, 30)))
        slope = features.T @ (weight * (p - y)) + prior * (theta - [1, 0])
        curve = (features.T * (weight * p * (1 - p))) @ features + prior * np.eye(2)
        step = np.linalg.solve(curve, slope)
        theta = theta - step
        if np.abs(step).max() < 1e-8:
            break
    return float(max(theta[0], 0.05)), float(theta[1])


def choose(
    scores: Mapping[str, Floats], rows: "Sequence[Row]", promises: Mapping[Point, Promise]
) -> dict[Point, dict[str, dict[str, tuple[float, float]]]]:
    """Point -> head -> language (or ANY) -> least probabilities of levels 1 and 2.

    Args:
        scores: head -> probabilities of the rows; the first head is the one for harm.
        rows: safe rows kept for thresholds.
        promises: what each point promises.
    """
    found: dict[Point, dict[str, dict[str, tuple[float, float]]]] = {}
    harm = next(iter(scores))
    size: dict[str, int] = defaultdict(int)
    for row in rows:
        size[row.language] += 1
    for point in POINTS:
        promise = promises[point]
        found[point] = {}
        for head, values in scores.items():
            table: dict[str, tuple[float, float]] = {}
            for language in (ANY, *sorted(tag for tag, n in size.items() if n >= _LEAST)):
                tails = _tails(values, rows, language)
                every = np.concatenate(list(tails.values()))
                if head == harm:
                    second = max(
                        _quantile(tails[False], promise.ordinary), _quantile(tails[True], promise.sensitive)
                    )
                    first = min(second, _quantile(every, promise.concern))
                else:
                    second = _quantile(every, promise.category)
                    first = min(second, _quantile(every, 3 * promise.category))
                table[language] = (round(first, 5), round(second, 5))
            found[point][head] = table
    return found


def _tails(values: Floats, rows: "Sequence[Row]", language: str) -> dict[bool, Floats]:
    """Sensitive or not -> probabilities of safe rows: the language's own, and everyone's moved to its median."""
    logit = np.log(np.clip(values, 1e-6, 1 - 1e-6) / (1 - np.clip(values, 1e-6, 1 - 1e-6)))
    found: dict[bool, Floats] = {}
    for sensitive in (False, True):
        kind = np.array([row.sensitive == sensitive for row in rows])
        own = kind & np.array([language in (ANY, row.language) for row in rows])
        part = logit[kind]
        if language != ANY and own.sum():
            medians = {
                tag: np.median(logit[kind & np.array([r.language == tag for r in rows])])
                for tag in {r.language for r, k in zip(rows, kind, strict=True) if k}
            }
            moved = np.array(
                [logit[n] - medians[rows[int(n)].language] + medians[language] for n in np.flatnonzero(kind)]
            )
            part = np.concatenate(
                [moved, np.repeat(logit[own], max(1, round(len(moved) / max(1, own.sum()))))]
            )
        found[sensitive] = (1 / (1 + np.exp(-part))).astype(np.float32)
    return found


def _quantile(scores: Floats, most: float) -> float:
    """A threshold that at most this share of the scores reaches."""
    if not len(scores):
        return 1.0
    ordered = np.sort(scores)[::-1]
    return min(1.0, float(ordered[min(int(most * len(ordered)), len(ordered) - 1)]) + 1e-5)

"""Calibration and operating points: one table of least probabilities, by point, head and language.

A point is a promise on safe texts: at most `ordinary` of the ordinary ones and `sensitive` of the safe ones on hard
matters reach level 2, in each language and of each kind of source with enough rows (questions of an exam are flagged
oftener than everyday talk: their mean would hide it); level 1 is a lower mark, of concern. Thresholds are set on rows
kept for it, never on what is measured. A language's own rows are few, so each quantile is taken over all languages' rows, moved to
its median, together with its own, repeated until they weigh about as much: a language keeps its own place, the tail is
everyone's.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.guard.heads import ANY
from rumpun.guard.judgement import POINTS, Point

if TYPE_CHECKING:
    from rumpun.guard.rows import Row

__all__ = ["Promise", "calibrate", "choose"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
_LEAST = 40  # rows of a side for a language to have its own calibration; safe rows for its own threshold
_LEAST_SLOPE = 0.05  # of a calibration: it never turns the ranking round
_PRIOR = 0.01  # weight of slope 1 and of even odds in the middle, beside 1 for all rows together


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a point promises of safe texts."""

    ordinary: float  # share of ordinary texts that may reach level 2
    sensitive: float  # share of safe texts on hard matters that may reach level 2
    concern: float  # share of all safe texts that may reach level 1
    category: float  # share of safe texts that a category's head may take to level 2; three times as many to level 1


def calibrate(logits: Floats, rows: "Sequence[Row]", steps: int = 200) -> dict[str, tuple[float, float]]:
    """(a, b) of sigmoid(a * logit + b) for the harm head (Platt 1999), for all languages together and for each with both sides.

    Both sides weigh the same. Newton's method on the logistic loss, each step halved until the loss falls, with a little
    weight on a = 1 and on even odds midway between the sides' means.
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


def _platt(logits: Doubles, y: "npt.NDArray[np.bool_]", steps: int) -> tuple[float, float]:
    weight = np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum())
    middle = float(weight @ logits)
    features = np.stack([logits - middle, np.ones_like(logits)], 1)
    usual = np.array([1.0, 0.0])

    def loss(theta: Doubles) -> float:
        z = features @ theta
        return float(weight @ (np.logaddexp(0, z) - y * z) + _PRIOR / 2 * np.square(theta - usual).sum())

    theta = usual
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(features @ theta, -500, 500)))
        slope = features.T @ (weight * (p - y)) + _PRIOR * (theta - usual)
        curve = (features.T * (weight * p * (1 - p))) @ features + _PRIOR * np.eye(2)
        step = np.linalg.solve(curve, slope)
        while loss(theta - step) > loss(theta) and np.abs(step).max() > 1e-8:
            step = step / 2  # far from the minimum a whole step may go past it, and farther with each
        theta = theta - step
        if np.abs(step).max() <= 1e-8:
            break
    a, b = (float(theta[0]), float(theta[1])) if theta[0] >= _LEAST_SLOPE else (_LEAST_SLOPE, 0.0)
    return a, b - a * middle


def choose(
    scores: Mapping[str, Floats], rows: "Sequence[Row]", promises: Mapping[Point, Promise]
) -> dict[Point, dict[str, dict[str, tuple[float, float]]]]:
    """Point -> head -> language (or ANY) -> least probabilities of levels 1 and 2.

    Args:
        scores: head -> probabilities of the rows; the first head is the one for harm.
        rows: safe rows kept for thresholds.
        promises: what each point promises.

    Raises:
        InputError: there are no rows.
    """
    if not rows:
        raise InputError(
            "no safe rows are kept for thresholds", "keep some: see `for_threshold` of the recipe"
        )
    found: dict[Point, dict[str, dict[str, tuple[float, float]]]] = {
        point: {head: {} for head in scores} for point in POINTS
    }
    harm = next(iter(scores))
    size = Counter(row.language for row in rows)
    languages = (ANY, *sorted(tag for tag, n in size.items() if n >= _LEAST))
    by_source = {language: _by_source(scores[harm], rows, language) for language in languages}
    for head, values in scores.items():
        for language in languages:
            tails = _tails(values, rows, language)
            every = np.concatenate(list(tails.values()))
            for point in POINTS:
                promise = promises[point]
                if head == harm:
                    shares = {False: promise.ordinary, True: promise.sensitive}
                    parts = [*tails.items(), *by_source[language]]
                    second = max(_quantile(tail, shares[kind]) for kind, tail in parts)
                    first = min(second, _quantile(every, promise.concern))
                else:
                    second = _quantile(every, promise.category)
                    first = min(second, _quantile(every, 3 * promise.category))
                found[point][head][language] = (round(first, 5), round(second, 5))
    return found


def _by_source(values: Floats, rows: "Sequence[Row]", language: str) -> list[tuple[bool, Floats]]:
    """(Sensitive or not, probabilities) of each source that has enough safe rows of the kind in the language (or in any)."""
    places: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        if language in (ANY, row.language):
            places[row.sensitive, row.part or row.source].append(n)
    return [(kind, values[mine]) for (kind, _), mine in sorted(places.items()) if len(mine) >= _LEAST]


def _tails(values: Floats, rows: "Sequence[Row]", language: str) -> dict[bool, Floats]:
    """Sensitive or not -> probabilities of safe rows: the language's own, and everyone's moved to its median.

    A kind without rows is left out.
    """
    sure = np.clip(values.astype(np.float64), 1e-6, 1 - 1e-6)
    logit = np.log(sure / (1 - sure))
    tags = np.array([row.language for row in rows])
    sensitive = np.array([row.sensitive for row in rows])
    found: dict[bool, Floats] = {}
    for kind in np.unique(sensitive):
        part, spoken = logit[sensitive == kind], tags[sensitive == kind]
        own = part[spoken == language]
        if len(own):
            medians = {tag: np.median(part[spoken == tag]) for tag in np.unique(spoken)}
            moved = part - np.array([medians[tag] for tag in spoken]) + medians[language]
            part = np.concatenate([moved, np.repeat(own, max(1, round(len(moved) / len(own))))])
        found[bool(kind)] = (1 / (1 + np.exp(-part))).astype(np.float32)
    return found


def _quantile(scores: Floats, most: float) -> float:
    """A threshold that at most this share of the scores reaches; above 1 where too many are as high as can be."""
    ordered = np.sort(scores)[::-1]
    return float(ordered[min(int(most * len(ordered)), len(ordered) - 1)]) + 1e-5

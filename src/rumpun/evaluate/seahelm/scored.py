"""What scoring one task in one language gives, and the sums that every family needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = ["At", "Counts", "Floats", "Scored", "means", "normalise", "parts", "ratio", "scored", "whole"]

Counts = npt.NDArray[np.int64]  # [draws, items]: how often each item is drawn
Floats = npt.NDArray[np.float64]
At = Callable[[Counts], dict[str, Floats]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """SEA-HELM's figures of one task in one language."""

    task: str
    language: str
    metrics: dict[str, float]
    """Its own names and values (0 to 100 where it has them so). A table inside a metric is spelled «table.row», and
    «table.row.column»: `subcategories.presuppositions.correct_count`."""
    normalised: float | None
    """The metric that goes up the hierarchy; None where the task has none of its own."""
    values: tuple[float, ...]
    """Each item's score as SEA-HELM stores it (the first key of `individual_scores`); NaN where it stores none."""
    answers: tuple[str | None, ...]
    """What was read out of each answer; None where SEA-HELM reads «null», or there was nothing to read."""
    parse_failures: int
    """Labels, minimal pairs, pragmatics: answers that are null. Questions, summaries, translations: answers without the
    tag, which are scored whole. Instructions and judged tasks: failed generations. Log-probabilities: missing values."""
    at: At = field(repr=False, compare=False)
    """Counts [draws, items] -> every metric of `metrics`, [draws]: the figure of the rows so drawn, with the parsing and
    the chance level of all rows (SEA-HELM would take both from the rows it loads). NaN where a draw has no row that a
    metric needs. One draw of every item gives `metrics`, but for the medians of summaries (see `rouge`)."""
    faults: tuple[str, ...] = ()
    """SEA-HELM's own faults that these figures reproduce, one sentence each."""


def whole(at: At, items: int) -> dict[str, float]:
    """The metrics of all items, each once."""
    return {name: float(value[0]) for name, value in at(np.ones((1, items), np.int64)).items()}


def scored(
    spec: TaskSpec,
    language: str,
    at: At,
    *,
    values: Iterable[float],
    answers: Iterable[str | None],
    parse_failures: int,
    faults: tuple[str, ...],
) -> Scored:
    """The figures of all items, where `metrics` is what `at` gives of each item once; see `Scored`."""
    stored = tuple(map(float, values))
    metrics = whole(at, len(stored))
    return Scored(
        task=spec.name,
        language=language,
        metrics=metrics,
        normalised=None if spec.metric is None else metrics[spec.metric],
        values=stored,
        answers=tuple(answers),
        parse_failures=parse_failures,
        at=at,
        faults=faults,
    )


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Top over bottom; NaN where the bottom is 0."""
    found: Floats = np.divide(
        top, bottom, out=np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan), where=bottom != 0
    )
    return found


def means(counts: Counts, values: Floats) -> Floats:
    """[draws, columns] the mean of each column over the rows drawn, from values [items, columns]."""
    weights = counts.astype(np.float64)
    return ratio(weights @ values, weights.sum(axis=1, keepdims=True))


def normalise(score: Floats, low: float, high: float) -> Floats:
    """A score on the scale from `low` (0) to `high` (1): never below 0, not capped above; 0 where the ends meet."""
    if low == high:
        return np.zeros_like(score)
    return np.maximum((score - low) / (high - low), 0)


def parts(names: tuple[str, ...], places: tuple[str, ...]) -> Floats:
    """[items, names] 1 where an item's place is the name."""
    found: Floats = (np.array(places, object)[:, None] == np.array(names, object)[None]).astype(np.float64)
    return found

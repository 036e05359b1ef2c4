"""Log-probability twins of the label tasks: how probable the model holds the right label after the answer tag.

Comes in: of each item the sum of the log-probabilities (nats) of the separator and the right label; None where there is
none. An item's score is 100 times the probability; a missing one scores 0, and is left out of the log-probabilities' mean.
Source: src/metrics/logprob_metric.py, seahelm_tasks/lindsea/**, src/aggregate_metrics.py.
"""

import math
from collections.abc import Sequence

import numpy as np

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.pairs import POOLED, of_pair
from rumpun.evaluate.seahelm.rows import Rows, numbers, phenomena, responses
from rumpun.evaluate.seahelm.scored import At, Counts, Floats, Scored, ratio, scored
from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = ["logprobs"]

_KEY = "average_cumulative_probabilities"
_MEND = "give the log-probability (nats) of each item's right label, null where there is none"
_SLACK = 1e-6  # a sum of rounded log-probabilities may be this much above 0
_FAULTS = (
    "The right label's probability is not compared with that of the other labels, and chance is not taken off.",
    "A missing log-probability scores 0, though its mean leaves it out.",
)


def logprobs(
    spec: TaskSpec,
    language: str,
    items: Rows,
    predictions: Sequence[str | None],
    external: Sequence[float | None] | None,
) -> Scored:
    """Score a twin: plain, with figures by phenomenon (mp-r), those alone (a pragmatics task), or both tasks pooled."""
    responses(items, predictions)
    nats = numbers(
        items,
        external,
        "log-probability",
        "log-probabilities",
        low=-math.inf,
        high=_SLACK,
        every=False,
        mend=_MEND,
    )
    values = np.where(np.isnan(nats), 0.0, 100 * np.exp(nats))
    faults: tuple[str, ...] = _FAULTS
    stored = values
    if spec.family == "logprobs":
        at = _statistics(nats, values)
    elif spec.family == "logprobs-pragmatics":
        at = _pooled(items, values)
        faults += ("Each phenomenon is the mean of the two tasks' means, whatever their numbers of rows.",)
    else:
        of = phenomena(items)
        names = tuple(dict.fromkeys(of))
        at = _by_phenomenon(nats, values, names, of, overall=spec.family == "logprobs-pairs")
        if spec.family == "logprobs-part":
            stored = np.array([values[n] for x in names for n in range(len(of)) if of[n] == x])
            faults += (
                "Items' scores are stored by phenomenon, not in the order of the rows they stand beside.",
            )
    return scored(
        spec,
        language,
        at,
        values=stored,
        answers=predictions,
        parse_failures=int(np.isnan(nats).sum()),
        faults=faults,
    )


def _statistics(nats: Floats, values: Floats) -> At:
    """Means and standard errors: of the log-probabilities that are there, and of all probabilities."""
    there = ~np.isnan(nats)
    known = np.where(there, nats, 0)

    def at(counts: Counts) -> dict[str, Floats]:
        weights = counts.astype(np.float64)
        mean, error = _mean_and_error(known, weights * there)
        few = weights @ there <= 1  # SEA-HELM gives 0 for both below two values
        mean_value, error_value = _mean_and_error(values, weights)
        return {
            "null_count": weights @ ~there,
            "average_cumulative_logprobs": np.where(few, 0.0, mean),
            "clt_se_cumulative_logprobs": np.where(few, 0.0, error),
            _KEY: mean_value,
            "clt_se_cumulative_probabilities": error_value,
        }

    return at


def _mean_and_error(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean of values [items] under weights [draws, items], and sqrt(variance(n - 1) / n), which is 0 of one value."""
    rows = weights.sum(axis=1)
    mean = ratio(weights @ values, rows)
    squares = np.einsum("dn,dn->d", weights, (values - mean[:, None]) ** 2)
    variance = np.divide(squares, rows - 1, out=np.zeros_like(rows), where=rows > 1)
    return mean, np.sqrt(ratio(variance, rows))


def _by_phenomenon(
    nats: Floats, values: Floats, names: tuple[str, ...], of: tuple[str, ...], *, overall: bool
) -> At:
    places = {x: [n for n, y in enumerate(of) if y == x] for x in names}
    inner = {x: _statistics(nats[places[x]], values[places[x]]) for x in names}
    all_rows = _statistics(nats, values)

    def at(counts: Counts) -> dict[str, Floats]:
        metrics = {
            f"subcategories.{x}.{key}": figures
            for x in names
            for key, figures in inner[x](counts[:, places[x]]).items()
        }
        return metrics | (all_rows(counts) if overall else {})

    return at


def _pooled(items: Rows, values: Floats) -> At:
    """Phenomenon -> mean over the two tasks of each one's mean; then the mean of the phenomena."""
    of, pairs = np.array(phenomena(items)), np.array([of_pair(item) for item in items])
    for phenomenon in POOLED:
        if phenomenon not in of:
            raise InputError(
                f"pragmatics: no row of the phenomenon '{phenomenon}'",
                "give the rows of both pragmatics tasks",
            )
    sides = [[((of == x) & (pairs == side)).astype(np.float64) for side in (False, True)] for x in POOLED]

    def at(counts: Counts) -> dict[str, Floats]:
        weights = counts.astype(np.float64)
        metrics = {}
        for x, both in zip(POOLED, sides, strict=True):
            means = np.stack([ratio(weights @ (side * values), weights @ side) for side in both])
            there = ~np.isnan(means)
            metrics[f"subcategories.{x}.{_KEY}"] = ratio(
                np.where(there, means, 0).sum(axis=0), there.sum(axis=0).astype(np.float64)
            )
        return metrics | {_KEY: np.mean(np.stack(list(metrics.values())), axis=0)}

    return at

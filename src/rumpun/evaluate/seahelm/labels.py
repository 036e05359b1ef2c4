"""Tasks with a fixed set of labels (SEA-HELM's F1Acc): balanced accuracy above chance.

Source: src/metrics/f1_acc_metric.py.
"""

import re
from collections.abc import Sequence

import numpy as np

from rumpun.evaluate.seahelm.parse import NULL, Labels
from rumpun.evaluate.seahelm.rows import Rows, responses, texts
from rumpun.evaluate.seahelm.scored import At, Counts, Floats, Scored, normalise, parts, ratio, scored
from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = ["label_figures", "labels"]


def labels(spec: TaskSpec, language: str, items: Rows, predictions: Sequence[str | None]) -> Scored:
    """Score a label task. A null answer is wrong, and no class of its own in the accuracy."""
    given = responses(items, predictions)
    gold = texts(spec, items)
    reading = Labels(spec.tags[language], gold, often="+", flags=re.IGNORECASE)
    found = [reading.read(response) for response in given]
    at = label_figures(gold, found, chance=1 / len(reading.by_lower))
    return scored(
        spec,
        language,
        at,
        values=[a == b for a, b in zip(found, gold, strict=True)],
        answers=[None if answer == NULL else answer for answer in found],
        parse_failures=found.count(NULL),
        faults=reading.faults,
    )


def label_figures(gold: Sequence[str], found: Sequence[str], *, chance: float) -> At:
    """The figures of a label task at any draw of its rows.

    Args:
        gold: the right label of each item.
        found: the label read, or `NULL`.
        chance: the accuracy that counts as 0.
    """
    classes = tuple(dict.fromkeys([*gold, *found, NULL]))
    null = classes.index(NULL)
    right, read = parts(classes, tuple(gold)), parts(classes, tuple(found))
    both = right * read

    def at(counts: Counts) -> dict[str, Floats]:
        weights = counts.astype(np.float64)
        rows, answers, hits = weights @ right, weights @ read, weights @ both  # [draws, classes]
        f1 = ratio(2 * hits, rows + answers)
        accuracy = _mean_over(ratio(hits, rows), rows > 0)
        nulls = answers[:, null]
        return {
            "accuracy": 100 * accuracy,
            "macro_f1": 100 * _mean_over(f1, rows + answers > 0),
            "null_weighted_f1": 100 * _mean_over(f1, rows > 0) * (1 - ratio(nulls, weights.sum(axis=1))),
            "normalized_accuracy": 100 * normalise(accuracy, chance, 1),
            "null_count": nulls,
        }

    return at


def _mean_over(values: Floats, there: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> Floats:
    """The mean of each line over the classes that are there."""
    return ratio(np.where(there, values, 0).sum(axis=1), there.sum(axis=1).astype(np.float64))

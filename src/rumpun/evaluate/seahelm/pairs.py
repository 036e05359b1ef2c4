"""The linguistic tasks: minimal pairs, and pragmatics in single sentences and in pairs of sentences.

Both are accuracies by linguistic phenomenon, each phenomenon weighing the same. The two pragmatics tasks have no score of
their own: `pragmatics` pools them.
Source: seahelm_tasks/lindsea/syntax/minimal_pairs.py, seahelm_tasks/lindsea/pragmatics/pragmatic_reasoning.py,
src/aggregate_metrics.py.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.parse import NULL, Labels
from rumpun.evaluate.seahelm.rows import Rows, phenomena, responses, texts
from rumpun.evaluate.seahelm.scored import At, Counts, Floats, Scored, normalise, parts, ratio, scored
from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = ["POOLED", "minimal_pairs", "of_pair", "pragmatics", "pragmatics_part"]

POOLED = ("scalar_implicatures", "presuppositions")  # the phenomena that pragmatics counts
_CHANCE = 0.5  # of pragmatics, whatever labels the rows have


def minimal_pairs(spec: TaskSpec, language: str, items: Rows, predictions: Sequence[str | None]) -> Scored:
    """Score mp-r: which of two sentences is the likelier."""
    gold = texts(spec, items)
    reading, found = _read(spec.tags[language], gold, responses(items, predictions))
    right = [a == reading.by_lower[b.lower()] for a, b in zip(found, gold, strict=True)]
    of = phenomena(items)
    names = tuple(dict.fromkeys(of))
    tables, low = _tables(names, of, right), 100 / len(reading.by_lower)

    def at(counts: Counts) -> dict[str, Floats]:
        correct, total = tables(counts)
        shares = 100 * ratio(correct, total)
        there = total > 0
        accuracy = ratio(np.where(there, shares, 0).sum(axis=1), there.sum(axis=1).astype(np.float64))
        return (
            {"accuracy": accuracy}
            | {f"subcategories.{name}": shares[:, n] for n, name in enumerate(names)}
            | {"normalized_accuracy": 100 * normalise(accuracy, low, 100)}
        )

    return _scored(spec, language, found, right, at=at, faults=reading.faults)


def pragmatics_part(spec: TaskSpec, language: str, items: Rows, predictions: Sequence[str | None]) -> Scored:
    """Score one of the two pragmatics tasks: counts by phenomenon, no score."""
    gold = texts(spec, items)
    reading, found = _read(spec.tags[language], gold, responses(items, predictions))
    right = [a == b for a, b in zip(found, gold, strict=True)]
    of = phenomena(items)
    names = tuple(dict.fromkeys(of))
    tables = _tables(names, of, right)

    def at(counts: Counts) -> dict[str, Floats]:
        correct, total = tables(counts)
        metrics: dict[str, Floats] = {}
        for n, name in enumerate(names):
            metrics[f"subcategories.{name}.correct_count"] = correct[:, n]
            metrics[f"subcategories.{name}.total_count"] = total[:, n]
        return metrics

    return _scored(spec, language, found, right, at=at, faults=reading.faults)


def pragmatics(spec: TaskSpec, language: str, items: Rows, predictions: Sequence[str | None]) -> Scored:
    """Pool the rows of both pragmatics tasks, each read with the labels of its own rows.

    Raises:
        InputError: no row of a phenomenon that is counted (SEA-HELM divides by zero there, and gives no totals at all).
    """
    given, gold, of = responses(items, predictions), texts(spec, items), phenomena(items)
    for name in POOLED:
        if name not in of:
            raise InputError(
                f"pragmatics: no row of the phenomenon '{name}'", "give the rows of both pragmatics tasks"
            )
    found = [NULL] * len(items)
    faults: dict[str, None] = {}
    pairs = [of_pair(item) for item in items]
    for side in (False, True):
        places = [place for place, pair in enumerate(pairs) if pair is side]
        if places:
            reading, read = _read(
                spec.tags[language], [gold[place] for place in places], [given[place] for place in places]
            )
            faults |= dict.fromkeys(reading.faults)
            for place, answer in zip(places, read, strict=True):
                found[place] = answer
    right = [a == b for a, b in zip(found, gold, strict=True)]
    tables = _tables(POOLED, of, right)

    def at(counts: Counts) -> dict[str, Floats]:
        correct, total = tables(counts)
        shares = ratio(correct, total)
        metrics: dict[str, Floats] = {}
        for n, name in enumerate(POOLED):
            metrics[f"subcategories.{name}.accuracy"] = shares[:, n]
            metrics[f"subcategories.{name}.correct_count"] = correct[:, n]
            metrics[f"subcategories.{name}.total_count"] = total[:, n]
        accuracy = shares.mean(axis=1)
        return metrics | {
            "accuracy": 100 * accuracy,
            "normalized_accuracy": 100 * normalise(accuracy, _CHANCE, 1),
        }

    return _scored(spec, language, found, right, at=at, faults=tuple(faults))


def of_pair(item: Mapping[str, Any]) -> bool:
    """Whether a row is of pragmatic-pair: its `task` says so, or its prompt has the `conclusion` that only pairs have."""
    said = str(item.get("task", ""))
    if said.startswith(("pragmatic-single", "pragmatic-pair")):
        return said.startswith("pragmatic-pair")
    prompts = item.get("prompts") or [{}]
    return isinstance(prompts[0], Mapping) and "conclusion" in prompts[0]


def _read(tag: str, gold: Sequence[str], given: Sequence[str]) -> tuple[Labels, list[str]]:
    reading = Labels(tag, gold, often="*", flags=re.NOFLAG)
    return reading, [reading.read(response) for response in given]


def _tables(
    names: tuple[str, ...], of: tuple[str, ...], right: Sequence[bool]
) -> Callable[[Counts], tuple[Floats, Floats]]:
    """Counts -> ([draws, phenomena] right, [draws, phenomena] all)."""
    every = parts(names, of)
    hits = every * np.array(right, np.float64)[:, None]

    def tables(counts: Counts) -> tuple[Floats, Floats]:
        weights = counts.astype(np.float64)
        return weights @ hits, weights @ every

    return tables


def _scored(
    spec: TaskSpec,
    language: str,
    found: Sequence[str],
    right: Sequence[bool],
    *,
    at: At,
    faults: Sequence[str],
) -> Scored:
    return scored(
        spec,
        language,
        at,
        values=right,
        answers=[None if answer == NULL else answer for answer in found],
        parse_failures=list(found).count(NULL),
        faults=(
            *faults,
            "A tag without a label behind it makes the whole response the answer; a later tag is not looked for.",
            "Labels are read with their case as it is, unlike in the other label tasks.",
        ),
    )

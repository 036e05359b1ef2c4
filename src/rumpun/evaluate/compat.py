"""Answers to SEA-HELM's own prompts, read and scored as SEA-HELM does, under its names, faults included."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import structs

from rumpun.evaluate.judged import metric_of
from rumpun.evaluate.records import Cell, Figure, Sample
from rumpun.evaluate.seahelm.score import Scored, score
from rumpun.evaluate.seahelm.tasks import find
from rumpun.evaluate.tasks import Task
from rumpun.measure.draws import figure_interval

__all__ = ["as_seahelm_reads", "cell_as_seahelm"]

_THEIRS = "seahelm."  # before its names: its accuracy goes to 100, and is balanced
_HUNDREDS = "summary"  # the one task whose items SEA-HELM stores from 0 to 100


def as_seahelm_reads(one: Task, language: str, samples: Sequence[Sample]) -> list[Sample]:
    """Samples of one run with what SEA-HELM reads out of each answer, and its score of it from 0 to 1."""
    scored = _scored(one, language, samples)
    name, most = metric_of(one), 100.0 if one.prompt == _HUNDREDS else 1.0
    found = []
    for sample, parsed, value in zip(samples, scored.answers, scored.values, strict=True):
        if sample.status == "error":
            found.append(sample)
            continue
        own: dict[str, Any] = {"parsed": parsed, "scores": {name: value / most}, "score": value / most}
        if parsed is None and sample.status == "ok":
            own["status"] = "no answer found"
        elif parsed is not None and sample.status == "no answer found":
            own["status"] = "ok"
        found.append(structs.replace(sample, **own))
    return found


def cell_as_seahelm(own: Cell, one: Task, samples: Sequence[Sample], *, draws: int, seed: int) -> Cell:
    """A cell with SEA-HELM's metrics under its names, and what each does wrong among the notes."""
    scored = _scored(one, own.language, samples)
    spans = figure_interval(scored.at, len(samples), draws=draws, seed=seed)
    figures = {
        f"{_THEIRS}{name}": Figure(value=value, ci95=spans.get(name))
        for name, value in scored.metrics.items()
        if not np.isnan(value)
    }
    assert one.helm is not None
    known = find(one.helm.task, own.language).metric
    headline = f"{_THEIRS}{known}" if known else next(iter(figures))
    failed = sum(sample.status == "error" for sample in samples)
    notes = [f"a fault of SEA-HELM in {own.task}: {fault}" for fault in scored.faults]
    if failed:
        notes.insert(0, f"{failed} questions without an answer count as wrong in {own.task}, as in SEA-HELM")
    return structs.replace(
        own, metric=headline, metrics=figures, normalised=figures[headline] if known else None, parse_failures=scored.parse_failures,
        notes=[*own.notes, *notes],
    )  # fmt: skip


def _scored(one: Task, language: str, samples: Sequence[Sample]) -> Scored:
    helm = one.helm
    assert helm is not None
    rows = helm.languages[language].rows
    said = [None if sample.status == "error" else sample.answer for sample in samples]
    return score(helm.task, language, [rows[sample.id] for sample in samples], said)

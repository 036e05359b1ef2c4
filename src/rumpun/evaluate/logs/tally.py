"""What is counted while samples pass, and the language that a log means."""

import functools
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rumpun.evaluate.records import Cell, Figure, Sample, Scores

__all__ = ["MANY", "OTHERS", "UNKNOWN", "Z95", "Tally", "cautions", "cell", "figure", "language_of"]

OTHERS = "*"  # in a table task -> language: every task that neither the table nor the log says
UNKNOWN, MANY = "und", "mul"  # BCP-47: undetermined, more than one
_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
_FLORES = re.compile(r"(?:^|_)([a-z]{3})_([A-Z][a-z]{3})(?:_|$)")
Z95 = 1.959964  # standard errors on either side of a mean that hold 95 % of a normal distribution


@dataclass(slots=True)
class Tally:
    """The samples of one task and model."""

    samples: int = 0
    scored: int = 0
    failures: int = 0
    truncated: int = 0
    errors: int = 0
    runs: int = 0
    ids: set[str] = field(default_factory=set)
    languages: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)

    def add(self, sample: Sample) -> None:
        """Count one."""
        self.samples += 1
        self.scored += sample.score is not None
        self.failures += sample.status == "no answer found"
        self.truncated += sample.status == "truncated"
        self.errors += sample.status == "error"
        self.runs = max(self.runs, sample.run + 1)
        self.ids.add(sample.id)
        self.languages.add(sample.language)
        self.methods.add(sample.method)

    def language(self, otherwise: str) -> str:
        """Of all samples; `otherwise` where there are none, MANY where they differ."""
        if not self.languages:
            return otherwise
        return next(iter(self.languages)) if len(self.languages) == 1 else MANY


def cell(
    task: str,
    language: str,
    model: str,
    tally: Tally,
    *,
    metrics: Mapping[str, Figure],
    metric: str,
    notes: list[str],
) -> Cell:
    """A cell of a task whose figures another tool computed; chance is not known there, so nothing is normalised."""
    return Cell(
        task=task, language=tally.language(language), skill="", model=model, metric=metric, metrics=dict(metrics),
        items=len(tally.ids), scored=tally.scored, runs=max(tally.runs, 1), parse_failures=tally.failures,
        truncated=tally.truncated, errors=tally.errors,
        method=next(iter(tally.methods)) if len(tally.methods) == 1 else "", notes=notes,
    )  # fmt: skip


def figure(value: float, error: float | None) -> Figure:
    """A value with 1.96 of its standard error on both sides, where the log has one; 0 says nothing."""
    low, high = value - Z95 * (error or 0.0), value + Z95 * (error or 0.0)
    told = error and math.isfinite(low) and math.isfinite(high)
    return Figure(value=value, ci95=(low, high) if told else None)


def cautions(scores: Scores) -> list[str]:
    """What a reader of imported scores should know of their cells."""
    found = []
    names = Counter((cell.task, cell.language, cell.model) for cell in scores.cells)
    for (task, language, model), times in names.items():
        if times > 1:
            found.append(
                f"{task}: {times} logs of it for {model} are here; import them apart to compare them"
            )
        if language == UNKNOWN:
            found.append(f"{task}: its language is not known; name it (--language '{task}=TAG')")
        elif language == MANY:
            found.append(f"{task}: samples in more than one language under one figure")
    return found


def language_of(task: str, told: Any, languages: Mapping[str, str]) -> str:
    """A task's language as the caller says, as the log says, as the task's name ends, or as the caller says of others.

    UNKNOWN where none of them does.
    """
    if task in languages:
        return languages[task]
    if isinstance(told, str) and _TAG.fullmatch(told):
        return told
    named = _named(task)
    return languages.get(OTHERS, UNKNOWN) if named == UNKNOWN else named


@functools.lru_cache(4096)
def _named(task: str) -> str:
    """`belebele_zsm_Latn` and `xcopa_id` name their language."""
    from rumpun.language.tables import languages

    known = languages()
    if found := _FLORES.search(task):
        wanted = {"fil": "tgl", "zho": "cmn"}.get(found[1], found[1])
        for tag, language in known.items():
            if language.iso639_3 == wanted and found[2] in (*language.scripts, "Hant", "Hans"):
                return tag
    last = re.split(r"[_\-.]", task)[-1]
    return last if len(last) == 2 and last in known else UNKNOWN

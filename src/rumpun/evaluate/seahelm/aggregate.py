"""Figures up the hierarchy: tasks, groups, competencies, languages, total. One run's here, several runs' in `leaderboard`.

Every step is an unweighted mean of what is there. SEA-HELM has no word for a missing cell: a task that was not run is not
in the mean, a task whose scoring failed is 0 in it, and where a pragmatics task is missing there are no totals at all.
Here a missing cell stays out of the mean and is named beside it, and a failed task is a missing cell.
Source: src/aggregate_metrics.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.leaderboard import Cell, Estimate, Leaderboard, leaderboard, stored
from rumpun.evaluate.seahelm.tasks import find

__all__ = ["Cell", "Estimate", "Leaderboard", "Mean", "RunTotals", "leaderboard", "run_path", "stored"]

_LINGUISTIC = "linguistic-diagnostics"
_COUNTED = ("mp-r", "mp-r-logprobs", "pragmatics", "pragmatics-logprobs")  # of that competency, in this order
_PARTS = {
    "pragmatic-single": "pragmatics",
    "pragmatic-pair": "pragmatics",
    "pragmatic-single-logprobs": "pragmatics-logprobs",
    "pragmatic-pair-logprobs": "pragmatics-logprobs",
}
Cells = tuple[tuple[str, str], ...]  # (language, task)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, and the cells that should be in it and are not."""

    value: float | None  # None where nothing is there
    missing: Cells = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """The means of one run."""

    groups: dict[str, dict[str, Mean]]  # language -> group -> mean
    competencies: dict[str, dict[str, Mean]]  # language -> competency -> mean
    languages: dict[str, Mean]
    total: Mean
    missing: Cells  # every missing cell, also of tasks that enter no mean
    faults: tuple[str, ...] = (
        "Competencies hold unequal numbers of tasks, and languages unequal competencies: totals of languages are not comparable.",
        "Of the linguistic tasks syntax-criteria does not count.",
    )


def run_path(
    results: Mapping[str, Mapping[str, float | None]],
    *,
    expected: Mapping[str, Sequence[str]] | None = None,
) -> RunTotals:
    """The means of one run's figures.

    Args:
        results: language -> task -> the metric that goes up (`Scored.normalised`); None where it could not be had. The two
            pragmatics tasks have none and count as the one task `pragmatics`.
        expected: language -> tasks that there should be, as `main_set()`; one that is not among the results is missing.

    Raises:
        UsageError: a task or language that SEA-HELM has not.
        InputError: a figure is not finite.
    """
    cells = {language: dict(of) for language, of in results.items()}
    for language, names in (expected or {}).items():
        cells[language] = cells.get(language, {}) | {
            name: None for name in names if name not in cells.get(language, {})
        }
    groups: dict[str, dict[str, Mean]] = {}
    competencies: dict[str, dict[str, Mean]] = {}
    languages: dict[str, Mean] = {}
    absent: dict[tuple[str, str], None] = {}
    for language, of in cells.items():
        known = _pooled(language, of)
        absent |= dict.fromkeys((language, name) for name, value in known.items() if value is None)
        groups[language], competencies[language] = _of_language(language, known)
        languages[language] = _mean(list(competencies[language].values()))
    return RunTotals(
        groups=groups,
        competencies=competencies,
        languages=languages,
        total=_mean(list(languages.values())),
        missing=tuple(absent),
    )


def _pooled(language: str, of: Mapping[str, float | None]) -> dict[str, float | None]:
    """The figures with the parts of pragmatics replaced by what pools them, missing where it is not given."""
    found: dict[str, float | None] = {}
    for name, value in of.items():
        find(name, language)
        if value is not None and not math.isfinite(value):
            raise InputError(
                f"{language} {name}: the figure is {value}", "give a number, or null where there is none"
            )
        if name in _PARTS:
            found.setdefault(_PARTS[name], of.get(_PARTS[name]))
        else:
            found[name] = value
    return found


def _of_language(language: str, known: Mapping[str, float | None]) -> tuple[dict[str, Mean], dict[str, Mean]]:
    """Means of groups and of competencies, each in the order of first appearance."""
    by_group: dict[str, list[Mean]] = {}
    by_competency: dict[str, dict[str, list[Mean]]] = {}  # competency -> task or group -> its cells
    for name, value in known.items():
        spec = find(name, language)
        cell = Mean(value, ((language, name),) if value is None else ())
        members = by_competency.setdefault(spec.competency, {})
        if spec.competency == _LINGUISTIC:
            members[name] = [cell]
            continue
        members.setdefault(spec.group or name, []).append(cell)
        if spec.group:
            by_group.setdefault(spec.group, []).append(cell)
    competencies = {}
    for competency, members in by_competency.items():
        if competency == _LINGUISTIC:
            members = {name: members[name] for name in _COUNTED if name in members}  # noqa: PLW2901
        competencies[competency] = _mean([_mean(cells) for cells in members.values()])
    return {group: _mean(cells) for group, cells in by_group.items()}, competencies


def _mean(of: Sequence[Mean]) -> Mean:
    values = [x.value for x in of if x.value is not None]
    missing = tuple(cell for x in of for cell in x.missing)
    return Mean(sum(values) / len(values) if values else None, missing)

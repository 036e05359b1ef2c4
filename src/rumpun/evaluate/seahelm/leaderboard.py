"""Several runs' figures up the hierarchy, as SEA-HELM's leaderboard has them: 30 resamples with one seed.

Each resample takes every item's score from a run drawn for that item; the items themselves are never drawn. So the
standard errors are not what they are called, and are reproduced under the name `stderr` only to be compared.
Source: helpers/results_aggregation.ipynb at 6844e6c. Later versions have other rules.
"""

import math
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.seahelm.rows import Rows, labels, said_of
from rumpun.evaluate.seahelm.scored import Floats
from rumpun.evaluate.seahelm.tasks import TaskSpec, find

__all__ = ["SEA", "Cell", "Estimate", "Leaderboard", "leaderboard", "stored", "stored_labels"]

SEA = ("id", "vi", "th", "ta", "tl", "ms", "my")
SEED, DRAWS = 94370244, 30
_DROPS_NUMBER_WORDS = ("th", "my")  # not lo and km, though their rows of number_words have no score either
_FAULTS = (
    "The standard error divides the spread of the resampled means by the root of their number once more: it is about 5.5 times too small at 30, and shrinks as they grow.",
    "Only the run of each item is resampled, never the items: the error of the test's size is not in it.",
    "A task is taken as multiple choice where two of its labels are equal, whatever it asks.",
    "Scores count as 0 to 1 where none of a model's is above 1, and as 0 to 100 otherwise.",
)
_FAULT_NO_DATA = "A task without data in any run counts as 0 in the means."
_FAULT_LOGPROBS = "An item of a log-probability task is right where a draw from 0 to 1 is above its score from 0 to 100: all that are likely count as wrong."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One task in one language: its items' stored scores in every run."""

    task: str
    language: str
    runs: tuple[tuple[float, ...], ...]  # a run without data is empty
    labels: tuple[Any, ...] = ()  # the rows' labels in run 0; not read where run 0 has no data


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure over the resamples."""

    mean: float
    stderr: float  # SEA-HELM's, too small
    draws: tuple[float, ...]
    incomplete: bool = False  # a run had no data


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """The leaderboard's figures of one model."""

    tasks: dict[str, dict[str, Estimate]]  # language -> task
    groups: dict[str, dict[str, Estimate]]  # language -> group
    competencies: dict[str, dict[str, Estimate]]
    languages: dict[str, Estimate]
    overall: Estimate  # of every language given
    sea: Estimate | None  # of the languages of SEA; None where none of them is given
    incomplete: tuple[tuple[str, str], ...]  # (language, task) with a run without data
    missing: tuple[tuple[str, str], ...]  # (language, task) without data in any run, 0 in the means
    faults: tuple[str, ...]


def stored(task: str, language: str, values: Sequence[float], items: Rows) -> tuple[float, ...]:
    """`Scored.values` as the notebook reads them back: NaN is 0, and rows of number_words are dropped in th and my."""
    if len(values) != len(items):
        raise InputError(f"{len(values)} values for {len(items)} items", "give one for each item")
    kept = _kept(task, language, items)
    return tuple(0.0 if math.isnan(values[place]) else float(values[place]) for place in kept)


def stored_labels(task: str, language: str, items: Rows) -> tuple[Any, ...]:
    """The right answers beside `stored`; empty where a row has none."""
    found = labels(find(task, language), items)
    return tuple(found[place] for place in _kept(task, language, items)) if found else ()


def _kept(task: str, language: str, items: Rows) -> list[int]:
    drops = task == "if-eval" and language in _DROPS_NUMBER_WORDS
    return [
        place
        for place in range(len(items))
        if not (drops and said_of(items, place, "subcategory") == "length_constraints:number_words")
    ]


def leaderboard(
    cells: Sequence[Cell], *, draws: int = DRAWS, seed: int = SEED, sea: Sequence[str] = SEA
) -> Leaderboard:
    """The leaderboard's figures.

    Args:
        cells: in the order of the first run's configuration: its tasks, and inside each its languages. One generator
            serves all of them, so the order is part of the figure.
        draws: resamples.
        seed: of the generator.
        sea: languages of the region's mean.

    Raises:
        UsageError: a task that SEA-HELM has not, a cell twice, too few draws.
        InputError: no cell, runs of different lengths, labels that do not fit (the notebook skips the model there).
    """
    if draws < 2:
        raise UsageError(f"draws = {draws}: an error needs two", "leave it at 30")
    if not cells:
        raise InputError("no cells to aggregate", "give at least one task in one language")
    random = np.random.default_rng(seed)
    table: dict[str, dict[str, dict[str, Estimate]]] = {}  # language -> competency -> task
    incomplete: list[tuple[str, str]] = []
    missing: list[tuple[str, str]] = []
    faults = dict.fromkeys(_FAULTS)
    for cell in cells:
        spec = find(cell.task, cell.language)
        of = table.setdefault(cell.language, {}).setdefault(spec.competency, {})
        if cell.task in of:
            raise UsageError(f"{cell.task} in {cell.language} is given twice", "give each cell once")
        found = _resampled(cell, spec, draws, random)
        by_logprobs = _by_logprobs(spec)
        partial = found is not None and not by_logprobs and not all(cell.runs)
        if found is None:
            missing.append((cell.language, cell.task))
            faults[_FAULT_NO_DATA] = None
        elif partial:
            incomplete.append((cell.language, cell.task))
        if found is not None and by_logprobs:
            faults[_FAULT_LOGPROBS] = None
        of[cell.task] = _estimate(np.zeros(draws) if found is None else found, incomplete=partial)
    tasks, groups, competencies, languages = _up(table)
    region = [languages[x].draws for x in languages if x in sea]
    return Leaderboard(
        tasks=tasks,
        groups=groups,
        competencies=competencies,
        languages=languages,
        overall=_estimate(np.mean([x.draws for x in languages.values()], axis=0)),
        sea=_estimate(np.mean(region, axis=0)) if region else None,
        incomplete=tuple(incomplete),
        missing=tuple(missing),
        faults=tuple(faults),
    )


def _by_logprobs(spec: TaskSpec) -> bool:
    """Whether the notebook samples the task's probabilities: the tasks of one run alone, which are the twins."""
    return spec.family.startswith("logprobs")


def _resampled(cell: Cell, spec: TaskSpec, draws: int, random: np.random.Generator) -> Floats | None:
    """The cell's figure in each resample, or None where no run has data (nothing is drawn then)."""
    where = f"{cell.language} {cell.task}"
    there = [run for run in cell.runs if run]
    if not there:
        return None
    labels = cell.labels if cell.runs[0] else ()
    if labels and len(labels) != len(cell.runs[0]):
        raise InputError(
            f"{where}: {len(labels)} labels for {len(cell.runs[0])} items", "give run 0's labels"
        )
    if _by_logprobs(spec):
        if not labels:
            raise InputError(
                f"{where}: run 0 has no data or labels", "give the scores of run 0 and its labels"
            )
        scores = np.array(cell.runs[0], np.float64)
        right = random.random(size=(draws, len(scores))) > scores
        return _balanced(labels, right.astype(np.float64), where)
    if len({len(run) for run in there}) > 1:
        raise InputError(
            f"{where}: runs of {', '.join(str(len(run)) for run in there)} items",
            "score the same items in each",
        )
    values = np.array(there, np.float64)  # [runs, items]
    which = random.integers(0, len(there), size=(draws, values.shape[1]))
    taken = values[which, np.arange(values.shape[1])]
    if _repeats(labels):
        return _balanced(labels, taken, where)
    found: Floats = np.mean(taken, axis=1)
    return found * 100 if values.max() <= 1 else found


def _repeats(labels: Sequence[Any]) -> bool:
    """Whether two labels are equal; lists, as of references, never are."""
    return all(isinstance(x, Hashable) for x in labels) and len(set(labels)) != len(labels)


def _balanced(labels: Sequence[Any], taken: Floats, where: str) -> Floats:
    """Balanced accuracy above chance, 0 to 100, of scores [draws, items] where 1 alone is right.

    The notebook repeats a label as often as the whole part of its score says and compares the two.
    """
    for label in labels:
        if not isinstance(label, str):
            raise InputError(f"{where}: label {label!r} is no text", "give labels as text")
    names = tuple(dict.fromkeys(labels))
    if len(names) < 2:
        raise InputError(f"{where}: one label alone, so there is no chance to take off", "give all the rows")
    own = np.array(labels, object)
    right = (taken.astype(np.int64) == 1) | (own == "")
    recall = np.stack([right[:, own == name].mean(axis=1) for name in names], axis=1)
    chance = 1 / len(names)
    found: Floats = np.maximum((recall.mean(axis=1) - chance) / (1 - chance), 0) * 100
    return found


def _estimate(figures: Floats, *, incomplete: bool = False) -> Estimate:
    values = figures.tolist()
    return Estimate(
        mean=statistics.mean(values),
        stderr=math.sqrt(statistics.variance(values) / len(values)),
        draws=tuple(values),
        incomplete=incomplete,
    )


_ByName = dict[str, dict[str, Estimate]]


def _up(
    table: dict[str, dict[str, dict[str, Estimate]]],
) -> tuple[_ByName, _ByName, _ByName, dict[str, Estimate]]:
    """Tasks, groups, competencies, languages: each step the mean of the draws of the step before."""
    tasks: _ByName = {}
    groups: _ByName = {}
    competencies: _ByName = {}
    languages: dict[str, Estimate] = {}
    for language, by_competency in table.items():
        tasks[language], groups[language], competencies[language] = {}, {}, {}
        for competency, of in by_competency.items():
            tasks[language] |= of
            members: dict[str, list[tuple[float, ...]]] = {}
            alone = []
            for name, estimate in of.items():
                group = find(name, language).group
                if group is None:
                    alone.append(estimate.draws)
                else:
                    members.setdefault(group.replace("-logprobs", ""), []).append(estimate.draws)
            grouped = {group: _estimate(np.mean(lists, axis=0)) for group, lists in members.items()}
            groups[language] |= grouped
            whole = alone + [estimate.draws for estimate in grouped.values()]
            competencies[language][competency] = _estimate(np.mean(whole, axis=0))
        languages[language] = _estimate(np.mean([x.draws for x in competencies[language].values()], axis=0))
    return tasks, groups, competencies, languages

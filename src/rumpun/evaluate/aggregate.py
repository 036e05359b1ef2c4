"""Figures of many cells made into means: our way, or one of SEA-HELM's two.

- rumpun: tasks of a skill, skills of a language, the skills that every language has (`means`). A missing cell is in no
  mean, and is named.
- paper: SEA-HELM's own means of one run (`seahelm.aggregate`).
- leaderboard: SEA-HELM's resamples over several runs (`seahelm.leaderboard`).

The averaging alone is chosen here: whose way the figures themselves were scored in is said beside them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.aggregate_read import SEAHELM, Given
from rumpun.evaluate.means import means
from rumpun.evaluate.records import Cell, ModelInfo, Scores
from rumpun.evaluate.report.view import in_order, view
from rumpun.evaluate.seahelm import aggregate as theirs
from rumpun.evaluate.seahelm.tasks import find, main_set
from rumpun.evaluate.tasks import COST, skills
from rumpun.language.tables import WORKING

__all__ = ["WAYS", "Row", "Totals", "Way", "totals"]

Way = Literal["rumpun", "paper", "leaderboard"]
Over = Literal["task", "group", "skill", "language", "all", "sea"]
WAYS: Mapping[Way, tuple[str, str]] = {  # what it is, and what it does with a missing cell
    "rumpun": (
        "rumpun's means: of the tasks of a skill, of the skills of a language, of the skills that every language has",
        "A missing cell is in no mean and no zero: means over other cells cannot be compared.",
    ),
    "paper": (
        "SEA-HELM's means of one run (src/aggregate_metrics.py at 6844e6c), faults included",
        "A missing cell stays out of SEA-HELM's means without a word; it is named here. A task whose scoring failed is 0 there.",
    ),
    "leaderboard": (
        "SEA-HELM's leaderboard, 30 resamples over runs (helpers/results_aggregation.ipynb at 6844e6c), faults included",
        "A task without items' scores in any run is 0 in SEA-HELM's means; one that no file names is in none of them.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mean of one model."""

    over: Over  # what it is over; "skill" is a competency in SEA-HELM's ways
    name: str  # of the task, group or skill; "" for languages and over all
    language: str = ""
    value: float | None  # 0 to 100; None where nothing is there
    ci95: tuple[float, float] | None = None  # in our way, where every figure has one
    stderr: float | None = None  # of the leaderboard: SEA-HELM's, too small
    cells: tuple[str, ...] = ()  # what went in, in our way
    missing: tuple[str, ...] = ()  # what should be in and is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The means of one model."""

    model: str
    scored: str  # in whose way its figures were scored: "rumpun" or "seahelm"
    rows: tuple[Row, ...]
    missing: tuple[
        tuple[str, str], ...
    ] = ()  # (language, task) that another language or SEA-HELM's main set has
    zeros: tuple[tuple[str, str], ...] = ()  # (language, task) that count as 0
    left_out: tuple[tuple[str, str, str], ...] = ()  # (language, task, why)
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()  # of SEA-HELM


def totals(given: Sequence[Given], way: Way) -> list[Totals]:
    """The means of every model, in the order in which they are met.

    Raises:
        InputError: a model has figures of both ways, a cell twice, or none that can be averaged so; or the items' scores
            that the leaderboard needs are not there.
    """
    ways: Mapping[Way, Callable[[str, list[Given]], Totals]] = {
        "rumpun": _ours, "paper": _paper, "leaderboard": _leaderboard,
    }  # fmt: skip
    wanted = dict.fromkeys((one.language, one.task) for one in given if one.skill != COST)
    found = []
    for model in dict.fromkeys(one.model for one in given):
        own = [one for one in given if one.model == model]
        by = {one.compat: one for one in own if one.figure is not None or one.runs}
        if len(by) > 1:
            first, second = (by[compat].path for compat in sorted(by, reverse=True)[:2])
            raise InputError(
                f"{model}: {first} was scored in SEA-HELM's way and {second} in ours",
                "score all of them in one way, or aggregate them apart",
            )
        made = ways[way](model, own)
        if way == "rumpun":
            made = replace(made, missing=_holes(own, list(wanted)))
        scored = next(iter(by), "")
        if (scored == SEAHELM) == (way == "rumpun"):
            notes = (_MIXED[way == "rumpun"], *made.notes)
            made = replace(made, notes=notes)
        found.append(replace(made, scored=scored or "rumpun"))
    return found


_MIXED = {  # whether the averaging is ours
    True: "The figures were scored in SEA-HELM's way, faults included: the averaging alone is rumpun's.",
    False: "The figures were scored in rumpun's way: the averaging alone is SEA-HELM's, and they are no figures of SEA-HELM.",
}


def _ours(model: str, own: list[Given]) -> Totals:
    cells = [
        Cell(
            task=one.task, language=one.language, skill=one.skill, model=model, metric="", normalised=one.figure, items=1, scored=1
        )
        for one in _once(own)
        if one.figure is not None and one.skill in skills()
    ]  # fmt: skip
    left = [
        (one.language, one.task, one.why or "no table says its skill") for one in own if not _in(one, cells)
    ]
    if not cells:
        raise _nothing(model, "rumpun", left)
    languages = list(in_order([one.language for one in own], WORKING))
    wanted = {one.skill for one in own} - {COST, ""}
    scores = Scores(
        suite="", models=[ModelInfo(name=model, engine="")], cells=cells, means=means(cells, languages, wanted),
        made={"languages": languages},
    )  # fmt: skip
    shown = view(scores)
    rows = []
    for mean in scores.means:
        told = shown.mean(0, mean.over, mean.name, mean.language) or mean
        figure = told.figure
        over: Over = "skill" if mean.over == "skill" else "language" if mean.over == "language" else "all"
        rows.append(
            Row(
                over=over, name=mean.name if over == "skill" else "", language=mean.language,
                value=figure.value if figure else None, ci95=figure.ci95 if figure else None, cells=tuple(mean.cells),
                missing=tuple(mean.missing),
            )
        )  # fmt: skip
    return Totals(model=model, scored="", rows=tuple(rows), left_out=tuple(left))


def _in(one: Given, cells: Sequence[Cell]) -> bool:
    return any((cell.task, cell.language) == (one.task, one.language) for cell in cells)


def _holes(own: Sequence[Given], wanted: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """(language, task) that some language or model has, and that is not here in a language that is."""
    there = {(one.language, one.task) for one in own if one.figure is not None}
    figured = {task for _, task in there}
    languages = in_order([one.language for one in own], WORKING)
    names = dict.fromkeys(
        task for _, task in wanted if task in figured or any(task == one.task for one in own)
    )
    costs = {one.task for one in own if one.skill == COST}
    return tuple(
        (language, task)
        for task in names
        if task not in costs
        for language in languages
        if (language, task) not in there
    )


def _paper(model: str, own: list[Given]) -> Totals:
    once = _once(own)
    known, left = _theirs(once)
    if not known:
        raise _nothing(model, "paper", left)
    results: dict[str, dict[str, float | None]] = {}
    for one in known:
        results.setdefault(one.language, {})[one.task] = one.figure.value if one.figure else None
    expected = {language: main_set()[language] for language in results if language in main_set()}
    made = theirs.run_path(results, expected=expected)
    tables: tuple[tuple[Over, dict[str, dict[str, theirs.Mean]]], ...] = (
        ("group", made.groups), ("skill", made.competencies),
    )  # fmt: skip
    rows = [
        Row(over=over, name=name, language=language, value=mean.value, missing=_named(mean.missing))
        for over, table in tables
        for language, of in table.items()
        for name, mean in of.items()
    ]
    rows += [
        Row(over="language", name="", language=language, value=mean.value, missing=_named(mean.missing))
        for language, mean in made.languages.items()
    ]
    rows.append(Row(over="all", name="", value=made.total.value, missing=_named(made.total.missing)))
    faults = dict.fromkeys((*made.faults, *(fault for one in known for fault in one.faults)))
    return Totals(
        model=model,
        scored="",
        rows=tuple(rows),
        missing=made.missing,
        left_out=tuple(left),
        faults=tuple(faults),
    )


def _leaderboard(model: str, own: list[Given]) -> Totals:
    known, left = _theirs(own)
    if not known:
        raise _nothing(model, "leaderboard", left)
    if all(not one.runs for one in known):
        raise InputError(
            f"{known[0].path}: no items' scores in it",
            "score it with --compat seahelm --json, or choose --way paper",
        )
    cells, zeros, unscored = [], [], 0
    # the notebook's order: tasks as they are met, and inside each its languages
    for task in dict.fromkeys(one.task for one in known):
        for language in dict.fromkeys(one.language for one in known if one.task == task):
            files = [one for one in known if (one.task, one.language) == (task, language)]
            runs = tuple(run for one in files for run in one.runs or ((),))
            cells.append(theirs.Cell(task=task, language=language, runs=runs, labels=files[0].labels))
            unscored += sum(one.unscored for one in files)
    made = theirs.leaderboard(cells)
    zeros = list(made.missing)
    tables: tuple[tuple[Over, dict[str, dict[str, theirs.Estimate]]], ...] = (
        ("task", made.tasks), ("group", made.groups), ("skill", made.competencies),
    )  # fmt: skip
    rows = [
        Row(over=over, name=name, language=language, value=one.mean, stderr=one.stderr)
        for over, table in tables
        for language, of in table.items()
        for name, one in of.items()
    ]
    rows += [
        Row(over="language", name="", language=language, value=one.mean, stderr=one.stderr)
        for language, one in made.languages.items()
    ]
    rows.append(Row(over="all", name="", value=made.overall.mean, stderr=made.overall.stderr))
    if made.sea:
        rows.append(Row(over="sea", name="", value=made.sea.mean, stderr=made.sea.stderr))
    counts = Counter(len(cell.runs) for cell in cells)
    notes = ["One run: nothing is drawn, and the standard errors are 0."] if set(counts) == {1} else []
    notes += [f"{task} in {language}: a run has no items' scores" for language, task in made.incomplete]
    if unscored:
        notes.append(f"{unscored:,} samples without a score count as 0, as SEA-HELM's notebook has it.")
    there = {(cell.language, cell.task) for cell in cells}
    missing = tuple(
        (language, task)
        for language in made.languages
        for task in main_set().get(language, ())
        if (language, task) not in there and not (task == "pragmatics" and _parts(language, there))
    )
    faults = dict.fromkeys((*made.faults, *(fault for one in known for fault in one.faults)))
    return Totals(
        model=model, scored="", rows=tuple(rows), missing=missing, zeros=tuple(zeros), left_out=tuple(left), notes=tuple(notes),
        faults=tuple(faults),
    )  # fmt: skip


def _parts(language: str, there: set[tuple[str, str]]) -> bool:
    return any((language, name) in there for name in ("pragmatic-single", "pragmatic-pair"))


def _theirs(given: Sequence[Given]) -> tuple[list[Given], list[tuple[str, str, str]]]:
    """What is a task of SEA-HELM's in its language, and the rest with why."""
    known, left = [], []
    for one in given:
        try:
            find(one.task, one.language)
        except UsageError:
            left.append((one.language, one.task, "SEA-HELM has no such task in this language"))
        else:
            known.append(one)
    return known, left


def _once(given: Sequence[Given]) -> list[Given]:
    """The cells; one that a file says was not run gives way to another file that has it.

    Raises:
        InputError: a cell has two figures.
    """
    found: dict[tuple[str, str], Given] = {}
    for one in given:
        key = (one.task, one.language)
        other = found.get(key)
        if other is not None and other.figure is not None and one.figure is not None:
            raise InputError(
                f"{one.task} in {one.language} of {one.model} stands twice: in {other.path} and {one.path}",
                "leave one out; several runs are for --way leaderboard",
            )
        if other is None or one.figure is not None:
            found[key] = one
    return list(found.values())


def _nothing(model: str, way: Way, left: Sequence[tuple[str, str, str]]) -> InputError:
    said = f"{left[0][1]} in {left[0][0]}: {left[0][2]}" if left else "no cell is there"
    return InputError(f"{model}: nothing to average in the way of {way} ({said})", "see --way")


def _named(cells: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{task} in {language}" for language, task in cells)

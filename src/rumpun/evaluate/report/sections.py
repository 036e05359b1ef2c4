"""What the report's parts show: rows and marks, worked out of a view."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rumpun.errors import InputError
from rumpun.evaluate.costs import SAME_TEXT, TOKENS, costs_of
from rumpun.evaluate.records import Cell, Figure, LanguageCost
from rumpun.evaluate.report.gains import Gain, Gains, of_metric, of_task
from rumpun.evaluate.report.intervals import weighted
from rumpun.evaluate.report.numbers import digits_of, figure_text, finite, number, shown_as, sound, unit_of
from rumpun.evaluate.report.plots import Bar, Mark, Scale, scale_of, stacked
from rumpun.evaluate.report.text import short
from rumpun.evaluate.report.view import View, skill_columns
from rumpun.evaluate.tasks import tasks

__all__ = [
    "Cost", "Failures", "Licence", "Place", "Profile", "TaskTable", "costs", "failures", "licences", "limits",
    "not_run", "profile", "skill_rows", "spent", "task_tables",
]  # fmt: skip

_COSTS = (TOKENS, SAME_TEXT, "bits_per_byte")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a table: a figure of each model; None where it has none."""

    figures: tuple[Figure | None, ...]
    why: tuple[str, ...] = ()  # of each model, why it has none
    note: str = ""  # what stands behind it, or why it has no interval


@dataclass(frozen=True, slots=True)
class Profile:
    """The means of a skill over the languages that all models have it in."""

    rows: tuple[tuple[str, tuple[Figure, ...], tuple[Mark, ...], int], ...]
    scale: Scale | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a language costs: one measure, a row a language."""

    metric: str
    unit: str
    digits: int
    rows: tuple[tuple[str, tuple[Figure | None, ...], tuple[Mark, ...]], ...]
    scale: Scale
    gains: Gains | None


@dataclass(frozen=True, slots=True)
class Failures:
    """What went wrong on the way to an answer in one task, for one model."""

    task: str
    model: int
    asked: int
    unread: int
    cut: int
    errors: int
    bars: tuple[Bar, ...]

    @property
    def share(self) -> str:
        """Of all answers, in per cent."""
        lost = self.unread + self.cut + self.errors
        return f"{number(100 * lost / self.asked, 1)} %" if self.asked else ""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One language of a task."""

    language: str
    cells: tuple[Cell | None, ...]
    figures: tuple[Figure | None, ...]  # of the headline metric, as shown
    others: tuple[str, ...]  # each model's other metrics
    gain: Gain | None
    detectable: float | None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """One task in all its languages."""

    task: str
    skill: str
    about: str
    metric: str
    unit: str
    digits: int
    methods: tuple[str, ...]
    rows: tuple[TaskRow, ...]
    gains: Gains | None


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence of items, with what it asks."""

    name: str
    asks: str
    tasks: tuple[str, ...]


def skill_rows(found: View) -> list[tuple[str, list[Place]]]:
    """Language -> a place for each of `skill_columns`, then one for the mean of the language."""
    skills = skill_columns(found)
    models = range(len(found.models))
    return [
        (tag, [*(_skill(found, tag, skill, models) for skill in skills), _language(found, tag, models)])
        for tag in found.languages
    ]


def _skill(found: View, language: str, skill: str, models: Iterable[int]) -> Place:
    means = [found.mean(place, "skill", skill, language) for place in models]
    figures = tuple(sound(mean.figure) if mean else None for mean in means)
    cells = next((mean.cells for mean in means if mean), [])
    note = f"mean of {', '.join(cells)}" if len(cells) > 1 else ", ".join(cells)
    why = tuple("" if figures[place] else found.why_missing(place, language, skill) for place in models)
    return Place(figures, why, note)


def _language(found: View, language: str, models: Iterable[int]) -> Place:
    means = [found.mean(place, "language", language, language) for place in models]
    mean = next((one for one in means if one), None)
    note = f"mean of {', '.join(mean.cells)}" if mean and mean.cells else ""
    note += f"; without {', '.join(mean.missing)}" if mean and mean.missing else ""
    figures = tuple(sound(one.figure) if one else None for one in means)
    return Place(figures, tuple("" if one else "none of its skills has a figure" for one in figures), note)


def profile(found: View) -> Profile:
    """Skill by skill, over the languages in which every model has it."""
    rows = []
    for skill in skill_columns(found):
        own = [_skill(found, tag, skill, range(len(found.models))).figures for tag in found.languages]
        common = [figures for figures in own if figures and all(figures)]
        if common:
            means = [weighted((1 / len(common), f) for f in of if f) for of in zip(*common, strict=True)]
            figures = tuple(mean for mean in means if mean is not None)
            rows.append((skill, figures, _marks(figures), len(common)))
    return Profile(tuple(rows), scale_of([figure for row in rows for figure in row[1]], zero=True))


def _marks(figures: Iterable[Figure | None]) -> tuple[Mark, ...]:
    """Of each model that has a figure: dots of the first, diamonds of the others."""
    shapes: tuple[tuple[Literal["dot", "diamond"], Literal["model", "other"]], ...] = (
        ("dot", "model"),
        ("diamond", "other"),
    )
    return tuple(
        Mark(figure.value, figure.ci95, *shapes[min(place, 1)])
        for place, figure in enumerate(figures)
        if figure is not None
    )


def costs(found: View) -> list[Cost]:
    """Tokens a character, tokens beside the same text in English and bits per byte, from the cells that measured them."""
    tables = []
    for metric in _COSTS:
        rows = []
        for tag in found.languages:
            figures = tuple(_cost(found, place, metric, tag) for place in range(len(found.models)))
            rows.append((tag, figures, _marks(figures)))
        scale = scale_of([figure for row in rows for figure in row[1]], zero=True)
        if scale is not None:
            gains = of_metric(found.scores, metric, found.languages)
            tables.append(Cost(metric, unit_of(metric), digits_of(metric), tuple(rows), scale, gains))
    return tables


def _cost(found: View, place: int, metric: str, language: str) -> Figure | None:
    for (_, tag), cell in found.cells[place].items():
        if tag == language and (figure := sound(cell.metrics.get(metric))) is not None:
            return figure
    return None


def spent(found: View) -> list[tuple[str, tuple[LanguageCost | None, ...]]]:
    """What each language costs each model, a row a language; empty where no tokens were counted."""
    by = [{one.language: one for one in costs_of(own.values())} for own in found.cells]
    return [(tag, tuple(of.get(tag) for of in by)) for tag in found.languages if any(tag in of for of in by)]


def failures(found: View) -> list[Failures]:
    """Task by task, model by model, over all languages."""
    rows = []
    for task in found.tasks:
        for place in range(len(found.models)):
            own = [cell for (name, _), cell in found.cells[place].items() if name == task]
            asked = sum(cell.items * cell.runs for cell in own)
            unread, cut = sum(cell.parse_failures for cell in own), sum(cell.truncated for cell in own)
            errors = sum(cell.errors for cell in own)
            bars = stacked((("unread", unread), ("cut", cut), ("error", errors)), asked)
            if own:
                rows.append(Failures(task, place, asked, unread, cut, errors, bars))
    return rows


def task_tables(found: View) -> list[TaskTable]:
    """Every task, in all languages that any model has it in."""
    tables = []
    for task in found.tasks:
        own = {tag: tuple(c.get((task, tag)) for c in found.cells) for tag in found.languages}
        cells = [cell for of in own.values() for cell in of if cell is not None]
        metric = cells[0].metric
        gains = of_task(found.scores, task, found.languages)
        by = {gain.language: gain for gain in gains.rows} if gains else {}
        tables.append(
            TaskTable(
                task=task, skill=cells[0].skill, about=tasks()[task].about if task in tasks() else "", metric=metric,
                unit=unit_of(metric), digits=digits_of(metric), methods=tuple(dict.fromkeys(c.method for c in cells if c.method)),
                rows=tuple(_row(tag, of, metric, by.get(tag)) for tag, of in own.items() if any(of)), gains=gains,
            )
        )  # fmt: skip
    return tables


def _row(language: str, cells: tuple[Cell | None, ...], metric: str, gain: Gain | None) -> TaskRow:
    return TaskRow(
        language=language,
        cells=cells,
        figures=tuple(_as_shown(metric, cell.metrics.get(metric)) if cell else None for cell in cells),
        others=tuple(_others(cell, metric) for cell in cells),
        gain=gain,
        detectable=next((finite(cell.detectable) for cell in cells if cell and cell.detectable), None),
    )


def _others(cell: Cell | None, metric: str) -> str:
    """A cell's other metrics and its normalised score, in words."""
    if cell is None:
        return ""
    said = [
        f"{name.replace('_', ' ')} {figure_text(_as_shown(name, figure), digits_of(name))}"
        for name, figure in cell.metrics.items()
        if name != metric
    ]
    if cell.normalised is not None:
        chance = f" (chance {number(100 * cell.chance, 1)} %)" if cell.chance else ""
        said.insert(0, f"normalised {figure_text(cell.normalised)}{chance}")
    return "; ".join(said)


def _as_shown(metric: str, figure: Figure | None) -> Figure | None:
    """A figure of a metric in the unit in which it is shown; None where it is no number."""
    told = sound(figure)
    if told is None:
        return None
    ends = told.ci95 and (shown_as(metric, told.ci95[0]), shown_as(metric, told.ci95[1]))
    return Figure(value=shown_as(metric, told.value), ci95=ends or None)


def not_run(found: View) -> list[tuple[str, list[str]]]:
    """Why -> what, for cells without items and for what the run did not come to."""
    by: dict[str, dict[str, list[str]]] = {}
    for one in found.scores.missing:
        why = "the suite has no items of the skill in the language"
        by.setdefault(why, {}).setdefault(one.get("skill", ""), []).append(one.get("language", ""))
    for one in found.scores.not_run:
        what = ": ".join(filter(None, (one.get("model", ""), one.get("task", ""))))
        by.setdefault(one.get("why", ""), {}).setdefault(what, []).append(one.get("language", ""))
    return [(why, [f"{what} in {', '.join(tags)}" for what, tags in of.items()]) for why, of in by.items()]


def licences(found: View) -> list[Licence]:
    """The licences of the items, with what each asks."""
    from rumpun.records.licences import terms

    by: dict[str, dict[str, None]] = {}
    for own in found.cells:
        for (task, _), cell in own.items():
            for name in cell.licences:
                by.setdefault(name, {})[task] = None
    rows = []
    for name in sorted(by):
        try:
            asks = ", ".join(terms(name).oblige) or "nothing"
        except InputError:
            asks = "cannot be read as a licence"
        rows.append(Licence(name, asks, tuple(by[name])))
    return rows


def limits(found: View) -> list[str]:
    """What these figures cannot show."""
    cells = [cell for own in found.cells for cell in own.values()]
    native = [cell for cell in cells if cell.task in tasks() and not tasks()[cell.task].public]
    said = []
    if native:
        sizes = Counter(cell.items for cell in native)
        few, many = min(sizes), max(sizes)
        count = f"{few}" if few == many else f"{few} to {many}"
        said.append(
            f"The native tasks are small: {count} items a task and language. One language in one task can be told apart only by a large gain."
        )
        said.append(
            "The native items were written by a language model for this project. No native speaker has reviewed them; faults in them are likely and are to be reported."
        )
    methods = {cell.method for cell in cells}
    if "likelihood" in methods:
        said.append(
            "Where options were scored by likelihood, a figure says which option a model finds likelier, not whether it would say so in a talk."
        )
    if "generate" in methods:
        said.append(
            "Where answers were generated, an answer in which nothing could be read counts as wrong; the table of failures says how many there were."
        )
    said += [
        "Every figure is of these items in these words: another wording of the same question would give another figure.",
        "A p-value is corrected over the languages of a task (Holm), not over tasks: of many tasks some look different by chance.",
        "An interval tells how far a figure would move with other items of the same kind, not with other kinds of items.",
    ]
    names = {cell.task for cell in cells}
    lacking = [
        said_so
        for kind, said_so in (
            ("context", "how a model reads long texts"),
            ("harmful", "what it answers when it is asked for harm"),
        )
        if not any(name in tasks() and kind in (tasks()[name].skill, tasks()[name].family) for name in names)
    ]
    if lacking:
        said.append(f"Not measured here: {', and '.join(lacking)}.")
    said += dict.fromkeys(short(note, 400) for cell in cells for note in cell.notes)
    return said

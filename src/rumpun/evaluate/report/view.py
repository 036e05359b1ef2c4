"""What pages ask of a run's scores: which cell is whose, in which order, and why one is missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rumpun.evaluate.records import Cell, Figure, Mean, ModelInfo, Scores
from rumpun.evaluate.report.intervals import weighted
from rumpun.evaluate.report.numbers import sound
from rumpun.evaluate.report.text import short
from rumpun.evaluate.tasks import skills, tasks
from rumpun.language.tables import WORKING

__all__ = ["Key", "View", "in_order", "mean_over", "skill_columns", "texts_of", "view"]

Key = tuple[str, str]  # task and language
_ROUNDING = 1e-6  # points by which the same mean may differ when it is worked out twice


@dataclass(frozen=True, slots=True)
class View:
    """Scores, sorted for showing."""

    scores: Scores
    models: tuple[ModelInfo, ...]
    names: tuple[str, ...]  # of the models, fit to show
    cells: tuple[dict[Key, Cell], ...]  # of each model
    languages: tuple[str, ...]
    tasks: tuple[str, ...]

    def skill_of(self, task: str) -> str:
        """The skill a task stands for; empty where nothing says it."""
        own = next((cell.skill for of in self.cells for (name, _), cell in of.items() if name == task), "")
        return own or (tasks()[task].skill if task in tasks() else "")

    def why_missing(self, place: int, language: str, skill: str) -> str:
        """Why a model has no figure of a skill in a language."""
        if {"language": language, "skill": skill} in self.scores.missing:
            return "the suite has no items of this skill in this language"
        own = [c for (_, tag), c in self.cells[place].items() if tag == language and c.skill == skill]
        if own and not any(cell.scored for cell in own):
            return f"none of {sum(cell.items for cell in own)} questions got an answer"
        name = self.models[place].name
        for one in self.scores.not_run:
            mine = one.get("language") == language and one.get("model", name) == name
            if mine and self.skill_of(one.get("task", "")) == skill:
                return one.get("why", "") or "it was not run"
        return "it has no figure of this kind" if own else "it was not asked"

    def mean(self, place: int, over: str, name: str, language: str = "") -> Mean | None:
        """A mean of the run, with an interval worked out of the cells' where the run stored none.

        Where the run stored no such mean (a log from elsewhere), that of the cells of the skill or language; None where they
        have no score. Where two models have one name, what the run stored under it is of both, so the cells alone are asked.
        """
        model, own = self.models[place].name, self.cells[place]
        wanted = (model, over, name, language)
        found = next((m for m in self.scores.means if (m.model, m.over, m.name, m.language) == wanted), None)
        keys = [key for key in own if self._within(own[key], over, name, language, found)]
        figure = mean_over(own, keys)
        twins = sum(info.name == model for info in self.models) > 1
        if found is None:
            if figure is None or over == "all":
                return None
            parts = dict.fromkeys(key[0] if over == "skill" else own[key].skill for key in keys)
            return Mean(
                model=model, over=over, name=name, language=language, figure=figure, cells=list(parts)
            )
        told = sound(found.figure)
        stored = told is not None and (
            told.ci95 or figure is None or abs(figure.value - told.value) > _ROUNDING
        )
        return msgspec.structs.replace(found, figure=told if stored and not twins else figure)

    @staticmethod
    def _within(cell: Cell, over: str, name: str, language: str, mean: Mean | None) -> bool:
        """Whether a cell with a score is behind a mean."""
        if sound(cell.normalised) is None:
            return False
        if over == "skill":
            return cell.language == language and cell.skill == name
        return cell.language == name if over == "language" else bool(mean and cell.skill in mean.cells)


def view(scores: Scores) -> View:
    """Scores, sorted for showing: languages and tasks in the run's own order.

    Where two models have one name, the first cell of a task and language is the first one's. A model that cells name and
    the run does not (in a log from elsewhere) comes last.
    """
    told = {info.name for info in scores.models}
    others = dict.fromkeys(cell.model for cell in scores.cells if cell.model not in told)
    models = (*scores.models, *(ModelInfo(name=name, engine="") for name in others))
    cells: tuple[dict[Key, Cell], ...] = tuple({} for _ in models)
    for cell in scores.cells:
        key = (cell.task, cell.language)
        for info, own in zip(models, cells, strict=True):
            if info.name == cell.model and key not in own:
                own[key] = cell
                break
    named = [*texts_of(scores.made.get("languages")), *(one.get("language", "") for one in scores.missing)]
    seen = [cell.language for cell in scores.cells]
    return View(
        scores=scores,
        models=models,
        names=tuple(short(info.name) for info in models),
        cells=cells,
        languages=in_order([tag for tag in [*named, *seen] if tag], named or WORKING),
        tasks=tuple(dict.fromkeys(cell.task for cell in scores.cells)),
    )


def in_order(names: Iterable[str], first: Sequence[str]) -> tuple[str, ...]:
    """Names once each: those of `first` in its order, then the others as they come."""
    there = dict.fromkeys(names)
    return tuple(
        [name for name in dict.fromkeys(first) if name in there] + [n for n in there if n not in first]
    )


def mean_over(cells: Mapping[Key, Cell], keys: Iterable[Key]) -> Figure | None:
    """The mean of normalised scores: of tasks in a skill, of skills in a language, of languages.

    None where none of the cells has one; a cell without one is left out.
    """
    by: dict[str, dict[str, list[Figure]]] = {}
    for key in keys:
        if (figure := sound(cells[key].normalised)) is not None:
            by.setdefault(key[1], {}).setdefault(cells[key].skill, []).append(figure)
    return weighted(
        (1 / len(by) / len(of) / len(figures), figure)
        for of in by.values()
        for figures in of.values()
        for figure in figures
    )


def skill_columns(found: View) -> tuple[str, ...]:
    """The skills with a normalised score in any cell, of which nothing came at all, or that the run says are missing."""
    cells = [cell for own in found.cells for cell in own.values()]
    there = [cell.skill for cell in cells if cell.normalised is not None or not cell.scored]
    lacking = [one["skill"] for one in found.scores.missing if "skill" in one]
    return tuple(skill for skill in in_order([*there, *lacking], skills()) if skill != "cost")


def texts_of(value: Any) -> list[str]:
    """What a log says as a list of texts; empty where it is no list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, (list, tuple)) else []

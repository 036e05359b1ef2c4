"""Means over cells: of a skill, of a language, of all, with what is missing named in each."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from rumpun.evaluate.records import Cell, Figure, Mean
from rumpun.evaluate.tasks import skills

__all__ = ["means"]


def means(cells: Sequence[Cell], languages: Sequence[str], wanted: Collection[str] = ()) -> list[Mean]:
    """Means of normalised scores: of a skill in a language, of a language, of all; what is missing is named.

    A mean is over what is there, so two means can be compared only where the same cells are missing: `cells` says
    which went in. The mean of all takes the skills that every language has, and names the others as missing.

    Args:
        cells: of one or more models.
        languages: that were asked for.
        wanted: skills that were asked for, missing where no cell has them.
    """
    found: list[Mean] = []
    for model in dict.fromkeys(cell.model for cell in cells):
        scored = [cell for cell in cells if cell.model == model and cell.normalised is not None]
        by: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        for cell in scored:
            by[cell.language, cell.skill].append(cell)
        named = dict.fromkeys((*skills(), *(cell.skill for cell in scored)))
        there = [skill for skill in named if skill in wanted or any(skill == key[1] for key in by)]
        for language in languages:
            parts = {skill: by[language, skill] for skill in there if (language, skill) in by}
            for skill, own in parts.items():
                found.append(
                    _mean_of(
                        model, "skill", skill, language, [_value(c) for c in own], [c.task for c in own], []
                    )
                )
            lacking = [skill for skill in there if skill not in parts]
            values = [float(np.mean([_value(c) for c in own])) for own in parts.values()]
            found.append(_mean_of(model, "language", language, language, values, list(parts), lacking))
        common = [skill for skill in there if all((language, skill) in by for language in languages)]
        values = [
            float(np.mean([np.mean([_value(c) for c in by[language, skill]]) for skill in common]))
            for language in languages
            if common
        ]
        lacking = [skill for skill in there if skill not in common]
        found.append(_mean_of(model, "all", "", "", values, common, lacking))
    return found


def _value(cell: Cell) -> float:
    assert cell.normalised is not None
    return cell.normalised.value


def _mean_of(  # noqa: PLR0917
    model: str, over: str, name: str, language: str, values: list[float], cells: list[str], missing: list[str]
) -> Mean:
    figure = Figure(value=float(np.mean(values))) if values else None
    return Mean(
        model=model, over=over, name=name, language=language, figure=figure, cells=cells, missing=missing
    )

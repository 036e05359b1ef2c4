"""`rumpun eval aggregate`: many figures made into means, in our way or one of SEA-HELM's two."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rumpun.evaluate.aggregate import Row, Totals, Way

__all__ = ["aggregate"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--way",
    type=click.Choice(["rumpun", "paper", "leaderboard"]),
    default="rumpun",
    show_default=True,
    help="Whose means: ours; SEA-HELM's of one run; SEA-HELM's leaderboard over several runs, faults included.",
)
@click.option("--name", default="answers", show_default=True, help="The model of loose files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def aggregate(files: tuple[Path, ...], way: "Way", name: str, as_json: bool) -> None:
    """Means over FILES: what `rumpun eval score --json` printed (or a folder of it), and folders of runs.

    Files of a folder are of the model that the folder is called after; several of one task and language are several runs,
    which --way leaderboard alone takes. Cells that are missing are named, with what the means do about them.
    """
    from rumpun.cli.show import put_json
    from rumpun.evaluate.aggregate import WAYS, totals
    from rumpun.evaluate.aggregate_read import read_given

    found = totals(read_given(files, name, items=way == "leaderboard"), way)
    what, missing = WAYS[way]
    if as_json:
        put_json(
            {"way": way, "what": what, "missing_cells": missing, "models": [_facts(one) for one in found]}
        )
    else:
        click.echo("\n\n".join([what, *(_text(one, way) for one in found), missing]))


def _facts(one: "Totals") -> dict[str, Any]:
    pairs = {"missing": one.missing, "zeros": one.zeros}
    return {
        "model": one.model, "scored": one.scored, "means": one.rows,
        **{key: [{"language": language, "task": task} for language, task in of] for key, of in pairs.items()},
        "left_out": [{"language": language, "task": task, "why": why} for language, task, why in one.left_out],
        "notes": one.notes, "faults": one.faults,
    }  # fmt: skip


def _text(one: "Totals", way: "Way") -> str:
    from rumpun.evaluate.report.numbers import DASH, number
    from rumpun.evaluate.report.view import in_order
    from rumpun.language.tables import WORKING

    def said(row: "Row | None") -> str:
        if row is None or row.value is None:
            return DASH
        if row.stderr is not None:
            return f"{number(row.value, 2)} ({number(row.stderr, 2)})"
        half = "" if row.ci95 is None else f" ±{(row.ci95[1] - row.ci95[0]) / 2:.1f}"
        return number(row.value, 1 if way == "rumpun" else 2) + half

    by = {(row.over, row.name, row.language): row for row in one.rows}
    names = list(dict.fromkeys(row.name for row in one.rows if row.over == "skill"))
    languages = in_order([row.language for row in one.rows if row.over == "language"], WORKING)
    widths = [max(len(name), 13) + 2 for name in names]
    lines = [
        f"{one.model}, scored in the way of {one.scored}",
        f"{'':6}" + "".join(f"{name:>{w}}" for name, w in zip(names, widths, strict=True)) + f"{'mean':>15}",
    ]
    for language in languages:
        cells = [by.get(("skill", name, language)) for name in names]
        row = "".join(f"{said(cell):>{w}}" for cell, w in zip(cells, widths, strict=True))
        lines.append(f"{language:6}{row}{said(by.get(('language', '', language))):>15}")
    whole = by["all", "", ""]
    over = f" of {', '.join(whole.cells)}" if whole.cells else ""
    lines.append(f"mean over all{over}: {said(whole)}{_without(whole) if way == 'rumpun' else ''}")
    if sea := by.get(("sea", "", "")):
        lines.append(f"mean over SEA-HELM's languages of the region: {said(sea)}")
    if way == "leaderboard":
        lines.append("in brackets what SEA-HELM calls the standard error, which is too small")
    titles = {"missing": "missing, and in no mean", "zeros": "without data, and 0 in the means"}
    for key, title in titles.items():
        lines += _listed(title, [(task, language) for language, task in getattr(one, key)], languages)
    whys: dict[str, list[tuple[str, str]]] = {}
    for language, task, why in one.left_out:
        whys.setdefault(why, []).append((task, language))
    for why, of in whys.items():
        lines += _listed(f"left out, {why}", of, languages)
    return "\n".join([*lines, *one.notes, *(f"a fault of SEA-HELM in this: {fault}" for fault in one.faults)])


def _without(row: "Row") -> str:
    return f"; without {', '.join(row.missing)}, which not every language has" if row.missing else ""


def _listed(title: str, cells: Sequence[tuple[str, str]], languages: Sequence[str]) -> list[str]:
    by: Mapping[str, list[str]] = {task: [] for task, _ in cells}
    for task, language in cells:
        by[task].append(language)
    said = [
        f"{task} in {'all languages' if len(languages) > 1 and set(of) >= set(languages) else ' '.join(of)}"
        for task, of in by.items()
    ]
    return [f"{title}: {'; '.join(said)}"] if said else []

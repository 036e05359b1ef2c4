"""Answers made elsewhere, scored beside a task's items: the right way, or as SEA-HELM does it.

A prediction that is null is a generation that failed. The right way leaves it out and counts it; SEA-HELM's way scores it
as SEA-HELM does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError, nearest
from rumpun.evaluate.figures import DRAWS
from rumpun.evaluate.items import Item, id_of, rows_of
from rumpun.evaluate.lint import Problem
from rumpun.evaluate.public_table import tag_of
from rumpun.evaluate.seahelm.tasks import tasks as seahelm_tasks
from rumpun.evaluate.tasks import items_of, task, tasks
from rumpun.measure.draws import figure_interval

__all__ = ["Interval", "Report", "read_column", "score_predictions"]

Interval = tuple[float, float] | None
Rows = Sequence[Mapping[str, Any]]
_COLUMNS: Mapping[
    str, tuple[Callable[[Any], bool], str]
] = {  # what may stand in a column, and how that is said
    "prediction": (lambda value: isinstance(value, str), "text, or null where the answer failed"),
    "detected": (lambda value: isinstance(value, str), "a language's tag, or null"),
    "score": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "a number, or null",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of one file of predictions."""

    task: str
    language: str
    metrics: dict[str, float]
    normalised: float | None
    n: int
    parse_failures: int
    ci95: dict[str, Interval]
    errors: int = 0  # predictions that are null
    compat: str = ""
    faults: tuple[str, ...] = ()  # of SEA-HELM, that its figures have in them
    values: tuple[float, ...] = ()  # each item's score as SEA-HELM's leaderboard reads it
    labels: tuple[Any, ...] = ()  # and its right answer; empty where an item has none
    problems: tuple[Problem, ...] = field(default=(), repr=False)  # of the items

    def facts(self) -> dict[str, Any]:
        """As one JSON object."""
        found: dict[str, Any] = {
            "task": self.task, "language": self.language, "metrics": self.metrics, "normalised": self.normalised,
            "n": self.n, "parse_failures": self.parse_failures, "ci95": self.ci95, "errors": self.errors,
        }  # fmt: skip
        if self.compat:
            found |= {"compat": self.compat, "faults": list(self.faults)}
            found |= {"values": list(self.values), "labels": list(self.labels)}
        return found


def read_column(path: Path, column: str) -> dict[str, Any]:
    """Id -> value of JSON lines {"id": …, column: …}; ids may be numbers, values null.

    Raises:
        InputError: a line lacks one of both, a value is of another kind, or an id stands twice.
    """
    right, said = _COLUMNS[column]
    found: dict[str, Any] = {}
    for number, row in enumerate(rows_of(path), 1):
        where = f"{path}: row {number}"
        key = id_of(row, where)
        if column not in row:
            raise InputError(f"{where}: no '{column}'", f'write {{"id": …, "{column}": …}}')
        if row[column] is not None and not right(row[column]):
            raise InputError(f"{where}: the {column} is a {type(row[column]).__name__}", f"write {said}")
        if key in found:
            raise InputError(f"{where}: the id {key} stands twice", "keep one of them")
        found[key] = row[column]
    return found


def score_predictions(
    predictions: Path, name: str, language: str, *, items: Path | None = None, compat: str | None = None,
    detected: Path | None = None, external: Path | None = None, data: Path | None = None, seed: int = 0,
) -> Report:  # fmt: skip
    """Score a file of predictions.

    Args:
        predictions: lines {"id": …, "prediction": "…" or null}.
        name: the task, one of ours or of SEA-HELM's.
        language: its tag.
        items: the task's items, native or SEA-HELM's rows; by default those of the task of that name.
        compat: "seahelm"; None: the right way.
        detected: lines {"id", "detected"}: the language of each answer, for if-eval in SEA-HELM's way.
        external: lines {"id", "score"}: what a neural metric or a judge says of each answer, in SEA-HELM's way.
        data: a mirror of the data folder.
        seed: of the intervals.

    Raises:
        UsageError: no task of that name, or not in that language, or an option that does not go with the others.
        InputError: a file is malformed, or its ids are not those of the items; the ids are named.
        MissingPartError: a library that a metric needs is not installed.
    """
    theirs = {spec.name for spec in seahelm_tasks()}
    if name not in tasks() and name not in theirs:
        raise UsageError(f"no task '{name}'", nearest(name, [*tasks(), *theirs]))
    if not compat and (detected or external):
        raise UsageError(
            f"--{'detected' if detected else 'external'}: only SEA-HELM's way reads it",
            "add --compat seahelm",
        )
    rows = _rows(name, language, items, data)
    ids = [str(row["id"]) for row in rows]
    said = _aligned(predictions, "prediction", ids)
    if compat:
        from rumpun.evaluate.seahelm.leaderboard import stored, stored_labels
        from rumpun.evaluate.seahelm.score import score

        scored = score(
            name, language, rows, said,
            detected=_aligned(detected, "detected", ids) if detected else None,
            external=_aligned(external, "score", ids) if external else None,
        )  # fmt: skip
        spans = figure_interval(scored.at, len(rows), draws=DRAWS, seed=seed)
        return Report(
            task=name, language=language, metrics=scored.metrics, normalised=scored.normalised, n=len(rows),
            parse_failures=scored.parse_failures, ci95={metric: spans.get(metric) for metric in scored.metrics},
            errors=sum(one is None for one in said), compat=compat, faults=scored.faults,
            values=stored(name, language, scored.values, rows), labels=stored_labels(name, language, rows),
        )  # fmt: skip
    from rumpun.evaluate.predictions_right import score_right

    found = score_right(name, language, rows, said, where=str(items or name), seed=seed)
    return Report(
        task=name, language=language, metrics=found.metrics, normalised=found.normalised, n=len(rows),
        parse_failures=found.parse_failures, ci95=found.ci95, errors=sum(one is None for one in said),
        problems=tuple(found.problems),
    )  # fmt: skip


def _rows(name: str, language: str, path: Path | None, data: Path | None) -> list[dict[str, Any]]:
    """The items as rows, each with an id of its own."""
    if path is None:
        if name not in tasks():
            raise UsageError(f"{name}: its items are not here", "name them with --items FILE")
        found = [
            _row(one) for one in items_of(task(name), (language,), data).items if one.language == language
        ]
    else:
        found = rows_of(path)
    where = str(path or name)
    tags = [_tag(row) for row in found]
    rows = [row for row, tag in zip(found, tags, strict=True) if tag in ("", language)]
    if not rows:
        others = sorted(set(tags))[:5]
        also = f" (there are items in {', '.join(others)})" if others else ""
        raise InputError(f"{where}: no item in {language}{also}", "name the task's items with --items FILE")
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        key = id_of(row, f"{where}: row {number}")
        if key in seen:
            raise InputError(f"{where}: the id {key} stands twice", "give each item an id of its own")
        seen.add(key)
    return rows


def _tag(row: Mapping[str, Any]) -> str:
    """The language that a row names, natively or in SEA-HELM's way; "" where it names none."""
    about = row.get("metadata")
    tag = row.get("language") or (about.get("language") if isinstance(about, Mapping) else None)
    return tag_of(tag) if isinstance(tag, str) else ""


def _row(item: Item) -> dict[str, Any]:
    """An item of a task of ours as a row, fit for both ways."""
    own: dict[str, Any] = {
        "id": item.id, "language": item.language, "prompts": [dict(item.fields)], "more": item.more, "group": item.group,
    }  # fmt: skip
    if isinstance(item.gold, int):
        return own | {"options": list(item.options), "answer": item.gold, "label": item.right}
    return own | {"label": item.gold[0] if len(item.gold) == 1 else list(item.gold)}


def _aligned(path: Path, column: str, ids: Sequence[str]) -> list[Any]:
    """A file's values in the items' order.

    Raises:
        InputError: an item has none, or there are values of no item.
    """
    found = read_column(path, column)
    missing = [one for one in ids if one not in found]
    known = set(ids)
    extra = [one for one in found if one not in known]
    for which, named, mend in (
        ("items have no line", missing, "add a line for each, with null where the answer failed"),
        ("ids are of no item", extra, "take them out, or name the right items with --items"),
    ):
        if named:
            shown = ", ".join(named[:5]) + (", …" if len(named) > 5 else "")
            raise InputError(f"{path}: {len(named)} {which}: {shown}", mend)
    return [found[one] for one in ids]

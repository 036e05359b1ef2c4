"""What `rumpun eval tasks` lists: each task with its languages, items and licences."""

from collections import Counter
from pathlib import Path
from typing import Any

from rumpun.errors import RumpunError
from rumpun.evaluate.lint import no_gold
from rumpun.evaluate.public import find_set, rows_of_set
from rumpun.evaluate.public_rows import items_of as public_items
from rumpun.evaluate.public_table import Public, describe
from rumpun.evaluate.tasks import Task, items_of, tasks
from rumpun.records.places import source_data

__all__ = ["task_rows"]


def task_rows(folder: Path | None = None) -> list[dict[str, Any]]:
    """One row a task: {"task", "skill", "family", "about", "licence", "file", "languages", "items", "counts"}.

    `counts` is language -> items; it and `items` are None for a public set whose file is not at hand or cannot be read.
    Public sets are counted without the lint, which costs ten times as much.

    Args:
        folder: a mirror of the data folder; by default the one that RUMPUN_DATA names.
    """
    if folder is None:
        try:
            folder = source_data()
        except RumpunError:
            folder = None
    return [_row(one, folder) for one in tasks().values()]


def _row(one: Task, folder: Path | None) -> dict[str, Any]:
    counts: Counter[str] | None
    if one.public:
        spec = describe(one.public)
        tags, licence, file = list(spec.languages), spec.licence, spec.file
        counts = None if folder is None else _counted(spec, folder)
    else:
        found = items_of(one, ()).items
        counts = Counter(item.language for item in found)
        tags, licence, file = sorted(counts), ", ".join(sorted({item.licence for item in found})), ""
    return {
        "task": one.name, "skill": one.skill, "family": one.family, "about": one.about, "licence": licence, "file": file,
        "languages": tags, "items": None if counts is None else counts.total(),
        "counts": None if counts is None else {tag: counts[tag] for tag in tags},
    }  # fmt: skip


def _counted(spec: Public, folder: Path) -> Counter[str] | None:
    """Language -> items of a public set that can be scored; None where its file is not there or cannot be read."""
    try:
        found, _ = public_items(spec, rows_of_set(find_set(spec, folder), spec))
    except RumpunError:
        return None
    labels = spec.label_set or None
    return Counter(item.language for item in found if no_gold(item, labels) is None)

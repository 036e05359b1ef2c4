"""SEA-HELM's rows read: the right answers and what is said of each row. Rows that its code could not score are refused."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.scored import Floats
from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = [
    "Rows",
    "categories",
    "labels",
    "name",
    "numbers",
    "phenomena",
    "references",
    "responses",
    "said_of",
    "texts",
]

Rows = Sequence[Mapping[str, Any]]


def name(items: Rows, place: int) -> str:
    """An item in a message: its place from 1, and its id."""
    return f"item {place + 1} (id {items[place].get('id', 'none')})"


def responses(items: Rows, predictions: Sequence[str | None]) -> list[str]:
    """The answers with a failed generation as the empty string, as SEA-HELM replaces it before anything is read.

    Raises:
        InputError: not one prediction for each item, or one that is neither text nor null.
    """
    if not items:
        raise InputError("no items to score", "give the task's rows")
    if len(predictions) != len(items):
        raise InputError(
            f"{len(predictions)} predictions for {len(items)} items",
            "give one for each item, null where the generation failed",
        )
    for place, prediction in enumerate(predictions):
        if prediction is not None and not isinstance(prediction, str):
            raise InputError(
                f"{name(items, place)}: the prediction is {_kind(prediction)}", "give text, or null"
            )
    return [prediction or "" for prediction in predictions]


def texts(spec: TaskSpec, items: Rows) -> list[str]:
    """The right answer of each row.

    Raises:
        InputError: a row has none, or one that is not text (SEA-HELM stops there and writes 0 for the task).
    """
    column = _column(spec, items)
    for place, item in enumerate(items):
        if not isinstance(item.get(column), str):
            raise InputError(
                f"{name(items, place)}: {column} is {_kind(item.get(column))}, expected text",
                "give the task's rows as SEA-HELM has them",
            )
    return [item[column] for item in items]


def references(spec: TaskSpec, items: Rows) -> list[list[str]]:
    """The list of right answers of each row, at least one.

    Raises:
        InputError: a row has no list of texts.
    """
    column = _column(spec, items)
    for place, item in enumerate(items):
        found = item.get(column)
        if not isinstance(found, list | tuple) or not found or not all(isinstance(x, str) for x in found):
            raise InputError(
                f"{name(items, place)}: {column} is {_kind(found)}, expected a list of one text or more",
                'write "label": ["…"]',
            )
    return [list(item[column]) for item in items]


def labels(spec: TaskSpec, items: Rows) -> list[Any]:
    """What stands as right in each row, whatever its kind; empty where a row has nothing."""
    column = _column(spec, items)
    found = [item.get(column) for item in items]
    return [] if any(one is None for one in found) else found


def _column(spec: TaskSpec, items: Rows) -> str:
    """SEA-HELM renames `prompt_label` or `response_label` to `label` where the rows have it."""
    return spec.gold if any(spec.gold in item for item in items) else "label"


def numbers(
    items: Rows,
    external: Sequence[float | None] | None,
    one: str,
    many: str,
    *,
    low: float,
    high: float,
    every: bool,
    mend: str,
) -> Floats:
    """Numbers made elsewhere, one for each item; NaN where there is none.

    Args:
        items: the rows.
        external: the numbers, or None where there are none at all.
        one: what each is called.
        many: and all of them.
        low: the least that one can be.
        high: the greatest.
        every: whether none may be missing.
        mend: what to do.

    Raises:
        InputError: they are not there or not as many as the items, or one is missing or out of range.
    """
    if external is None:
        raise InputError(f"this task has no figure without a {one} of each item", mend)
    if len(external) != len(items):
        raise InputError(f"{len(external)} {many} for {len(items)} items", mend)
    for place, value in enumerate(external):
        if value is None or math.isnan(value):
            if every:
                raise InputError(f"{name(items, place)}: no {one}", mend)
        elif not low <= value <= high:
            said = f"{high:.0f} or less" if low == -math.inf else f"{low:g} to {high:g}"
            raise InputError(f"{name(items, place)}: {one} = {value:g}, expected {said}", mend)
    return np.array([math.nan if value is None else value for value in external], np.float64)


def said_of(items: Rows, place: int, key: str) -> Any:
    """What a row's `metadata` says under a key, or None."""
    metadata = items[place].get("metadata")
    return metadata.get(key) if isinstance(metadata, Mapping) else None


def phenomena(items: Rows) -> tuple[str, ...]:
    """The linguistic phenomenon of each row.

    Raises:
        InputError: a row names none.
    """
    found = [said_of(items, place, "linguistic_phenomenon") for place in range(len(items))]
    for place, phenomenon in enumerate(found):
        if not isinstance(phenomenon, str):
            raise InputError(
                f"{name(items, place)}: metadata names no linguistic_phenomenon",
                'write "metadata": {"linguistic_phenomenon": "…"}',
            )
    return tuple(found)


def categories(items: Rows) -> tuple[str, ...] | None:
    """The category of each row, or None where a row names none."""
    found = [said_of(items, place, "category") for place in range(len(items))]
    return tuple(found) if all(isinstance(x, str) for x in found) else None


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"

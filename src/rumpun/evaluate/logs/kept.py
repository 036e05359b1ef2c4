"""How nothing is lost: what one layout says and the other has no field for is kept beside, and put back.

Of theirs, a field that ours would give back exactly is dropped; every other one is kept, under `more` of a sample and
`made` of the scores. Of ours, what their file would not give back is put into it under the key `rumpun`.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from rumpun.errors import InputError
from rumpun.evaluate.logs.json_text import same, seal, unseal
from rumpun.evaluate.records import Cell, Sample, Scores

__all__ = [
    "KEY",
    "beyond",
    "equal_scores",
    "joined_scores",
    "parts_of_scores",
    "put_back",
    "put_mark",
    "sample_again",
    "sample_beyond",
    "take_mark",
]

KEY = "rumpun"
_SCHEMA = 1
_MEND = "export it again, or take that part out of it"
Kind = TypeVar("Kind")


def beyond(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """What `put_back` needs beside `ours` to give `theirs`: fields that differ, and names that ours has too many.

    In the order of names, so that a log that comes out in another order is kept alike when it comes in again.
    """
    found: dict[str, Any] = {}
    rest = {
        key: seal(theirs[key])
        for key in sorted(theirs)
        if key not in ours or not same(theirs[key], ours[key])
    }
    if rest:
        found["rest"] = rest
    if absent := sorted(key for key in ours if key not in theirs):
        found["absent"] = absent
    return found


def put_back(ours: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Theirs again."""
    absent = kept.get("absent", ())
    found = {key: value for key, value in ours.items() if key not in absent}
    return found | {key: unseal(value) for key, value in kept.get("rest", {}).items()}


def _converted(built: Any, kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(built, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"what the log carries under '{KEY}' was changed ({error})", _MEND) from error


def sample_beyond(sample: Sample, base: Sample, *, more_whole: bool = False) -> dict[str, Any]:
    """The fields of a sample that an import of their file gives otherwise; of `more` no more than it must."""
    found = {
        name: msgspec.to_builtins(getattr(sample, name))
        for name in Sample.__struct_fields__
        if name != "more" and not _alike(getattr(sample, name), getattr(base, name))
    }
    if more_whole or not _alike(sample.more, base.more):
        more = msgspec.to_builtins(sample.more)
        both = [] if more_whole else [key for key in more if _objects(more[key], base.more.get(key))]
        found["more"] = {
            "each": {key: beyond(more[key], base.more[key]) for key in both},
            "whole": {key: value for key, value in more.items() if key not in both},
        }
    return found


def sample_again(base: Sample, rest: Mapping[str, Any]) -> Sample:
    """The sample that `sample_beyond` was given.

    Raises:
        InputError: what the log carries of it is no longer as it was written.
    """
    built = {**msgspec.to_builtins(base), **rest}
    if "more" in rest:
        try:
            each, whole = rest["more"]["each"], rest["more"]["whole"]
            built["more"] = {**whole, **{key: put_back(base.more[key], kept) for key, kept in each.items()}}
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"what the log carries under '{KEY}' was changed ({error})", _MEND) from error
    return _converted(built, Sample)


def _objects(*values: Any) -> bool:
    return all(isinstance(value, dict) for value in values)


def take_mark(holder: dict[str, Any], field: str) -> dict[str, Any] | None:
    """Take what was put under `rumpun` in an object's field out of it again; None where there is none of ours.

    The field itself goes where the mark says that it was not there before.
    """
    inner = holder.get(field)
    if not isinstance(inner, dict):
        return None
    mark = inner.get(KEY)
    if not isinstance(mark, dict) or mark.get("schema") != _SCHEMA:
        return None
    if "before" not in mark:
        holder[field] = {key: value for key, value in inner.items() if key != KEY}
    elif field in mark["before"]:
        holder[field] = mark["before"][field]
    else:
        del holder[field]
    return mark


def put_mark(holder: Mapping[str, Any], field: str, mark: Mapping[str, Any]) -> dict[str, Any]:
    """The object with our mark in a field of it, for `take_mark`."""
    inner = holder.get(field)
    own: dict[str, Any] = {"schema": _SCHEMA, **mark}
    if not isinstance(inner, dict):
        own["before"] = {field: inner} if field in holder else {}
        inner = {}
    return {**holder, field: {**inner, KEY: own}}


def equal_scores(one: Scores, other: Scores) -> bool:
    """Whether they would be written alike, but for the order of keys."""
    return _alike(one, other)


def _alike(one: Any, other: Any) -> bool:
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def parts_of_scores(scores: Scores, log_of: Sequence[int], logs: int) -> list[dict[str, Any]]:
    """Scores cut into one part a log: its own cells (`log_of` says whose each is), and in the first all the rest."""
    built = msgspec.to_builtins(scores)
    cells = built.pop("cells")
    parts: list[dict[str, Any]] = [{"log": log, "logs": logs, "cells": []} for log in range(logs)]
    for number, (cell, log) in enumerate(zip(cells, log_of, strict=True)):
        parts[log]["cells"].append([number, cell])
    if parts:
        parts[0]["run"] = built
    return parts


def joined_scores(
    base: Scores, parts: Sequence[Mapping[str, Any] | None], cells: Sequence[int]
) -> tuple[Scores, bool]:
    """Scores from the parts that logs carry, and whether they are the whole run's.

    Where a log carries none, or some logs of the run are not here, what the logs themselves say stands: `base`, in which
    each log has as many cells as `cells` says.
    """
    own = [part for part in parts if part is not None]
    if not own:
        return base, True
    told = sorted(
        ((number, place, cell) for place, part in enumerate(parts) if part for number, cell in part["cells"]),
        key=lambda one: one[:2],
    )
    run = next((part["run"] for part in own if "run" in part), None)
    whole = len(own) == len(parts) and {part["log"] for part in own} == set(range(own[0]["logs"]))
    if whole and run is not None:
        return _converted({**run, "cells": [cell for _, _, cell in told]}, Scores), True
    found = []
    waiting = iter(base.cells)
    for place, (part, count) in enumerate(zip(parts, cells, strict=True)):
        said = list(itertools.islice(waiting, count))
        carried = [_converted(cell, Cell) for _, where, cell in told if where == place]
        found += said if part is None else carried
    return msgspec.structs.replace(base, cells=found), False

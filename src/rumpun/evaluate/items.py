"""Items of a test: what a prompt is filled with, what may be chosen, what is right."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError

__all__ = ["Item", "read_items", "rows_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item.

    `gold` is the place of the right option where there are options, else the references that an answer is compared with
    (none for a text whose bits are counted).
    """

    id: str
    language: str
    fields: Mapping[str, str] = field(default_factory=dict)  # what the prompt's template is filled with
    options: tuple[str, ...] = ()
    gold: int | tuple[str, ...] = ()
    group: str = (
        ""  # items that are translations of one another or share a text: drawn together in an interval
    )
    source: str = ""
    licence: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)  # what one scorer needs alone

    @property
    def cluster(self) -> Hashable:
        """What is drawn as one when items are resampled."""
        return self.group or self.id

    @property
    def right(self) -> str:
        """The right option, or the first reference; empty where there is none."""
        if isinstance(self.gold, int):
            return self.options[self.gold]
        return self.gold[0] if self.gold else ""


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file, blank lines left out.

    Raises:
        InputError: the file cannot be read, or a line is no JSON object; the line is named.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "name a file of JSON lines") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: line {number}: {error}", "write one JSON object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {number}: a {type(row).__name__}", "write one JSON object a line")
        found.append(row)
    return found


def read_items(path: Path) -> list[Item]:
    """Items of the native layout: one object a line, as in `suites/region/`.

    Keys: `id`, `language`; `options` and `answer` (place of the right one), or `label` (one of the task's labels), or
    `good` and `bad` (a minimal pair), or `references`; every other string is a field of the prompt.

    Raises:
        InputError: a line is malformed; what is missing or wrong is named.
    """
    return [_item(row, f"{path}: row {number}") for number, row in enumerate(rows_of(path), 1)]


_OWN = (
    "id",
    "language",
    "skill",
    "options",
    "answer",
    "label",
    "references",
    "group",
    "source",
    "licence",
    "more",
)


def _item(row: Mapping[str, Any], where: str) -> Item:
    for key in ("id", "language"):
        if key not in row or not isinstance(row[key], (str, int)) or isinstance(row[key], bool):
            raise InputError(f"{where}: no '{key}'", "give each item an id and a language")
    fields = {key: value for key, value in row.items() if key not in _OWN and isinstance(value, str)}
    options, gold = _gold(row, fields, where)
    return Item(
        id=str(row["id"]), language=str(row["language"]), fields=fields, options=options, gold=gold,
        group=str(row.get("group") or ""), source=str(row.get("source") or ""),
        licence=str(row.get("licence") or ""), more=row.get("more") or {},
    )  # fmt: skip


def _gold(
    row: Mapping[str, Any], fields: dict[str, str], where: str
) -> tuple[tuple[str, ...], int | tuple[str, ...]]:
    if "good" in fields and "bad" in fields:
        return (fields.pop("good"), fields.pop("bad")), 0
    if "options" in row:
        options = row["options"]
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise InputError(f"{where}: options are no list of strings", "write them as a list of strings")
        answer = row.get("answer")
        if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(options):
            raise InputError(
                f"{where}: answer {answer!r} of {len(options)} options",
                "give the place of the right one, from 0",
            )
        return tuple(options), answer
    if "label" in row:
        return (), (str(row["label"]),)
    references = row.get("references", [])
    if not isinstance(references, list) or not all(isinstance(one, str) for one in references):
        raise InputError(f"{where}: references are no list of strings", "write them as a list of strings")
    return (), tuple(references)

"""Items of a test: what a prompt is filled with, what may be chosen, what is right."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError

__all__ = ["Item", "fields_of", "gold_of", "id_of", "read_items", "rows_of"]


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
    group: str = ""  # translations of one another, questions on one text: drawn together in an interval
    source: str = ""
    licence: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)  # what one scorer needs alone

    @property
    def cluster(self) -> Hashable:
        """What is drawn as one when items are resampled."""
        return self.group or self.id

    @property
    def texts(self) -> Mapping[str, str]:
        """Every text that a prompt shows besides options: the fields, and the turns of a talk."""
        turns = self.more.get("turns")
        if not isinstance(turns, list):
            return self.fields
        told = {f"turn {n}": turn for n, turn in enumerate(turns, 1) if isinstance(turn, str)}
        return {**self.fields, **told}

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
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
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


def id_of(row: Mapping[str, Any], where: str) -> str:
    """A row's id, which may be a number.

    Raises:
        InputError: it has none.
    """
    value = row.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(f"{where}: no 'id'", "give each item an id: text or a whole number")
    return str(value)


def read_items(path: Path, skill: str = "") -> list[Item]:
    """Items of the native layout: one object a line, as in `suites/region/`.

    Keys: `id`, `language`; `options` and `answer` (place of the right one), or `good` and `bad` (a minimal pair), or
    `label` (one of the task's labels), or `references`; every other string is a field of the prompt.

    Args:
        path: the file.
        skill: only rows that name it under `skill`; empty: all.

    Raises:
        InputError: a line is malformed; what is missing or wrong is named.
    """
    return [
        _item(row, f"{path}: row {number}")
        for number, row in enumerate(rows_of(path), 1)
        if not skill or row.get("skill") == skill
    ]


_OWN = frozenset((
    "id", "language", "skill", "options", "answer", "good", "bad", "label", "references", "group", "source", "licence", "more",
    "prompt_label", "response_label",
))  # fmt: skip


def fields_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What a row says for its prompt: every string but those with a meaning of their own."""
    return {str(key): value for key, value in row.items() if key not in _OWN and isinstance(value, str)}


def _item(row: Mapping[str, Any], where: str) -> Item:
    name = id_of(row, where)
    for key in ("language", "group", "source", "licence"):
        if not isinstance(row.get(key, ""), str):
            raise InputError(f"{where}: {key} is {_kind(row[key])}", "write it as text")
    if not row.get("language"):
        raise InputError(f"{where}: no 'language'", "give each item the tag of its language")
    if not isinstance(row.get("more", {}), dict):
        raise InputError(f"{where}: more is {_kind(row['more'])}", "write it as an object")
    options, gold = gold_of(row, where)
    return Item(
        id=name, language=row["language"], options=options, gold=gold,
        fields=fields_of(row), group=row.get("group", ""), source=row.get("source", ""), licence=row.get("licence", ""), more=row.get("more", {}),
    )  # fmt: skip


def gold_of(row: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], int | tuple[str, ...]]:
    """(Options, what is right: the place of one of them, or the references) of a row of the native layout.

    Raises:
        InputError: they cannot be meant; what is wrong is named.
    """
    if "good" in row or "bad" in row:
        pair = (row.get("good"), row.get("bad"))
        if not all(isinstance(one, str) and one for one in pair):
            raise InputError(f"{where}: good and bad are no two texts", "write both sentences of the pair")
        return pair, 0  # type: ignore[return-value]
    if "options" in row:
        options, answer = row["options"], row.get("answer")
        if not _texts(options) or len(options) < 2:
            raise InputError(f"{where}: options are no list of two texts or more", 'write ["…", "…"]')
        if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(options):
            raise InputError(
                f"{where}: answer {answer!r} of {len(options)} options",
                "give the place of the right one, from 0",
            )
        return tuple(options), answer
    if "label" in row:
        if not isinstance(row["label"], str | int) or row["label"] == "":
            raise InputError(f"{where}: label is {_kind(row['label'])}", "write the right label as text")
        return (), (str(row["label"]),)
    references = row.get("references", [])
    if not _texts(references):
        raise InputError(f"{where}: references are no list of texts", 'write ["…"]')
    return (), tuple(references)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"

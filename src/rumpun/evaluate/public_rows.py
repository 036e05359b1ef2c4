"""Rows of a public set -> items, with what was left out and what was mended counted."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rumpun.errors import InputError
from rumpun.evaluate.items import Item
from rumpun.evaluate.lint import Problem, lint, no_gold
from rumpun.evaluate.lint_texts import same
from rumpun.evaluate.mend import mended_item
from rumpun.evaluate.public_table import KEY, VALUE, Public, tag_of

__all__ = ["Loaded", "items_of", "linted"]

NOWHERE = -1  # the place of a right option that is none of those there
_LETTERS = ("ABCDEFGH", "ကခဂဃင", "กขคงจ", "កខគឃង", "ກຂຄງຈ", "அஆஇஈஉ")  # that options are called by
_GROUP = 80  # code points; a longer key of a group is hashed


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Items that can be scored, and what became of the rest."""

    items: list[Item]
    licences: tuple[str, ...]  # of the items, sorted
    dropped: Counter[str]  # why -> items
    mended: Counter[str]  # kind of problem -> items
    problems: list[
        Problem
    ]  # what the lint found in the file as it is: dropped items too, and before any mending
    missing: tuple[str, ...]  # languages that were asked for and have no item


def linted(
    items: Iterable[Item],
    *,
    labels: Collection[str] | None = None,
    language_check: bool = True,
    mend: bool = False,
    languages: Iterable[str] = (),
    dropped: Counter[str] | None = None,
) -> Loaded:
    """Lint items, take out those that no answer could be right for, and mend what loses nothing if that is asked for."""
    every = list(items)
    problems = lint(every, labels=labels, language_check=language_check)
    count, mended = Counter(dropped or {}), Counter[str]()
    kept = []
    for item in every:
        if bad := no_gold(item, labels):
            count[bad[0]] += 1
            continue
        whole, kinds = mended_item(item) if mend else (item, ())
        mended.update(kinds)
        kept.append(whole)
    found = {item.language for item in kept}
    return Loaded(
        items=kept,
        licences=tuple(sorted({item.licence for item in kept if item.licence})),
        dropped=count,
        mended=mended,
        problems=problems,
        missing=tuple(tag for tag in dict.fromkeys(languages) if tag not in found),
    )


def items_of(
    spec: Public, rows: Iterable[Mapping[str, Any]], languages: Collection[str] = ()
) -> tuple[list[Item], Counter[str]]:
    """(items of the languages asked for, or of all; why others were dropped).

    Raises:
        InputError: a column of JSON holds something else; the row is named.
    """
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for row in _parts(spec, rows):
        tag = tag_of(str(row[spec.language]))
        if languages and tag not in languages:
            continue
        left = [column for column, values in spec.left_out.items() if str(row[column]) in values]
        if left:
            dropped[f"{left[0].removeprefix('each.')} {row[left[0]]}"] += 1
            continue
        item = _item(spec, row, tag)
        if spec.gold.kind == "references" and not item.gold:
            dropped["no reference"] += 1
            continue
        items.append(item)
    return items, dropped


def _parts(spec: Public, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The rows that belong to the set, one for each part of a row where it has several."""
    for row in rows:
        if any(str(row[column]) not in values for column, values in spec.where.items()):
            continue
        if not spec.each:
            yield row
        for key, column in spec.each.items():
            yield {**row, KEY: key, VALUE: row[column]}


def _item(spec: Public, row: Mapping[str, Any], tag: str) -> Item:
    texts = {name: _text(row[column]) for name, column in spec.fields.items()}
    options = _options(spec, row)
    more = {name: _decoded(spec, row, column) for name, column in spec.more.items()}
    if spec.source_language:
        own = {"language": tag}
        more["from"] = own.get(spec.source_language, spec.source_language)
        more["to"] = own.get(spec.target_language, spec.target_language)
    key = f".{row[KEY]}" if spec.each else ""
    return Item(
        id=f"{row[spec.id]}{key}", language=tag, fields=texts, options=options, gold=_gold(spec, row, options),
        group=_group(spec, row), source=spec.name, licence=str(row.get("licence") or spec.licence), more=more,
    )  # fmt: skip


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _options(spec: Public, row: Mapping[str, Any]) -> tuple[str, ...]:
    if len(spec.options) == 1:
        return _numbered(_text(row[spec.options[0]]))
    return tuple(_text(row[column]) for column in spec.options)


def _numbered(text: str) -> tuple[str, ...]:
    """The options of "(1) … (2) …"; a number out of order is part of an option."""
    starts: list[tuple[int, int]] = []
    for mark in re.finditer(r"\((\d)\)", text):
        if int(mark[1]) == len(starts) + 1:
            starts.append(mark.span())
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return tuple(text[start:end].strip() for (_, start), end in zip(starts, ends, strict=bool(starts)))


def _gold(spec: Public, row: Mapping[str, Any], options: tuple[str, ...]) -> int | tuple[str, ...]:
    kind = spec.gold.kind
    if kind in ("pair", "none"):
        return 0 if kind == "pair" else ()
    value = row[spec.gold.column]
    if kind == "references":
        listed = value if isinstance(value, list) else [value]
        return tuple(dict.fromkeys(text for text in (_text(one).strip() for one in listed) if text))
    said = _text(value).strip()
    return (spec.labels.get(said, said),) if kind == "label" else _place(kind, said, options)


def _place(kind: str, said: str, options: tuple[str, ...]) -> int:
    """The place of the right option, or NOWHERE."""
    if kind == "letter":
        return max(letters.find(said.upper()) for letters in _LETTERS) if len(said) == 1 else NOWHERE
    if kind == "text":
        return next((n for n, option in enumerate(options) if same(option) == same(said)), NOWHERE)
    return int(said) - (kind == "index1") if said.isdecimal() else NOWHERE


def _decoded(spec: Public, row: Mapping[str, Any], column: str) -> Any:
    if column not in spec.json:
        return row[column]
    try:
        return msgspec.json.decode(_text(row[column]))
    except msgspec.DecodeError as error:
        raise InputError(
            f"{spec.name}: {row[spec.id]}: {column}: {error}", "the file is damaged: fetch it again"
        ) from error


def _group(spec: Public, row: Mapping[str, Any]) -> str:
    key = ":".join(_text(row[column]) for column in spec.group)
    return key if len(key) <= _GROUP else hashlib.blake2b(key.encode(), digest_size=8).hexdigest()

"""Readers: one file, or a span of one, -> rows, each with its number in the file.

A reader is a function of an `Opened` file that gives (row, record): the row counted from 1, the record a mapping in the
names of `parts.documents_schema` where the format has names at all. It refuses what it cannot read through
`Opened.reject` and goes on. `FORMATS` names them; nothing is imported before a file of the kind is met.

Reading order: `packed` (gzip and zstd), `stream` (bytes, in bounded lines), `decode` (bytes -> text), `jsonl`, `table` (Parquet),
`plain` (text), `warc` and `html` (pages).
"""

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from rumpun.corpus.languages import known
from rumpun.corpus.met import Asked
from rumpun.corpus.read.formats.decode import Decoder
from rumpun.corpus.read.formats.packed import compression
from rumpun.corpus.read.formats.stream import chunks, looks_binary
from rumpun.corpus.read.policy import Rejects, where

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "Opened",
    "Record",
    "SourceFile",
    "Span",
    "as_text",
    "format_of",
    "reader",
    "splits_by_line",
]

Record = dict[str, Any]

FORMATS: Mapping[str, str] = {
    "jsonl": "rumpun.corpus.read.formats.jsonl:read",
    "parquet": "rumpun.corpus.read.formats.table:read",
    "text": "rumpun.corpus.read.formats.plain:read",
    "html": "rumpun.corpus.read.formats.html:read",
    "warc": "rumpun.corpus.read.formats.warc:read",
}
SUFFIXES: Mapping[str, str] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".txt": "text", ".text": "text", ".md": "text",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".warc": "warc", ".wet": "warc",
}  # fmt: skip
_PACKED = (".gz", ".zst", ".zstd")


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file to read, and what the inventory or the recipe says of it; it travels to workers as JSON."""

    kind: str  # as inventory.Unit: text, seed, side, file, inline
    source: str
    path: str = ""  # absolute; empty for the recipe's own texts
    name: str  # as `where` and reports name it: relative to its data folder or to the place that the recipe names
    format: str  # a key of FORMATS, or "inline"
    licence: str = ""
    domain: str = ""
    repository: str = ""
    commit: str = ""
    sha256: str = ""  # empty: not known beforehand
    language: str = ""  # stands in for rows that have none
    languages: tuple[str, ...] = ()  # only rows in these are taken; empty: all
    columns: dict[str, str] = {}  # our name -> the file's
    documents: str = "file"  # text: a document is the file, a paragraph or a line
    encoding: str = ""  # named by the recipe
    own_names: bool = False  # the recipe's source stands before what rows say
    inline: tuple[dict[str, str], ...] = ()


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a file: bytes that begin and end at lines, or row groups; the whole where `end` is -1."""

    file: int  # its number in canonical order
    start: int = 0
    end: int = -1
    before: int = 0  # rows of the file before it


@dataclass(slots=True)
class Opened:
    """A span under way."""

    file: SourceFile
    span: Span
    limit: int  # bytes that a document may have
    rejects: Rejects
    decoder: Decoder
    asked: Asked  # what was taken back
    recoded: Counter[str] = field(default_factory=Counter)  # encoding -> rows
    skipped: Counter[str] = field(default_factory=Counter)  # what is no document, by reason
    damaged: bool = False  # the file broke off
    damaged_after: int = -1  # byte of the file, where that is known

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.file.path)

    def facts(self, record: Record) -> dict[str, str]:
        """Id, language, source, licence and contributor of a row, as far as its record and the recipe say."""
        file = self.file
        language = record.get("language") or file.language
        return {
            "id": as_text(record.get("id")),
            "language": language if isinstance(language, str) and language in known() else "",
            "source": file.source if file.own_names else as_text(record.get("source")) or file.source,
            "licence": as_text(record.get("licence")) or file.licence,
            "contributor": as_text(record.get("contributor")),
        }

    def reject(
        self,
        rule: str,
        detail: str,
        *,
        record: Record | None = None,
        row: int = 0,
        data: bytes = b"",
        **more: Any,
    ) -> None:
        """Refuse a row of this file, or the file; see `Rejects.add`. What was taken back leaves no trace but a count.

        Args:
            rule: a key of `policy.HINTS`.
            detail: what came, in words.
            record: the row, as far as it could be read; without it the row goes by the file's source and by `data`.
            row: its number; 0 where the file is meant.
            data: what stood there.
            more: for `Rejects.add`.
        """
        facts = self.facts(record or {})
        facts["id"] = facts["id"] or where(self.file.name, row)
        unread = "" if record else data.decode("utf-8", "replace")
        if self.asked.takes(facts | {"unread": unread}):
            self.skipped["withdrawn"] += 1
            return
        self.rejects.add(rule, detail, file=self.file.name, facts=facts, row=row, data=data, **more)

    def damage(self, detail: str, after: int = -1) -> None:
        """The file cannot be read from here on; what came before it stands."""
        self.damaged = True
        self.damaged_after = after
        self.reject("read.corrupt", detail, rows=0)

    def chunks(self, *, text: bool = True, start: int = 0) -> Iterator[bytes]:
        """The span's bytes, decompressed; none, and a refusal, where they shall be text and are not.

        `start` is where in the span to begin: for gzip, where a member does.
        """
        packed = compression(self.path)
        named = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}.get(self.path.suffix.lower(), packed)
        if named != packed:
            self.damage(f"named {self.path.suffix}, but it does not begin as {named}")
            return
        found = chunks(self.path, packed, self.damage, start=self.span.start + start, end=self.span.end)
        if text and self.span.start == 0:
            first = next(found, b"")
            if looks_binary(first):
                self.reject("read.binary", "not text but a binary file", data=first, rows=0)
                return
            yield first
        yield from found

    def cut_off(self, row: int, data: bytes) -> None:
        """Refuse a document in which the file breaks off."""
        self.reject("read.cut_off", "the file breaks off in it", row=row, data=data)

    def too_large(self, row: int, size: int, data: bytes, record: Record | None = None) -> None:
        """Refuse a document for its size."""
        self.reject(
            "read.too_large",
            f"a document of {size} bytes, the limit is {self.limit}",
            record=record,
            row=row,
            data=data,
            size=size,
        )

    def text(self, data: bytes, row: int, record: Record | None = None) -> str | None:
        """Bytes as text; None, and a refusal, where no encoding fits."""
        found = self.decoder.text(data)
        if found is None:
            said = "not UTF-8, and no other encoding fits"
            self.reject("read.encoding", said, record=record, row=row, data=data)
            return None
        text, encoding = found
        if encoding:
            self.rejects.note("read.recoded", f"not UTF-8 but {encoding}", file=self.file.name, row=row)
            self.recoded[encoding] += 1
        return text

    def mapped(self, record: Record) -> Record:
        """A record in our names, by the recipe's columns; "meta.url" looks into an object."""
        if not self.file.columns:
            return record
        return record | {ours: _within(record, theirs) for ours, theirs in self.file.columns.items()}


def as_text(value: Any) -> str:
    """A field beside the text: as text, without what no UTF-8 can say."""
    if value is None:
        return ""
    found = value if isinstance(value, str) else str(value)
    return found if found.isascii() else found.encode("utf-8", "replace").decode()


def _within(record: Record, name: str) -> Any:
    if name in record:
        return record[name]
    found: Any = record
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def format_of(path: Path) -> str:
    """The format by a file's name, or "" where it names none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1], "") if suffixes else ""


def splits_by_line(file: SourceFile) -> bool:
    """Whether any line end of the file is a place to cut it."""
    return file.format == "jsonl" or (file.format == "text" and file.documents == "line")


def reader(name: str) -> Callable[[Opened], Iterator[tuple[int, Record]]]:
    """The reader of a format."""
    module, _, function = FORMATS[name].partition(":")
    found: Callable[[Opened], Iterator[tuple[int, Record]]] = getattr(
        importlib.import_module(module), function
    )
    return found

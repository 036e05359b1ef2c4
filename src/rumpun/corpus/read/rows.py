"""Records -> documents: what their language, licence and source are, or why they cannot be used; and the parts they fill."""

import difflib
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.corpus.languages import known
from rumpun.corpus.met import Asked
from rumpun.corpus.parts import PART_BYTES, documents_schema
from rumpun.corpus.read.formats import Opened, Record, as_text
from rumpun.corpus.read.policy import refused_licence
from rumpun.records.documents import document_id

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Documents", "pages_schema", "read_local"]

_MOST_ROWS = 200_000  # of a part, whatever their bytes
_COLUMNS = ("id", "text", "language", "source", "licence", "url", "domain", "contributor", "where")


def pages_schema() -> "pa.Schema":
    """Columns of `pages.parquet`: what a web page said beside its text."""
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.uint64()),  # of the document
            ("title", pa.string()),
            ("fetched", pa.string()),  # RFC 3339, as the WARC record says; empty where there is none
            ("encoding", pa.string()),  # in which the page was
        ]
    )


def read_local(path: Path) -> "pa.Table":
    """A local part, or the pages beside it."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as stream:
        return pa.ipc.open_file(stream).read_all()


class Documents:
    """Documents of one group, cut into local parts of about PART_BYTES of text as they come."""

    def __init__(self, folder: Path, asked: Asked) -> None:
        self._folder = folder
        self._asked = asked
        self._held: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        self._pages: dict[str, list[Any]] = {"key": [], "title": [], "fetched": [], "encoding": []}
        self._bytes = 0
        self._rows = 0  # in all parts
        self._tally: dict[str, Any] = {}
        self._told = 0  # refusals before the span under way
        self.parts: list[dict[str, Any]] = []
        self.pages = 0

    def begin(self, opened: Opened) -> dict[str, Any]:
        """Start counting for a span; the counts are filled in as its documents come."""
        self._told = opened.rejects.reports.total()
        self._tally = {"file": opened.span.file, "sources": {}, "skipped": Counter()}
        return self._tally

    def end(self, opened: Opened) -> None:
        """The span is read; a file that gave nothing, and of which nothing was told, is refused as empty."""
        counts = self._tally
        counts["skipped"].update(opened.skipped)
        told = opened.rejects.reports.total() > self._told
        if not told and not counts["sources"] and not counts["skipped"] and opened.span.start == 0:
            opened.reject("read.empty", "no rows", rows=0)

    def add(self, opened: Opened, row: int, record: Record) -> None:
        """Take the documents of one record, or refuse them."""
        for item in _shaped(opened, record):
            self._add(opened, row, item)

    def _add(self, opened: Opened, row: int, record: Record) -> None:
        text: Any = record.get("text")
        refusal, data = _encoded(text)
        if refusal is None and not as_text(record.get("id")):
            record = record | {"id": document_id(text)}
        facts = opened.facts(record)
        if self._asked.takes(facts):
            self._tally["skipped"]["withdrawn"] += 1
            return
        if refusal is None and len(data) > opened.limit:
            opened.too_large(row, len(data), data, record)
            return
        refusal = refusal or _refused_language(record.get("language") or opened.file.language)
        if refusal:
            opened.reject(
                *refusal, record=record, row=row, data=data or repr(record)[:2000].encode("utf-8", "replace")
            )
            return
        if facts["language"] and opened.file.languages and facts["language"] not in opened.file.languages:
            self._tally["skipped"]["language not asked for"] += 1
            return
        refusal = refused_licence(facts["licence"])
        if refusal:
            opened.reject(*refusal, record=record, row=row, size=len(data))
            return
        self._put(opened, row, record, facts, len(data))

    def _put(self, opened: Opened, row: int, record: Record, facts: dict[str, str], size: int) -> None:
        file = opened.file
        values = facts | {
            "text": record["text"],
            "url": as_text(record.get("url")),
            "domain": as_text(record.get("domain")) or file.domain,
            "where": file.name if file.format == "inline" else f"{file.name}:{row}",
        }
        for name, value in values.items():
            self._held[name].append(value)
        if "fetched" in record or "title" in record:
            self._pages["key"].append(self._rows + len(self._held["text"]) - 1)
            for name in ("title", "fetched", "encoding"):
                self._pages[name].append(as_text(record.get(name)))
        of_source = self._tally["sources"].setdefault(
            values["source"], {"rows": 0, "bytes": 0, "languages": Counter(), "licences": Counter()}
        )
        of_source["rows"] += 1
        of_source["bytes"] += size
        of_source["languages"][values["language"]] += 1
        of_source["licences"][values["licence"]] += 1
        self._bytes += size
        if self._bytes >= PART_BYTES or len(self._held["text"]) >= _MOST_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._held["text"]:
            return
        schema = pa.schema([field for field in documents_schema() if field.name != "key"])
        table = pa.Table.from_pydict(self._held, schema=schema)
        path = self._folder / f"part-{len(self.parts):05}.arrow"
        _write(path, table)
        self.parts.append({"path": str(path), "rows": table.num_rows, "bytes": self._bytes})
        self._rows += table.num_rows
        self._bytes = 0
        self._held = {name: [] for name in _COLUMNS}

    def close(self) -> None:
        """Write the last part, the pages and a note of what was met."""
        import pyarrow as pa

        self._flush()
        self._asked.write(self._folder / "met")
        self.pages = len(self._pages["key"])
        if self.pages:
            _write(self._folder / "pages.arrow", pa.Table.from_pydict(self._pages, schema=pages_schema()))


def _write(path: Path, table: "pa.Table") -> None:
    import pyarrow as pa

    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(str(path), table.schema, options=options) as writer:
        writer.write_table(table)


def _encoded(text: Any) -> tuple[tuple[str, str] | None, bytes]:
    """Why a text cannot be used, or None; and its bytes, those of half characters replaced."""
    if not isinstance(text, str):
        return ("read.no_text", "no text" if text is None else f"text is {str(text)[:60]!r}"), b""
    try:
        return None, text.encode()
    except UnicodeEncodeError as error:
        return ("read.unicode", f"half a character at {error.start}"), text.encode("utf-8", "replace")


def _refused_language(language: Any) -> tuple[str, str] | None:
    if not language or (isinstance(language, str) and language in known()):
        return None
    return "read.language", f"language {str(language)[:40]!r} is unknown{_meant(str(language)[:40])}"


@functools.cache
def _meant(language: str) -> str:
    close = difflib.get_close_matches(language, known(), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _shaped(opened: Opened, record: Record) -> Iterator[Record]:
    """The documents that a record holds: itself; the sides of a pair; the languages of a seed row."""
    file = opened.file
    if file.kind == "side":
        for side in ("src", "tgt"):
            tag = record.get(f"{side}_lang")
            if tag in file.languages:
                text = record.get(side)
                name = record.get("id") or document_id(f"{record.get('src')}\n{record.get('tgt')}")
                yield record | {"id": f"{name}.{tag}", "text": text, "language": tag}
    elif file.kind == "seed":
        for tag in file.languages:
            if tag in record:
                yield {"id": f"{record.get('key')}.{tag}", "text": record[tag], "language": tag}
    else:
        yield record

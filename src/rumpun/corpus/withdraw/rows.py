"""A corpus without the rows that were taken back, written beside it; files without such rows are linked, not copied.

What is left has the same order and the same bytes in every row. Withdrawn rows go from `train/`, `heldout/`, the
conversations and the drops (which hold texts too, also of rows that could not be read); packed shards lose the same
documents.
"""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rumpun.corpus.chat.rows import chat_text
from rumpun.corpus.withdrawn import UNREAD, Withdrawn
from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST
from rumpun.records.documents import document_id

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STALE", "Taken", "copies_of", "count_rows", "rewrite"]

STALE = ("cards", "figures.json")  # tell the old figures: made again from the new ones
_COPY = re.compile(r"the same as key (\d+)")  # as corpus.filter says it
_GROUP_BYTES = 32 << 20  # of a written row group
_COLUMNS = ("id", "source", "contributor", "language", "rule", "value", "key", "licence", "domain", "times")
_REFUSED = "rejected.parquet"  # the drops that corpus.read refused; `value` is how many rows one stands for
# place in the corpus -> the role of a source in the manifest
ROLES = {"train": "text", "heldout": "held-out", "chat": "chat", "heldout chat": "chat held-out"}


@dataclass(slots=True)
class Taken:
    """What was taken out, or would be."""

    rows: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (place, language, source)
    bytes: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # of UTF-8 text
    drops: Counter[tuple[str, str, str]] = field(
        default_factory=Counter
    )  # (language, source, rule) of dropped rows
    refused: Counter[tuple[str, str, str]] = field(
        default_factory=Counter
    )  # the same of what corpus.read refused
    refused_rows: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # that they stand for
    # of rows that train or are held out: (language, source, licence, domain, place), as figures.json counts them
    cells: Counter[tuple[str, ...]] = field(default_factory=Counter)
    cell_bytes: Counter[tuple[str, ...]] = field(default_factory=Counter)
    cell_seen: Counter[tuple[str, ...]] = field(default_factory=Counter)  # bytes with repetitions
    keys: dict[str, set[int]] = field(
        default_factory=dict
    )  # language -> keys of training documents, where there are any
    seen: set[str] = field(default_factory=set)  # which entries were met
    kept: int = 0  # rows in use that stay
    kept_drops: int = 0  # dropped rows that stay

    def total(self) -> int:
        """Rows in use and dropped rows together."""
        return self.rows.total() + self.dropped()

    def dropped(self) -> int:
        """Dropped rows, those that could not be read among them."""
        return self.drops.total() + self.refused.total()

    def count(self, place: str, row: dict[str, Any], size: int) -> None:
        """One row."""
        language, source = row.get("language") or "", row.get("source") or ""
        if place == "drops":
            cell = (language, source, row.get("rule") or row.get("reason") or "")
            if row.get("refused"):
                self.refused[cell] += 1
                self.refused_rows[cell] += int(row["value"])
            else:
                self.drops[cell] += 1
            return
        self.rows[place, language, source] += 1
        self.bytes[place, language, source] += size
        used = (language, source, row.get("licence") or "", row.get("domain") or "", place)
        self.cells[used] += 1
        self.cell_bytes[used] += size
        self.cell_seen[used] += size * (row.get("times") or 0 if place == "train" else 0)
        if place == "train" and row.get("key") is not None:
            self.keys.setdefault(language, set()).add(int(row["key"]))


def _place(path: Path, corpus: Path) -> str:
    """Which place a file of a corpus is; empty where it holds no rows."""
    inside = path.relative_to(corpus)
    top = inside.parts[0]
    if path.suffix == ".parquet":
        return top if top in ("train", "heldout", "drops") else ""
    names = {"chat.jsonl": "chat", "heldout/chat.jsonl": "heldout chat", "drops.jsonl": "drops"}
    return names.get(inside.as_posix(), "")


def _files(corpus: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(corpus.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            yield _place(path, corpus), path


def count_rows(corpus: Path, gone: Withdrawn, *, sizes: bool = True) -> Taken:
    """What would be taken out; nothing is written. Without `sizes` the texts' bytes are not counted, which is faster.

    Raises:
        InputError: a file of the corpus cannot be read.
    """
    taken = Taken()
    for place, path in _files(corpus):
        if place:
            _count(place, path, gone, taken, sizes=sizes)
    return taken


def copies_of(corpus: Path, taken: Taken, gone: Withdrawn) -> int:
    """Dropped rows of others that were dropped as copies of rows that go: the next build takes them in."""
    import pyarrow.parquet as pq

    keys = {key for of_language in taken.keys.values() for key in of_language}
    found = 0
    for path in sorted((corpus / "drops").glob("*.parquet")) if keys else ():
        with pq.ParquetFile(path) as file:
            names = [
                name for name in ("detail", "id", "source", "contributor") if name in file.schema_arrow.names
            ]
            for batch in file.iter_batches(batch_size=4096, columns=names):
                for row in batch.to_pylist():
                    copy = _COPY.fullmatch(row.get("detail") or "")
                    found += bool(copy and int(copy.group(1)) in keys and not gone.takes(row))
    return found


def rewrite(corpus: Path, folder: Path, gone: Withdrawn, texts: TextIO) -> Taken:
    """Write the corpus without the rows into `folder`, and the texts of the rows that went: [place, text] in JSON a line.

    Raises:
        InputError: a file of the corpus cannot be read.
    """
    taken = Taken()
    for place, path in _files(corpus):
        target = folder / path.relative_to(corpus)
        if path.relative_to(corpus).parts[0] in (*STALE, "packed"):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        before = taken.total()
        if place:
            _count(place, path, gone, taken, sizes=True)
        if taken.total() == before:
            _link(path, target)
        else:
            (_write_jsonl if path.suffix == ".jsonl" else _write_parquet)(place, path, target, gone, texts)
    if (corpus / "packed" / "index.json").is_file():
        from rumpun.corpus.withdraw.packed import repack

        repack(corpus / "packed", folder / "packed", taken)
    return taken


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _count(place: str, path: Path, gone: Withdrawn, taken: Taken, *, sizes: bool) -> None:
    rows = _jsonl(path, place) if path.suffix == ".jsonl" else _columns(path, sizes=sizes)
    for row in rows:
        if gone.takes(row):
            taken.count(place, row, row["bytes"])
            taken.seen |= gone.named(row)
        else:
            taken.kept += place != "drops"
            taken.kept_drops += place == "drops"


def _columns(path: Path, *, sizes: bool) -> Iterator[dict[str, Any]]:
    """Every row's names, and the bytes of its text."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            refused = path.name == _REFUSED
            wanted = (*_COLUMNS, "text") if sizes or refused else _COLUMNS
            names = [name for name in wanted if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=4096, columns=names):
                lengths = (
                    pc.fill_null(pc.binary_length(batch["text"]), 0).to_pylist() if "text" in names else []
                )
                for number, row in enumerate(_rows(batch, refused=refused)):
                    yield row | {"bytes": lengths[number] if lengths else 0}
    except (pa.ArrowException, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not readable as Parquet ({said})", "make the corpus again") from error


def _rows(batch: "pa.RecordBatch", *, refused: bool) -> list[dict[str, Any]]:
    """What is asked whether it goes; of a row that was refused before its fields were known, what stood there too."""
    rows: list[dict[str, Any]] = batch.select(
        [name for name in _COLUMNS if name in batch.schema.names]
    ).to_pylist()
    for number, row in enumerate(rows if refused else ()):
        row["refused"] = True
        if row["rule"] in UNREAD:
            row["unread"] = batch["text"][number].as_py() or ""
    return rows


def _jsonl(path: Path, place: str) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield _row(line, place, f"{path}:{number}")


def _row(line: bytes, place: str, where: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(line)
        if place == "drops":
            return row | {"bytes": 0}
        text = chat_text(row)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where}: cannot be read ({error})", "make the corpus again") from error
    return row | {"text": text, "id": row.get("id") or document_id(text), "bytes": len(text.encode())}


def _write_jsonl(place: str, path: Path, target: Path, gone: Withdrawn, texts: TextIO) -> None:
    with path.open("rb") as stream, target.open("wb") as out:
        for number, line in enumerate(stream, 1):
            row = _row(line, place, f"{path}:{number}") if line.strip() else {}
            if not row or not gone.takes(row):
                out.write(line)
            elif row.get("text"):
                _spill(place, row["text"], texts)
    if not target.stat().st_size and place == "heldout chat":
        target.unlink()


def _spill(place: str, text: str, texts: TextIO) -> None:
    texts.write(json.dumps([place, text]) + "\n")


def _write_parquet(place: str, path: Path, target: Path, gone: Withdrawn, texts: TextIO) -> None:
    """Every row that stays; a file that would have none is not written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    waiting: list[Any] = []
    writer = None
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        for batch in file.iter_batches(batch_size=1024):
            goes = [gone.takes(row) for row in _rows(batch, refused=path.name == _REFUSED)]
            if any(goes):
                for text in batch["text"].filter(pa.array(goes)).to_pylist():
                    if text:
                        _spill(place, text, texts)
            waiting.append(batch.filter(pa.array([not one for one in goes])))
            if sum(item.nbytes for item in waiting) >= _GROUP_BYTES:
                writer = _flush(waiting, writer, target, schema)
        if sum(item.num_rows for item in waiting):
            writer = _flush(waiting, writer, target, schema)
    if writer:
        writer.close()


def _flush(waiting: list[Any], writer: Any, target: Path, schema: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_batches(waiting, schema=schema)
    waiting.clear()
    writer = writer or pq.ParquetWriter(target, schema, compression="zstd")
    if table.num_rows:
        writer.write_table(table)
    return writer

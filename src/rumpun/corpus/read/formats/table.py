"""Parquet, a row group at a time: what is damaged is told with its place, and the row groups after it are read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rumpun.corpus.read.formats import Opened, Record

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["groups", "read"]

_BATCH_ROWS = 512


def groups(path: str) -> list[tuple[int, int]]:
    """(rows, compressed bytes) of each row group.

    Raises:
        OSError, pyarrow.ArrowException: the file's end, where they are listed, cannot be read.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        facts = file.metadata
        found = []
        for n in range(facts.num_row_groups):
            group = facts.row_group(n)
            size = sum(group.column(c).total_compressed_size for c in range(group.num_columns))
            found.append((group.num_rows, size))
        return found


def read(opened: Opened) -> Iterator[tuple[int, Record]]:
    """(row, record) of each row of the span's row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(opened.path)
    except (pa.ArrowException, OSError) as error:
        opened.damage(f"not readable as Parquet ({_said(error)})")
        return
    with file:
        wanted = _wanted(opened, file.schema_arrow.names)
        if wanted is None:
            return
        row = opened.span.before
        end = file.num_row_groups if opened.span.end < 0 else opened.span.end
        for group in range(opened.span.start, end):
            yield from _group(opened, file, group, row, wanted)
            row += file.metadata.row_group(group).num_rows


def _wanted(opened: Opened, names: list[str]) -> list[str] | None:
    """The columns to read: those that the recipe names and those of our own names; None where there is no text."""
    columns = opened.file.columns
    ours = {"id", "text", "language", "source", "licence", "url", "domain", "contributor"}
    if opened.file.kind == "side":
        ours |= {"src_lang", "src", "tgt_lang", "tgt"}
    if opened.file.kind == "seed":
        ours |= {"key", *opened.file.languages}
    theirs = {name for name in columns.values() if name in names} | {
        name.partition(".")[0] for name in columns.values()
    }
    need = {"side": "src", "seed": "key"}.get(opened.file.kind, columns.get("text", "text"))
    if need not in names and need.partition(".")[0] not in names:
        listed = ", ".join(names)
        opened.reject("read.no_column", f"no column '{need}' (it has: {listed})", rows=0)
        return None
    return [name for name in names if name in (ours - set(columns)) | theirs]


def _group(
    opened: Opened, file: "pa.parquet.ParquetFile", group: int, row: int, wanted: list[str]
) -> Iterator[tuple[int, Record]]:
    import pyarrow as pa

    rows = file.metadata.row_group(group).num_rows
    done = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], columns=wanted):
            for record in _records(opened, batch, row + done):
                done += 1
                if record is not None:
                    yield row + done, opened.mapped(record)
    except (pa.ArrowException, OSError) as error:
        opened.damaged = True
        opened.reject(
            "read.corrupt",
            f"row group {group} is damaged after its row {done} ({_said(error)})",
            row=row + done + 1,
            rows=rows - done,
        )


def _records(opened: Opened, batch: "pa.RecordBatch", row: int) -> Iterator[Record | None]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        yield from _bytewise(opened, batch, row)


def _bytewise(opened: Opened, batch: "pa.RecordBatch", row: int) -> Iterator[Record | None]:
    """Rows of a batch in which some string is not UTF-8: each string by itself."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(column.type):
            columns[name] = column.cast(pa.binary()).to_pylist()
        elif pa.types.is_large_string(column.type):
            columns[name] = column.cast(pa.large_binary()).to_pylist()
        else:
            columns[name] = column.to_pylist()
    for n in range(batch.num_rows):
        record: Record | None = {}
        told = opened.mapped({name: _shown(values[n]) for name, values in columns.items()})
        for name, values in columns.items():
            value = values[n]
            if isinstance(value, bytes) and record is not None:
                value = opened.text(value, row + n + 1, told)
                if value is None:
                    record = None
                    break
            if record is not None:
                record[name] = value
        yield record


def _shown(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _said(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:160] if lines else type(error).__name__

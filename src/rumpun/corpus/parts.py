"""Parts: what a pipeline's artefacts are made of, one Parquet file a part, row for row the same in all of them.

Documents are cut into parts of about PART_BYTES of text in the order in which they are read. The cut depends on the data
alone, never on how many workers there are. Attributes, links and decisions keep the same parts under the same numbers with
the same rows in the same order, so they are joined by position; `key` numbers every row of a documents artefact, from 0,
through all parts.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rumpun.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "PART_BYTES",
    "documents_schema",
    "drops_schema",
    "each_part",
    "part_paths",
    "place",
    "read_part",
    "write_part",
]

PART_BYTES = 8 << 20  # of UTF-8 text; one part and what is made of it fit in 300 MB of memory


def documents_schema() -> "pa.Schema":
    """Columns of a document as it was read; nothing in it is changed."""
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.uint64()),  # dense through all parts
            ("id", pa.string()),  # the source's own, or the document's hash
            ("text", pa.large_string()),
            ("language", pa.string()),  # as its source declares it; "" where it does not
            ("source", pa.string()),
            ("licence", pa.string()),
            ("url", pa.string()),
            ("domain", pa.string()),
            ("contributor", pa.string()),  # "" where the source names none
            ("where", pa.string()),  # file and row, for messages and for taking back
        ]
    )


def drops_schema() -> "pa.Schema":
    """Columns of a document that was removed: what it was, by which rule, and the text itself."""
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.uint64()),
            ("id", pa.string()),
            ("language", pa.string()),
            ("source", pa.string()),
            ("contributor", pa.string()),
            ("stage", pa.string()),  # read, exact, language, figures, near, mixture …
            ("rule", pa.string()),  # "figures.letter_share"
            ("value", pa.float64()),  # null where it is no number
            ("threshold", pa.float64()),  # null where there is none
            ("detail", pa.string()),  # "the same as key 17"
            ("text", pa.large_string()),
        ]
    )


def part_paths(folder: Path) -> list[Path]:
    """The parts of a folder in order.

    Raises:
        InputError: there are none, or one is missing between two others.
    """
    found = sorted(folder.glob("part-*.parquet"))
    if not found:
        raise InputError(f"{folder}: no part-*.parquet there", "make the artefact again")
    for number, path in enumerate(found):
        if path.name != _name(number):
            raise InputError(f"{folder}: {_name(number)} is missing", "make the artefact again")
    return found


def _name(number: int) -> str:
    return f"part-{number:05}.parquet"


def write_part(folder: Path, number: int, table: "pa.Table") -> Path:
    """Write one part aside and rename it: a part that is there is whole. The bytes depend on the table alone."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(number)
    aside = folder / f".{path.name}.{os.getpid()}"
    try:
        pq.write_table(table, aside, compression="zstd", row_group_size=1 << 20)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def place(made: Path, final: Path) -> None:
    """Put a finished file from the scratch folder into the artefact's; the scratch copy stays until the whole stands."""
    try:
        os.link(made, final)
    except OSError:
        shutil.copyfile(made, final)


def read_part(path: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """One part, or some of its columns.

    Raises:
        InputError: it cannot be read, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=list(columns) if columns is not None else None, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not readable as Parquet ({said})", "make the artefact again") from error


def each_part(folder: Path, columns: Sequence[str] | None = None) -> "Iterator[pa.Table]":
    """Every part of a folder in order, one in memory at a time."""
    for path in part_paths(folder):
        yield read_part(path, columns)

"""Rows of a written corpus: their columns, and files that grow a language at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.corpus.parts import drops_schema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Shelf", "corpus_schema", "dropped", "refused"]

_GROUP_BYTES = 4 << 20  # of text, held for each language before it is written


def corpus_schema() -> "pa.Schema":
    """Columns of train/ and heldout/."""
    import pyarrow as pa

    names = ("id", "text", "language", "source", "licence", "url", "domain", "contributor")
    return pa.schema([*((name, pa.string()) for name in names), ("key", pa.uint64()), ("times", pa.uint16())])


class Shelf:
    """One Parquet file a language, written in groups of about _GROUP_BYTES."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._waiting: dict[str, list[pa.Table]] = {}
        self._writers: dict[str, Any] = {}

    def put(self, language: str, table: "pa.Table") -> None:
        """Append rows of one language."""
        waiting = self._waiting.setdefault(language, [])
        waiting.append(table)
        if sum(item.nbytes for item in waiting) >= _GROUP_BYTES:
            self._flush(language)

    def _flush(self, language: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables(self._waiting.pop(language)).combine_chunks()
        if language not in self._writers:
            path = self._folder / f"{language}.parquet"
            self._writers[language] = pq.ParquetWriter(path, corpus_schema(), compression="zstd")
        self._writers[language].write_table(table)

    def close(self) -> None:
        """Write what waits, and the files' ends."""
        for language in sorted(self._waiting):
            self._flush(language)
        for writer in self._writers.values():
            writer.close()


def dropped(
    documents: "pa.Table", decisions: "pa.Table", mixed: "pa.Table", rule: "pa.ChunkedArray"
) -> "pa.Table":
    """Drops of documents, row for row; what the decisions keep was left out by the mixture."""
    import pyarrow as pa
    import pyarrow.compute as pc

    own = decisions["kept"]
    columns: dict[str, Any] = {
        "key": documents["key"],
        "id": documents["id"],
        "language": decisions["language"],
        "source": documents["source"],
        "contributor": documents["contributor"],
        "stage": pc.list_element(pc.split_pattern(rule, ".", max_splits=1), 0),
        "rule": rule,
        "value": pc.if_else(own, mixed["value"], decisions["value"]),
        "threshold": pc.if_else(own, mixed["threshold"], decisions["threshold"]),
        "detail": pc.fill_null(decisions["detail"], ""),
        "text": documents["text"],
    }
    schema = drops_schema()
    return pa.table([columns[name] for name in schema.names], schema=schema)


def refused(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `rejected.parquet` as a drop; of damaged bytes what can be shown of them."""
    rule = str(row["rule"])
    where = f"{row['file']}:{row['row']}" if row["row"] else str(row["file"])
    return {
        "id": where, "language": "", "source": row["source"], "contributor": "", "stage": rule.split(".", maxsplit=1)[0], "rule": rule,
        "value": float(row["rows"]), "detail": row["detail"], "text": (row["data"] or b"").decode("utf-8", "replace"),
    }  # fmt: skip

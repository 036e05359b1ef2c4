"""Rows of a written corpus: their columns, and files that grow a language at a time."""

import functools
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rumpun.corpus.parts import drops_schema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Shelf", "Writers", "corpus_schema", "dropped", "refused"]

_GROUP_BYTES = 4 << 20  # of text, held for each language before it is written


def corpus_schema() -> "pa.Schema":
    """Columns of train/ and heldout/."""
    import pyarrow as pa

    names = ("id", "text", "language", "source", "licence", "url", "domain", "contributor")
    return pa.schema([*((name, pa.string()) for name in names), ("key", pa.uint64()), ("times", pa.uint16())])


class Writers:
    """Threads that write; at most two pieces of work wait for each.

    Args:
        threads: how many; what is written does not depend on it.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._most = 2 * threads
        self._given: deque[Future[object]] = deque()

    def put(self, work: Callable[[], object]) -> "Future[object]":
        """Have it done; what an earlier piece raised is raised here."""
        while len(self._given) >= self._most:
            self._given.popleft().result()
        self._given.append(self._pool.submit(work))
        return self._given[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._given:
                future.result()


class Shelf:
    """One Parquet file a language, written in groups of about _GROUP_BYTES."""

    def __init__(self, folder: Path, writers: Writers) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._writers = writers
        self._waiting: dict[str, list[pa.Table]] = {}
        self._files: dict[str, Any] = {}
        self._last: dict[str, Future[object]] = {}  # of each file

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
        if language not in self._files:
            path = self._folder / f"{language}.parquet"
            self._files[language] = pq.ParquetWriter(path, corpus_schema(), compression="zstd")
        else:
            self._last[language].result()  # one group of a file at a time
        self._last[language] = self._writers.put(functools.partial(self._files[language].write_table, table))

    def close(self) -> None:
        """Write what waits, and the files' ends."""
        for language in sorted(self._waiting):
            self._flush(language)
        for language, file in self._files.items():
            self._last[language].result()
            file.close()


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
        "id": row["id"] or where, "language": row["language"] or "", "source": row["source"],
        "contributor": row["contributor"] or "", "stage": rule.split(".", maxsplit=1)[0], "rule": rule,
        "value": float(row["rows"]), "detail": row["detail"] if row["id"] in (None, where) else f"{where}: {row['detail']}",
        "text": (row["data"] or b"").decode("utf-8", "replace"),
    }  # fmt: skip

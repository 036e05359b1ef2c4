"""One unit at a time into the scratch folder: filtered, split, keyed; a finished unit is never read again.

For unit k: `unit-k.<language>.parquet` (documents with their keys), `unit-k.drops.jsonl` and, last, `unit-k.json`.
What a unit gives depends on that unit and the parameters alone, so a killed build that resumes ends with the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from rumpun.corpus.chat.read import Row, check_file, text_rows
from rumpun.corpus.filters import refusals
from rumpun.corpus.letters import Letters, normal_key
from rumpun.corpus.params import BuildParams
from rumpun.corpus.read.inventory import Unit
from rumpun.corpus.split import pieces

__all__ = ["ParquetShelf", "Tally", "by_characters", "drop_line", "order_key", "spool_text", "write_last"]

CHARACTERS_AT_ONCE = 1_000_000
T = TypeVar("T")


class Tally(msgspec.Struct, kw_only=True):
    """What became of a unit's rows."""

    read: int = 0  # rows
    added: int = 0  # documents beyond one a row, from splitting
    kept: dict[str, int] = {}  # language -> documents on the shelf
    dropped: dict[str, int] = {}  # reason -> rows or documents


def order_key(seed: int, *parts: str) -> int:
    """A 64-bit number that orders rows at random, the same for the same seed."""
    digest = hashlib.blake2b(
        "\0".join((str(seed), *parts)).encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "little")


def drop_line(identity: str, source: str, language: str, reason: str) -> str:
    """One line of drops.jsonl."""
    row = {"id": identity, "source": source, "language": language, "reason": reason}
    return json.dumps(row, ensure_ascii=False) + "\n"


def write_last(path: Path, value: Any) -> None:
    """A small JSON file that says that everything before it is whole: written aside, then renamed."""
    aside = path.with_suffix(".part")
    aside.write_bytes(msgspec.json.encode(value))
    aside.replace(path)


def by_characters(rows: Sequence[T], length: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """The rows in runs of about CHARACTERS_AT_ONCE, so that memory does not grow with long documents."""
    start = 0
    characters = 0
    for n, row in enumerate(rows):
        characters += length(row)
        if characters >= CHARACTERS_AT_ONCE:
            yield rows[start : n + 1]
            start, characters = n + 1, 0
    if start < len(rows):
        yield rows[start:]


class ParquetShelf:
    """Parquet files of one schema, one for each name, opened when first written to."""

    def __init__(self, schema: Any, path: Callable[[str], Path]) -> None:
        self._schema = schema
        self._path = path
        self._writers: dict[str, Any] = {}

    def put(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Append rows to one file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self._path(name), self._schema, compression="zstd")
        self._writers[name].write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        """Write the files' ends."""
        for writer in self._writers.values():
            writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def document_schema(*, keyed: bool) -> Any:
    """The columns of `records.documents.Document`; keyed: with what only the build needs."""
    import pyarrow as pa

    columns = [
        (name, pa.string()) for name in ("id", "text", "language", "source", "licence", "url", "domain")
    ]
    if keyed:
        columns += [
            ("piece", pa.int32()), ("key", pa.uint64()), ("letters", pa.uint64()), ("order", pa.uint64()),
            ("bytes", pa.int64()),
        ]  # fmt: skip
    return pa.schema(columns)


def spool_text(number: int, unit: Unit, params: BuildParams, scratch: Path, seed: int) -> Tally:
    """Read one unit of running text onto the shelf, or find it there.

    Raises:
        InputError: the file or one of its rows cannot be used.
    """
    done = scratch / f"unit-{number}.json"
    if done.is_file():
        return msgspec.json.decode(done.read_bytes(), type=Tally)
    check_file(unit)
    tally = Tally()
    dropped: Counter[str] = Counter()
    shelf = ParquetShelf(document_schema(keyed=True), lambda tag: scratch / f"unit-{number}.{tag}.parquet")
    with shelf, (scratch / f"unit-{number}.drops.jsonl").open("w", encoding="utf-8") as drops:
        for batch in text_rows(unit, params):
            for rows in by_characters(batch, lambda row: len(row["text"])):
                tally.read += len(rows)
                kept = _keep(rows, params, seed, dropped, drops)
                tally.added += sum(1 for row in kept if row["piece"])
                kept = _long_enough(kept, params, dropped, drops)
                for tag in sorted({row["language"] for row in kept}):
                    here = [row for row in kept if row["language"] == tag]
                    shelf.put(tag, here)
                    tally.kept[tag] = tally.kept.get(tag, 0) + len(here)
    tally.dropped = dict(sorted(dropped.items()))
    write_last(done, tally)
    return tally


def _keep(
    rows: Sequence[Row], params: BuildParams, seed: int, dropped: Counter[str], drops: Any
) -> list[Row]:
    letters = Letters([row["text"] for row in rows])
    documents: list[Row] = []
    for row, reason in zip(rows, refusals(rows, letters, params), strict=True):
        if reason:
            dropped[reason] += 1
            if row["language"]:
                drops.write(drop_line(row["id"], row["source"], row["language"], reason))
            continue
        parts = pieces(row["text"], params.max_characters_per_document)
        for n, part in enumerate(parts):
            name = f"{row['id']}#{n + 1}" if len(parts) > 1 else row["id"]
            documents.append({**row, "id": name, "text": part, "piece": n})
    if len(documents) != len(rows):
        letters = Letters([document["text"] for document in documents])
    for document, key in zip(documents, letters.keys().tolist(), strict=True):
        text = document["text"]
        document["letters"] = key
        document["key"] = normal_key(text)
        document["order"] = order_key(seed, document["source"], document["id"])
        document["bytes"] = len(text.encode())
    return documents


def _long_enough(documents: list[Row], params: BuildParams, dropped: Counter[str], drops: Any) -> list[Row]:
    kept: list[Row] = []
    for document in documents:
        if len(document["text"].strip()) >= params.min_characters or not document["piece"]:
            kept.append(document)
            continue
        dropped["too short"] += 1
        drops.write(drop_line(document["id"], document["source"], document["language"], "too short"))
    return kept

"""Rows of one file of chat material, in batches, each with its number in its file.

Every refusal names the file, the row (counted from 1) and the mend. Files are read by batches: memory does not grow
with their size.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rumpun.corpus.read.inventory import Unit
from rumpun.errors import InputError
from rumpun.records.artefacts import sha256_file
from rumpun.records.documents import document_id

__all__ = ["BATCH_ROWS", "Row", "check_file", "pair_rows", "records"]

BATCH_ROWS = 512
Row = dict[str, Any]


def check_file(unit: Unit) -> None:
    """The file is there, is not empty and has the sha256 that the inventory gives.

    Raises:
        InputError: it is not so.
    """
    path = unit.path
    if not path.is_file():
        raise InputError(
            f"{path}: missing, though the source '{unit.source}' names it",
            "fetch it again (docs/sources.md lists where from), or exclude the source in the recipe",
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty (0 bytes)", "fetch it again, or exclude its source in the recipe")
    if unit.sha256:
        found = sha256_file(path)
        if found != unit.sha256:
            raise InputError(
                f"{path}: sha256 {found[:12]}…, the inventory says {unit.sha256[:12]}…",
                "fetch the file again, or correct the inventory if the change is meant",
            )


def records(path: Path, needs: tuple[str, ...] = ()) -> Iterator[list[Row]]:
    """Batches of a Parquet or JSON Lines file's rows as dictionaries.

    Raises:
        InputError: the file cannot be read, has no rows, or lacks one of the columns `needs`.
    """
    batches = _parquet(path, needs) if path.suffix == ".parquet" else _jsonl(path, needs)
    any_row = False
    for batch in batches:
        any_row = any_row or bool(batch)
        yield batch
    if not any_row:
        raise InputError(f"{path}: no rows", "fetch it again, or exclude its source in the recipe")


def _parquet(path: Path, needs: tuple[str, ...]) -> Iterator[list[Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for need in needs:
                if need not in names:
                    raise InputError(
                        f"{path}: no column '{need}' (it has: {', '.join(names)})", f"name the column {need}"
                    )
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                yield batch.to_pylist()
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not readable as Parquet ({said})", "fetch the file again") from error


def _jsonl(path: Path, needs: tuple[str, ...]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    batch.append(_line(line, path, number, needs))
                if len(batch) >= BATCH_ROWS:
                    yield batch
                    batch = []
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "check the path and its permissions"
        ) from error
    if batch:
        yield batch


def _line(line: bytes, path: Path, number: int, needs: tuple[str, ...]) -> Row:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start})", "save it as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{number}: not JSON ({error.msg}, column {error.colno})", "mend or remove the line"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise InputError(
            f"{path}:{number}: not JSON that can be read ({type(error).__name__})", "mend or remove the line"
        ) from error
    if not isinstance(row, dict):
        raise InputError(
            f"{path}:{number}: a {type(row).__name__}, not an object", 'write {"text": …, "language": …}'
        )
    for need in needs:
        if need not in row:
            raise InputError(f"{path}:{number}: no key '{need}'", f'add "{need}" to the row')
    return row


def pair_rows(unit: Unit) -> Iterator[list[Row]]:
    """Batches of aligned rows: id, source, domain, licence, url, src_lang, src, tgt_lang, tgt, `where`."""
    path = unit.path
    number = 0
    for batch in records(path, ("src_lang", "src", "tgt_lang", "tgt")):
        for record in batch:
            number += 1
            where = f"{path}:{number}"
            for side in ("src", "tgt"):
                if not isinstance(record[side], str):
                    raise InputError(
                        f"{where}: {side} is {record[side]!r}", "give both sides a text, or remove the row"
                    )
                language = record[f"{side}_lang"]
                if not isinstance(language, str) or not language:
                    raise InputError(
                        f"{where}: {side}_lang is {language!r}", "give a BCP-47 tag such as 'th'"
                    )
            record["where"] = where
            record["id"] = record.get("id") or document_id(record["src"] + "\n" + record["tgt"])
            record["domain"] = record.get("domain") or unit.domain
            record["licence"] = record.get("licence") or unit.licence
            record["source"] = record.get("source") or unit.source
        yield batch

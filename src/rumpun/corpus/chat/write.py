"""Chat rows of a written corpus: chat.jsonl, heldout/chat.jsonl, and drops/chat.parquet."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.corpus.chat.pairs import add_pairs
from rumpun.corpus.chat.params import ChatParams
from rumpun.corpus.chat.rows import ChatRows, Known, chat_text, instruct_rows, safe_rows, seed_rows
from rumpun.corpus.overlap import HeldOut, evaluation_keys
from rumpun.corpus.parts import drops_schema
from rumpun.corpus.read.inventory import LeftOut, Unit, Wanted, find_units
from rumpun.corpus.withdrawn import identity as taken_back
from rumpun.corpus.withdrawn import withdrawn
from rumpun.errors import InputError
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.records.documents import document_id
from rumpun.records.places import source_data

__all__ = ["Chat", "chat_identity", "write_chat"]

_BATCH = 10_000


_READERS = {"chat": seed_rows, "instruct": instruct_rows, "safe": safe_rows}


@dataclass(slots=True)
class Chat:
    """What became of the chat rows."""

    read: int = 0
    train: int = 0
    held_out: int = 0
    by_language: Counter[str] = field(default_factory=Counter)  # rows that train
    dropped: Counter[str] = field(default_factory=Counter)  # reason -> rows
    left_out: list[LeftOut] = field(default_factory=list)
    sources: list[SourceEntry] = field(default_factory=list)


def _units(params: ChatParams) -> tuple[list[Unit], list[LeftOut]]:
    units, left = find_units(
        Wanted(
            languages=params.languages, data=params.data, exclude_sources=params.exclude_sources,
            exclude_domains=params.exclude_domains, text=False, chat_seed=params.chat_seed, pairs=params.pairs,
            instruct=params.instruct, safe_answers=params.safe_answers,
        )
    )  # fmt: skip
    if not units:
        raise InputError(
            "chat rows are asked for, and no source of the inventory has any in these languages",
            "name other chat_languages, or set chat_seed, pairs and instruct to false, and safe_answers to []",
        )
    return units, left


def chat_identity(params: ChatParams) -> dict[str, str]:
    """The hashes of the files that chat rows are read from."""
    facts = [
        f"{unit.kind} {unit.source} {unit.path.name} {unit.sha256 or sha256_file(unit.path)}"
        for unit in _units(params)[0]
    ]
    return {"chat": hashlib.sha256("\n".join(facts).encode()).hexdigest()} | taken_back()


def write_chat(
    params: ChatParams,
    folder: Path,
    scratch: Path,
    seed: int,
    held_out: dict[str, HeldOut],
    *,
    progress: Callable[[str], None],
) -> Chat:
    """Read, choose and write; rows that repeat held-out or evaluation text are dropped.

    Args:
        params: of the chat rows.
        folder: of the corpus.
        scratch: where drops gather.
        seed: of the recipe.
        held_out: language -> index of held-out text.
        progress: told of each source that is done.
    """
    units, left = _units(params)
    data = Path(params.data).expanduser() if params.data else source_data()
    known = Known(held_out, evaluation_keys(data / "eval") if data.is_dir() else np.zeros(0, dtype=np.uint64))
    aside = scratch / "chat.drops.jsonl"
    with aside.open("w", encoding="utf-8") as drops:
        rows = ChatRows(drops)
        for item in left:
            rows.read += item.rows
            rows.dropped[item.reason] += item.rows
        for unit in units:
            if unit.kind != "pairs":
                _READERS[unit.kind](unit, params, known, seed, rows)
                progress(f"chat rows of {unit.source}")
        add_pairs([u for u in units if u.kind == "pairs"], params, known, seed, rows, progress=progress)
        _take_back(rows)
    rows.train.sort(key=lambda item: (item[0], item[1]["source"], item[1]["messages"][0]["content"]))
    _jsonl(folder / "chat.jsonl", (row for _, row in rows.train))
    if rows.held_out:
        _jsonl(folder / "heldout" / "chat.jsonl", rows.held_out)
    _drops(aside, folder / "drops" / "chat.parquet")
    return Chat(
        read=rows.read,
        train=len(rows.train),
        held_out=len(rows.held_out),
        by_language=Counter(row["language"] for _, row in rows.train),
        dropped=rows.dropped,
        left_out=left,
        sources=_sources(rows, units),
    )


def _take_back(rows: ChatRows) -> None:
    """Leave out what was withdrawn, by source or by a row's id."""
    taken = withdrawn()
    if not taken:
        return

    def stays(row: dict[str, Any]) -> bool:
        identity = document_id(chat_text(row))
        if not taken.takes(row | {"id": identity}):
            return True
        rows.drop(identity, row["source"], row["language"], "withdrawn")
        return False

    rows.train[:] = [item for item in rows.train if stays(item[1])]
    rows.held_out[:] = [row for row in rows.held_out if stays(row)]


def _jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _drops(lines: Path, path: Path) -> None:
    """The drops as the pipeline's other drops; rows that were only counted have no line."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with (
        lines.open(encoding="utf-8") as stream,
        pq.ParquetWriter(path, drops_schema(), compression="zstd") as writer,
    ):
        while batch := [json.loads(line) for line in islice(stream, _BATCH)]:
            rows = [
                {
                    "id": row["id"], "language": row["language"], "source": row["source"], "contributor": "",
                    "stage": "chat", "rule": f"chat.{row['reason'].replace(' ', '_')}", "detail": row["reason"], "text": "",
                }
                for row in batch
            ]  # fmt: skip
            writer.write_table(pa.Table.from_pylist(rows, schema=drops_schema()))


def _sources(rows: ChatRows, units: list[Unit]) -> list[SourceEntry]:
    of_name: dict[str, list[Unit]] = {}
    for unit in units:
        of_name.setdefault(unit.source, []).append(unit)
    taken: dict[tuple[str, str], tuple[int, int, set[str]]] = {}
    for role, found in (("chat", [row for _, row in rows.train]), ("chat held-out", rows.held_out)):
        for row in found:
            count, size, licences = taken.get((row["source"], role), (0, 0, set()))
            size += sum(len(turn["content"].encode()) for turn in row["messages"])
            taken[row["source"], role] = (count + 1, size, licences | {row["licence"]})
    entries = []
    for (name, role), (count, size, licences) in sorted(taken.items()):
        of = of_name.get(name, [])
        hashes = sorted({unit.sha256 for unit in of if unit.sha256})
        entries.append(
            SourceEntry(
                name=name,
                licence=" AND ".join(sorted(licences)),
                url=of[0].repository if of else "",
                commit=of[0].commit if of else "",
                rows=count,
                bytes=size,
                sha256=hashes[0] if len(hashes) == 1 else _joined(hashes),
                role=role,
            )
        )
    return entries


def _joined(hashes: list[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest() if hashes else ""

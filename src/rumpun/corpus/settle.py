"""One language: what is held out, what overlaps it, what the budget takes; its train and held-out files.

For a language: `<tag>.train.parquet`, `<tag>.heldout.parquet`, `<tag>.drops.jsonl` and, last, `<tag>.json` in the scratch
folder.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.balance import allot
from rumpun.corpus.languages import spaced
from rumpun.corpus.letters import Hashes, Letters, member
from rumpun.corpus.overlap import HeldOut
from rumpun.corpus.params import BuildParams
from rumpun.corpus.spool import ParquetShelf, by_characters, document_schema, drop_line, order_key, write_last

__all__ = ["Settled", "held_out_index", "settle"]

_BLOCKS = (
    20  # a language with one source is cut into so many blocks, and one in ten of its documents held out
)
_REASONS = (
    "", "duplicate", "overlaps held-out", "overlaps evaluation data", "over budget", "held-out source, not measured",
)  # fmt: skip
TRAIN, DUPLICATE, OVERLAP, EVALUATION, BUDGET, UNMEASURED, HELD = range(7)


class Settled(msgspec.Struct, kw_only=True):
    """What became of one language's documents."""

    language: str
    held_out_by: str  # "source", "blocks of <source>", "" where nothing is held out
    train: dict[str, dict[str, Any]] = {}  # source -> {"documents", "bytes", "licences", "domains"}
    held_out: dict[str, dict[str, Any]] = {}
    dropped: dict[str, int] = {}


@dataclass(slots=True)
class _Shelf:
    """The columns of one language's documents, D of them, file after file."""

    files: list[Path]
    sizes: list[int]  # documents in each file
    columns: dict[str, NDArray[Any]]  # piece, key, letters, order, bytes: [D]
    sources: list[str]  # [D]
    domains: list[str]  # [D]
    status: NDArray[np.uint8]  # [D]

    def where(self, status: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.status == status)

    def drop(self, which: NDArray[np.int64], status: int) -> None:
        self.status[which] = status


def _load(files: list[Path]) -> _Shelf:
    import pyarrow.parquet as pq

    names = ("piece", "key", "letters", "order", "bytes")
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    sizes: list[int] = []
    sources: list[str] = []
    domains: list[str] = []
    for path in files:
        table = pq.read_table(path, columns=[*names, "source", "domain"])
        sizes.append(table.num_rows)
        for name in names:
            parts[name].append(table[name].to_numpy())
        sources += table["source"].to_pylist()
        domains += table["domain"].to_pylist()
    columns = {name: np.concatenate(found) for name, found in parts.items()}
    return _Shelf(files, sizes, columns, sources, domains, np.zeros(len(sources), dtype=np.uint8))


def _batches(shelf: _Shelf, columns: Sequence[str]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(number of the first document, documents) through all files."""
    import pyarrow.parquet as pq

    first = 0
    for path in shelf.files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024, columns=list(columns)):
                rows = batch.to_pylist()
                yield first, rows
                first += len(rows)


def _held_mask(shelf: _Shelf, language: str, params: BuildParams, seed: int) -> tuple[NDArray[np.bool_], str]:
    named = params.held_out_sources.get(language, ())
    sources = sorted(set(shelf.sources))
    if len(sources) > 1 or not params.held_out_documents_per_language:
        held = np.array([source in named for source in shelf.sources], dtype=np.bool_)
        return held, "source" if held.any() else ""
    row = np.cumsum(shelf.columns["piece"] == 0) - 1  # pieces of one row stay together
    rows = int(row[-1]) + 1
    blocks = row * min(_BLOCKS, rows) // rows
    names = sorted(range(min(_BLOCKS, rows)), key=lambda b: order_key(seed, sources[0], f"block {b}"))
    held_blocks = names[: max(1, len(names) // 10)] if rows > 1 else []
    return np.isin(blocks, held_blocks), f"blocks of {sources[0]}" if held_blocks else ""


def _choose_held_out(shelf: _Shelf, held: NDArray[np.bool_], params: BuildParams) -> None:
    """Mark HELD and UNMEASURED: first pieces in seeded order, sources in turn, up to the documents and bytes asked for."""
    candidates = np.flatnonzero(held)
    shelf.drop(candidates, UNMEASURED)
    turn: dict[str, int] = {}
    queue: list[tuple[int, str, int]] = []
    for n in sorted(candidates.tolist(), key=lambda n: int(shelf.columns["order"][n])):
        source = shelf.sources[n]
        turn[source] = turn.get(source, 0) + 1
        queue.append((turn[source], source, n))
    seen: set[int] = set()
    documents = size = 0
    for _, _, n in sorted(queue):
        key, length = int(shelf.columns["letters"][n]), int(shelf.columns["bytes"][n])
        if key in seen:
            shelf.status[n] = DUPLICATE
            continue
        whole = shelf.columns["piece"][n] == 0
        fits = (
            documents < params.held_out_documents_per_language
            and size + length <= params.held_out_bytes_per_language
        )
        if whole and fits:
            shelf.status[n] = HELD
            seen.add(key)
            documents, size = documents + 1, size + length


def held_out_index(texts: Sequence[str], language: str, params: BuildParams) -> HeldOut:
    """The index of a language's held-out texts, by words or by letters as the language writes."""
    if spaced(language):
        return HeldOut(texts, words=params.held_out_run_words)
    return HeldOut(texts, letters=params.held_out_run_letters)


def _drop_known(shelf: _Shelf, evaluation: Hashes) -> None:
    """Duplicates among training documents (the first stays), and strings of evaluation sets."""
    train = shelf.where(TRAIN)
    _, first = np.unique(shelf.columns["key"][train], return_index=True)
    later = np.ones(len(train), dtype=np.bool_)
    later[first] = False
    shelf.drop(train[later], DUPLICATE)
    train = shelf.where(TRAIN)
    shelf.drop(train[member(shelf.columns["letters"][train], evaluation)], EVALUATION)


def _drop_overlaps(shelf: _Shelf, language: str, params: BuildParams) -> None:
    held_texts = [
        row["text"]
        for first, rows in _batches(shelf, ["text"])
        for n, row in enumerate(rows, first)
        if shelf.status[n] == HELD
    ]
    if not held_texts:
        return
    index = held_out_index(held_texts, language, params)
    for first, rows in _batches(shelf, ["text"]):
        texts = [
            (n, row["text"]) for n, row in enumerate(rows, first) if shelf.status[n] in (TRAIN, DUPLICATE)
        ]
        for part in by_characters(texts, lambda item: len(item[1])):
            numbers = np.array([n for n, _ in part], dtype=np.int64)
            shelf.drop(numbers[index.hits(Letters([text for _, text in part]))], OVERLAP)


def _drop_over_budget(shelf: _Shelf, language: str, params: BuildParams) -> None:
    train = shelf.where(TRAIN)
    cells: dict[tuple[str, str], list[int]] = {}
    for n in train.tolist():
        cells.setdefault((shelf.sources[n], shelf.domains[n]), []).append(n)
    size = shelf.columns["bytes"]
    shares = allot(
        {cell: int(size[members].sum()) for cell, members in cells.items()},
        params.budget(language),
        source_share=params.max_share_per_source,
        domain_share=lambda domain: params.domain_shares.get(domain, params.max_share_per_domain),
        machine_share=params.max_share_machine_translated,
    )
    for cell, members in cells.items():
        left = shares[cell]
        for n in sorted(members, key=lambda n: (int(shelf.columns["order"][n]), n)):
            if int(size[n]) <= left:
                left -= int(size[n])
            else:
                shelf.status[n] = BUDGET


def _write(shelf: _Shelf, language: str, scratch: Path) -> Settled:
    settled = Settled(language=language, held_out_by="")
    names = ["id", "text", "language", "source", "licence", "url", "domain"]
    paths = ParquetShelf(document_schema(keyed=False), lambda name: scratch / f"{language}.{name}.parquet")
    with paths, (scratch / f"{language}.drops.jsonl").open("w", encoding="utf-8") as drops:
        for first, rows in _batches(shelf, names):
            taken: dict[str, list[dict[str, Any]]] = {"train": [], "heldout": []}
            for n, row in enumerate(rows, first):
                status = int(shelf.status[n])
                if status in (TRAIN, HELD):
                    taken["train" if status == TRAIN else "heldout"].append(row)
                    _count(settled.train if status == TRAIN else settled.held_out, row)
                    continue
                reason = _REASONS[status]
                settled.dropped[reason] = settled.dropped.get(reason, 0) + 1
                drops.write(drop_line(row["id"], row["source"], language, reason))
            for name, found in taken.items():
                if found:
                    paths.put(name, found)
    return settled


def _count(into: dict[str, dict[str, Any]], row: dict[str, Any]) -> None:
    found = into.setdefault(row["source"], {"documents": 0, "bytes": 0, "licences": [], "domains": []})
    found["documents"] += 1
    found["bytes"] += len(row["text"].encode())
    for key, value in (("licences", row["licence"]), ("domains", row["domain"])):
        if value not in found[key]:
            found[key] = sorted([*found[key], value])


def settle(
    language: str,
    files: list[Path],
    params: BuildParams,
    *,
    scratch: Path,
    evaluation: Hashes,
    seed: int,
) -> Settled:
    """Settle one language from its spooled files, or find it settled.

    Args:
        language: BCP-47.
        files: the spooled Parquet files that hold documents of it, in the order in which duplicates are settled.
        params: of the build.
        scratch: where the language's files are written.
        evaluation: sorted letters-only keys of evaluation strings.
        seed: of the recipe.
    """
    done = scratch / f"{language}.json"
    if done.is_file():
        return msgspec.json.decode(done.read_bytes(), type=Settled)
    if not files:
        settled = Settled(language=language, held_out_by="")
        (scratch / f"{language}.drops.jsonl").write_text("")
    else:
        shelf = _load(files)
        held, how = _held_mask(shelf, language, params, seed)
        _choose_held_out(shelf, held, params)
        _drop_known(shelf, evaluation)
        _drop_overlaps(shelf, language, params)
        _drop_over_budget(shelf, language, params)
        settled = _write(shelf, language, scratch)
        settled.held_out_by = how
    write_last(done, settled)
    return settled

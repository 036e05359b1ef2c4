"""The step `corpus.index`: a written corpus -> an index that `rumpun corpus trace` maps into memory.

Everything that a model may have been fed with is in it, and the held-out text too, marked so: train/*.parquet,
heldout/*.parquet, chat.jsonl and heldout/chat.jsonl. The cut into shards depends on the corpus alone; shards are made side
by side, each whole or not at all, and are never changed: an index grows by more of them.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.corpus.chat.rows import chat_text
from rumpun.corpus.engine import map_parts
from rumpun.corpus.find import corpus_manifest
from rumpun.corpus.languages import check_tags
from rumpun.errors import InputError
from rumpun.records.artefacts import (
    MANIFEST,
    Maker,
    Manifest,
    artefact_id,
    find_artefact,
    making,
    publish,
    read_manifest,
    write_manifest,
)
from rumpun.records.documents import document_id
from rumpun.steps import Input, Outcome, Progress, Work, quiet, step

__all__ = ["IndexParams", "index", "index_corpus", "indexes_of", "rows_of"]

STEP = "corpus.index"
BATCH_ROWS = 512
_PLACES = (
    ("train", "train/*.parquet"), ("chat", "chat.jsonl"), ("heldout", "heldout/*.parquet"), ("heldout", "heldout/chat.jsonl"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexParams:
    """Parameters of `corpus.index`."""

    shard_bytes: int = 16 << 20  # of UTF-8 text; a shard takes about 12 times as much memory while it is made
    skeleton_languages: tuple[str, ...] = ("ms", "ace", "bjn", "min")  # written in Rumi and in Jawi

    def check(self) -> None:
        """Refuse shards that no machine can make."""
        if not 1 <= self.shard_bytes <= 1 << 30:
            raise ValueError(f"shard_bytes = {self.shard_bytes}: expected 1 to {1 << 30}")
        check_tags(self.skeleton_languages, "skeleton_languages")


@step(kind="trace", version=1, part="corpus", needs=("corpus",))
def index(params: IndexParams, work: Work) -> Outcome:
    """Index a corpus.

    Raises:
        InputError: a file of the corpus cannot be read.
    """
    import numpy as np
    import pyarrow as pa

    from rumpun.corpus.trace.index_shard import VERSION

    corpus = work.input("corpus")
    shards = work.scratch / "shards"
    shards.mkdir(exist_ok=True)
    units = [
        {
            "number": number,
            "ranges": ranges,
            "folder": str(shards),
            "skeletons": list(params.skeleton_languages),
        }
        for number, ranges in enumerate(_cut(corpus.folder, params.shard_bytes))
    ]
    facts = map_parts(make_unit, units, progress=work.progress, note="indexing")
    names = [_name(number) for number in range(len(units))]
    for name in names:
        (work.folder / name).mkdir()
        for path in sorted((shards / name).iterdir()):
            os.link(
                path, work.folder / name / path.name
            )  # the scratch copy stays until the whole artefact stands
    documents = sum(fact["documents"] for fact in facts)
    text_bytes = sum(fact["text_bytes"] for fact in facts)
    index_bytes = sum(sum(fact["sizes"].values()) for fact in facts)
    whole = {"version": VERSION, "corpus": corpus.manifest.id, "shards": names, "documents": documents}
    (work.folder / "index.json").write_text(json.dumps(whole, indent=1) + "\n")
    return Outcome(
        summary={
            "documents": documents,
            "text_bytes": text_bytes,
            "index_bytes": index_bytes,
            "bytes_per_text_byte": round(index_bytes / max(1, text_bytes), 3),
            "shards": len(names),
        },
        tools={"pyarrow": pa.__version__, "numpy": np.__version__, "pydivsufsort": _divsufsort_version()},
    )


def _divsufsort_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pydivsufsort")
    except PackageNotFoundError:  # an empty corpus needs none
        return ""


def make_unit(unit: dict[str, Any]) -> dict[str, Any]:
    """Make one shard from its ranges of rows."""
    from rumpun.corpus.trace.index_shard import make_shard

    final = Path(unit["folder"]) / _name(unit["number"])
    batches = (batch for found in unit["ranges"] for batch in rows_of(**found))
    return make_shard(batches, final, skeleton_languages=unit["skeletons"])


def _name(number: int) -> str:
    return f"shard-{number:05}"


def corpus_files(folder: Path) -> list[tuple[str, Path]]:
    """(place, file) of everything in a corpus that holds rows in use, in the order in which they are indexed."""
    return [(place, path) for place, pattern in _PLACES for path in sorted(folder.glob(pattern))]


def _cut(folder: Path, shard_bytes: int) -> Iterator[list[dict[str, Any]]]:
    """Ranges of rows for each shard: `place`, `path`, `first`, `count`."""
    ranges: list[dict[str, Any]] = []
    filled = 0
    for place, path in corpus_files(folder):
        first = row = 0
        for size in _sizes(path):
            if filled and filled + size > shard_bytes:
                ranges += (
                    [{"place": place, "path": str(path), "first": first, "count": row - first}]
                    if row > first
                    else []
                )
                yield ranges
                ranges, filled, first = [], 0, row
            filled += size
            row += 1
        if row > first:
            ranges.append({"place": place, "path": str(path), "first": first, "count": row - first})
    if ranges:
        yield ranges


def _sizes(path: Path) -> Iterator[int]:
    """Bytes of every row's text; of a conversation, of its line."""
    if path.suffix == ".jsonl":
        with path.open("rb") as stream:
            yield from (len(line) for line in stream if line.strip())
        return
    import pyarrow.compute as pc

    for batch in _batches(path, 0, ["text"]):
        yield from pc.fill_null(pc.binary_length(batch["text"]), 0).to_pylist()


def rows_of(
    path: str, place: str, first: int = 0, count: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Batches of a file's rows: `text` and what the corpus says of it, with `place`; a conversation is one text.

    Raises:
        InputError: the file cannot be read.
    """
    file = Path(path)
    left = count if count is not None else 1 << 62
    for rows in _chat_rows(file, first) if file.suffix == ".jsonl" else _parquet_rows(file, first):
        for row in rows[:left]:
            row["place"] = place
            row["text"] = row.get("text") or ""
        if rows[:left]:
            yield rows[:left]
        left -= len(rows)
        if left <= 0:
            return


def _parquet_rows(path: Path, first: int) -> Iterator[list[dict[str, Any]]]:
    for batch in _batches(path, first, None):
        yield batch.to_pylist()


def _batches(path: Path, first: int, columns: list[str] | None) -> Iterator[Any]:
    """Batches from a row on; row groups before it are not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups, skipped = list(range(file.num_row_groups)), 0
            while groups and skipped + file.metadata.row_group(groups[0]).num_rows <= first:
                skipped += file.metadata.row_group(groups.pop(0)).num_rows
            for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, columns=columns):
                inside = max(0, first - skipped)
                skipped += batch.num_rows
                if inside < batch.num_rows:
                    yield batch.slice(inside)
    except (pa.ArrowException, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not readable as Parquet ({said})", "make the corpus again") from error


def _chat_rows(path: Path, first: int) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    number = 0
    with path.open("rb") as stream:
        for line in stream:
            if not line.strip():
                continue
            number += 1
            if number <= first:
                continue
            try:
                row = json.loads(line)
                text = chat_text(row)
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{path}:{number}: not a conversation ({error})", "make the corpus again"
                ) from error
            rows.append(row | {"text": text, "id": row.get("id") or document_id(text)})
            if len(rows) == BATCH_ROWS:
                yield rows
                rows = []
    if rows:
        yield rows


def index_corpus(
    corpus: Path, store: Path, params: IndexParams | None = None, *, progress: Progress = quiet
) -> Path:
    """Index a corpus that stands already, or find its index; the artefact is the one that a recipe's step makes.

    Raises:
        InputError: no corpus is there, or a file of it cannot be read.
    """
    manifest = corpus_manifest(corpus)
    chosen = params or IndexParams()
    seed = int(manifest.maker.params.get("seed", 0))
    made_of = {"params": dataclasses.asdict(chosen), "facts": {}, "seed": seed}
    key = artefact_id(index.kind, STEP, index.version, made_of, [manifest.id])
    with making(store, key) as (final, scratch):
        if find_artefact(store, key) is None:
            folder, keep = scratch / "folder", scratch / "keep"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            keep.mkdir(exist_ok=True)
            inputs = (Input("corpus", corpus, manifest),)
            work = Work(inputs=inputs, folder=folder, scratch=keep, seed=seed, progress=progress, key=key)
            write_manifest(folder, _manifest(work, chosen, index.function(chosen, work)))
            publish(folder, final)
    return final


def _manifest(work: Work, params: IndexParams, outcome: Outcome) -> Manifest:
    from rumpun.version import __version__

    corpus = work.inputs[0].manifest
    maker = Maker(
        step=STEP,
        version=index.version,
        params=dataclasses.asdict(params) | {"seed": work.seed},
        rumpun=__version__,
        tools=outcome.tools,
    )
    return Manifest(
        kind=index.kind,
        id=work.key,
        name=f"{corpus.name}-index",
        maker=maker,
        parents=(corpus.id,),
        sources=corpus.sources,
        licences=corpus.licences,
        languages=corpus.languages,
        summary=outcome.summary,
    )


def indexes_of(corpus: Path, stores: Sequence[Path]) -> list[Path]:
    """The trace index of a corpus: the folder itself where it is one, else the one in the stores that was made from it.

    Raises:
        InputError: no corpus is there, or none of it is indexed.
    """
    if (corpus / "index.json").is_file():
        return [corpus]
    manifest = corpus_manifest(corpus)
    for store in dict.fromkeys(path.absolute() for path in (corpus.absolute().parent, *stores)):
        for path in sorted(store.glob(f"[!.]*/{MANIFEST}")):
            if not (path.parent / "index.json").is_file():
                continue
            found = read_manifest(path.parent)
            if found.kind == "trace" and manifest.id in found.parents:
                return [path.parent]
    raise InputError(f"{corpus}: no trace index of it", f"rumpun corpus index {corpus}")

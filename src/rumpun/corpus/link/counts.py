"""`corpus.link` in a worker process, second half: frequent lines, repeated runs, and the parts written.

As in `link_rows`: a unit says what and where, files in the scratch folder are written aside and renamed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.link.lines import count_lines, frequent_lines
from rumpun.corpus.link.rows import NONE, part_file, some_columns
from rumpun.corpus.link.spill import gather, load, look_up, save, spill
from rumpun.corpus.link.substrings import Windows, anchors, document_counts, marks, repeated, windows
from rumpun.corpus.parts import read_part, write_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from rumpun.corpus.tag.batch import Batch

__all__ = ["count_part", "find_repeated", "find_windows", "links_schema", "write_links"]

_WINDOW = np.dtype([("hash", np.uint64), ("text", np.int32), ("start", np.int32), ("end", np.int32)])


def links_schema() -> "pa.Schema":
    """Columns of links, row for row with the documents."""
    import pyarrow as pa

    mark = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("documents", pa.int32())])
    return pa.schema(
        [
            ("key", pa.uint64()),
            ("exact.first", pa.uint64()),  # the first document with the same text; null for it
            ("url.first", pa.uint64()),  # the first with the same address; null for that one itself
            (
                "near.cluster",
                pa.uint64(),
            ),  # the lowest key of those of which one stays; null outside clusters
            ("near.keep", pa.bool_()),  # false where another document stays in its place
            ("near.first", pa.uint64()),  # that other document; a copy's is its text's
            ("near.similarity", pa.float32()),  # estimated, to that other document
            ("lines.frequent", pa.list_(pa.int32())),  # numbers of lines that many documents have
            (
                "lines.documents",
                pa.list_(pa.int32()),
            ),  # how many documents of its source or language, whichever is more
            ("substrings.marks", pa.list_(mark)),  # code points of the normalised text
        ]
    )


def _batches(unit: dict[str, Any], wanted: NDArray[np.bool_]) -> "Iterator[tuple[NDArray[np.int64], Batch]]":
    """The wanted normalised texts of a part in slices, with their rows in the part."""
    from rumpun.corpus.tag.batch import Batch, slices

    texts = read_part(Path(unit["documents"]), ["text"])["text"].to_pylist()
    figures = some_columns(unit["attributes"], ["normalise.text"])
    if "normalise.text" in figures.schema.names:
        new = figures["normalise.text"].to_pylist()
        texts = [old if made is None else made for old, made in zip(texts, new, strict=True)]
    rows = np.flatnonzero(wanted)
    for first, last in slices([len(texts[row]) for row in rows]):
        yield rows[first:last], Batch([texts[row] for row in rows[first:last]], [""] * (last - first))


def _of_part(scratch: Path, name: str, unit: dict[str, Any]) -> NDArray[Any]:
    """A part's share of an array over all rows."""
    return np.asarray(load(scratch / f"{name}.npy")[unit["first"] : unit["first"] + unit["rows_in_part"]])


def count_part(unit: dict[str, Any]) -> dict[str, int]:
    """In how many of a part's documents each line stands, by source and by language, and each anchor.

    Lines are counted in documents that are no exact duplicates, anchors in those that are no near-duplicates either.

    Returns:
        Key of a source or a language -> its documents in which lines are counted.
    """
    scratch, part = Path(unit["scratch"]), unit["part"]
    gone = _of_part(scratch, "gone", unit)  # 0 stays, 1 exact duplicate, 2 near-duplicate
    rows, sizes = count_lines(unit, gone != 1)
    spill(scratch, "lines", part, *rows)
    if unit["letters"]:
        hashes, texts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for numbers, batch in _batches(unit, gone == 0):
            found, at = anchors(batch.codes, batch.kinds, batch.starts, batch.ends, unit["letters"])
            hashes.append(found)
            texts.append(numbers[at])
        every = (np.concatenate(hashes), np.concatenate(texts))
        save(part_file(scratch, "anchored", part), np.stack([every[0], every[1].astype(np.uint64)]))
        spill(scratch, "anchors", part, *document_counts(*every))
    return sizes


def find_repeated(unit: dict[str, Any]) -> dict[str, int]:
    """Of one range: what stands in enough documents, [2, n] (hash, documents)."""
    scratch, name = Path(unit["scratch"]), unit["name"]
    rows = gather(scratch, name, (unit["low"], unit["high"]))
    if name == "lines" and rows.shape[1]:
        found = repeated(rows[[0, 2]], unit["least"])
        whose = rows[1][np.searchsorted(rows[0], found[0])]
        need = np.array([unit["needs"].get(str(group), unit["least"]) for group in whose], dtype=np.uint64)
        found = found[:, found[1] >= need]
    elif rows.shape[1]:
        found = repeated(rows, unit["least"])
    else:
        found = np.zeros((2, 0), dtype=np.uint64)
    save(scratch / f"{name}-repeated" / f"range-{unit['range']:05}.npy", found)
    return {"found": found.shape[1]}


def find_windows(unit: dict[str, Any]) -> dict[str, int]:
    """A part's windows around anchors that several documents hold."""
    scratch, part = Path(unit["scratch"]), unit["part"]
    shared = load(scratch / "anchors.npy")[0]
    hashes, texts = load(part_file(scratch, "anchored", part))
    wanted = np.zeros(unit["rows_in_part"], dtype=np.bool_)
    wanted[texts[look_up(hashes, shared)[0]].astype(np.int64)] = True
    made = [np.zeros(0, dtype=_WINDOW)]
    for numbers, batch in _batches(unit, wanted) if wanted.any() else ():
        found = windows(
            batch.codes, batch.kinds, batch.starts, batch.ends, letters=unit["letters"], shared=shared
        )
        rows = np.zeros(len(found.hashes), dtype=_WINDOW)
        rows["hash"], rows["text"], rows["start"], rows["end"] = (
            found.hashes,
            numbers[found.text],
            found.start,
            found.end,
        )
        made.append(rows)
    every = np.concatenate(made)
    save(part_file(scratch, "windowed", part), every)
    spill(scratch, "windows", part, *document_counts(every["hash"], every["text"]))
    return {"windows": len(every)}


def write_links(unit: dict[str, Any]) -> dict[str, int]:
    """The links of one part, row for row with its documents."""
    import pyarrow as pa

    scratch, part, count = Path(unit["scratch"]), unit["part"], unit["rows_in_part"]
    columns: dict[str, Any] = {
        "key": pa.array(np.arange(unit["first"], unit["first"] + count, dtype=np.uint64))
    }
    for name in ("exact.first", "url.first", "near.cluster", "near.first"):
        found = _of_part(scratch, name, unit)
        columns[name] = pa.array(found, mask=found == NONE)
    left = _of_part(scratch, "near.first", unit) == NONE
    columns["near.keep"] = pa.array(left)
    columns["near.similarity"] = pa.array(_of_part(scratch, "near.similarity", unit), mask=left)
    numbers, documents = frequent_lines(unit, load(scratch / "lines.npy"))
    columns["lines.frequent"], columns["lines.documents"] = numbers, documents
    marked: dict[int, list[dict[str, int]]] = {}
    if unit["letters"]:
        rows = load(part_file(scratch, "windowed", part))
        there = Windows(*(np.asarray(rows[name]) for name in ("hash", "text", "start", "end")))
        marked = marks(there, load(scratch / "windows.npy"))
    columns["substrings.marks"] = [marked.get(row, []) for row in range(count)]
    write_part(Path(unit["folder"]), part, pa.table(columns, schema=links_schema()))
    return {
        "lines": len(numbers.values),
        "marks": sum(map(len, marked.values())),
        "marked": len(marked),
        "code_points": sum(mark["end"] - mark["start"] for found in marked.values() for mark in found),
    }

"""Documents as the pipeline leaves them: normalised, with every edit applied; read part by part.

A text goes from the documents artefact through `normalise.text` (attributes; null where nothing changed) and the edits of
its decision, whose offsets are code points of the normalised text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.parts import part_paths, read_part
from rumpun.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Part", "apply_edits", "final_array", "final_texts", "has_column", "join_parts"]

NORMALISED = "normalise.text"
_KINDS = ("documents", "attributes", "decisions")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a documents artefact and what later stages say of it, row for row."""

    number: int
    documents: Path
    attributes: Path
    decisions: Path

    def unit(self) -> dict[str, Any]:
        """As a worker is told of it."""
        paths = {name: str(getattr(self, name).absolute()) for name in _KINDS}
        return {"number": self.number, **paths}

    @classmethod
    def of(cls, unit: Mapping[str, Any]) -> Self:
        """The part that a unit names."""
        return cls(unit["number"], *(Path(unit[name]) for name in _KINDS))


def join_parts(documents: Path, attributes: Path, decisions: Path) -> list[Part]:
    """The parts of three artefacts' folders, joined by number.

    Raises:
        InputError: one of them has no parts, or another number of them.
    """
    found = [part_paths(folder) for folder in (documents, attributes, decisions)]
    if len({len(paths) for paths in found}) > 1:
        counts = ", ".join(
            f"{folder} has {len(p)}"
            for folder, p in zip((documents, attributes, decisions), found, strict=True)
        )
        raise InputError(f"parts do not match: {counts}", "run the recipe again from corpus.tag on")
    return [Part(n, *paths) for n, paths in enumerate(zip(*found, strict=True))]


def has_column(path: Path, name: str) -> bool:
    """Whether a part has a column."""
    import pyarrow.parquet as pq

    return name in pq.read_schema(path).names


def apply_edits(text: str, edits: Sequence[Mapping[str, Any]], where: str = "") -> str:
    """The text with each span [start, end) of code points replaced by its `with`.

    Raises:
        InputError: edits that are not in order, overlap or lie outside the text; `where` names the document.
    """
    pieces: list[str] = []
    at = 0
    for edit in edits:
        start, end = edit["start"], edit["end"]
        if not at <= start <= end <= len(text):
            raise InputError(
                f"{where or 'edits'}: the edit {start}-{end} does not fit after {at} in {len(text)} characters",
                "run the recipe again from corpus.filter on",
            )
        pieces += [text[at:start], edit["with"] or ""]
        at = end
    return "".join([*pieces, text[at:]])


def final_array(part: Part, rows: NDArray[np.int64], table: "pa.Table | None" = None) -> "pa.ChunkedArray":
    """The texts of some rows of a part as a column, in the order asked for.

    Args:
        part: where they lie.
        rows: numbers of rows in the part.
        table: the documents' rows, where they are at hand already.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    given = table if table is not None else read_part(part.documents, ["text"])
    wanted = pa.array(rows, type=pa.int64())
    texts = given["text"].take(wanted)
    if has_column(part.attributes, NORMALISED):
        normal = read_part(part.attributes, [NORMALISED])[NORMALISED].take(wanted)
        texts = pc.coalesce(normal.cast(texts.type), texts)
    edits = read_part(part.decisions, ["edits"])["edits"].take(wanted)
    edited = np.flatnonzero(pc.fill_null(pc.list_value_length(edits), 0).to_numpy())
    if not len(edited):
        return texts
    made = [
        apply_edits(texts[n].as_py(), edits[n].as_py(), f"{part.documents.name}, row {int(rows[n])}")
        for n in edited.tolist()
    ]
    mask = np.zeros(len(texts), dtype=np.bool_)
    mask[edited] = True
    changed = pc.replace_with_mask(texts.combine_chunks(), pa.array(mask), pa.array(made, type=texts.type))
    return pa.chunked_array([changed])


def final_texts(part: Part, rows: NDArray[np.int64], table: "pa.Table | None" = None) -> list[str]:
    """As `final_array`, as a list."""
    found: list[str] = final_array(part, rows, table).to_pylist()
    return found

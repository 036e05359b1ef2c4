"""Edits: what is cut out of, or masked in, a document's normalised text before it is written.

An edit is (start, end, with, rule): code points start to end become `with`. A document's edits are sorted and do not
overlap, so they can be applied from left to right (write_texts.apply_edits).
"""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rumpun.corpus.tag.lines import spans_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Edit", "cut_lines", "edits_type", "masks", "settled"]


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """One replacement in a text."""

    start: int  # code points of the normalised text
    end: int
    put: str  # "" cuts
    rule: str  # "lines.frequent", "personal.SG_NRIC"

    def row(self) -> dict[str, Any]:
        """As it stands in a column of decisions."""
        return {"start": self.start, "end": self.end, "with": self.put, "rule": self.rule}


def edits_type() -> "pa.DataType":
    """The column's type."""
    import pyarrow as pa

    return pa.list_(
        pa.struct([("start", pa.int32()), ("end", pa.int32()), ("with", pa.string()), ("rule", pa.string())])
    )


def cut_lines(line_ends: Sequence[int], numbers: Sequence[int]) -> list[Edit]:
    """The edits that take these lines out of a text with such line ends."""
    return [Edit(start, end, "", "lines.frequent") for start, end in spans_of(line_ends, numbers)]


def masks(spans: Sequence[Mapping[str, Any]], least: float) -> list[Edit]:
    """The edits that put a tag such as <EMAIL> in place of personal data found with at least this score."""
    return [
        Edit(span["start"], span["end"], f"<{span['type']}>", f"personal.{span['type']}")
        for span in spans
        if span["score"] >= least
    ]


def settled(edits: Sequence[Edit]) -> list[Edit]:
    """Sorted, without overlaps: a cut wins over a mask, and of two of a kind the one that starts first, then the longer."""
    cuts = _apart(edit for edit in edits if edit.put == "")
    starts = [edit.start for edit in cuts]
    kept = list(cuts)
    for edit in _apart(edit for edit in edits if edit.put != ""):
        after = bisect.bisect_left(starts, edit.end)  # the cuts before this place start before the mask's end
        if not after or cuts[after - 1].end <= edit.start:
            kept.append(edit)
    return sorted(kept)


def _apart(edits: Iterable[Edit]) -> list[Edit]:
    kept: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end, edit.put)):
        if edit.start < edit.end and (not kept or kept[-1].end <= edit.start):
            kept.append(edit)
    return kept

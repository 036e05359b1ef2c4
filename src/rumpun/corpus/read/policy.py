"""What is done with input that cannot be read: it is reported by file and row, counted and kept, or it stops the run.

`on_bad_input = "report"` goes on; `"stop"` raises at the first. Either way nothing is lost in silence: each refusal is a
row of `rejected.parquet` with its rule, what was expected, and the first bytes of what stood there.
"""

import functools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from rumpun.errors import InputError
from rumpun.records.licences import terms

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "HINTS",
    "KEPT_BYTES",
    "OnBadInput",
    "Rejects",
    "refused_licence",
    "rejected_schema",
    "stopped",
    "where",
]

OnBadInput = Literal["report", "stop"]
KEPT_BYTES = 64 << 10  # of a refused row
_HELD_BYTES = 4 << 20  # in memory before they are written

# rule -> the mend, as the hint of the error that `stop` raises
HINTS: Mapping[str, str] = {
    "read.missing": "fetch it again (docs/sources.md lists where from), or exclude its source in the recipe",
    "read.empty": "fetch it again, or exclude its source in the recipe",
    "read.checksum": "fetch the file again, or correct the checksum if the change is meant",
    "read.binary": "name text, JSON Lines, Parquet, HTML or WARC files",
    "read.corrupt": "fetch the file again",
    "read.cut_off": "fetch the file again: it ends in the middle of a row",
    "read.not_json": "mend or remove the line",
    "read.no_column": "name the column by columns = { text = … } in the recipe",
    "read.no_text": "give the row a text, or remove it",
    "read.encoding": "save it as UTF-8, or name its encoding in the recipe",
    "read.recoded": "save it as UTF-8, or name its encoding in the recipe",
    "read.unicode": "write whole characters: a lone half of a surrogate pair is none",
    "read.too_large": "split the document, or raise max_bytes_per_document",
    "read.language": "give a BCP-47 tag that rumpun knows, to the row or in the recipe",
    "licence.none": "add a licence by its SPDX id, to the row or in the recipe",
    "licence.unknown": "name the licence by an SPDX id that src/rumpun/records/licences.toml lists, such as CC-BY-4.0",
    "licence.terms": "remove the row, or get the right to ship what is trained on it",
}


@functools.cache
def refused_licence(licence: str) -> tuple[str, str] | None:
    """The rule by which text under a licence is refused, and in words why; None where it may be used."""
    if not licence:
        return "licence.none", "no licence"
    try:
        found = terms(licence)
    except InputError as error:
        return "licence.unknown", error.message[:120]
    if found.shippable:
        return None
    if found.family == "unknown":
        return "licence.unknown", f"licence {licence[:60]!r} is not known"
    return "licence.terms", f"licence {licence[:60]} may not stand behind a shipped layer"


def rejected_schema() -> "pa.Schema":
    """Columns of `rejected.parquet`."""
    import pyarrow as pa

    return pa.schema(
        [
            ("file", pa.string()),  # as `where` names it
            ("row", pa.uint64()),  # from 1; 0 where the whole file is meant
            ("rows", pa.uint64()),  # how many rows this one line stands for; 0 where nobody can know
            (
                "id",
                pa.string(),
            ),  # this and the next four as far as the row could be read; else the recipe's, or ""
            ("language", pa.string()),
            ("source", pa.string()),
            ("licence", pa.string()),
            ("contributor", pa.string()),
            ("rule", pa.string()),
            ("detail", pa.string()),
            ("size", pa.uint64()),  # bytes of what was refused
            ("data", pa.large_binary()),  # the first of them; none where the licence forbids to keep it
        ]
    )


class Rejects:
    """The refusals of one unit of work, written to an Arrow file as they come.

    As a context manager it closes the file. `reports` holds rule -> lines of it, `rows` rule -> the rows they stand for.
    """

    def __init__(self, path: Path, on_bad_input: OnBadInput) -> None:
        self._path = path
        self._stop = on_bad_input == "stop"
        self._held: list[dict[str, Any]] = []
        self._bytes = 0
        self._writer: Any = None
        self.reports: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(
        self,
        rule: str,
        detail: str,
        *,
        file: str,
        facts: Mapping[str, str],
        row: int = 0,
        rows: int = 1,
        data: bytes = b"",
        size: int | None = None,
    ) -> None:
        """Refuse a row, or with row = 0 a file; `facts` are its id, language, source, licence and contributor.

        Raises:
            InputError: the policy is to stop.
        """
        if self._stop:
            raise stopped(rule, detail, file=file, row=row)
        self.reports[rule] += 1
        self.rows[rule] += rows
        self._held.append(
            {
                "file": file, "row": row, "rows": rows, "rule": rule, "detail": detail,
                "size": len(data) if size is None else size, "data": data[:KEPT_BYTES],
            } | dict(facts)
        )  # fmt: skip
        self._bytes += min(len(data), KEPT_BYTES) + 200
        if self._bytes > _HELD_BYTES:
            self._flush()

    def note(self, rule: str, detail: str, *, file: str, row: int) -> None:
        """Report what was mended and is kept: under "stop" that too stops the run.

        Raises:
            InputError: the policy is to stop.
        """
        if self._stop:
            raise stopped(rule, detail, file=file, row=row)

    def _flush(self) -> None:
        import pyarrow as pa

        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._path), rejected_schema())
        self._writer.write_table(pa.Table.from_pylist(self._held, schema=rejected_schema()))
        self._held.clear()
        self._bytes = 0

    def close(self) -> None:
        """Write what is held and the file's end; without any refusal there is no file."""
        if self._held:
            self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def stopped(rule: str, detail: str, *, file: str, row: int) -> InputError:
    """The error that names file, row and mend."""
    sound = "; what is sound in it is read with on_bad_input = 'report'" if rule == "read.corrupt" else ""
    return InputError(f"{where(file, row)}: {detail}", HINTS[rule] + sound)


def where(file: str, row: int) -> str:
    """A place as people read it."""
    return f"{file}:{row}" if row else file

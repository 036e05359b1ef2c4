"""The step `corpus.read`: sources -> parts of documents as they were read, `rejected.parquet`, `sources.json`.

Nothing is filtered here and no text is changed. What cannot be read is refused by file and row, kept and counted. Files
are looked at, then read in groups, then the parts get their keys; each of these is a plan of `engine`, and a killed run
takes up where it was.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rumpun.corpus.met import Asked, remember
from rumpun.corpus.parts import place
from rumpun.corpus.read.formats import SourceFile
from rumpun.corpus.read.listing import added, count_rule, entries, sources
from rumpun.corpus.read.params import ReadParams
from rumpun.corpus.read.policy import HINTS, rejected_schema, stopped, where
from rumpun.corpus.read.units import Found, as_json, find, group, identity, reading
from rumpun.corpus.withdrawn import Withdrawn, withdrawn
from rumpun.errors import InputError
from rumpun.steps import Outcome, Progress, Work, step

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ReadParams", "read"]

T = TypeVar("T")
_LOOKED_AT_BYTES = 64 << 20  # in one unit of work
_NUMBERED_BYTES = 32 << 20


@step(kind="documents", version=2, identity=identity, part="corpus")
def read(params: ReadParams, work: Work) -> Outcome:
    """Read every row of every source.

    Raises:
        InputError: nothing to read, nothing that could be read, or bad input where the policy is to stop.
        EnvironmentFault: workers died again and again.
    """
    import pyarrow as pa

    found = _found(params, work.progress)
    run = _Reading(params, work, found, withdrawn())
    run.look()
    run.read()
    parts = run.number()
    rejected = run.gather()
    listed = sources(found, run.examined, run.tallies())
    (work.folder / "sources.json").write_text(
        json.dumps(listed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    rows = sum(source["rows"] for source in listed)
    languages = Counter[str]()
    for source in listed:
        languages.update(source["languages"])
    return Outcome(
        sources=entries(listed),
        languages=tuple(tag for tag, _ in sorted(languages.items()) if tag),
        summary={
            "documents": rows,
            "bytes": sum(source["bytes"] for source in listed),
            "parts": parts,
            "files": len(found.files),
            "languages": dict(sorted(languages.items())),
            "rejected": rejected,
            "recoded": added(source["recoded"] for source in listed),
            "skipped": added(source["skipped"] for source in listed),
            "ignored_files": len(found.ignored),
            "met": run.remember(),
        },
        tools={"pyarrow": pa.__version__} | _page_tools(found.files),
    )


def _found(params: ReadParams, progress: Progress) -> Found:
    """Every file, the hub's fetched; a source that the inventory's licence keeps out is bad input too."""
    fetched: list[SourceFile] = []
    if params.hubs:
        from rumpun.corpus.read.hub import fetch

        fetched = fetch(params.hubs, params.languages, progress)
    found = find(params, fetched)
    if params.on_bad_input == "stop":
        for item in found.left_out:
            if item.rule and not withdrawn().holds(item.source, ""):
                raise stopped(item.rule, item.reason, file=item.path, row=0)
    return found


def _page_tools(files: Sequence[SourceFile]) -> dict[str, str]:
    from importlib.metadata import version

    formats = {file.format for file in files}
    names = [name for name, of in (("resiliparse", {"html", "warc"}), ("fastwarc", {"warc"})) if formats & of]
    return {name: version(name) for name in names}


@dataclass(slots=True)
class _Reading:
    """One run under way."""

    params: ReadParams
    work: Work
    found: Found
    gone: Withdrawn
    examined: list[dict[str, Any]] = field(default_factory=list)  # a file's facts, by its number
    groups: list[dict[str, Any]] = field(default_factory=list)  # what each group of spans gave

    def look(self) -> None:
        """Every file's size, sha256 and cuts."""
        from rumpun.corpus.engine import map_parts
        from rumpun.corpus.read.workers import examine

        units = [
            {
                "files": [as_json(file) for file in some],
                "seen": [_seen(file) for file in some],
                "on_bad_input": self.params.on_bad_input,
                "withdrawn": self._taken_back(),
            }
            for some in _batches(self.found.files, _size, _LOOKED_AT_BYTES)
        ]
        found = map_parts(
            examine,
            units,
            progress=self.work.progress,
            note="files looked at",
            keep=self.work.scratch / "looked",
        )
        self.examined = [facts for some in found for facts in some]

    def read(self) -> None:
        """Every group of spans into local parts."""
        from rumpun.corpus.engine import map_parts
        from rumpun.corpus.read.workers import read_group

        folder = self.work.scratch / "groups"
        units = [
            {
                "folder": str(folder),
                "name": f"{number:06}",
                "files": {str(span.file): as_json(self.found.files[span.file]) for span in spans},
                "spans": [as_json(span) for span in spans],
                "hashes": [self.examined[span.file]["sha256"] for span in spans],
                "on_bad_input": self.params.on_bad_input,
                "max_bytes_per_document": self.params.max_bytes_per_document,
                "withdrawn": self._taken_back(),
            }
            for number, spans in enumerate(group(self.found.files, self.examined))
        ]
        self.groups = map_parts(
            read_group,
            units,
            progress=self.work.progress,
            note="sources read",
            keep=self.work.scratch / "read",
        )
        if not any(item["parts"] for item in self.groups):
            raise self._nothing()

    def _taken_back(self) -> list[Any]:
        return [as_json(entry) for entry in self.gone.entries]

    def _nothing(self) -> InputError:
        """Says what was refused most, and where that was first."""
        rules = Counter[str]()
        skipped = added(tally["skipped"] for tally in self.tallies())
        first: dict[str, str] = {}
        for table in self._refusals():
            for line in table.select(["file", "row", "rule", "detail"]).to_pylist():
                rules[line["rule"]] += 1
                first.setdefault(line["rule"], f"{where(line['file'], line['row'])}: {line['detail']}")
        if not rules:
            said = ", ".join(f"{count} times {why}" for why, count in skipped.items()) or "no rows"
            return InputError(f"no document could be read ({said})", "name other sources or languages")
        most = rules.most_common(1)[0][0]
        said = ", ".join(f"{count} times {rule}" for rule, count in rules.most_common(3))
        if any(item.private for item in self.params.files):
            return InputError(
                f"no document could be read ({said})", f"private rows are not shown here; {HINTS[most]}"
            )
        return InputError(f"no document could be read ({said}); {first[most]}", HINTS[most])

    def number(self) -> int:
        """Keys through all parts, and the parts to their place; returns how many."""
        from rumpun.corpus.engine import map_parts
        from rumpun.corpus.read.workers import number_parts

        parts: list[dict[str, Any]] = []
        key = 0
        for part in (part for item in self.groups for part in item["parts"]):
            parts.append({"from": part["path"], "number": len(parts), "key": key, "bytes": part["bytes"]})
            key += part["rows"]
        made = self.work.scratch / "parts"
        units = [
            {"folder": str(made), "parts": some}
            for some in _batches(parts, lambda part: int(part["bytes"]), _NUMBERED_BYTES)
        ]
        placed = map_parts(
            number_parts,
            units,
            progress=self.work.progress,
            note="keys given",
            keep=self.work.scratch / "numbered",
        )
        for name in (name for some in placed for name in some):
            place(made / name, self.work.folder / name)
        return len(parts)

    def gather(self) -> dict[str, dict[str, int]]:
        """`rejected.parquet` and, where there are pages, `pages.parquet`; returns rule -> reports and rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from rumpun.corpus.read.rows import pages_schema, read_local

        counts: dict[str, dict[str, int]] = {}
        with pq.ParquetWriter(
            self.work.folder / "rejected.parquet", rejected_schema(), compression="zstd"
        ) as out:
            for table in self._refusals():
                out.write_table(table)
                for rule, rows in zip(table["rule"].to_pylist(), table["rows"].to_pylist(), strict=True):
                    count_rule(counts, rule, {"reports": 1, "rows": rows})
        if any(item["pages"] for item in self.groups):
            with pq.ParquetWriter(
                self.work.folder / "pages.parquet", pages_schema(), compression="zstd"
            ) as out:
                first = 0
                for item in self.groups:
                    if item["pages"]:
                        table = read_local(Path(item["folder"]) / "pages.arrow")
                        keys = pa.array((table["key"].to_numpy() + first).astype("uint64"))
                        out.write_table(table.set_column(0, "key", keys))
                    first += sum(part["rows"] for part in item["parts"])
        return dict(sorted(counts.items()))

    def remember(self) -> str:
        """Keep what was met, for withdrawals to come; returns what the reading is remembered by."""
        asked = Asked(self.gone)
        for line in self._refused():
            asked.takes(line)
        name = reading(self.params)
        remember(name, [Path(item["folder"]) / "met" for item in self.groups], asked)
        return name

    def _refusals(self) -> "Iterator[pa.Table]":
        """Those of whole files, then those of each group, in canonical order."""
        import pyarrow as pa

        from rumpun.corpus.read.rows import read_local

        yield pa.Table.from_pylist(self._refused(), schema=rejected_schema())
        for item in self.groups:
            if item["rejected"]:
                yield read_local(Path(item["folder"]) / "rejected.arrow")

    def _refused(self) -> list[dict[str, Any]]:
        """Files that were refused as a whole: by the look at them, or by the inventory's licence."""
        lines = []
        for file, facts in zip(self.found.files, self.examined, strict=True):
            if facts["rule"]:
                told = {"language": file.language, "licence": file.licence, "size": facts["bytes"]}
                lines.append(_line(file.name, file.source, facts["rule"], facts["detail"]) | told)
        lines += [
            _line(item.path, item.source, item.rule, item.reason) | {"rows": item.rows}
            for item in self.found.left_out
            if item.rule and not self.gone.holds(item.source, "")
        ]
        return lines

    def tallies(self) -> Iterator[dict[str, Any]]:
        """What was counted of each span, in canonical order."""
        return (tally for item in self.groups for tally in item["files"])


def _batches(items: Sequence[T], size: Callable[[T], int], limit: int) -> list[list[T]]:
    """Runs of items that come to about `limit` together: a plan over a few small ones is one unit, and no process."""
    batches: list[list[T]] = []
    held = limit
    for item in items:
        if held >= limit:
            batches.append([])
            held = 0
        batches[-1].append(item)
        held += size(item)
    return batches


def _size(file: SourceFile) -> int:
    try:
        return Path(file.path).stat().st_size if file.path else 0
    except OSError:
        return 0


def _seen(file: SourceFile) -> str:
    """A file's size and time: a file that has changed since a run was cut off is looked at again."""
    try:
        stat = Path(file.path).stat() if file.path else None
    except OSError:
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}" if stat else ""


def _line(file: str, source: str, rule: str, detail: str) -> dict[str, Any]:
    return {
        "file": file, "row": 0, "rows": 0, "source": source, "rule": rule, "detail": detail, "size": 0, "data": b"",
        "id": file, "language": "", "licence": "", "contributor": "",
    }  # fmt: skip

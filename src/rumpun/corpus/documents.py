"""The step `corpus.read`: sources -> parts of documents as they were read, `rejected.parquet`, `sources.json`.

Nothing is filtered here and no text is changed. What cannot be read is refused by file and row, kept and counted. Files
are looked at, then read in groups, then the parts get their keys; each of these is a plan of `engine`, and a killed run
takes up where it was.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.corpus.documents_params import ReadParams
from rumpun.corpus.documents_units import Found, as_json, find, group, identity
from rumpun.corpus.policy import HINTS, rejected_schema, stopped
from rumpun.corpus.readers import SourceFile
from rumpun.corpus.withdrawn import withdrawn
from rumpun.errors import InputError
from rumpun.records.artefacts import SourceEntry
from rumpun.records.licences import terms
from rumpun.steps import Outcome, Progress, Work, step

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ReadParams", "read"]


@step(kind="documents", version=1, identity=identity, part="corpus")
def read(params: ReadParams, work: Work) -> Outcome:
    """Read every row of every source.

    Raises:
        InputError: nothing to read, nothing that could be read, or bad input where the policy is to stop.
        EnvironmentFault: workers died again and again.
    """
    import pyarrow as pa

    found = _found(params, work.progress)
    reading = _Reading(params, work, found)
    reading.look()
    reading.read()
    parts = reading.number()
    rejected = reading.gather()
    listed = reading.sources()
    (work.folder / "sources.json").write_text(
        json.dumps(listed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    rows = sum(source["rows"] for source in listed)
    languages = Counter[str]()
    for source in listed:
        languages.update(source["languages"])
    return Outcome(
        sources=_entries(listed),
        languages=tuple(tag for tag, _ in sorted(languages.items()) if tag),
        summary={
            "documents": rows,
            "bytes": sum(source["bytes"] for source in listed),
            "parts": parts,
            "files": len(found.files),
            "languages": dict(sorted(languages.items())),
            "rejected": rejected,
            "recoded": _added(source["recoded"] for source in listed),
            "skipped": _added(source["skipped"] for source in listed),
            "ignored_files": len(found.ignored),
        },
        tools={"pyarrow": pa.__version__} | _page_tools(found.files),
    )


def _found(params: ReadParams, progress: Progress) -> Found:
    """Every file, the hub's fetched; a source that the inventory's licence keeps out is bad input too."""
    fetched: list[SourceFile] = []
    if params.hubs:
        from rumpun.corpus.documents_hub import fetch

        fetched = fetch(params.hubs, params.languages, progress)
    found = find(params, fetched)
    if params.on_bad_input == "stop":
        for item in found.left_out:
            if item.reason.startswith("licence"):
                raise stopped("licence.terms", item.reason, file=item.path, row=0)
    return found


def _page_tools(files: Sequence[SourceFile]) -> dict[str, str]:
    from importlib.metadata import version

    formats = {file.format for file in files}
    names = [name for name, of in (("resiliparse", {"html", "warc"}), ("fastwarc", {"warc"})) if formats & of]
    return {name: version(name) for name in names}


def _added(counts: Iterator[Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


@dataclass(slots=True)
class _Reading:
    """One run under way."""

    params: ReadParams
    work: Work
    found: Found
    examined: list[dict[str, Any]] = field(default_factory=list)  # a file's facts, by its number
    groups: list[dict[str, Any]] = field(default_factory=list)  # what each group of spans gave

    def look(self) -> None:
        """Every file's size, sha256 and cuts."""
        from rumpun.corpus.documents_read import examine
        from rumpun.corpus.engine import map_parts

        units = [
            {"file": as_json(file), "on_bad_input": self.params.on_bad_input, "seen": _seen(file)}
            for file in self.found.files
        ]
        self.examined = map_parts(
            examine,
            units,
            progress=self.work.progress,
            note="files looked at",
            keep=self.work.scratch / "looked",
        )

    def read(self) -> None:
        """Every group of spans into local parts."""
        from rumpun.corpus.documents_read import read_group
        from rumpun.corpus.engine import map_parts

        taken_back = [as_json(entry) for entry in withdrawn().entries]
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
                "withdrawn": taken_back,
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

    def _nothing(self) -> InputError:
        rules = Counter[str]()
        for tally in self._tallies():
            rules.update({rule: count["reports"] for rule, count in tally["rejected"].items()})
        rules.update(facts["rule"] for facts in self.examined if facts["rule"])
        said = ", ".join(f"{count} times {rule}" for rule, count in rules.most_common(3)) or "no rows"
        hint = HINTS[rules.most_common(1)[0][0]] if rules else "name other sources or languages"
        return InputError(f"no document could be read ({said})", hint)

    def number(self) -> int:
        """Keys through all parts, and the parts to their place; returns how many."""
        from rumpun.corpus.documents_read import number_part
        from rumpun.corpus.engine import map_parts

        units: list[dict[str, Any]] = []
        key = 0
        made = self.work.scratch / "parts"
        for part in (part for item in self.groups for part in item["parts"]):
            units.append({"from": part["path"], "folder": str(made), "number": len(units), "key": key})
            key += part["rows"]
        placed = map_parts(
            number_part,
            units,
            progress=self.work.progress,
            note="keys given",
            keep=self.work.scratch / "numbered",
        )
        for item in placed:
            _place(made / item["name"], self.work.folder / item["name"])
        return len(units)

    def gather(self) -> dict[str, dict[str, int]]:
        """`rejected.parquet` and, where there are pages, `pages.parquet`; returns rule -> reports and rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from rumpun.corpus.documents_rows import pages_schema, read_local

        counts: dict[str, dict[str, int]] = {}
        with pq.ParquetWriter(
            self.work.folder / "rejected.parquet", rejected_schema(), compression="zstd"
        ) as out:
            for table in self._refusals():
                out.write_table(table)
                for rule, rows in zip(table["rule"].to_pylist(), table["rows"].to_pylist(), strict=True):
                    _count(counts, rule, {"reports": 1, "rows": rows})
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

    def _refusals(self) -> "Iterator[pa.Table]":
        """Those of whole files, then those of each group, in canonical order."""
        import pyarrow as pa

        from rumpun.corpus.documents_rows import read_local

        yield pa.Table.from_pylist(self._refused(), schema=rejected_schema())
        for item in self.groups:
            if item["rejected"]:
                yield read_local(Path(item["folder"]) / "rejected.arrow")

    def _refused(self) -> list[dict[str, Any]]:
        """Files that were refused as a whole: by the look at them, or by the inventory's licence."""
        lines = []
        for file, facts in zip(self.found.files, self.examined, strict=True):
            if facts["rule"]:
                lines.append(
                    _line(file.name, file.source, facts["rule"], facts["detail"], size=facts["bytes"])
                )
        lines += [
            _line(item.path, item.source, "licence.terms", item.reason, rows=item.rows)
            for item in self.found.left_out
            if item.reason.startswith("licence")
        ]
        return lines

    def _tallies(self) -> Iterator[dict[str, Any]]:
        return (tally for item in self.groups for tally in item["files"])

    def sources(self) -> list[dict[str, Any]]:
        """What `sources.json` says: a source after the other, in order of name."""
        listed: dict[str, dict[str, Any]] = {}
        for number, (file, facts) in enumerate(zip(self.found.files, self.examined, strict=True)):
            source = listed.setdefault(file.source, _source(file.source, file))
            entry = {"name": file.name, "bytes": facts["bytes"], "sha256": facts["sha256"], "rows": 0}
            if facts["rule"]:
                entry["rule"] = facts["rule"]
                _count(source["rejected"], facts["rule"], {"reports": 1, "rows": 0})
            source["files"].append(entry)
            for tally in self._of_file().get(number, ()):
                entry["rows"] += tally["rows"]
                for name in ("rows", "bytes"):
                    source[name] += tally[name]
                for name in ("languages", "licences", "recoded", "skipped"):
                    source[name] = dict(sorted((Counter(source[name]) + Counter(tally[name])).items()))
                for rule, count in tally["rejected"].items():
                    _count(source["rejected"], rule, count)
        for item in self.found.left_out:
            source = listed.setdefault(item.source, _source(item.source, None) | {"kind": item.kind})
            source["left_out"].append({"file": item.path, "rows": item.rows, "reason": item.reason})
        return [listed[name] for name in sorted(listed)]

    def _of_file(self) -> dict[int, list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = {}
        for tally in self._tallies():
            found.setdefault(tally["file"], []).append(tally)
        return found


def _seen(file: SourceFile) -> str:
    """A file's size and time: a file that has changed since a run was cut off is looked at again."""
    try:
        stat = Path(file.path).stat() if file.path else None
    except OSError:
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}" if stat else ""


def _line(file: str, source: str, rule: str, detail: str, *, rows: int = 0, size: int = 0) -> dict[str, Any]:
    return {
        "file": file, "row": 0, "rows": rows, "source": source, "rule": rule, "detail": detail, "size": size, "data": b"",
    }  # fmt: skip


def _count(counts: dict[str, dict[str, int]], rule: str, more: Mapping[str, int]) -> None:
    count = counts.setdefault(rule, {"reports": 0, "rows": 0})
    count["reports"] += more["reports"]
    count["rows"] += more["rows"]


def _source(name: str, file: SourceFile | None) -> dict[str, Any]:
    return {
        "name": name,
        "kind": file.kind if file else "",
        "licence": file.licence if file else "",
        "domain": file.domain if file else "",
        "repository": file.repository if file else "",
        "commit": file.commit if file else "",
        "rows": 0,
        "bytes": 0,
        "languages": {},
        "licences": {},
        "rejected": {},
        "recoded": {},
        "skipped": {},
        "left_out": [],
        "files": [],
    }


def _entries(listed: Sequence[Mapping[str, Any]]) -> tuple[SourceEntry, ...]:
    """For the manifest: each source of which something was read."""
    return tuple(
        SourceEntry(
            name=source["name"],
            licence=_licence(source["licences"]),
            url=source["repository"],
            commit=source["commit"],
            rows=source["rows"],
            bytes=source["bytes"],
            sha256=_sha256([file["sha256"] for file in source["files"] if file["rows"]]),
        )
        for source in listed
        if source["rows"]
    )


def _licence(licences: Mapping[str, int]) -> str:
    """One expression for all rows; of alternatives the one that obliges least is taken where others join it."""
    if len(licences) == 1:
        return next(iter(licences))
    return " AND ".join(dict.fromkeys(terms(licence).name for licence in sorted(licences)))


def _sha256(hashes: Sequence[str]) -> str:
    """The file's sha256, or where a source has several files the sha256 of their sorted list, a line each."""
    listed = sorted({item for item in hashes if item})
    if len(listed) < 2:
        return listed[0] if listed else ""
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def _place(made: Path, final: Path) -> None:
    try:
        os.link(made, final)  # the scratch copy stays until the whole artefact stands
    except OSError:
        shutil.copyfile(made, final)

"""What a reading says of its sources: `sources.json`, and the manifest's entries."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rumpun.corpus.read.formats import SourceFile
from rumpun.corpus.read.units import Found
from rumpun.records.artefacts import SourceEntry

__all__ = ["added", "count_rule", "entries", "sources"]


def sources(
    found: Found, examined: Sequence[Mapping[str, Any]], tallies: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A source after the other in order of name, from what was found, seen and counted."""
    of_file: dict[int, list[Mapping[str, Any]]] = {}
    for tally in tallies:
        of_file.setdefault(tally["file"], []).append(tally)
    listed: dict[str, dict[str, Any]] = {}
    for number, (file, facts) in enumerate(zip(found.files, examined, strict=True)):
        own = listed.setdefault(file.source, _source(file.source, file))
        if facts["rule"]:
            count_rule(own["rejected"], facts["rule"], {"reports": 1, "rows": 0})
        files = {file.source: _entry(file, facts)}
        for tally in of_file.get(number, ()):
            _add_refused(own, tally)
            for name, counts in tally["sources"].items():  # rows may name sources of their own
                _add_taken(listed.setdefault(name, _source(name, file)), counts)
                files.setdefault(name, _entry(file, facts))["rows"] += counts["rows"]
        for name, entry in files.items():
            listed[name]["files"].append(entry)
    for item in found.left_out:
        source = listed.setdefault(item.source, _source(item.source, None) | {"kind": item.kind})
        source["left_out"].append({"file": item.path, "rows": item.rows, "reason": item.reason})
    return [listed[name] for name in sorted(listed)]


def _add_refused(source: dict[str, Any], tally: Mapping[str, Any]) -> None:
    for name in ("recoded", "skipped"):
        source[name] = added([source[name], tally[name]])
    for rule, count in tally["rejected"].items():
        count_rule(source["rejected"], rule, count)


def _add_taken(source: dict[str, Any], counts: Mapping[str, Any]) -> None:
    for name in ("rows", "bytes"):
        source[name] += counts[name]
    for name in ("languages", "licences"):
        source[name] = added([source[name], counts[name]])


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts joined, in order of name."""
    total = Counter[str]()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def count_rule(counts: dict[str, dict[str, int]], rule: str, more: Mapping[str, int]) -> None:
    """Add reports and rows to a rule's counts."""
    count = counts.setdefault(rule, {"reports": 0, "rows": 0})
    count["reports"] += more["reports"]
    count["rows"] += more["rows"]


def _entry(file: SourceFile, facts: Mapping[str, Any]) -> dict[str, Any]:
    entry = {"name": file.name, "bytes": facts["bytes"], "sha256": facts["sha256"], "rows": 0}
    return entry | ({"rule": facts["rule"]} if facts["rule"] else {})


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


def entries(listed: Sequence[Mapping[str, Any]]) -> tuple[SourceEntry, ...]:
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
    """One expression for all rows."""
    if len(licences) == 1:
        return next(iter(licences))
    return " AND ".join(f"({item})" if " " in item else item for item in sorted(licences))


def _sha256(hashes: Sequence[str]) -> str:
    """The file's sha256, or where a source has several files the sha256 of their sorted list, a line each."""
    listed = sorted({item for item in hashes if item})
    if len(listed) < 2:
        return listed[0] if listed else ""
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()

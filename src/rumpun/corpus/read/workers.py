"""What workers do in `corpus.read`: look at files, read a group of spans, give parts their keys.

Each is a function of one unit (plain JSON) and writes only into its own folder, so that any worker may do it, again and in
any order, with the same result.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rumpun.corpus.met import Asked
from rumpun.corpus.parts import write_part
from rumpun.corpus.read.formats import Opened, SourceFile, Span, reader, splits_by_line
from rumpun.corpus.read.formats.decode import Decoder
from rumpun.corpus.read.formats.packed import CHUNK, compression
from rumpun.corpus.read.policy import Rejects, stopped
from rumpun.corpus.read.rows import Documents, read_local
from rumpun.corpus.read.units import SPLIT_BYTES
from rumpun.corpus.withdrawn import Entry, Withdrawn

__all__ = ["examine", "number_parts", "read_group"]


def examine(unit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Look at some files: bytes, sha256, where each may be cut; `rule` and `detail` where one cannot be used.

    Raises:
        InputError: a file cannot be used, and the policy is to stop.
    """
    found = []
    gone = Withdrawn(msgspec.convert(unit["withdrawn"], list[Entry]))
    for told in unit["files"]:
        file = msgspec.convert(told, SourceFile)
        facts = _examined(file)
        if gone.holds(file.source, ""):
            facts |= {"rule": "", "detail": ""}
        if facts["rule"] and unit["on_bad_input"] == "stop":
            raise stopped(facts["rule"], facts["detail"], file=file.path or file.name, row=0)
        found.append(facts)
    return found


def _examined(file: SourceFile) -> dict[str, Any]:
    facts: dict[str, Any] = {"bytes": 0, "sha256": "", "spans": [], "rule": "", "detail": ""}
    try:
        if file.format == "inline":
            return facts | {"spans": [_cut(0, -1, 0, 0)]}
        _look(file, facts)
    except FileNotFoundError:
        facts |= {"rule": "read.missing", "detail": f"missing, though the source '{file.source}' names it"}
    except OSError as error:
        facts |= {"rule": "read.missing", "detail": f"cannot be read ({error.strerror or error})"}
    return facts


def _cut(start: int, end: int, before: int, size: int) -> dict[str, int]:
    return {"start": start, "end": end, "before": before, "bytes": size}


def _look(file: SourceFile, facts: dict[str, Any]) -> None:
    path = Path(file.path)
    size = path.stat().st_size
    facts["bytes"] = size
    if not size:
        facts |= {"rule": "read.empty", "detail": "empty (0 bytes)"}
        return
    lines = size > SPLIT_BYTES and splits_by_line(file) and not compression(path)
    facts["sha256"], cuts = _hashed(path, lines=lines)
    if file.sha256 and facts["sha256"] != file.sha256:
        detail = f"sha256 {facts['sha256'][:12]}…, {file.sha256[:12]}… was expected"
        facts |= {"rule": "read.checksum", "detail": detail}
        return
    if file.format == "parquet" and size > SPLIT_BYTES:
        facts["spans"] = _row_groups(file.path) or [_cut(0, -1, 0, size)]
    elif cuts:
        ends = [*(cut[0] for cut in cuts[1:]), size]
        facts["spans"] = [
            _cut(start, end, before, end - start) for (start, before), end in zip(cuts, ends, strict=True)
        ]
    else:
        facts["spans"] = [_cut(0, -1, 0, size)]


def _hashed(path: Path, *, lines: bool) -> tuple[str, list[tuple[int, int]]]:
    """The sha256 and, with `lines`, the first line start at or after each SPLIT_BYTES with the lines before it."""
    digest = hashlib.sha256()
    cuts: list[tuple[int, int]] = []
    at = before = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            if lines and not cuts:
                if chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16: a line end is no byte
                    lines = False
                else:
                    cuts.append((0, 0))
            if lines:
                if at + len(chunk) >= len(cuts) * SPLIT_BYTES:
                    end = chunk.find(b"\n", max(0, len(cuts) * SPLIT_BYTES - at))
                    if end >= 0:
                        cuts.append((at + end + 1, before + chunk.count(b"\n", 0, end + 1)))
                before += chunk.count(b"\n")
            at += len(chunk)
    if cuts and cuts[-1][0] >= at:
        cuts.pop()
    return digest.hexdigest(), cuts


def _row_groups(path: str) -> list[dict[str, int]]:
    import pyarrow as pa

    from rumpun.corpus.read.formats.table import groups

    try:
        found = groups(path)
    except (pa.ArrowException, OSError):
        return []  # the reader tells it
    cuts: list[dict[str, int]] = []
    start = before = size = rows = 0
    for number, (count, length) in enumerate(found):
        size += length
        rows += count
        if size >= SPLIT_BYTES or number == len(found) - 1:
            cuts.append(_cut(start, number + 1, before, size))
            start, before, size = number + 1, before + rows, 0
            rows = 0
    return cuts


def read_group(unit: Mapping[str, Any]) -> dict[str, Any]:
    """Read a group's spans into local parts, without keys, and say what was found.

    Raises:
        InputError: something cannot be read, and the policy is to stop.
    """
    # a folder of this try alone: a worker of a killed run may still be writing into another
    Path(unit["folder"]).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{unit['name']}.", dir=unit["folder"]))
    files = {int(number): msgspec.convert(file, SourceFile) for number, file in unit["files"].items()}
    asked = Asked(Withdrawn(msgspec.convert(unit["withdrawn"], list[Entry])))
    documents = Documents(folder, asked)
    tallies: list[dict[str, Any]] = []
    with Rejects(folder / "rejected.arrow", unit["on_bad_input"]) as rejects:
        for told in unit["spans"]:
            span = msgspec.convert(told, Span)
            file = files[span.file]
            reports, lost = Counter(rejects.reports), Counter(rejects.rows)
            opened = Opened(
                file=file, span=span, limit=unit["max_bytes_per_document"], rejects=rejects,
                decoder=Decoder(file.encoding, _only(file)), asked=asked,
            )  # fmt: skip
            tally = documents.begin(opened)
            rows = _inline(file) if file.format == "inline" else reader(file.format)(opened)
            for row, record in rows:
                documents.add(opened, row, record)
            documents.end(opened)
            tally["recoded"] = dict(opened.recoded)
            tally["rejected"] = {
                rule: {"reports": count, "rows": rejects.rows[rule] - lost[rule]}
                for rule, count in sorted((rejects.reports - reports).items())
            }
            tallies.append(tally)
        documents.close()
    return {
        "folder": str(folder),
        "parts": documents.parts,
        "files": tallies,
        "rejected": rejects.reports.total(),
        "pages": documents.pages,
    }


def _only(file: SourceFile) -> str:
    """The language of all its rows, where that is known beforehand."""
    return file.language or (file.languages[0] if len(file.languages) == 1 else "")


def _inline(file: SourceFile) -> list[tuple[int, dict[str, Any]]]:
    return [(number, dict(row)) for number, row in enumerate(file.inline, 1)]


def number_parts(unit: Mapping[str, Any]) -> list[str]:
    """Give local parts their keys and write each under its number; returns the files' names."""
    import numpy as np
    import pyarrow as pa

    from rumpun.corpus.parts import documents_schema

    names = []
    for part in unit["parts"]:
        table = read_local(Path(part["from"]))
        keys = pa.array(np.arange(part["key"], part["key"] + table.num_rows, dtype=np.uint64))
        whole = table.add_column(0, "key", keys).cast(documents_schema())
        names.append(write_part(Path(unit["folder"]), part["number"], whole).name)
    return names

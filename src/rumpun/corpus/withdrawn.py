"""What was taken back: an append-only list in the data folder, which every later build heeds.

`withdrawn.jsonl` holds one JSON object a line: {"what": "source" | "row" | "contributor", "name", "at", "reason"}. Nothing is
ever removed from it by rumpun; a line that is wrong is removed by a person, and the rows come back with the next build.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from rumpun.errors import EnvironmentFault, InputError
from rumpun.records.artefacts import now
from rumpun.records.places import data_folder

__all__ = ["UNREAD", "Entry", "Withdrawn", "identity", "record", "withdrawn"]

# rules by which a row is refused before its fields are known
UNREAD = ("read.not_json", "read.cut_off", "read.encoding", "read.too_large", "read.corrupt", "read.binary")

What = Literal["source", "row", "contributor"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was taken back."""

    what: What
    name: str  # the source's name, the row's id or the contributor's name
    at: str = ""  # RFC 3339, UTC
    reason: str = ""

    @property
    def line(self) -> str:
        """How people name it."""
        return f"{self.what} {self.name}"


class Withdrawn:
    """A set of entries, ready to be asked."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self._names = {
            what: {entry.name for entry in entries if entry.what == what}
            for what in ("source", "row", "contributor")
        }

    def __bool__(self) -> bool:
        return bool(self.entries)

    def holds(self, source: str, row: str, contributor: str = "") -> bool:
        """Whether a row was taken back: by its source, its id (every piece of it too) or its contributor."""
        rows = self._names["row"]
        return (
            source in self._names["source"]
            or (bool(rows) and (row in rows or row.rpartition("#")[0] in rows))
            or (bool(contributor) and contributor in self._names["contributor"])
        )

    def takes(self, row: Mapping[str, Any]) -> bool:
        """The same of a row with `source`, `id` and perhaps `contributor`.

        Of a row that could not be read, `unread` holds what stood there: it goes where that has the id or the contributor in
        quotation marks, as JSON has them.
        """
        return self.holds(
            row.get("source") or "", str(row.get("id") or ""), row.get("contributor") or ""
        ) or bool(self._quoted(row.get("unread") or ""))

    def _quoted(self, unread: str) -> set[str]:
        return {
            entry.line
            for entry in (self.entries if unread else ())
            if entry.what != "source"
            and any(json.dumps(entry.name, ensure_ascii=way) in unread for way in (False, True))
        }

    def named(self, row: Mapping[str, Any]) -> set[str]:
        """The entries, as people name them, by which a row was taken back."""
        row_id = str(row.get("id") or "")
        asked = (
            ("source", row.get("source")),
            ("row", row_id),
            ("row", row_id.rpartition("#")[0]),
            ("contributor", row.get("contributor")),
        )
        named = {f"{what} {name}" for what, name in asked if name and name in self._names[what]}
        return named | self._quoted(row.get("unread") or "")


def list_path() -> Path:
    """Where the list lies."""
    return data_folder() / "withdrawn.jsonl"


def withdrawn() -> Withdrawn:
    """What was taken back on this machine so far.

    Raises:
        InputError: a line of the list cannot be read: no build goes on without it.
    """
    path = list_path()
    entries: list[Entry] = []
    if not path.is_file():
        return Withdrawn(())
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except msgspec.MsgspecError as error:
            raise InputError(
                f"{path}:{number}: not a withdrawal ({error})",
                "mend the line; no row may come back by a damaged list",
            ) from error
    return Withdrawn(entries)


def identity() -> dict[str, str]:
    """What a step that reads sources, and keeps no note of what it met (`met`), adds to its id; empty without withdrawals."""
    lines = sorted({entry.line for entry in withdrawn().entries})
    if not lines:
        return {}
    return {"withdrawn": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def record(entries: Sequence[Entry], reason: str = "") -> tuple[Entry, ...]:
    """Append what is not on the list yet, at once and for good; what was added.

    Raises:
        EnvironmentFault: the list cannot be written.
    """
    import filelock

    path = list_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock")):
            known = {entry.line for entry in withdrawn().entries}
            new = tuple(
                msgspec.structs.replace(entry, at=now(), reason=reason)
                for entry in dict.fromkeys(entries)
                if entry.line not in known
            )
            _append(path, b"".join(msgspec.json.encode(entry) + b"\n" for entry in new))
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: {error.strerror or error}", "free space, or mend the permissions of the data folder"
        ) from error
    return new


def _append(path: Path, lines: bytes) -> None:
    """Write aside and rename, so that a line is whole or not there."""
    if not lines:
        return
    before = path.read_bytes() if path.is_file() else b""
    aside = path.with_suffix(f".{os.getpid()}")
    with aside.open("wb") as stream:
        stream.write(before + (b"" if not before or before.endswith(b"\n") else b"\n") + lines)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)

"""What a reading met, so that a withdrawal that concerns none of it leaves the reading's artefact as it stands.

Beside the list of what was taken back, the data folder keeps a file for each reading, named by its parameters and files: 64
bits of a hash for every source, row and contributor that was met, and the entries that its artefact's id names anyhow. An
entry that was surely not met is not part of the id. A doubt (two hashes alike, a file that is lost) names it, and so costs a
reading; no doubt keeps a row.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from rumpun.corpus.withdrawn import Entry, Withdrawn, withdrawn
from rumpun.records.places import data_folder

__all__ = ["Asked", "heed", "identity", "remember"]

_MOST_LETTERS = 300  # of a name that is looked for in rows that could not be read; a longer one counts as met


class Asked:
    """What was taken back, with a note of everything that was asked about."""

    def __init__(self, gone: Withdrawn) -> None:
        self.gone = gone
        self._rows = bytearray()  # hashes: ids are many, and seldom twice the same
        self._names: dict[str, set[str]] = {"source": set(), "contributor": set(), "unread": set()}

    def takes(self, row: Mapping[str, Any]) -> bool:
        """As `Withdrawn.takes`."""
        name = str(row.get("id") or "")
        self._rows += _hashed(f"row {name}")
        if "#" in name:
            self._rows += _hashed(f"row {name.rpartition('#')[0]}")
        self._names["source"].add(row.get("source") or "")
        self._names["contributor"].add(row.get("contributor") or "")
        unread = row.get("unread")
        if unread:
            parts = unread.split('"')[1:-1]
            self._names["unread"].update(part for part in parts if len(part) <= _MOST_LETTERS)
        return bool(self.gone) and self.gone.takes(row)

    def write(self, path: Path) -> None:
        """Write the notes down, for `remember`."""
        lines = [f"{what} {name}" for what, names in self._names.items() for name in names]
        path.write_bytes(bytes(self._rows) + b"".join(map(_hashed, sorted(lines))))


def _hashed(line: str) -> bytes:
    """64 bits, the lowest first."""
    return hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def identity(reading: str) -> dict[str, str]:
    """What a reading adds to its artefact's id: the withdrawals that concern it. Empty where there are none.

    Args:
        reading: 32 hex digits of its parameters and files.
    """
    entries = withdrawn().entries
    lines = {entry.line for entry in entries}
    with contextlib.suppress(OSError, ValueError), _path(reading).open("rb") as stream:
        heeded = set(_heeded(stream))
        first = stream.tell()
        met = {entry.line for entry in entries if _met(stream, first, entry)}
        # an entry that a person removed from the list leaves a mark: the artefact with the old id is out of use
        lines = (lines & (heeded | met)) | {f"not {line}" for line in heeded - lines}
    if not lines:
        return {}
    return {"withdrawn": hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()}


def remember(reading: str, notes: Iterable[Path], asked: Asked) -> None:
    """Keep what a reading met, with what an earlier run of the same met; where that cannot be kept, every entry counts.

    Args:
        reading: as of `identity`.
        notes: files of `Asked.write`.
        asked: notes that were not written.
    """
    import numpy as np

    heeded = [entry.line for entry in asked.gone.entries]
    with contextlib.suppress(OSError):
        own = _path(reading).with_suffix(f".{os.getpid()}.notes")
        own.parent.mkdir(parents=True, exist_ok=True)
        asked.write(own)
        found = [np.fromfile(path, dtype="<u8") for path in (*notes, own)]
        own.unlink()
        with contextlib.suppress(FileNotFoundError, ValueError), _path(reading).open("rb") as stream:
            heeded = _heeded(stream)
            found.append(np.frombuffer(stream.read(), dtype="<u8"))
        hashes = np.sort(np.concatenate(found))
        fresh = np.diff(hashes, prepend=~hashes[:1]) != 0
        _keep(reading, heeded, hashes[fresh].tobytes())


def heed(reading: str, entries: Sequence[Entry]) -> None:
    """Let a reading's id name these entries: its artefact goes out of use because of them.

    Raises:
        OSError: that cannot be written.
    """
    with contextlib.suppress(FileNotFoundError, ValueError), _path(reading).open("rb") as stream:
        heeded = {*_heeded(stream), *(entry.line for entry in entries)}
        _keep(reading, sorted(heeded), stream.read())


def _path(reading: str) -> Path:
    return data_folder() / "met" / reading


def _keep(reading: str, heeded: Sequence[str], hashes: bytes) -> None:
    path = _path(reading)
    aside = path.with_suffix(f".{os.getpid()}")
    with aside.open("wb") as stream:
        head = {"heeded": list(heeded), "bytes": len(hashes)}
        stream.write(json.dumps(head).encode() + b"\n" + hashes)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


def _heeded(stream: BinaryIO) -> list[str]:
    """The entries that an id names anyhow; the stream stands before the hashes then.

    Raises:
        ValueError: the file is not whole.
    """
    head = json.loads(stream.readline())
    if os.fstat(stream.fileno()).st_size - stream.tell() != head["bytes"]:
        raise ValueError("cut off")
    found: list[str] = head["heeded"]
    return found


def _met(stream: BinaryIO, first: int, entry: Entry) -> bool:
    return any(
        line == "" or _has(stream, first, int.from_bytes(_hashed(line), "little")) for line in _lines(entry)
    )


def _lines(entry: Entry) -> Iterator[str]:
    """The notes by which an entry may have been met; "" where no note can tell."""
    yield entry.line
    if entry.what != "source":
        for way in (False, True):
            name = json.dumps(entry.name, ensure_ascii=way)[1:-1]
            yield "" if '"' in name or len(name) > _MOST_LETTERS else f"unread {name}"


def _has(stream: BinaryIO, first: int, value: int) -> bool:
    """Whether a number is among the sorted ones that begin at byte `first`."""
    low, high = 0, (os.fstat(stream.fileno()).st_size - first) // 8
    while low < high:
        middle = (low + high) // 2
        stream.seek(first + 8 * middle)
        found = int.from_bytes(stream.read(8), "little")
        if found == value:
            return True
        low, high = (middle + 1, high) if found < value else (low, middle)
    return False

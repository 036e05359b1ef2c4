"""Members of a ZIP file, one after another, with bounds: nothing is unpacked to disk, and a name is only a name.

Methods 0 (stored), 8 (deflate) and 93 (Zstandard). While one member is used the next ones are unpacked in threads, as long as
they are small.
"""

import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rumpun.errors import InputError, MissingPartError

__all__ = [
    "DEFLATE",
    "MEMBER_BYTES",
    "STORED",
    "ZSTANDARD",
    "Archive",
    "Member",
    "ahead",
    "deflated",
    "unpacked",
]

STORED, DEFLATE, ZSTANDARD = 0, 8, 93
MEMBER_BYTES = 1 << 30  # of one member, unpacked
_RATIO = 200  # all members unpacked, to the file; Inspect's logs come to 8 to 30
_SPARE_BYTES = 1 << 30  # that a small file may unpack to beyond its ratio
_AHEAD_BYTES = 64 << 20  # unpacked, of the members that wait
_AHEAD = 3
_THREADS = 2
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Member:
    """One member."""

    name: str
    method: int
    packed: bytes  # as it stands in the file
    data: bytes


class Archive:
    """A ZIP file that is read from its central directory; of members of one name the last one counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._stream = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})", "name a log file") from error
        try:
            self._entries, self.superseded = self._directory()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Every member once, in the order of the directory."""
        return tuple(self._entries)

    def _directory(self) -> tuple[dict[str, zipfile.ZipInfo], int]:
        try:
            with zipfile.ZipFile(self._stream) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise InputError(
                f"{self.path}: no whole ZIP file ({error})", "copy it again; it may be cut off"
            ) from error
        end = 0
        for entry in sorted(entries, key=lambda one: one.header_offset):
            if entry.header_offset < end:
                raise self._refused(entry.filename, "lies over another member")
            end = entry.header_offset + 30 + entry.compress_size
        size = self._stream.seek(0, 2)
        if end > size:
            raise InputError(f"{self.path}: ends in the middle of a member", "copy it again")
        for entry in entries:
            self._check(entry)
        whole = sum(entry.file_size for entry in entries)
        if whole > _RATIO * size + _SPARE_BYTES:
            raise InputError(
                f"{self.path}: {size} bytes that would unpack to {whole}",
                f"logs of up to {_RATIO} times their file are read; this one looks made to fill a memory",
            )
        found = {entry.filename: entry for entry in entries}
        return found, len(entries) - len(found)

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name = entry.orig_filename
        if (
            name.startswith("/")
            or "\\" in name
            or "\0" in name
            or ".." in name.split("/")
            or name[1:2] == ":"
        ):
            raise self._refused(name, "has a name that leads out of the file")
        if entry.flag_bits & 0x1:
            raise self._refused(name, "is encrypted")
        if entry.compress_type not in (STORED, DEFLATE, ZSTANDARD):
            raise self._refused(name, f"is packed by method {entry.compress_type}, not 0, 8 or 93")
        if entry.file_size > MEMBER_BYTES:
            raise self._refused(name, f"is {entry.file_size} bytes, more than {MEMBER_BYTES}")

    def _refused(self, name: str, why: str) -> InputError:
        return InputError(
            f"{self.path}: member {name[:200]!r} {why}", "take a log that the tool itself wrote"
        )

    def read(self, name: str) -> bytes:
        """One member, unpacked."""
        return next(self.members([name])).data

    def members(self, names: Iterable[str]) -> Iterator[Member]:
        """These members, unpacked and checked against their length and checksum.

        Raises:
            InputError: one is damaged.
            MissingPartError: one is packed with Zstandard, and nothing here can unpack that.
        """
        items = ((entry, self._packed(entry)) for entry in (self._entries[name] for name in names))
        return ahead(lambda item: self._unpack(*item), items, lambda item: item[0].file_size)

    def _packed(self, entry: zipfile.ZipInfo) -> bytes:
        self._stream.seek(entry.header_offset)
        head = self._stream.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise self._refused(entry.filename, "has no header of its own")
        self._stream.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
        packed = self._stream.read(entry.compress_size)
        if len(packed) < entry.compress_size:
            raise self._refused(entry.filename, "is cut off")
        return packed

    def _unpack(self, entry: zipfile.ZipInfo, packed: bytes) -> Member:
        try:
            data = unpacked(entry.compress_type, packed, entry.file_size)
        except ValueError as error:
            raise self._refused(entry.filename, f"is damaged ({error})") from error
        if zlib.crc32(data) != entry.CRC:
            raise self._refused(entry.filename, "is damaged (its checksum is another)")
        return Member(entry.filename, entry.compress_type, packed, data)


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], size: Callable[[Item], int]
) -> Iterator[Result]:
    """`work(item)` for each item, in order, done in threads while the one before is used; large items wait their turn."""
    waiting: deque[tuple[int, Future[Result]]] = deque()
    held = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for item in items:
            own = size(item)
            while waiting and (len(waiting) > _AHEAD or held + own > _AHEAD_BYTES):
                before, done = waiting.popleft()
                held -= before
                yield done.result()
            waiting.append((own, pool.submit(work, item)))
            held += own
        while waiting:
            yield waiting.popleft()[1].result()


def deflated(data: bytes) -> bytes:
    """Packed by method 8, quickly: a little larger than it could be."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def unpacked(method: int, packed: bytes, size: int) -> bytes:
    """The bytes of a member; never more than `size` are unpacked.

    Raises:
        ValueError: they are damaged, or of another length.
        MissingPartError: Zstandard, and nothing here can unpack that.
    """
    if method == STORED:
        data = packed
    elif method == DEFLATE:
        try:
            data = zlib.decompressobj(-15).decompress(packed, size + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
    elif method == ZSTANDARD:
        data = _zstandard(packed, size)
    else:
        raise ValueError(f"method {method}")
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes or more, not {size}")
    return data


def _zstandard(packed: bytes, size: int) -> bytes:
    """One or more frames; what is longer or shorter than `size` is refused before it takes memory."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingPartError("a log packed with Zstandard", "score") from error
    try:
        data: bytes = pa.decompress(packed, decompressed_size=size, codec="zstd", asbytes=True)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(str(error).splitlines()[0][:120]) from error
    return data

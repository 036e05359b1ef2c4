"""Bytes of a file as they stand in it: decompressed, in chunks, in lines of bounded length; damage is told, not thrown.

Memory does not grow with the file, nor with its longest line. What a damaged gzip or zstd file holds before the damage is
given to the last byte.
"""

import codecs
import contextlib
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rumpun.corpus.read.policy import KEPT_BYTES

__all__ = ["CHUNK", "ChunkFile", "Lines", "chunks", "compression", "looks_binary", "next_member"]

CHUNK = 1 << 20
_PIECE = 64 << 10  # compressed bytes that are given to zlib at once
_MEMBER = b"\x1f\x8b\x08"
_TRIED = 4096  # bytes from which a member must show how its content begins
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BINARY = (
    b"%PDF-",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\xd0\xcf\x11\xe0",
)
_SIXTEEN = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

# what is wrong, after which byte of the file (-1: unknown), and how many bytes that were given are proven by a checksum
Damaged = Callable[[str, int, int], None]


def compression(path: Path) -> str:
    """What a file is packed with, by its first bytes: gzip, zstd, or "" for nothing."""
    with path.open("rb") as stream:
        head = stream.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def looks_binary(head: bytes) -> bool:
    """Whether a file that begins so is no text: known formats, or a NUL byte outside UTF-16."""
    if head[:2] in _SIXTEEN:
        return False
    return head.startswith(_BINARY) or b"\0" in head[:8192]


def chunks(path: Path, packed: str, damaged: Damaged, *, start: int = 0, end: int = -1) -> Iterator[bytes]:
    """The file's bytes, decompressed, about CHUNK at a time, from `start` to `end`, which are bytes of the file.

    A file that is compressed is read to its end; gzip may start where a member does.

    UTF-16 with its mark comes as UTF-8, and UTF-8 loses its mark. At damage `damaged` is called and the bytes end.
    """
    make = {"": _plain, "gzip": _gzip, "zstd": _zstd}[packed]
    with path.open("rb") as stream:
        found = make(stream, damaged, start, end)
        yield from _unmarked(found, damaged) if start == 0 else found


def _plain(stream: Any, _: Damaged, start: int, end: int) -> Iterator[bytes]:
    stream.seek(start)
    left = end - start if end >= 0 else None
    while chunk := stream.read(CHUNK if left is None else min(CHUNK, left)):
        if left is not None:
            left -= len(chunk)
        yield chunk


def _gzip(stream: Any, damaged: Damaged, start: int, _: int) -> Iterator[bytes]:
    """Member after member. At an error the piece is given again byte by byte, so that nothing before it is lost."""
    stream.seek(start)
    unpack = zlib.decompressobj(wbits=31)
    fed = False  # whether the member under way has begun
    total = proven = 0
    while piece := stream.read(_PIECE):
        while piece:
            if unpack.eof:
                unpack, fed, proven = zlib.decompressobj(wbits=31), False, total
                if not piece.strip(b"\0"):  # padding after the last member
                    break
            before = unpack.copy()
            given = 0
            try:
                out = unpack.decompress(piece, CHUNK)
                fed = True
                while out:
                    yield out
                    given += len(out)
                    out = unpack.decompress(unpack.unconsumed_tail, CHUNK) if unpack.unconsumed_tail else b""
            except zlib.error as error:
                yield _until(before, piece)[given:]
                # a checksum stands at a member's end alone: what came of this one may be garbled
                place = stream.tell() - len(piece)
                damaged(f"gzip damaged after byte {place} ({_words(error)})", place, proven)
                return
            total += given
            piece = unpack.unused_data
    if fed and not unpack.eof:
        yield unpack.flush()
        damaged(f"gzip ends in the middle, at byte {stream.tell()}", stream.tell(), proven)


def next_member(path: Path, after: int, begins: bytes) -> int:
    """Where, after a byte of a gzip file, the next member starts whose content begins so; -1 where none does."""
    with path.open("rb") as stream:
        stream.seek(after)
        at, held = after, b""
        while piece := stream.read(_PIECE):
            held += piece
            place = held.find(_MEMBER)
            while 0 <= place <= len(held) - _TRIED or (place >= 0 and len(piece) < _PIECE):
                with contextlib.suppress(zlib.error):
                    if (
                        zlib.decompressobj(wbits=31)
                        .decompress(held[place : place + _TRIED], 64)
                        .startswith(begins)
                    ):
                        return at + place
                place = held.find(_MEMBER, place + 1)
            keep = len(held) - place if place >= 0 else len(_MEMBER) - 1
            at += len(held) - keep
            held = held[len(held) - keep :]
    return -1


def _words(error: Exception) -> str:
    return str(error).replace("Error -3 while decompressing data: ", "")


def _until(unpack: Any, piece: bytes) -> bytes:
    """All that comes out of a piece before it fails."""
    out = bytearray()
    for n in range(len(piece)):
        try:
            out += unpack.decompress(piece[n : n + 1])
        except zlib.error:
            break
    return bytes(out)


def _zstd(stream: Any, damaged: Damaged, _start: int, _end: int) -> Iterator[bytes]:
    """Frame after frame. At an error all is unpacked again in sips, so that only the damaged block is lost."""
    import pyarrow as pa

    given = 0
    said = ""
    try:
        with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as unpacked:
            while chunk := unpacked.read(128 << 10):
                given += len(chunk)
                yield chunk
    except (OSError, pa.ArrowException) as error:
        said = str(error).splitlines()[0][:120]
    if not said:
        return
    with Path(stream.name).open("rb") as again:  # Arrow has closed the first
        sips = _Sips(again)
        with (
            contextlib.suppress(OSError, pa.ArrowException),
            pa.CompressedInputStream(pa.PythonFile(sips, mode="r"), "zstd") as unpacked,
        ):
            while chunk := unpacked.read(1 << 10):
                yield chunk[given:]
                given = max(0, given - len(chunk))
    damaged(f"zstd damaged near byte {sips.at} ({said})", sips.at, 0)


class _Sips(io.RawIOBase):
    """A file from its beginning, a little at a time: what was unpacked before an error is then out already."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self.at = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next few bytes, however many are asked for."""
        found: bytes = self._stream.read(min(size, 256) if size >= 0 else 256)
        self.at += len(found)
        return found


def _unmarked(found: Iterator[bytes], damaged: Damaged) -> Iterator[bytes]:
    """Without the byte-order mark; UTF-16 as UTF-8."""
    first = next(found, b"")
    name = _SIXTEEN.get(first[:2])
    if name is None:
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from found
        return
    decoder = codecs.getincrementaldecoder(name)("replace")
    yield decoder.decode(first[2:]).encode("utf-8", "replace")
    for chunk in found:
        yield decoder.decode(chunk).encode("utf-8", "replace")
    if decoder.getstate()[0]:
        damaged("UTF-16 ends in the middle of a character", -1, 0)


class Lines:
    """Lines of a stream with their numbers, bounded: of a longer line the first KEPT_BYTES and its size are given.

    Iterating gives (number from `first` on, line without its end, size in bytes, whether a line end closed it).
    """

    def __init__(self, found: Iterator[bytes], limit: int, first: int = 1) -> None:
        self._found = found
        self._limit = limit
        self._number = first

    def __iter__(self) -> Iterator[tuple[int, bytes, int, bool]]:
        held: list[bytes] = []
        size = 0
        for chunk in self._found:
            begin = 0
            while (end := chunk.find(b"\n", begin)) >= 0:
                if size:
                    size += end - begin
                    self._hold(held, chunk[begin:end], size)
                    line = b"".join(held)
                    held.clear()
                else:
                    size = end - begin
                    line = chunk[begin:end] if size <= self._limit else chunk[begin : begin + KEPT_BYTES]
                yield self._number, line, size, True
                self._number += 1
                size = 0
                begin = end + 1
            if begin < len(chunk):
                size += len(chunk) - begin
                self._hold(held, chunk[begin:], size)
        if size:
            yield self._number, b"".join(held), size, False

    def _hold(self, held: list[bytes], piece: bytes, size: int) -> None:
        if size <= self._limit:
            held.append(piece)
        elif len(held) != 1 or len(held[0]) != KEPT_BYTES:
            kept = b"".join([*held, piece])[:KEPT_BYTES]
            held[:] = [kept]


class ChunkFile(io.RawIOBase):
    """Chunks as a file to read from, for libraries that want one."""

    def __init__(self, found: Iterator[bytes]) -> None:
        super().__init__()
        self._found = found
        self._rest = b""
        self._at = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next; 0 at the end."""
        while not self._rest:
            chunk = next(self._found, None)
            if chunk is None:
                return 0
            self._rest = chunk
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        self._at += taken
        return taken

    def tell(self) -> int:
        """Bytes given so far."""
        return self._at

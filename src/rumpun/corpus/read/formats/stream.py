"""Bytes of a file as they stand in it: decompressed, in chunks, in lines of bounded length; damage is told, not thrown.

Memory does not grow with the file, nor with its longest line.
"""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rumpun.corpus.read.formats.packed import CHUNK, Damaged, gzip_members, zstd_frames
from rumpun.corpus.read.policy import KEPT_BYTES

__all__ = ["CHUNK", "ChunkFile", "Lines", "chunks", "looks_binary"]

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


def looks_binary(head: bytes) -> bool:
    """Whether a file that begins so is no text: known formats, or a NUL byte outside UTF-16."""
    if head[:2] in _SIXTEEN:
        return False
    return head.startswith(_BINARY) or b"\0" in head[:8192]


def chunks(path: Path, packed: str, damaged: Damaged, *, start: int = 0, end: int = -1) -> Iterator[bytes]:
    """The file's bytes, decompressed, in chunks of at most CHUNK, from `start` to `end`, which are bytes of the file.

    A file that is compressed is read to its end, and may start where a member does; see `packed` for what is given of a
    damaged one. UTF-16 with its mark comes as UTF-8, and UTF-8 loses its mark. At damage `damaged` is called and the bytes
    end.
    """
    with path.open("rb", buffering=CHUNK) as stream:
        if packed:
            found = (gzip_members if packed == "gzip" else zstd_frames)(stream, damaged, start)
        else:
            found = _plain(stream, start, end)
        yield from _unmarked(found, damaged) if start == 0 else found


def _plain(stream: Any, start: int, end: int) -> Iterator[bytes]:
    stream.seek(start)
    left = end - start if end >= 0 else None
    while chunk := stream.read(CHUNK if left is None else min(CHUNK, left)):
        if left is not None:
            left -= len(chunk)
        yield chunk


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
        damaged("UTF-16 ends in the middle of a character", -1)


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

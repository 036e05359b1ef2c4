"""Compressed files: a gzip member or a zstd frame is given once all of it was unpacked and its checksum fits.

A checksum stands at the end of a member, so nothing before it is proven, and a flipped bit garbles rows long before it is
noticed. A member that is small is held until then; a larger one is unpacked twice, first only to be checked, so memory does
not grow with it. What a damaged member, or one that is cut off, holds is not given at all. A zstd frame that was written
without a checksum (Arrow's are) is checked as far as unpacking notices damage.
"""

import contextlib
import io
import os
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

__all__ = ["CHUNK", "Damaged", "compression", "gzip_members", "next_member", "zstd_frames"]

CHUNK = 1 << 20
_HELD_BYTES = 8 << 20  # of a member, until it is proven
_PIECE = 64 << 10  # compressed bytes that are unpacked at once
_MEMBER = b"\x1f\x8b\x08"
_TRIED = 4096  # bytes from which a member must show how its content begins
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_FRAME = 0xFD2FB528  # RFC 8878, section 3.1
_SKIPPED = 0x184D2A50  # a frame that holds no data; its last four bits are free

# what is wrong, and after which byte of the file (-1: unknown)
Damaged = Callable[[str, int], None]


class _BrokenError(Exception):
    """A member cannot be unpacked."""

    def __init__(self, detail: str, place: int) -> None:
        super().__init__(detail)
        self.place = place


def compression(path: Path) -> str:
    """What a file is packed with, by its first bytes: gzip, zstd, or "" for nothing."""
    with path.open("rb") as stream:
        head = stream.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def gzip_members(stream: Any, damaged: Damaged, start: int) -> Iterator[bytes]:
    """What a gzip file holds from a member's start on; at damage `damaged` is called and the bytes end."""
    return _proven(stream, damaged, start, _gzip_member)


def zstd_frames(stream: Any, damaged: Damaged, start: int) -> Iterator[bytes]:
    """The same of a zstd file, from a frame's start on."""
    return _proven(stream, damaged, start, _zstd_frame)


def _proven(
    stream: Any, damaged: Damaged, start: int, unpack: Callable[[Any, int], Generator[bytes, None, int]]
) -> Iterator[bytes]:
    at = start
    while (at := _after_padding(stream, at)) >= 0:
        held: list[bytes] = []
        size = 0
        member = unpack(stream, at)
        try:
            while True:
                chunk = next(member)
                size += len(chunk)
                if size <= _HELD_BYTES:
                    held.append(chunk)
                else:
                    held.clear()
        except StopIteration as done:
            end = done.value
        except _BrokenError as error:
            damaged(f"{error}; nothing from byte {at} on is taken: no checksum speaks for it", error.place)
            return
        yield from held if size <= _HELD_BYTES else unpack(stream, at)
        at = end


def _after_padding(stream: Any, at: int) -> int:
    """Where the next member starts, after zero bytes that pad the last; -1 at the file's end."""
    stream.seek(at)
    while piece := stream.read(_PIECE):
        rest = piece.lstrip(b"\0")
        if rest:
            return int(stream.tell()) - len(rest)
    return -1


def _gzip_member(stream: Any, at: int) -> Generator[bytes, None, int]:
    """A member's bytes; returns where it ends."""
    stream.seek(at)
    unpack = zlib.decompressobj(wbits=31)
    place = at
    try:
        while not unpack.eof:
            place = stream.tell()
            piece = stream.read(_PIECE)
            out = unpack.decompress(piece, CHUNK) if piece else unpack.flush()
            while out:
                yield out
                out = unpack.decompress(unpack.unconsumed_tail, CHUNK) if unpack.unconsumed_tail else b""
            if not piece and not unpack.eof:
                raise _BrokenError(f"gzip ends in the middle, at byte {place}", place)
    except zlib.error as error:
        said = str(error).replace("Error -3 while decompressing data: ", "")
        raise _BrokenError(f"gzip damaged after byte {place} ({said})", place) from error
    return int(stream.tell()) - len(unpack.unused_data)


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


def _zstd_frame(stream: Any, at: int) -> Generator[bytes, None, int]:
    """A frame's bytes; returns where it ends."""
    import pyarrow as pa

    end = _frame_end(stream, at)
    if _number(stream, at, 4) == _FRAME:
        try:
            frame = pa.PythonFile(_Stretch(stream, at, end), mode="r")
            with pa.CompressedInputStream(frame, "zstd") as unpacked:
                while chunk := unpacked.read(CHUNK):
                    yield chunk
        except (OSError, pa.ArrowException) as error:
            if getattr(error, "errno", None):  # of the disk, not of the frame
                raise
            said = str(error).splitlines()[0][:120]
            raise _BrokenError(f"zstd damaged after byte {at} ({said})", at) from error
    return end


def _frame_end(stream: Any, at: int) -> int:
    """Where a frame ends, by the lengths that its blocks name (RFC 8878, section 3.1.1)."""
    magic = _number(stream, at, 4)
    if magic & ~0xF == _SKIPPED:
        end = at + 8 + _number(stream, at + 4, 4)
    elif magic == _FRAME:
        flags = _number(stream, at + 4, 1)
        single = flags >> 5 & 1
        end = at + 5 + (not single) + (0, 1, 2, 4)[flags & 3] + (single, 2, 4, 8)[flags >> 6]
        last = 0
        while not last:
            block = _number(stream, end, 3)
            last, kind, size = block & 1, block >> 1 & 3, block >> 3
            if kind == 3:
                raise _BrokenError(f"zstd damaged after byte {end} (a block of no known kind)", end)
            end += 3 + (1 if kind == 1 else size)
        end += 4 * (flags >> 2 & 1)
    else:
        raise _BrokenError(f"zstd damaged after byte {at} (no frame begins there)", at)
    size = os.fstat(stream.fileno()).st_size
    if size < end:
        raise _BrokenError(f"zstd ends in the middle, at byte {size}", size)
    return end


def _number(stream: Any, at: int, size: int) -> int:
    stream.seek(at)
    found = stream.read(size)
    if len(found) < size:
        raise _BrokenError(f"zstd ends in the middle, at byte {at + len(found)}", at + len(found))
    return int.from_bytes(found, "little")


class _Stretch(io.RawIOBase):
    """A stretch of a file as a file to read from."""

    def __init__(self, stream: Any, at: int, end: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = end - at
        stream.seek(at)

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most a piece."""
        found: bytes = self._stream.read(min(size if size >= 0 else _PIECE, self._left))
        self._left -= len(found)
        return found

"""Lines of UTF-8 text out of files and pipes, in batches, strictly."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from rumpun.errors import InputError

__all__ = ["batches", "lines_of"]

_READ = 1 << 16


def batches(stream: BinaryIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the first line, lines) as they come: what a pipe holds now is not kept waiting for more.

    Lines end at a line feed, with or without a carriage return before it; both are taken off. An empty line is a
    line; a last line without an end is one too.

    Raises:
        InputError: a line is not UTF-8; the message names it.
    """
    rest: list[bytes] = []  # pieces of a line whose end has not come: joined once, however long it is
    number = 1
    while chunk := _some(stream):
        *whole, last = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join((*rest, whole[0]))
            rest = []
            good: list[str] = []
            try:
                for n, line in enumerate(whole):
                    good.append(_text(line, name, number + n))
            except InputError:
                yield number, good  # the lines before the bad one are answered all the same
                raise
            yield number, good
            number += len(whole)
        if last:
            rest.append(last)
    if rest:
        yield number, [_text(b"".join(rest), name, number)]


def _some(stream: BinaryIO) -> bytes:
    read1 = getattr(stream, "read1", None)
    data: bytes = read1(_READ) if read1 is not None else stream.read(_READ)
    return data


def _text(line: bytes, name: str, number: int) -> str:
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line)",
            "convert it, for example with iconv -t UTF-8, or mend the line",
        ) from error


def lines_of(files: Sequence[Path]) -> Iterator[tuple[str, int, list[str]]]:
    """(name, number of the first line, lines) of each file, or of standard input where no file is named.

    Raises:
        InputError: a file cannot be read, or a line is not UTF-8.
    """
    if not files:
        for number, lines in batches(sys.stdin.buffer, "standard input"):
            yield "standard input", number, lines
        return
    for path in files:
        try:
            stream = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})", "name a file of text") from error
        with stream:
            try:
                for number, lines in batches(stream, str(path)):
                    yield str(path), number, lines
            except OSError as error:
                raise InputError(
                    f"{path}: cannot be read ({error.strerror})", "name a file of text"
                ) from error

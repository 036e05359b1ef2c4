"""Plain text: a document is the whole file, a paragraph (lines up to an empty one) or a line."""

from collections.abc import Iterator

from rumpun.corpus.read.formats import Opened, Record
from rumpun.corpus.read.formats.stream import Lines
from rumpun.corpus.read.policy import KEPT_BYTES

__all__ = ["read"]


def read(opened: Opened) -> Iterator[tuple[int, Record]]:
    """(row, {"text": …}); the row is the document's first line, or 1 for a file."""
    make = {"file": _whole, "line": _lines, "paragraph": _paragraphs}[opened.file.documents]
    yield from make(opened, opened.chunks())


def _whole(opened: Opened, found: Iterator[bytes]) -> Iterator[tuple[int, Record]]:
    held = bytearray()
    size = 0
    for chunk in found:
        size += len(chunk)
        if size <= opened.limit:
            held += chunk
        else:
            del held[KEPT_BYTES:]
    if size > opened.limit:
        opened.too_large(1, size, bytes(held))
    elif size and opened.damaged:
        opened.cut_off(1, bytes(held))
    elif size:
        text = opened.text(bytes(held), 1)
        if text is not None:
            yield 1, {"text": text}


def _lines(opened: Opened, found: Iterator[bytes]) -> Iterator[tuple[int, Record]]:
    for row, line, size, ended in Lines(found, opened.limit, opened.span.before + 1):
        if size > opened.limit:
            opened.too_large(row, size, line)
        elif not ended and opened.damaged:
            opened.cut_off(row, line)
        elif line.strip():
            text = opened.text(line.removesuffix(b"\r"), row)
            if text is not None:
                yield row, {"text": text}


def _paragraphs(opened: Opened, found: Iterator[bytes]) -> Iterator[tuple[int, Record]]:
    held: list[bytes] = []
    first = size = 0

    def document(*, ends: bool) -> Iterator[tuple[int, Record]]:
        data = b"\n".join(held)
        if size > opened.limit:
            opened.too_large(first, size, data)
        elif data and ends and opened.damaged:
            opened.cut_off(first, data)
        elif data:
            text = opened.text(data, first)
            if text is not None:
                yield first, {"text": text}

    for row, line, length, _ in Lines(found, opened.limit):
        if not line.strip():
            yield from document(ends=False)
            held.clear()
            size = 0
            continue
        if not held:
            first = row
        size += length + bool(held)
        if size <= opened.limit:
            held.append(line.removesuffix(b"\r"))
        else:
            held[:] = [b"\n".join([*held, line])[:KEPT_BYTES]]
    yield from document(ends=True)

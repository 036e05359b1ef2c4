"""WARC files as crawlers write them: a page a record, with its address and the time of its fetching (fastwarc).

Taken are responses with status 200 that hold HTML or plain text, resources of these kinds, and conversions (WET). All
else is no document and is counted by what it is.
"""

import io
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from rumpun.corpus.read.formats import Opened, Record
from rumpun.corpus.read.formats.html import record_of
from rumpun.corpus.read.formats.packed import compression, next_member
from rumpun.corpus.read.formats.stream import ChunkFile
from rumpun.corpus.read.policy import KEPT_BYTES

__all__ = ["read"]

_PAGES = ("text/html", "application/xhtml+xml")
_HEAD_BYTES = 64 << 10  # of an HTTP header


def read(opened: Opened) -> Iterator[tuple[int, Record]]:
    """(row, record) of each document; rows are WARC records, of whatever type, counted from 1.

    After damage in a gzip file, which holds each record in a member of its own, reading goes on at the next record.
    """
    row = start = 0
    while start >= 0:
        opened.damaged = False
        for number, record in _records(opened, start, row):
            row = number
            if record is not None:
                yield row, record
        start = -1
        if opened.damaged and opened.damaged_after >= 0 and compression(opened.path) == "gzip":
            start = next_member(opened.path, opened.damaged_after + 1, b"WARC/")
    if not row and not opened.damaged:
        opened.reject("read.corrupt", "no WARC record in it", rows=0)


def _records(opened: Opened, start: int, row: int) -> Iterator[tuple[int, Record | None]]:
    """(row, record) from a byte of the file on; None where a WARC record is no document."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    stream = io.BufferedReader(ChunkFile(opened.chunks(text=False, start=start)), 256 << 10)
    try:
        for record in ArchiveIterator(stream, parse_http=False):
            row += 1
            kind = record.record_type
            if kind in (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.conversion):
                yield row, _document(opened, row, record, http=kind == WarcRecordType.response)
            else:
                named = (record.headers.get("WARC-Type") or "without type")[:20].lower()
                opened.skipped[f"record {named}"] += 1
                yield row, None
    except (OSError, ValueError, RuntimeError, EOFError) as error:
        if getattr(error, "errno", None):  # of the disk, not of the parser
            raise
        if not opened.damaged:
            opened.damage(f"no WARC after record {row} ({str(error)[:120]})")


class _Body(NamedTuple):
    """What a record holds, without transport."""

    kind: str  # content type
    charset: str
    data: bytes


def _document(opened: Opened, row: int, record: Any, *, http: bool) -> Record | None:
    """A record's document; None where it is none, which is counted, or cannot be used, which is refused."""
    name = (record.record_id or "").removeprefix("<").removesuffix(">").removeprefix("urn:uuid:")
    told: Record = {"id": name}
    expected = record.content_length
    if expected > opened.limit + _HEAD_BYTES:
        opened.too_large(row, expected, record.reader.read(KEPT_BYTES), told)
        return None
    block = record.reader.read(expected)
    if len(block) < expected:
        said = f"the record has {len(block)} of its {expected} bytes"
        opened.reject("read.cut_off", said, record=told, row=row, data=block)
        return None
    if http:
        body = _response(opened, row, block, told)
    else:
        kind = (record.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        body = _Body(kind, "", block)
    if body is None:
        return None
    if len(body.data) > opened.limit:
        opened.too_large(row, len(body.data), body.data, told)
        return None
    found = _read(opened, row, body, told)
    if found is None:
        return None
    fetched = record.headers.get("WARC-Date") or ""
    return found | told | {"url": record.headers.get("WARC-Target-URI") or "", "fetched": fetched}


def _read(opened: Opened, row: int, body: _Body, told: Record) -> Record | None:
    if body.kind in ("", *_PAGES):
        return record_of(opened, row, body.data, body.charset, told)
    if body.kind == "text/plain":
        text = opened.text(body.data, row, told)
        return None if text is None else {"text": text, "title": "", "encoding": "utf-8"}
    opened.skipped[f"content type {body.kind[:60]}"] += 1
    return None


def _response(opened: Opened, row: int, block: bytes, told: Record) -> _Body | None:
    parsed = _http(block)
    if parsed is None:
        opened.reject("read.corrupt", "a response without an HTTP header", record=told, row=row, data=block)
        return None
    status, headers, packed = parsed
    if status != "200":
        opened.skipped[f"status {status[:3]}"] += 1
        return None
    kind, charset = _content_type(headers.get("content-type", ""))
    if kind and kind not in (*_PAGES, "text/plain"):
        return _Body(kind, charset, b"")
    data = _unpacked(packed, headers, opened.limit)
    if isinstance(data, str):
        opened.reject("read.corrupt", data, record=told, row=row, data=packed)
        return None
    return _Body(kind, charset, data)


def _http(block: bytes) -> tuple[str, dict[str, str], bytes] | None:
    """(status, headers in lower case, body) of an HTTP response, or None where it is none."""
    end = block.find(b"\r\n\r\n", 0, _HEAD_BYTES)
    gap = 4
    if end < 0:
        end, gap = block.find(b"\n\n", 0, _HEAD_BYTES), 2
    if end < 0 or not block.startswith(b"HTTP/"):
        return None
    first, *rest = block[:end].decode("latin-1").splitlines()
    words = first.split(None, 2)
    pairs = (line.partition(":") for line in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return (words[1] if len(words) > 1 else ""), headers, block[end + gap :]


def _content_type(header: str) -> tuple[str, str]:
    kind, _, rest = header.partition(";")
    charset = rest.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    return kind.strip().lower(), charset


def _unpacked(body: bytes, headers: dict[str, str], limit: int) -> bytes | str:
    """The body without chunks and compression, at most a byte over the limit; or in words why it cannot be had.

    Crawlers differ: some keep the headers of a body that they have unpacked, so a body is unpacked only if it is packed.
    """
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _dechunked(body)
    packing = headers.get("content-encoding", "").lower()
    if packing in ("gzip", "x-gzip", "deflate") and body[:1] in (b"\x1f", b"\x78"):
        try:
            return zlib.decompressobj(wbits=47).decompress(body, limit + 1)
        except zlib.error as error:
            return f"its {packing} content is damaged ({error})"
    if packing in ("br", "zstd", "compress") and b"<" not in body[:512]:
        return f"its content is packed with {packing}, which is not read"
    return body


def _dechunked(body: bytes) -> bytes:
    """A chunked body joined; as it is where it is not chunked after all."""
    out = bytearray()
    at = 0
    while True:
        end = body.find(b"\r\n", at, at + 20)
        try:
            size = int(body[at:end].partition(b";")[0], 16)
        except ValueError:
            return bytes(out) or body
        if end < 0 or size == 0:
            return bytes(out)
        out += body[end + 2 : end + 2 + size]
        at = end + 4 + size

"""JSON Lines: an object a line. A line that is not JSON is refused and the next one read."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from rumpun.corpus.read.formats import Opened, Record
from rumpun.corpus.read.formats.stream import Lines

__all__ = ["read"]


def read(opened: Opened) -> Iterator[tuple[int, Record]]:
    """(row, record) of each object; rows are lines of the file, empty ones are none."""
    decode = msgspec.json.Decoder().decode
    for row, line, size, ended in Lines(opened.chunks(), opened.limit, opened.span.before + 1):
        if size > opened.limit:
            opened.too_large(row, size, line)
            continue
        try:
            record = decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            record = _slowly(opened, row, line, ended=ended)
            if record is None:
                continue
        if isinstance(record, dict):
            yield row, opened.mapped(record)
        else:
            kind = type(record).__name__
            opened.reject(
                "read.not_json", f'a {kind}, not an object such as {{"text": …}}', row=row, data=line
            )


def _slowly(opened: Opened, row: int, line: bytes, *, ended: bool) -> Any:
    """A line that the quick decoder refuses: of another encoding, or not JSON, which is told; None where refused."""
    if not line.strip():
        return None
    if not ended and opened.damaged:
        opened.cut_off(row, line)
        return None
    text = opened.text(line, row)
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        detail = f"not JSON ({error.msg}, column {error.colno})"
        if not ended:
            opened.reject("read.cut_off", f"{detail}: the file ends in this line", row=row, data=line)
            return None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        detail = f"not JSON that can be read ({type(error).__name__})"
    opened.reject("read.not_json", detail, row=row, data=line)
    return None

"""What to check, out of lines: JSON objects, or plain text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError
from rumpun.guard.exchange import Exchange, exchange_of
from rumpun.language.lines import lines_of

__all__ = ["exchanges_of"]


def exchanges_of(files: Sequence[Path]) -> Iterator[tuple[str, int, list[Exchange]]]:
    """(name, number of the first line, exchanges): a line that begins with a brace is a JSON object, another one a text.

    Raises:
        InputError: a file cannot be read, a line is not UTF-8, or an object is not one that can be checked; the message
            names the line and never quotes it. The lines before it have been given by then.
    """
    for name, number, lines in lines_of(files):
        found: list[Exchange] = []
        for n, line in enumerate(lines):
            try:
                found.append(_read(line, f"{name}: line {number + n}"))
            except InputError:
                if found:
                    yield name, number, found  # what stands before the line that cannot be read is not lost
                raise
        yield name, number, found


def _read(line: str, where: str) -> Exchange:
    if not line.lstrip().startswith("{"):
        return Exchange(line)
    try:
        row: Any = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise InputError(f"{where}: not JSON ({error})", 'write {"prompt": "…"} on each line') from error
    return exchange_of(row, where)

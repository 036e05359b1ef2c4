"""Texts to check, out of plain lines or JSON Lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError
from rumpun.language.lines import lines_of

__all__ = ["texts_of"]


def texts_of(files: Sequence[Path]) -> Iterator[tuple[str, int, list[str]]]:
    """(name, number of the first line, texts): each line of a file is a text; in *.jsonl its field `text` is.

    Raises:
        InputError: a file cannot be read, a line is not UTF-8, or a line of *.jsonl has no field `text` that is a
            string; the message names the line and never quotes it.
    """
    for name, number, lines in lines_of(files):
        if name.endswith(".jsonl"):
            yield name, number, [_field(line, name, number + n) for n, line in enumerate(lines)]
        else:
            yield name, number, lines


def _field(line: str, name: str, number: int) -> str:
    try:
        row: Any = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise InputError(f"{name}: line {number}: not JSON", 'write {"text": "…"} on each line') from error
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str):
        kind = type(text).__name__ if isinstance(row, dict) and "text" in row else "no field 'text'"
        raise InputError(
            f"{name}: line {number}: expected a string in 'text', found {kind}",
            'write {"text": "…"} on each line',
        )
    return text

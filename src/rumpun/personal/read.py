"""Texts to look through, out of plain lines or JSON Lines whose other fields are kept; and the secret of pseudonyms."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError, UsageError
from rumpun.language.lines import lines_of

__all__ = ["Rows", "read_key", "rows_of"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some lines of one file."""

    name: str
    number: int  # of the first line
    texts: list[str]
    objects: list[dict[str, Any]] | None  # of *.jsonl: each line whole


def rows_of(files: Sequence[Path]) -> Iterator[Rows]:
    """Each line of a file is a text; in *.jsonl its field `text` is.

    Raises:
        InputError: a file cannot be read, a line is not UTF-8, or a line of *.jsonl has no field `text` that is a
            string; the message names the line and never quotes it.
    """
    for name, number, lines in lines_of(files):
        if name.endswith(".jsonl"):
            objects = [_object(line, name, number + n) for n, line in enumerate(lines)]
            yield Rows(name, number, [row["text"] for row in objects], objects)
        else:
            yield Rows(name, number, lines, None)


def _object(line: str, name: str, number: int) -> dict[str, Any]:
    mend = 'write {"text": "…"} on each line'
    try:
        row: Any = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise InputError(f"{name}: line {number}: not JSON", mend) from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise InputError(f"{name}: line {number}: no field 'text' that is a string", mend)
    return row


def read_key(path: Path | None, variable: str | None) -> bytes:
    """The secret in a file, byte for byte, or in a variable of the environment; empty where neither is named.

    Raises:
        InputError: the file cannot be read.
        UsageError: both are named, or the variable is not set.
    """
    if path and variable:
        raise UsageError("--key-file and --key-env: one secret, not two", "name one of them")
    if variable:
        secret = os.environb.get(variable.encode(), b"")
        if not secret:
            raise UsageError(
                f"the environment has no variable '{variable}', or it is empty", "set it, or use --key-file"
            )
        return secret
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "name the file of the secret"
        ) from error

"""The form of a preference pair on disk, read and checked.

A line: {"messages": [{"role", "content"}, …, the user's turn], "chosen", "rejected", "language", "source", "licence"}; pairs made
by rule have "rule" too, and the sources of a rejected answer that is another row's in "rejected_source".
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError

__all__ = ["PreferenceRow", "Turn", "lines", "read_preferences", "write_rows"]

_MEND = "mend or remove the line (docs/guides/layers.md, Preferences)"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: str
    content: str


class PreferenceRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One preference."""

    messages: tuple[Turn, ...]
    chosen: str
    rejected: str
    language: str  # BCP-47
    source: str
    licence: str
    rule: str = ""  # how the rejected answer was made; empty: given with the pair
    rejected_source: str = ""  # where the rejected answer is another row's

    @property
    def prompt(self) -> str:
        """The conversation before the answer as one text: what is held out together."""
        return "\n".join(f"{turn.role}\t{turn.content}" for turn in self.messages)

    def fault(self) -> str:
        """Why the row is no preference, or an empty string."""
        roles = [turn.role for turn in self.messages]
        if not roles or roles[-1] != "user" or not set(roles) <= {"system", "user", "assistant"}:
            return f"the turns are {', '.join(roles) or 'none'}; expected system, user and assistant, the user's last"
        if not self.chosen.strip() or not self.rejected.strip():
            return "an answer is empty"
        if self.chosen.strip() == self.rejected.strip():
            return "both answers are the same"
        return (
            "" if self.language and self.source and self.licence else "language, source or licence is empty"
        )


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of a file's lines that are not blank.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "check the path and its permissions"
        ) from error


def read_preferences(path: Path) -> Iterator[PreferenceRow]:
    """Every pair of a file.

    Raises:
        InputError: a line is no pair; names the file, the line and the mend.
    """
    for number, line in lines(path):
        try:
            row = msgspec.json.decode(line, type=PreferenceRow)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{number}: no preference pair ({error})", _MEND) from error
        if why := row.fault():
            raise InputError(f"{path}:{number}: no preference pair ({why})", _MEND)
        yield row


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """Write rows as JSON Lines in UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(msgspec.to_builtins(row), ensure_ascii=False) + "\n")

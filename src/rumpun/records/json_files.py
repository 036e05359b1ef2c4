"""Small JSON files of ours, read as the type that they were written from or refused in one line."""

from pathlib import Path
from typing import TypeVar

import msgspec

from rumpun.errors import InputError

__all__ = ["read_json"]

Kind = TypeVar("Kind")


def read_json(
    path: Path,
    kind: type[Kind],
    what: str,
    *,
    schema: int | None = None,
    absent: str = "name a folder that holds it",
    damaged: str = "restore it from a release",
) -> Kind:
    """The file as this type; `what` says what it should be, `absent` and `damaged` are the mends.

    Raises:
        InputError: it is missing, cannot be read, is no JSON in UTF-8, of another form, or not of this schema.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", absent) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", absent) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter inside a string
        raise InputError(f"{path}: not {what} ({error})", damaged) from error
    if schema is not None and (told := getattr(found, "schema", None)) != schema:
        raise InputError(f"{path}: schema {told}, expected {schema}", "fetch a release for this version")
    return found

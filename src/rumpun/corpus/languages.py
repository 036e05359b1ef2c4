"""Which languages are known, their scripts, and whether they write spaces between words."""

import functools
import tomllib
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, nearest

__all__ = ["known", "language_or_error", "script", "spaced"]


@functools.cache
def _table() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "languages.toml").read_text(encoding="utf-8"))


@functools.cache
def known() -> dict[str, str]:
    """BCP-47 tag -> four-letter script (ISO 15924)."""
    return {tag: name for name, tags in _table()["scripts"].items() for tag in tags}


def script(tag: str) -> str:
    """The script of a known language."""
    return known()[tag]


def spaced(tag: str) -> bool:
    """Whether words of this language stand between spaces."""
    return tag not in _table()["unspaced"]["languages"]


def language_or_error(tag: object, where: str) -> str:
    """The tag itself, if known.

    Raises:
        InputError: it is unknown; `where` names the file and row.
    """
    if isinstance(tag, str) and tag in known():
        return tag
    raise InputError(f"{where}: language {tag!r} is unknown", nearest(str(tag), list(known())))

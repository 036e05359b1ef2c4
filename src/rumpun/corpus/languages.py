"""Which languages are known, their scripts, and whether they write spaces between words."""

import functools
import tomllib
from collections.abc import Iterable
from pathlib import Path

from rumpun.errors import InputError, nearest
from rumpun.language.tables import languages

__all__ = ["check_tags", "known", "language_or_error", "scripts", "spaced"]


@functools.cache
def known() -> dict[str, tuple[tuple[str, ...], bool]]:
    """BCP-47 tag -> its scripts (ISO 15924) and whether words stand between spaces."""
    more = tomllib.loads((Path(__file__).parent / "languages.toml").read_text(encoding="utf-8"))
    unspaced = more["unspaced"]["languages"]
    found = {tag: ((name,), tag not in unspaced) for name, tags in more["scripts"].items() for tag in tags}
    return found | {tag: (item.scripts, item.words_with_spaces) for tag, item in languages().items()}


def check_tags(tags: Iterable[str], where: str = "") -> None:
    """Refuse a tag that is not known; for the `check` of a step's parameters.

    Raises:
        ValueError: names the tag, the nearest that there is and, if given, the parameter `where` it stands.
    """
    for tag in tags:
        if tag not in known():
            place = f"{where}: " if where else ""
            raise ValueError(f"{place}language '{tag}' is unknown ({nearest(tag, list(known()))})")


def scripts(tag: str) -> tuple[str, ...]:
    """The scripts of a known language; simplified and traditional characters are both Hani."""
    return tuple("Hani" if name in ("Hans", "Hant") else name for name in known()[tag][0])


def spaced(tag: str) -> bool:
    """Whether words of this language stand between spaces."""
    return known()[tag][1]


def language_or_error(tag: object, where: str) -> str:
    """The tag itself, if known.

    Raises:
        InputError: it is unknown; `where` names the file and row.
    """
    if isinstance(tag, str) and tag in known():
        return tag
    raise InputError(f"{where}: language {tag!r} is unknown", nearest(str(tag), list(known())))

"""Does an answer decline? Phrases of refusal, by language: `refusals/<language>.toml`.

`phrases` decline wherever an answer begins with them; `weak` ones stand in answers that help as well («it is illegal and
…», «as an assistant»), and are for a guard, whom a false alarm costs little. Written by a language model, not reviewed by
native speakers: correct the files.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rumpun.errors import UsageError
from rumpun.language.phrases import Phrases
from rumpun.language.tables import fallback
from rumpun.recipes import build, read_toml

__all__ = ["Refusals", "refusals", "refuses"]

_FOLDER = Path(__file__).parent / "refusals"
_BEGINNING = 300  # code points in which an answer declines, if it does; later ones say what it cannot do beside helping


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """One language's file."""

    language: str
    reviewed: str  # by whom and when, or "not reviewed"
    phrases: tuple[str, ...]
    weak: tuple[str, ...] = ()


@functools.cache
def refusals(folder: Path | None = None) -> Mapping[str, Refusals]:
    """Language -> its phrases, of every file of a folder, by default ours.

    Raises:
        UsageError: a key is unknown or missing, with the file named.
    """
    found = {}
    for path in sorted((folder or _FOLDER).glob("*.toml")):
        found[path.stem] = build(Refusals, read_toml(path), path.name)
    return found


def refuses(text: str, language: str) -> bool:
    """Whether an answer to somebody who asked in a language declines to answer.

    It is read by its beginning, in the language, in those related to it, and in English; case, blanks, apostrophes and what
    does not show make no difference. An answer that says nothing does not decline.
    """
    tags = {language, *fallback(language), "en"}
    found = _phrases().find(text[: 2 * _BEGINNING], tags)
    return any(start < _BEGINNING for tag in tags for start, _ in found.get(tag, ()))


@functools.cache
def _phrases() -> Phrases:
    found = Phrases()
    for tag, own in refusals().items():
        for entry in own.phrases:
            try:
                found.add(tag, entry)
            except ValueError as error:
                raise UsageError(f"refusals/{tag}.toml: {error}", "write the phrase anew") from error
    return found

"""What people are told: general messages, one file a language in `messages/`, and what policies lay over them.

The general messages are machine-written until `reviewed_by` names a speaker. They are short, blame nobody and never
say that something is unlawful.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from rumpun.errors import UsageError, nearest
from rumpun.guard.policy.vocabulary import FOLDER
from rumpun.language.tables import WORKING, fallback
from rumpun.recipes import build, read_toml

__all__ = ["HELP", "NUMBERS", "Wording", "general"]

NUMBERS = "{numbers}"  # where the emergency numbers stand in the message `emergency`
HELP = (
    "help",
    "lines",
    "nearest",
    "emergency",
    "emergency_unknown",
    "ambulance",
    "police",
)  # in every language


@dataclass(frozen=True, slots=True, kw_only=True)
class _Messages:
    """One language's file."""

    language: str
    written_by: str
    reviewed_by: tuple[str, ...]
    messages: dict[str, str]


@functools.cache
def general() -> dict[str, dict[str, str]]:
    """Name of a message -> language -> text, read from `messages/`; English has every name.

    Raises:
        UsageError: a name that English lacks, or one that a language must have and has not.
    """
    files = {
        path: build(_Messages, read_toml(path), path.name) for path in (FOLDER / "messages").glob("*.toml")
    }
    names = next(list(found.messages) for found in files.values() if found.language == "en")
    book: dict[str, dict[str, str]] = {name: {} for name in names}
    for path, found in sorted(files.items()):
        for name, text in found.messages.items():
            if name not in book:
                raise UsageError(f"{path}: messages.{name}: no such message", nearest(name, names))
            book[name][found.language] = text
        for name in names if found.language in WORKING else HELP:
            if not found.messages.get(name):
                raise UsageError(f"{path}: messages.{name} is missing", "write it in this language")
    return book


class Wording:
    """Messages of one policy, by name and language."""

    def __init__(self, book: Mapping[str, Mapping[str, str]], languages: tuple[str, ...]) -> None:
        """Keep `book` (name -> language -> text); `languages` are the country's, the most usual first."""
        self.book = book
        self._languages = languages

    def say(self, name: str, language: str) -> str:
        """A message in this language, or in the nearest one that has it; the country's own where none is near."""
        texts = self.book[name]
        if language in texts:
            return texts[language]
        for tag in _order(language, self._languages):
            if tag in texts:
                return texts[tag]
        return next(iter(texts.values()))


@functools.lru_cache(maxsize=1024)
def _order(language: str, country: tuple[str, ...]) -> tuple[str, ...]:
    main = language.partition("-")[0]
    main = "tl" if main == "fil" else main  # ISO 639 has both for Filipino
    return (main, *fallback(main if language == "fil" else language), *country, "en")

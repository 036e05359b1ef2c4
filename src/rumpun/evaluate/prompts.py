"""How a model is asked, per language: `prompts/<language>.toml`."""

import functools
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError, nearest
from rumpun.language.tables import languages as languages_known

__all__ = ["Prompts", "has_prompts", "languages", "lettered", "prompts"]

_FOLDER = Path(__file__).parent / "prompts"
# Languages without a file of their own are asked in that of a neighbour whose readers know it; a cell says so.
_INSTEAD = {
    "jv": "id", "su": "id", "min": "id", "ban": "id", "ace": "id", "bug": "id", "bjn": "id", "mad": "id", "bew": "id",
    "nij": "id", "bbc": "id", "ceb": "tl", "ilo": "tl", "war": "tl", "hil": "tl", "pam": "tl", "bik": "tl", "pag": "tl",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prompts:
    """The file of one language."""

    language: str
    table: Mapping[str, Any]

    @property
    def tag(self) -> str:
        """What stands before an answer."""
        return str(self.table["tag"])

    @property
    def tags(self) -> tuple[str, ...]:
        """Every form of it that is read, the own one first."""
        return (self.tag, *self.table["tags"])

    @property
    def join(self) -> str:
        """What stands between a cloze text and what follows."""
        return str(self.table["join"])

    @property
    def letters(self) -> tuple[str, ...]:
        """Names of the options."""
        return tuple(self.table["letters"])

    def name(self, tag: str) -> str:
        """What a language is called; in English those of `language` too. Empty where it has no name here."""
        named = {**self.table.get("more_names", {}), **self.table["names"]}
        known = languages_known() if self.language == "en" else {}
        return str(named.get(tag) or (known[tag].english if tag in known else ""))

    def variants(self, prompt: str, form: str) -> tuple[str, ...]:
        """The templates of a prompt («reading», «causal.cause») in a form («cloze», «ask»).

        Raises:
            UsageError: there is none of that name.
        """
        table: Any = self.table
        for part in prompt.split("."):
            if not isinstance(table, Mapping) or part not in table:
                raise UsageError(
                    f"prompts/{self.language}.toml: no prompt '{prompt}'",
                    nearest(prompt, [key for key, value in self.table.items() if isinstance(value, Mapping)]),
                )
            table = table[part]
        return tuple(table[form])

    def labels(self, prompt: str) -> dict[str, tuple[str, ...]]:
        """Label -> its words in the language, the one that is asked for first; empty where there are none."""
        return {label: tuple(words) for label, words in self.table.get(prompt, {}).get("labels", {}).items()}

    def filled(self, template: str, fields: Mapping[str, str], where: str) -> str:
        """A template with its fields.

        Raises:
            InputError: the item has no such field, or the template is none.
        """
        file = f"prompts/{self.language}.toml"
        try:
            wanted = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        except ValueError as error:
            raise InputError(f"{file}: {template[:60]!r}: {error}", "write {{ for a brace") from error
        if missing := [name for name in wanted if name not in fields]:
            raise InputError(
                f"{where}: no '{missing[0]}', which its prompt is filled with",
                f"add it to the item, or correct {file}",
            )
        return template.format_map(fields)


@functools.cache
def languages() -> tuple[str, ...]:
    """Those with a file of their own."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@functools.cache
def prompts(language: str) -> Prompts:
    """The prompts that a language is asked by; a neighbour's where it has none.

    Raises:
        UsageError: it has none, nor a neighbour.
        InputError: the file is no TOML.
    """
    own = language if language in languages() else _INSTEAD.get(language, "")
    if not own:
        raise UsageError(f"no prompts for the language '{language}'", f"there are: {', '.join(languages())}")
    path = _FOLDER / f"{own}.toml"
    try:
        return Prompts(own, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}", "correct the file") from error


def has_prompts(language: str) -> bool:
    """Whether items in a language can be asked in words: by its own file or a neighbour's."""
    return language in languages() or language in _INSTEAD


def lettered(options: Sequence[str], letters: Sequence[str]) -> str:
    """Options, one a line, each with its letter."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=False))

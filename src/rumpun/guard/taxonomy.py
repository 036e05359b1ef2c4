"""The guard's categories: `categories.toml`, loaded strictly."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from rumpun.recipes import build

__all__ = ["HARM", "Category", "Taxonomy", "taxonomy"]

HARM = "harm"  # the head that ranks texts by harm, whatever the category


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One category of ours."""

    about: str
    openai: tuple[str, ...]  # fields of OpenAI's result that it sets
    openai_serious: tuple[str, ...] = ()  # and those that it sets at level 2
    signal: bool = False  # reported, but no harm by itself
    by_words: bool = False  # a rule of words judges it


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """The whole table."""

    openai: tuple[str, ...]
    categories: dict[str, Category]

    @property
    def harms(self) -> tuple[str, ...]:
        """The categories that are harms, in order of the table."""
        return tuple(name for name, category in self.categories.items() if not category.signal)

    def check(self) -> None:
        """Refuse a name that is not in the tables."""
        for name, category in self.categories.items():
            for key in (*category.openai, *category.openai_serious):
                if key not in self.openai:
                    raise ValueError(f"categories.{name}: '{key}' is no field of OpenAI's result")


@functools.cache
def taxonomy() -> Taxonomy:
    """The table in `categories.toml`.

    Raises:
        UsageError: an unknown key, or a name that is not in the tables.
    """
    path = Path(__file__).parent / "categories.toml"
    return build(Taxonomy, tomllib.loads(path.read_text(encoding="utf-8")), path.name)

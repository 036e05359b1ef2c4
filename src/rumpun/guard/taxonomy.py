"""The guard's categories and what the data's labels mean: `categories.toml`, loaded strictly."""

import functools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.recipes import build

__all__ = ["UNSAFE", "Category", "LabelledSet", "Taxonomy", "taxonomy"]

UNSAFE = "unsafe"  # the binary head


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One category of ours."""

    openai: tuple[str, ...]  # fields of OpenAI's result that it sets
    signal: bool = False  # reported, but raises no flag by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """How to read one set that is only measured."""

    text: str  # the column of text
    column: str  # the column of labels
    unsafe: tuple[str, ...] = ()
    safe: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()  # about a hazard, not each unsafe


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """The whole table."""

    openai: tuple[str, ...]
    never: tuple[str, ...]
    labels: tuple[str, ...]
    categories: dict[str, Category]
    mapping: dict[str, dict[str, dict[str, str]]]  # data set -> column -> label -> category
    sets: dict[str, LabelledSet] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a name that is not in the tables."""
        for name, category in self.categories.items():
            for key in category.openai:
                if key not in self.openai:
                    raise ValueError(f"categories.{name}.openai: '{key}' is no field of OpenAI's result")
        for source, columns in self.mapping.items():
            for column, labels in columns.items():
                for label, category_name in labels.items():
                    if category_name not in self.categories:
                        raise ValueError(
                            f"mapping.{source}.{column}.'{label}' = '{category_name}': no category"
                        )


@functools.cache
def taxonomy() -> Taxonomy:
    """The table in `categories.toml`.

    Raises:
        UsageError: an unknown key, or a name that is not in the tables.
    """
    path = Path(__file__).parent / "categories.toml"
    return build(Taxonomy, tomllib.loads(path.read_text(encoding="utf-8")), path.name)

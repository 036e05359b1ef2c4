"""The words that policies are written in: categories, contexts, actions (`vocabulary.toml`, loaded strictly)."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rumpun.recipes import build, read_toml

__all__ = ["ACTIONS", "ANY", "FOLDER", "HARM", "SEVERITY", "Action", "Vocabulary", "vocabulary"]

FOLDER = Path(__file__).parent
Action = Literal["allow", "care", "help", "block"]
ACTIONS: tuple[Action, ...] = ("allow", "care", "help", "block")  # from the mildest to the most severe
SEVERITY: dict[Action, int] = {action: place for place, action in enumerate(ACTIONS)}
ANY = "any"  # every context, or both roles
HARM = "harm"  # harm of no known category


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One harm or one signal."""

    definition: str
    signal: bool = False  # no harm by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One label that a caller may give."""

    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Every name that a rule may use."""

    categories: dict[str, Category]  # in this order where two speak alike
    contexts: dict[str, Context]  # without "any"


@functools.cache
def vocabulary() -> Vocabulary:
    """The table in `vocabulary.toml`.

    Raises:
        UsageError: an unknown key or a value of another type.
    """
    path = FOLDER / "vocabulary.toml"
    return build(Vocabulary, read_toml(path), path.name)

"""A recipe file: a name, a seed, and steps in order, each with the steps it stands on.

name = "first"
seed = 7

[steps.documents]
uses = "corpus.read"
with = { … }            # the step's own parameters

[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]   # inputs, by the names of earlier steps
"""

import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError, nearest
from rumpun.recipes.build import build

__all__ = ["Recipe", "StepEntry", "read_recipe", "read_toml"]

_KEYS = ("name", "seed", "about", "steps")
_STEP_KEYS = ("uses", "needs", "with")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntry:
    """One step of a recipe."""

    uses: str  # a name in the table of steps
    name: str = ""  # the table's own name; filled in when read
    needs: tuple[str, ...] = ()  # names of earlier steps
    params: dict[str, Any] = field(default_factory=dict)  # the table `with`, not yet checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe as it was read: strict in shape, the steps' parameters still plain tables."""

    name: str
    seed: int = 0
    about: str = ""
    steps: tuple[StepEntry, ...] = ()
    path: str = ""

    def with_steps(self, steps: list[StepEntry]) -> "Recipe":
        """The same recipe with its steps."""
        return replace(self, steps=tuple(steps))


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe's shape; parameters are checked against their step when the plan is made.

    Raises:
        InputError: the file cannot be read or is not TOML.
        UsageError: an unknown key, a missing one, or a step that stands on a later or unknown one.
    """
    table = read_toml(path, "name a recipe, such as recipes/first/run.toml")
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{path}: unknown key '{key}'", nearest(key, list(_KEYS)))
    steps = table.pop("steps", {})
    if not isinstance(steps, dict) or not steps:
        raise UsageError(
            f"{path}: no steps", 'add a table such as [steps.documents] with uses = "corpus.read"'
        )
    entries: list[StepEntry] = []
    for name, raw in steps.items():
        entries.append(_read_step(name, raw, [entry.name for entry in entries], f"{path}: steps.{name}"))
    recipe = build(Recipe, table | {"path": str(path)}, str(path))
    _check_name(recipe.name, f"{path}: name")
    return recipe.with_steps(entries)


def read_toml(path: Path, mend: str = "check the path") -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: it cannot be read (`mend` is the hint), or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", mend) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML ({error})", "mend the line named") from error


def _read_step(name: str, raw: object, earlier: list[str], where: str) -> StepEntry:
    _check_name(name, where)
    if not isinstance(raw, dict):
        raise UsageError(f"{where} = {raw!r}: not a table", f"write [steps.{name}]")
    for key in raw:
        if key not in _STEP_KEYS:
            raise UsageError(f"{where}: unknown key '{key}'", nearest(key, list(_STEP_KEYS)))
    params = raw.get("with", {})
    if not isinstance(params, dict):
        raise UsageError(f"{where}.with = {params!r}: not a table", f"write [steps.{name}.with]")
    shape = build(StepEntry, {key: value for key, value in raw.items() if key != "with"}, where)
    for need in shape.needs:
        if need not in earlier:
            raise UsageError(
                f"{where}: needs '{need}', which is no earlier step",
                nearest(need, earlier) if earlier else "it is the first step: write needs = []",
            )
    return replace(shape, name=name, params=params)


def _check_name(name: str, where: str) -> None:
    """Names become folders in the store."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(
            f"{where} = {name!r}", "use letters, digits, '.', '_' and '-', a letter or digit first"
        )

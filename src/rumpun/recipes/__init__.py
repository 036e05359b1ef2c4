"""Recipes: TOML files that name steps and their parameters, loaded strictly into frozen dataclasses.

`read_recipe(path)` gives a `Recipe`; `build(cls, table, where)` turns one table into a dataclass and answers an
unknown key with the nearest known one.
"""

from rumpun.recipes.build import build
from rumpun.recipes.recipe import Recipe, StepEntry, read_recipe, read_toml

__all__ = ["Recipe", "StepEntry", "build", "read_recipe", "read_toml"]

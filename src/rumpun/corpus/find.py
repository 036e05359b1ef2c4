"""The corpus that people mean: by its folder, or by the recipe that makes it; and the steps of a recipe that make it."""

from pathlib import Path

from rumpun.errors import InputError, UsageError
from rumpun.recipes import Recipe, read_recipe
from rumpun.records.artefacts import Manifest, read_manifest
from rumpun.records.places import data_folder
from rumpun.steps import named

__all__ = ["corpus_folder", "corpus_manifest", "corpus_steps", "current", "store_of"]

_WRITER = "corpus.write"  # the step that makes a corpus


def store_of(store: Path | None) -> Path:
    """The folder of artefacts: the one named, or the data folder's."""
    return store or data_folder() / "artefacts"


def corpus_steps(recipe: Recipe, until: str = "") -> Recipe:
    """The recipe's steps of the corpus alone, with what they stand on; `until` ends with the steps that use it.

    Raises:
        UsageError: it has none.
    """
    by_name = {entry.name: entry for entry in recipe.steps}
    wanted = [e.name for e in recipe.steps if (e.uses == until if until else e.uses.startswith("corpus."))]
    if not wanted:
        said = f"uses {until}" if until else "makes a corpus"
        raise UsageError(f"{recipe.path or recipe.name}: no step {said}", "name a recipe of a corpus")
    needed: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            wanted += by_name[name].needs
    return recipe.with_steps([entry for entry in recipe.steps if entry.name in needed])


def corpus_manifest(folder: Path) -> Manifest:
    """The manifest of a written corpus.

    Raises:
        InputError: it is another artefact, or rows were withdrawn from it; the hint names the corpus that replaced it.
    """
    manifest = read_manifest(folder)
    if manifest.kind == "corpus":
        return manifest
    if manifest.kind == "withdrawn":
        raise InputError(
            f"{folder}: rows were withdrawn from it, so it is no longer in use", f"use {current(folder)}"
        )
    raise InputError(f"{folder}: a {manifest.kind}, not a corpus", "name the folder of a written corpus")


def current(folder: Path) -> Path:
    """The corpus that stands in a folder's place, where rows were withdrawn from it already.

    Raises:
        InputError: there is none.
    """
    seen: set[Path] = set()
    while True:
        manifest = read_manifest(folder)
        if manifest.kind != "withdrawn":
            return folder
        after = manifest.summary.get("replaced_by", "")
        seen.add(folder)
        if not after or folder.parent / after in seen:
            raise InputError(
                f"{folder}: out of use, and nothing stands in its place", "build the corpus again"
            )
        folder = folder.parent / after


def corpus_folder(reference: str, store: Path) -> Path:
    """The folder of a corpus: of the one that a recipe (a .toml file) last made, or the folder itself.

    Raises:
        InputError: neither is there.
        UsageError: the recipe makes no corpus.
    """
    path = Path(reference).expanduser()
    if path.suffix == ".toml" and path.is_file():
        recipe = read_recipe(path)
        names = [entry.name for entry in recipe.steps if entry.uses == _WRITER]
        if not names:
            raise UsageError(
                f"{path}: no step makes a corpus",
                f"name a recipe with a step that uses {_WRITER}",
            )
        return named(store, recipe.name, names[-1])
    if path.is_dir():
        return path
    if (store / reference).is_dir():
        return store / reference
    raise InputError(
        f"{reference}: no folder and no recipe of that name",
        "name a corpus's folder, its id, or the recipe that makes it",
    )

"""The `train` command that rooms with a shipped artefact share: run the recipe, release what it makes with its card."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from rumpun.records.artefacts import Manifest

__all__ = ["train_command"]


def train_command(name: str, about: str, card: "Callable[[], Callable[[Manifest], str]]") -> click.Command:
    """`train --recipe --store --into` of the artefact that is shipped in the folder of this name.

    Args:
        name: of the folder under `recipes/` and under the shipped layers.
        about: what the help says.
        card: gives the function that writes its card; called when it is needed, so that the help stays fast.
    """

    @click.command("train", help=about)
    @click.option(
        "--recipe",
        type=click.Path(path_type=Path),
        default=Path(f"recipes/{name}/run.toml"),
        help="The recipe to run.",
    )
    @click.option(
        "--store", type=click.Path(path_type=Path), help="Folder of artefacts (default: the data folder)."
    )
    @click.option(
        "--into", type=click.Path(path_type=Path), help=f"Folder to release to (default: layers/{name})."
    )
    def train(recipe: Path, store: Path | None, into: Path | None) -> None:
        from rumpun.cli.show import progress_bars
        from rumpun.recipes import read_recipe
        from rumpun.records.places import data_folder, shipped_folder
        from rumpun.records.release import release
        from rumpun.steps import run

        read = read_recipe(recipe)
        with progress_bars() as progress:
            made = run(read, store or data_folder() / "artefacts", progress=progress)
        target = into or shipped_folder() / name
        release(list(made.values())[-1], target, card())
        click.echo(target)

    return train

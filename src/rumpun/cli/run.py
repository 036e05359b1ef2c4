"""`rumpun run RECIPE`: walk a recipe, with progress."""

from pathlib import Path

import click


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--plan", "only_plan", is_flag=True, help="Print the steps and their ids; make nothing.")
@click.option(
    "--store", type=click.Path(path_type=Path), help="Folder of artefacts (default: the data folder)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(recipe: Path, only_plan: bool, store: Path | None, as_json: bool) -> None:
    """Walk RECIPE: make what is missing, skip what stands, resume what was cut off."""
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.recipes import read_recipe
    from rumpun.records.places import data_folder
    from rumpun.steps import plan
    from rumpun.steps import run as walk

    place = store or data_folder() / "artefacts"
    read = read_recipe(recipe)
    if only_plan:
        planned = plan(read, place)
        if as_json:
            put_json({"recipe": read.name, "steps": [
                {"name": p.name, "uses": p.uses, "id": p.key, "done": p.done, "folder": str(p.folder)} for p in planned
            ]})  # fmt: skip
            return
        for item in planned:
            click.echo(f"{'made' if item.done else 'to make':8} {item.name:12} {item.uses:18} {item.key}")
        return
    with progress_bars() as progress:
        made = walk(read, place, progress=progress)
    if as_json:
        put_json({"recipe": read.name, "steps": {name: str(folder) for name, folder in made.items()}})
        return
    for name, folder in made.items():
        click.echo(f"{name:12} {folder}")

"""`rumpun run RECIPE`: walk a recipe, with progress."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rumpun.recipes import Recipe


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--plan", "only_plan", is_flag=True, help="Print the steps and their ids; make nothing.")
@click.option(
    "--store", type=click.Path(path_type=Path), help="Folder of artefacts (default: the data folder)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(recipe: Path, only_plan: bool, store: Path | None, as_json: bool) -> None:
    """Walk RECIPE: make what is missing, skip what stands, resume what was cut off."""
    from rumpun.recipes import read_recipe
    from rumpun.records.places import data_folder

    walk(read_recipe(recipe), store or data_folder() / "artefacts", only_plan=only_plan, as_json=as_json)


def walk(recipe: "Recipe", store: Path, *, only_plan: bool, as_json: bool) -> None:
    """Make or plan a recipe's steps, and print their folders or ids."""
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.layer.distributed import leading
    from rumpun.steps import plan
    from rumpun.steps import run as make

    if only_plan:
        planned = plan(recipe, store)
        if as_json:
            put_json({"recipe": recipe.name, "steps": [
                {"name": p.name, "uses": p.uses, "id": p.key, "done": p.done, "folder": str(p.folder)} for p in planned
            ]})  # fmt: skip
            return
        for item in planned:
            click.echo(f"{'made' if item.done else 'to make':8} {item.name:12} {item.uses:20} {item.key}")
        return
    with leading() as leads, progress_bars() as progress:
        made = make(recipe, store, progress=progress) if leads else {}
    if not leads:
        return
    if as_json:
        put_json({"recipe": recipe.name, "steps": {name: str(folder) for name, folder in made.items()}})
        return
    for name, folder in made.items():
        click.echo(f"{name:12} {folder}")
        for line in _told(folder):
            click.echo(f"{'':12} {line}")


def _told(folder: Path) -> list[str]:
    """What a person should not have to look up: what was read and refused, what trains and what does not."""
    from rumpun.records.artefacts import read_manifest

    manifest = read_manifest(folder)
    summary = manifest.summary
    if manifest.kind == "documents":
        refused = {rule: int(count["reports"]) for rule, count in summary["rejected"].items()}
        lines = [f"{summary['documents']:,} documents read"]
        if refused:
            by_rule = ", ".join(f"{count:,} {rule}" for rule, count in sorted(refused.items(), key=_most))
            lines.append(
                f"{sum(refused.values()):,} refused ({by_rule}), each with file and row: {folder / 'rejected.parquet'}"
            )
        return lines
    if manifest.maker.step == "layer.distil":
        return [
            f"{summary['kept']:,} of {summary['answers']:,} answers kept, the others and why: {folder / 'dropped.jsonl'}"
        ]
    if manifest.kind == "preferences":
        left = ", ".join(f"{count:,} {why}" for why, count in summary["dropped"].items()) or "none"
        return [
            f"{summary['pairs']:,} pairs train, {summary['held_out_pairs']:,} are held out; left out: {left}"
        ]
    if manifest.kind == "corpus":
        rows = summary["rows"]
        removed = sum(rows["dropped"].values())
        card = folder / "cards" / "README.md"
        counts = (
            f"{rows['train']:,} documents train, {rows['held_out']:,} are held out, {removed:,} were left out"
        )
        return [f"{counts}, each with its reason: {card}"]
    return []


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]

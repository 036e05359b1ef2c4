"""`rumpun guard check|eval|train`."""

from pathlib import Path

import click

_GUARD = click.option(
    "--guard", "folder", type=click.Path(path_type=Path), help="A guard's folder (default: ours)."
)
_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: one object a line for check, one for eval."
)


@click.group()
def guard() -> None:
    """Check text, evaluate guards."""


@guard.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--role", type=click.Choice(["prompt", "answer"]), default="prompt", help="Who wrote the text.")
@_GUARD
@_JSON
def check(files: tuple[Path, ...], role: str, folder: Path | None, as_json: bool) -> None:
    """Check each line of FILES or of standard input; in *.jsonl the field `text` of each line."""
    import sys

    from rumpun.cli.show import put_json
    from rumpun.guard.guard import ROLES, Guard
    from rumpun.guard.read import texts_of

    loaded = Guard.load(folder)
    spoken = ROLES[ROLES.index(role)]
    for name, number, texts in texts_of(files):
        for place, verdict in enumerate(loaded.check(texts, spoken)):
            if as_json:
                put_json(
                    {
                        "file": name if files else None,
                        "line": number + place,
                        "flagged": verdict.flagged,
                        "categories": list(verdict.categories),
                        "scores": verdict.scores,
                        "language": verdict.language,
                        "role": verdict.role,
                    }
                )
            else:
                word = "flagged" if verdict.flagged else "ok"
                top = verdict.scores["unsafe"]
                sys.stdout.write(f"{word}\t{top:.4f}\t{verdict.language}\t{' '.join(verdict.categories)}\n")
        sys.stdout.flush()


@guard.command("eval")
@_GUARD
@_JSON
def evaluate(folder: Path | None, as_json: bool) -> None:
    """Measure a guard on the held-out sets under RUMPUN_DATA: aggregate numbers only."""
    from rumpun.cli.show import put_json
    from rumpun.guard.guard import Guard
    from rumpun.guard.held_out import measure
    from rumpun.guard.rows import read_measured
    from rumpun.records.places import source_data

    loaded = Guard.load(folder)
    read = read_measured(source_data())
    entries = measure(loaded, read.rows)
    if as_json:
        put_json({"guard": loaded.name, "sets": entries, "dropped": dict(read.dropped)})
        return
    for entry in entries:
        for key in ("recall", "false_alarms", "topic_flags"):
            if key in entry:
                found = entry[key]
                click.echo(
                    f"{entry['set']:20} {entry['language']:6} {key:12} {found['share']:.3f}"
                    f"  [{found['low']:.3f}, {found['high']:.3f}]  {found['rows']} rows"
                )


@guard.command()
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    default=Path("recipes/guard/run.toml"),
    help="The recipe to run.",
)
@click.option(
    "--store", type=click.Path(path_type=Path), help="Folder of artefacts (default: the data folder)."
)
@click.option("--into", type=click.Path(path_type=Path), help="Folder to release to (default: layers/guard).")
def train(recipe: Path, store: Path | None, into: Path | None) -> None:
    """Run the guard's recipe and release what it makes, with its card."""
    from rumpun.cli.show import progress_bars
    from rumpun.guard.release import release
    from rumpun.recipes import read_recipe
    from rumpun.records.places import data_folder, shipped_folder
    from rumpun.steps import run

    read = read_recipe(recipe)
    with progress_bars() as progress:
        made = run(read, store or data_folder() / "artefacts", progress=progress)
    target = into or shipped_folder() / "guard"
    release(list(made.values())[-1], target)
    click.echo(target)

"""`rumpun layer offspring | domain | return`: a recipe for a child of a layer, and what may leave a partner's machine."""

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rumpun.layer.growth.choose import Choice
    from rumpun.layer.growth.holdings import Holding
    from rumpun.layer.growth.parent import Parent

__all__ = ["domain", "offspring", "returned"]

FILE = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., Any])
_SHARED = (
    click.option("--parent", "reference", default="first", show_default=True, help="A shipped layer's name, or a layer's folder."),
    click.option("--data", default="", help="The data folder, with its inventory.toml (default: RUMPUN_DATA)."),
    click.option("--minutes", default=6.0, show_default=True, type=click.FloatRange(min=0.1), help="Of training, on two processor cores."),
    click.option("--into", type=FILE, help="The folder to write."),
    click.option("--run", "walks", is_flag=True, help="Run the recipe at once."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
)  # fmt: skip


def _shared(command: F) -> F:
    return reduce(lambda made, option: option(made), reversed(_SHARED), command)


@click.command()
@click.option("--language", "tag", required=True, help="The child's language, BCP-47: su, jv, min …")
@click.option(
    "--rehearse",
    default="",
    help="The parent's languages to rehearse, with commas between (default: the nearest, and English).",
)
@_shared
def offspring(
    tag: str,
    *,
    rehearse: str,
    reference: str,
    data: str,
    minutes: float,
    into: Path | None,
    walks: bool,
    as_json: bool,
) -> None:
    """Write a recipe, notes for the card and a checklist for a child of a layer in one language, from what data there is."""
    from rumpun.layer.growth.choose import choose_offspring, relatives
    from rumpun.layer.growth.holdings import holdings
    from rumpun.layer.growth.parent import read_parent
    from rumpun.parts import require

    require("rumpun layer offspring", ["corpus"])
    wanted = _listed(rehearse)
    near = relatives(tag)
    parent = read_parent(reference)
    found = holdings(dict.fromkeys((tag, *near, *wanted, "en")), data)
    choice = choose_offspring(tag, parent, found, rehearse=wanted, minutes=minutes)
    _write(
        into or Path("recipes/offspring") / tag,
        choice,
        parent,
        found,
        data=data,
        walks=walks,
        as_json=as_json,
    )


@click.command()
@click.option("--domain", "name", required=True, help="health, workers …")
@click.option("--languages", default="", help="Of the parent's, with commas between (default: the domain's).")
@_shared
def domain(
    name: str,
    *,
    languages: str,
    reference: str,
    data: str,
    minutes: float,
    into: Path | None,
    walks: bool,
    as_json: bool,
) -> None:
    """Write a recipe, notes for the card and a checklist for a child of a layer in one domain, from what data there is.

    A file heldout.jsonl in the folder, lines {"text", "language"} of your own, is held out and measured on.
    """
    from rumpun.layer.growth.choose import choose_domain, domains
    from rumpun.layer.growth.holdings import holdings
    from rumpun.layer.growth.parent import read_parent
    from rumpun.parts import require

    require("rumpun layer domain", ["corpus"])
    parent = read_parent(reference)
    folder = into or Path("recipes/domains") / name
    own = _listed(languages)
    known = domains()[name].languages if name in domains() else ()
    found = holdings(dict.fromkeys(own or known), data)
    files = [str(folder / "heldout.jsonl")] if (folder / "heldout.jsonl").is_file() else []
    choice = choose_domain(name, parent, found, languages=own, files=files, minutes=minutes)
    _write(folder, choice, parent, found, data=data, walks=walks, as_json=as_json)


def _listed(words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))


def _write(
    into: Path, choice: "Choice", parent: "Parent", found: "Sequence[Holding]", *, data: str, walks: bool, as_json: bool
) -> None:  # fmt: skip
    from rumpun.cli.show import put_json
    from rumpun.layer.growth.holdings import public_tests
    from rumpun.layer.growth.write import RECIPE, write_child

    tests = public_tests(choice.own, data) if choice.kind == "offspring" else []
    files = write_child(into, choice, parent, found, tests, data=data)
    if as_json and not walks:
        put_json(
            {
                "folder": str(into), "files": [str(path) for path in files], "languages": list(choice.own), "rehearsed": list(choice.rehearsed),
                "watched": list(choice.watched), "held_out": {tag: list(names) for tag, names in choice.held_out.items()},
                "bytes": dict(choice.own_bytes), "tokens": choice.tokens, "policy": choice.policy, "licences": list(choice.licences),
                "notes": list(choice.notes),
            }
        )  # fmt: skip
    else:
        for path in files:
            click.echo(path, err=as_json)
        for tag, size in choice.own_bytes.items():
            click.echo(
                f"{tag}: {size:,} bytes to train on; held out: {', '.join(choice.held_out.get(tag, ())) or 'blocks'}",
                err=as_json,
            )
        for note in choice.notes:
            click.echo(f"note: {note}", err=True)
    if walks:
        from rumpun.cli.run import walk
        from rumpun.recipes import read_recipe
        from rumpun.records.places import data_folder

        walk(read_recipe(into / RECIPE), data_folder() / "artefacts", only_plan=False, as_json=as_json)


@click.command("return")
@click.argument("path", metavar="LAYER", type=FILE)
@click.option("--out", required=True, type=FILE, help="The .tar file to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def returned(path: Path, *, out: Path, as_json: bool) -> None:
    """Pack what may leave the machine on which LAYER was trained on private rows: numbers, counts, hashes, licences.

    What `layer.repeats` and `evaluate.bpb` measured of it in the same store goes into its card.
    """
    from rumpun.cli.show import put_json
    from rumpun.layer.partner.pack import pack

    made = pack(path, out)
    if as_json:
        put_json(made)
        return
    click.echo(f"{out}  {made.bytes:,} bytes: {', '.join(made.files)}")
    for warning in made.warnings:
        click.echo(f"note: {warning}", err=True)

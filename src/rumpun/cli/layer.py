"""`rumpun layer`: inspect, apply and merge layers."""

from pathlib import Path

import click

from rumpun.weights.kinds import QUANTISATIONS

FILE = click.Path(path_type=Path)


@click.group()
def layer() -> None:
    """Inspect, apply and merge layers."""


@layer.command()
@click.argument("path", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(path: Path, as_json: bool) -> None:
    """Say what the layer in PATH is: its base, its numbers, its added vocabulary; every number is checked."""
    from rumpun.cli.show import put_json
    from rumpun.edge.inspect import inspect_layer

    found = inspect_layer(path)
    if as_json:
        put_json(found)
        return
    for key, value in found.items():
        click.echo(f"{key.replace('_', ' '):18} {', '.join(value) if isinstance(value, list) else value}")


@layer.command()
@click.argument("path", metavar="LAYER", type=FILE)
@click.option(
    "--base", default="", help="The base's GGUF, or 'base'; by default the one that the layer names."
)
@click.option("--out", required=True, type=FILE, help="The GGUF to write.")
@click.option("--quantisation", default="Q8_0", show_default=True, help=", ".join(QUANTISATIONS))
def apply(path: Path, base: str, out: Path, quantisation: str) -> None:
    """Put LAYER on its base: one standalone GGUF, without torch."""
    from rumpun.cli.show import progress_bars
    from rumpun.edge.apply import apply_layer

    with progress_bars() as progress:
        made = apply_layer(path, base, out, quantisation, progress=progress("assembling"))
    click.echo(f"{out}  {made:,} bytes")


@layer.command()
@click.argument("path", metavar="LAYER", type=FILE)
@click.option(
    "--base", default="", help="The base's GGUF, or 'base'; by default the one that the layer names."
)
@click.option("--out", required=True, type=FILE, help="The folder to write.")
def merge(path: Path, base: str, out: Path) -> None:
    """Merge LAYER into its base: a folder that transformers loads, float32, without torch."""
    from rumpun.cli.show import progress_bars
    from rumpun.edge.apply import base_named
    from rumpun.weights.folder import write_folder

    with progress_bars() as progress:
        report = progress("merging")
        write_folder(base_named(path, base, progress=report), out, layer=path, progress=report)
    click.echo(str(out))

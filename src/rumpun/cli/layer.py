"""`rumpun layer`: extend, merge, inspect and release layers."""

from pathlib import Path

import click

from rumpun.cli import layer_merge, layer_offspring, layer_plan, layer_release, layer_vocabulary
from rumpun.weights.kinds import QUANTISATIONS

FILE = click.Path(path_type=Path)


@click.group()
def layer() -> None:
    """Extend, merge, inspect and release layers."""


@layer.command()
@click.argument("path", type=FILE)
@click.option("--verify", "whole", is_flag=True, help="Check every file, signature and stage first, offline.")
@click.option("--key", type=FILE, help="With --verify: the public key that must have signed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect(path: Path, whole: bool, key: Path | None, as_json: bool) -> None:
    """Say what the layer in PATH is: its base, its numbers, its added vocabulary; every number is checked."""
    from rumpun.cli.show import put_json
    from rumpun.edge.inspect import inspect_layer

    checked = layer_release.verified(path, key) if whole or key else {}
    found = inspect_layer(path) | checked
    if as_json:
        put_json(found)
        return
    for name, value in found.items():
        click.echo(f"{name.replace('_', ' '):18} {', '.join(value) if isinstance(value, list) else value}")


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


for command in (
    layer_vocabulary.extend,
    layer_merge.merge,
    layer_merge.extract,
    layer_merge.sweep,
    layer_offspring.offspring,
    layer_offspring.domain,
    layer_offspring.returned,
    layer_plan.plan,
    layer_release.release,
    layer_release.keygen,
):
    layer.add_command(command)

"""`rumpun layer plan RECIPE`: what the recipe's training will cost, and afterwards how far off that was."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rumpun.layer.forecast import Forecast, Hindsight
    from rumpun.layer.places import Place

__all__ = ["plan"]

_POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--gpu", "gpus", default="", help="Short names with commas between, such as h100,rtx4090,t4.")
@click.option("--after", "after", is_flag=True, help="Compare what was said with what the finished run took.")
@click.option(
    "--measure/--no-measure",
    default=True,
    show_default=True,
    help="Try a few steps here, where no figure of this machine is kept.",
)
@click.option("--tokens-per-second", type=_POSITIVE, help="Of this machine, instead of a trial.")
@click.option("--watts", type=_POSITIVE, help="Of this machine while it trains, instead of a reading.")
@click.option(
    "--utilisation",
    type=click.FloatRange(min=0, max=1, min_open=True),
    help="Share of a GPU's TFLOP/s that is reached, instead of the table's.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="With --after: folder of artefacts (default: the data folder).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(
    recipe: Path,
    gpus: str,
    store: Path | None,
    *,
    after: bool,
    measure: bool,
    tokens_per_second: float | None,
    watts: float | None,
    utilisation: float | None,
    as_json: bool,
) -> None:
    """Say what RECIPE's training steps will cost: tokens, operations, hours, memory and watt-hours.

    This machine's hours come from a few steps on a random model of the base's width, tried once and kept; a named GPU's
    are computed from its data sheet. Computed figures are marked.
    """
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.layer.forecast import forecast, hindsight
    from rumpun.layer.places import Asked
    from rumpun.recipes import read_recipe
    from rumpun.records.places import data_folder

    names = tuple(part.strip() for part in gpus.split(",") if part.strip())
    asked = Asked(
        gpus=names, measure=measure, tokens_per_second=tokens_per_second, watts=watts, utilisation=utilisation
    )
    read = read_recipe(recipe)
    if after:
        found = hindsight(read, store or data_folder() / "artefacts", asked)
        if as_json:
            put_json({"recipe": read.name, "steps": found})
            return
        for row in found:
            _show_hindsight(row)
        return
    with progress_bars() as progress:
        said = forecast(read, asked, progress("measuring"))
    if as_json:
        put_json({"recipe": read.name, "steps": said})
        return
    for step in said:
        _show_forecast(step)


def _show_forecast(step: "Forecast") -> None:
    click.echo(
        f"{step.step}  {step.uses} on {step.base}: {step.tokens:,} tokens in {step.steps:,} steps,"
        f" {step.operations:.3g} FLOP, {step.trained_numbers:,} trained numbers"
    )
    click.echo(
        f"  {'':26}{'hours':>10}{'tokens/s':>11}{'memory GB':>11}{'watts':>7}{'watt-hours':>12}  basis"
    )
    for place in step.places:
        click.echo(
            f"  {place.name:26}{_number(place.hours):>10} {_number(place.tokens_per_second):>10}"
            f" {place.memory_bytes / 1e9:>10.1f} {place.watts:>6.0f} {_number(place.watt_hours):>11}  {_basis(place)}"
        )


def _basis(place: "Place") -> str:
    return "; ".join([place.basis, f"watts {place.watts_basis}", *place.notes])


def _number(value: float | None) -> str:
    """Three digits that count; "-" for what is not known."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _show_hindsight(row: "Hindsight") -> None:
    when = "said beforehand" if row.beforehand else "nothing was said beforehand: today's forecast"
    where = f"for {row.forecast_device or row.place}" if row.place else "none for this device"
    several = f", {row.processes} processes" if row.processes > 1 else ""
    click.echo(f"{row.step}  on {row.device}{several} ({when}, {where})")
    click.echo(f"  {'':20}{'said':>18}{'found':>18}{'error':>9}")
    for name, found in row.found.items():
        said = row.said.get(name)
        error = f"{row.error[name]:+.1%}" if said is not None else "-"
        click.echo(f"  {name.replace('_', ' '):20}{_number(said):>18}{_number(found):>18}{error:>9}")

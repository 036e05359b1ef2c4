"""`rumpun doctor`: what this machine has and lacks."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rumpun.engines.machine import Advice, Machine, Tool


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Say what this machine has and lacks, with the command that mends each lack.

    The exit code is 0 where the machine can serve the default model, lacks or not, and 5 where it cannot.
    """
    from rumpun.cli.show import put_json
    from rumpun.engines.machine import examine

    machine = examine()
    if as_json:
        put_json(machine)
    else:
        _show(machine)
    if not machine.can_serve:
        raise SystemExit(5)


def _show(machine: "Machine") -> None:
    gigabytes = {key: value / 1e9 for key, value in machine.memory.items()}
    rows = [
        ("rumpun", f"{machine.rumpun} on Python {machine.system['python']}, {machine.system['os']} {machine.system['architecture']}"),
        ("cores", f"{machine.cores['usable']} usable of {machine.cores['logical']}: {', '.join(machine.instructions) or 'instruction sets unknown'}"),
        ("memory", f"{gigabytes['available_bytes']:.1f} GB free of {gigabytes['total_bytes']:.1f} GB"),
        ("disk", f"{int(machine.disk['data_free_bytes']) / 1e9:.1f} GB free at {machine.disk['data']}"),
        ("runtime", f"xllamacpp {machine.runtime.version}" if machine.runtime.found else "missing"),
        ("base", machine.base.path or "not at hand; it is taken out of its wheel when it is wanted"),
        ("layers", ", ".join(machine.layers) or "none shipped"),
        ("guard", machine.guard.path or "none shipped"),
        ("torch", f"{machine.torch.version}, bfloat16 {'in hardware' if machine.bfloat16 else 'emulated'}" if machine.torch.found else "not installed"),
        ("ICU", _tool(machine.icu)),
        ("Ray", _tool(machine.ray)),
        ("PostgreSQL", _tool(machine.postgresql)),
        ("chromium", _tool(machine.chromium)),
        ("GPU", ", ".join(str(card["name"]) for card in machine.gpu) or "none seen"),
    ]  # fmt: skip
    for name, value in rows:
        click.echo(f"{name:11} {value}")
    if machine.lacks:
        click.echo("\nlacks:")
    for lack in machine.lacks:
        click.echo(f"  {'! ' if lack.serious else '  '}{lack.what}: needed for {lack.needed_for}")
        click.echo(f"      {lack.mend}")
    if machine.advice is not None:
        _show_advice(machine.advice)
    if not machine.can_serve:
        click.echo("\nthis machine cannot serve the default model until what is marked ! is mended")


def _tool(tool: "Tool") -> str:
    return (tool.version or tool.path) if tool.found else "not installed"


def _show_advice(advice: "Advice") -> None:
    size = f"{'about ' if advice.size_estimated else ''}{advice.size_bytes / 1e9:.2f} GB"
    speed = (
        f", about {advice.tokens_per_second:g} tokens a second here (estimated)"
        if advice.tokens_per_second
        else ""
    )
    click.echo(
        f"\nbest known base that fits: {advice.base} ({advice.family}, {size}, {advice.licence}{speed})"
    )
    click.echo(f"  {advice.why}")
    click.echo(f"  where a hub can be reached: {advice.command}")

"""`rumpun policy show|test|diff|compile`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rumpun.cli.options import POINT

if TYPE_CHECKING:
    from datetime import datetime

_ENABLE = click.option("--enable", multiple=True, help="An opt-in rule that is on; may be repeated.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def policy() -> None:
    """Read, test, compare and compile country policies."""


def _on(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--on",
        type=click.DateTime(["%Y-%m-%d"]),
        help="The day on which help lines must hold (default: today).",
    )(command)


@policy.command()
@click.argument("name")
@_ENABLE
@_on
@_JSON
def show(name: str, enable: tuple[str, ...], on: "datetime | None", as_json: bool) -> None:
    """Show every rule of the policy NAME (such as sg, or the path of a .toml file) and where it comes from."""
    from datetime import UTC, datetime

    from rumpun.cli.show import put_json
    from rumpun.guard.policy import Policy
    from rumpun.guard.policy.show import describe, lines_of

    shown = describe(Policy.load(name, enable), (on or datetime.now(UTC)).date())
    if as_json:
        put_json(shown)
    else:
        click.echo("\n".join(lines_of(shown)))
    for one in shown["resources"]:
        if one["state"] == "expired":
            click.echo(f"warning: {one['name']} expired on {one['expires_on']} and is not shown", err=True)


@policy.command()
@click.argument("names_and_files", nargs=-1, metavar="[NAME…] [FILES]")
@_JSON
def test(names_and_files: tuple[str, ...], as_json: bool) -> None:
    """Run golden cases: of FILES (*.jsonl), else the shipped ones; of the policies NAME…, else of all."""
    import logging

    from rumpun.cli.show import put_json
    from rumpun.errors import UsageError
    from rumpun.guard.policy.cases import read_cases, run_cases, shipped_cases

    files = [Path(one) for one in names_and_files if one.endswith(".jsonl")]
    names = {one for one in names_and_files if not one.endswith(".jsonl")}
    cases = [case for case in read_cases(files or shipped_cases()) if not names or case.policy in names]
    missing = names - {case.policy for case in cases}
    if missing or not cases:
        raise UsageError(
            f"no cases of {', '.join(sorted(missing)) or 'any policy'}", "name a file of cases, *.jsonl"
        )
    logging.getLogger("rumpun.guard.policy").setLevel(logging.ERROR)  # cases let lines expire on purpose
    report = run_cases(cases)
    if as_json:
        put_json({"passed": report.passed, "failed": report.failed, "waiting": report.waiting})
    else:
        for line in report.failed:
            click.echo(line)
        rest = f", {report.waiting} of text wait for a model" if report.waiting else ""
        click.echo(f"{report.passed} passed, {len(report.failed)} failed{rest}", err=True)
    if report.failed:
        raise SystemExit(1)


@policy.command()
@click.argument("before")
@click.argument("after")
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    help="Judgements, in the form of cases (default: every category, level, role and context).",
)
@_ENABLE
@_JSON
def diff(before: str, after: str, sample: Path | None, enable: tuple[str, ...], as_json: bool) -> None:
    """Say which decisions change from the policy BEFORE to the policy AFTER; --enable holds in AFTER."""
    from dataclasses import asdict

    from rumpun.cli.show import put_json
    from rumpun.guard.policy import Policy
    from rumpun.guard.policy.diff import combinations, read_sample
    from rumpun.guard.policy.diff import diff as compare

    sampled = read_sample(sample) if sample else combinations()
    found = compare(Policy.load(before), Policy.load(after, enable), sampled)
    if as_json:
        put_json({"before": before, "after": after} | asdict(found))
        return
    for row in found.rows:
        click.echo(
            f"{row.before} -> {row.after}\t{row.name}\t{row.before_rule or '-'} -> {row.after_rule or '-'}"
        )
    counts = ", ".join(f"{count} {change}" for change, count in found.counts.items()) or "none"
    click.echo(
        f"{len(found.rows)} of {found.cases} change: {counts}; of the others {found.other_rule} by another rule, {found.other_words} with another message",
        err=True,
    )


@policy.command("compile")
@click.argument("name")
@click.option("--to", type=click.Choice(["prompt", "thresholds"]), required=True, help="What to make.")
@POINT(show_default=False, help="The operating point where the policy names none.")
@_ENABLE
def compile_(name: str, to: str, point: str, enable: tuple[str, ...]) -> None:
    """Print the policy NAME as a prompt for a guard that reads policies, or as a JSON table category → point."""
    from rumpun.cli.show import put_json
    from rumpun.guard.judgement import POINTS
    from rumpun.guard.policy import Policy, points
    from rumpun.guard.policy.compile import to_prompt

    loaded = Policy.load(name, enable)
    if to == "prompt":
        click.echo(to_prompt(loaded), nl=False)
    else:
        put_json(points(loaded, POINTS[POINTS.index(point)]))

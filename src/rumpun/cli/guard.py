"""`rumpun guard check|eval|second|train`."""

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rumpun.cli.options import CONTEXTS, POINT, POLICY
from rumpun.cli.release import train_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rumpun.guard.exchange import Exchange
    from rumpun.records.artefacts import Manifest

_GUARD = click.option(
    "--guard", "folder", type=click.Path(path_type=Path), help="A guard's folder (default: ours)."
)
_ENCODER = click.option(
    "--encoder", type=click.Path(path_type=Path), help="Its encoder's folder (default: ours)."
)


@click.group()
def guard() -> None:
    """Check text, evaluate guards."""


@guard.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@POLICY(help="A policy's name (sg, my, …) or file; base judges harm alone.")
@POINT(help="Operating point.")
@CONTEXTS
@_GUARD
@_ENCODER
@click.option(
    "--second",
    type=click.Path(path_type=Path),
    help="What `rumpun guard second` wrote: its model judges the texts that the heads are unsure of.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines, which it prints anyway.")
def check(files: tuple[Path, ...], **chosen: Any) -> None:
    """Check each line of FILES or of standard input, and print one JSON object for each, in order.

    A line is {"prompt": …}, {"prompt": …, "response": …} or {"messages": […]}; a line that is no object is a text.
    """
    import sys

    from rumpun.cli.show import put_json
    from rumpun.guard.guard import Guard
    from rumpun.guard.read import exchanges_of
    from rumpun.guard.second import opened_second

    loaded = Guard.load(
        chosen["folder"], encoder=chosen["encoder"], policy=chosen["policy"], point=chosen["point"]
    )
    with contextlib.ExitStack() as opened:
        if chosen["second"]:
            loaded = dataclasses.replace(
                loaded, second=opened.enter_context(opened_second(chosen["second"], loaded.policy))
            )
        for _, _, exchanges in exchanges_of(files):
            for start in range(0, len(exchanges), 256):
                for verdict in loaded.check(exchanges[start : start + 256], contexts=chosen["contexts"]):
                    put_json(verdict.plain())
            sys.stdout.flush()


@guard.command()
@click.argument("model", metavar="NAME|PATH|URL")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--form",
    type=click.Choice(["policy", "own"]),
    default="policy",
    show_default=True,
    help="A language model that is told the policy; or a guard model that brings its own and says safe or unsafe.",
)
@POLICY(help="What it is told to judge by.")
@click.option("--into", type=click.Path(path_type=Path), default=Path("second.json"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def second(model: str, data: Path, as_json: bool, **chosen: Any) -> None:
    """Measure what the word of MODEL is worth on the labelled rows of DATA, for `guard check --second`.

    DATA is as for `guard eval`: rows that neither the guard was fitted with nor you will be measured on.
    """
    import msgspec

    from rumpun.cli.show import put_json
    from rumpun.engines.load import open_engine
    from rumpun.guard.guard import Guard
    from rumpun.guard.policy import Policy
    from rumpun.guard.rows import read_labelled
    from rumpun.guard.second import EngineJudge, Second, reliability_of, write_reliability

    rows = read_labelled(data).rows
    policy, form, into = Policy.load(chosen["policy"]), chosen["form"], chosen["into"]
    with contextlib.closing(open_engine(model)) as engine:
        found = reliability_of(EngineJudge(engine, policy, form), rows, model, form)
    write_reliability(into, found)
    guard_ = Guard.load(policy=policy, second=Second(_Silent(), found))
    asked = sum(one.asked for one, _ in guard_.judge([row.exchange for row in rows]))
    if as_json:
        put_json(msgspec.to_builtins(found) | {"asked": asked})
        return
    click.echo(found.readable())
    click.echo(f"it would be asked about {asked} of these {len(rows)} rows; written to {into}")


class _Silent:
    """A judge that says nothing: for counting what would be asked."""

    def judge(self, items: "Sequence[Exchange]") -> list[bool | None]:
        """No word on any of them."""
        return [None] * len(items)


@guard.command("eval")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@_GUARD
@_ENCODER
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(data: Path | None, folder: Path | None, encoder: Path | None, as_json: bool) -> None:
    """Measure a guard: aggregate numbers with intervals, no text.

    DATA is a file of JSON lines {"prompt" or "response" or "messages": …, "label": "safe" or "unsafe", "language": …,
    "category": …, "sensitive": true}; without it, the held-out sets under RUMPUN_DATA are measured.
    """
    from rumpun.cli.show import put_json
    from rumpun.guard.guard import Guard
    from rumpun.guard.held_out import measure, readable
    from rumpun.guard.rows import read_held_out, read_labelled
    from rumpun.records.places import source_data

    loaded = Guard.load(folder, encoder=encoder)
    read = read_labelled(data) if data else read_held_out(source_data())
    entries = measure(loaded, read.rows)
    if as_json:
        put_json({"guard": loaded.name, "sets": entries, "dropped": dict(read.dropped)})
        return
    for line in readable(entries):
        click.echo(line)


def _card() -> "Callable[[Manifest], str]":
    from rumpun.guard.card import card

    return card


guard.add_command(
    train_command("guard", "Run the guard's recipe and release what it makes, with its card.", _card)
)

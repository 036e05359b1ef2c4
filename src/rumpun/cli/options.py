"""Options that several commands have: one name, one set of values, one default; help of their own."""

from functools import partial

import click

__all__ = ["CONTEXTS", "POINT", "POLICY"]

POLICY = partial(click.option, "--policy", default="base", show_default=True)
POINT = partial(
    click.option,
    "--point",
    type=click.Choice(["strict", "balanced", "permissive"]),
    default="balanced",
    show_default=True,
)
CONTEXTS = click.option(
    "--context", "contexts", multiple=True, help="A label of the place (education, news, …); may be repeated."
)

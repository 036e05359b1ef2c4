"""The frame of every page: one file, nothing loaded, no script, every text escaped."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.evaluate.report.numbers import DASH, figure_text, interval, number, p_value
from rumpun.evaluate.report.text import language_name, own_name, short, visible

if TYPE_CHECKING:
    import jinja2

__all__ = ["render"]


def render(name: str, **shown: Any) -> str:
    """A page of this room.

    Args:
        name: of a template beside this file; what is put into it is escaped, whatever it is.
        shown: what it shows.
    """
    return _environment().get_template(name).render(**shown)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {
        "figure_text": figure_text, "interval": interval, "language": language_name, "number": number, "own": own_name, "p": p_value,
        "short": short,
    }  # fmt: skip
    environment.globals["dash"] = DASH
    return environment


def _finalize(value: Any) -> Any:
    """Every text that is put into a page has its unseen signs named, wherever it comes from."""
    return visible(value) if type(value) is str else value

"""Values of a manifest as words and cells of a card, without a mark of Markdown or HTML in force."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["escape", "flat", "link", "number"]

_MARKS = re.compile(r"([\\`*_\[\]<>|#&~])")


def escape(value: object) -> str:
    """A value as plain text inside a Markdown table: one line, no mark of Markdown or HTML in force."""
    return _MARKS.sub(r"\\\1", " ".join(str(value).split()))


def number(value: Any) -> str:
    """A figure in one cell; an empty one where there is none."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else escape(value)


def link(url: str) -> str:
    """An address as a link where it is plainly one, else as text."""
    return f"<{url}>" if re.fullmatch(r"https?://[\w./~%+:@=?&;,-]+", url) else escape(url)


def _value(value: Any) -> str:
    """Any value of a manifest in one cell, exactly as the manifest has it."""
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def flat(table: Mapping[str, Any], above: str = "") -> Iterator[dict[str, str]]:
    """Every figure of a table of tables as a row: its name, with dots between, and its value."""
    for key, value in table.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{name}.")
        else:
            yield {"name": escape(name), "value": _value(value)}

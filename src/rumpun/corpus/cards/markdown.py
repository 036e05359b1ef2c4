"""Values as Markdown: no source can write Markdown or HTML into a card."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["escape", "number", "share", "size", "table"]

_MARKS = re.compile(r"([\\`*_\[\]<>|#&~])")


def escape(value: object) -> str:
    """A value as plain text on one line, no mark of Markdown or HTML in force."""
    return _MARKS.sub(r"\\\1", " ".join(str(value).split()))


def number(value: float | None) -> str:
    """A number with separators of thousands; empty where there is none."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def size(value: float) -> str:
    """Bytes in the unit that suits them: "963 bytes", "12.4 kB", "1.30 GB"."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= least:
            return f"{value / least:.3g} {unit}" if value < 999.5 * least else f"{value / least:,.0f} {unit}"
    return f"{value:,.0f} bytes"


def share(part: float, whole: float) -> str:
    """A part as a percentage; empty where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; heads that end in ">" stand over numbers, to the right. Without rows it says so."""
    body = [list(row) for row in rows]
    if not body:
        return "None.\n"
    lines = [
        "| " + " | ".join(head.rstrip(">") for head in heads) + " |",
        "|" + "|".join("---:" if head.endswith(">") else "---" for head in heads) + "|",
    ]
    lines += ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in body]
    return "\n".join(lines) + "\n"

"""The counts language x source x outcome, for machines and for tables."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from rumpun.corpus.cards.facts import Facts, fate

__all__ = ["count_rows", "counts_csv"]

_COLUMNS = ("language", "source", "class", "licence", "outcome", "fate", "documents", "bytes", "bytes_seen")


def count_rows(facts: Facts) -> list[Mapping[str, Any]]:
    """Rows of _COLUMNS; rows that could not be read have no bytes, and a language where it was known."""
    rows: list[Mapping[str, Any]] = [
        row | {"class": facts.source_class(row["source"], row["domain"]), "fate": fate(row["outcome"])}
        for row in facts.counts
    ]
    rows += [
        {
            "language": row["language"], "source": row["source"], "class": facts.source_class(row["source"], ""), "licence": row["licence"],
            "outcome": row["rule"], "fate": fate(row["rule"]), "documents": row["rows"], "bytes": 0, "bytes_seen": 0,
        }
        for row in facts.figures.get("rejected", [])
    ]  # fmt: skip
    return rows


def counts_csv(facts: Facts) -> str:
    """The rows as CSV (RFC 4180, UTF-8)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for row in count_rows(facts):
        # a cell that begins like a formula is not to be run by a spreadsheet
        writer.writerow(
            {
                k: f"'{v}" if isinstance(v, str) and v[:1] in ("=", "+", "-", "@") else v
                for k, v in row.items()
            }
        )
    return out.getvalue()

"""Which rows may be used how: by licence, with what each asks, and where two licences do not go together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rumpun.corpus.cards.facts import Facts
from rumpun.corpus.cards.markdown import escape, number, share, table
from rumpun.records.licences import obligations, terms

__all__ = ["commercial", "conflicts", "licence_report", "licence_rows"]


def commercial(licence: str) -> bool:
    """Whether rows under this licence may be used commercially; an unknown one may not."""
    found = terms(licence)
    return found.family not in ("non-commercial", "unknown") and "non-commercial use only" not in found.oblige


def licence_rows(facts: Facts) -> list[dict[str, Any]]:
    """A row for each licence of text that trains or is held out: what it is, what it asks, how much stands under it."""
    rows = []
    train = facts.sums("licence", outcome="train")
    documents = facts.sums("licence", outcome="train", of="documents")
    held = facts.sums("licence", outcome="heldout", of="documents")
    sources = facts.sums("licence", "source", outcome="train")
    for licence in facts.licences():
        found = terms(licence)
        chat = [e for e in facts.manifest.sources if e.role == "chat" and e.licence == licence]
        rows.append(
            {
                "licence": licence,
                "name": found.name,
                "family": found.family,
                "commercial": commercial(licence),
                "attribution": "attribution" in found.oblige,
                "share_alike": "share-alike" in found.oblige,
                "obligations": list(found.oblige),
                "may_be_shipped": found.shippable,
                "documents": documents.get((licence,), 0),
                "bytes": train.get((licence,), 0),
                "held_out_documents": held.get((licence,), 0),
                "chat_rows": sum(entry.rows for entry in chat),
                "sources": sorted(
                    {s for (of, s) in sources if of == licence} | {entry.name for entry in chat}
                ),
            }
        )
    return rows


def conflicts(licences: Sequence[str]) -> list[str]:
    """Sentences on licences that may not be used, or not together in one adapted work."""
    said = [
        f"{item} does not allow that text under it stands behind a shipped layer"
        for item in licences
        if not terms(item).shippable
    ]
    alike = [item for item in licences if "share-alike" in terms(item).oblige]
    code = [item for item in licences if terms(item).family == "copyleft-software"]
    if alike and code:
        said.append(
            f"{' and '.join(alike)} ask that adaptations carry the same licence, and so do {' and '.join(code)} for theirs:"
            " one text may not be made from both"
        )
    ported = sorted({item for item in alike if item.count("-") > 3})
    if len(set(alike)) > 1 and ported:
        said.append(
            f"{', '.join(ported)} are ported versions: look whether their later-version clause covers the others"
        )
    return said


def _sums(rows: Sequence[Mapping[str, Any]]) -> str:
    tests: tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...] = (
        ("may be used commercially", lambda row: row["commercial"]),
        (
            "may be used commercially and ask nothing",
            lambda row: row["commercial"] and not row["obligations"],
        ),
        ("ask for attribution", lambda row: row["attribution"]),
        ("ask that adaptations be shared alike", lambda row: row["share_alike"]),
        ("may not be used commercially", lambda row: not row["commercial"]),
    )
    total = sum(row["bytes"] for row in rows)
    lines = []
    for words, test in tests:
        documents, size = (sum(row[of] for row in rows if test(row)) for of in ("documents", "bytes"))
        lines.append((words, number(documents), number(size), share(size, total)))
    return table(("rows that", "documents>", "bytes>", "share of bytes>"), lines)


def licence_report(facts: Facts) -> str:
    """The report, in Markdown."""
    rows = licence_rows(facts)
    total = sum(row["bytes"] for row in rows)
    yes = {True: "yes", False: "no"}
    clashes = conflicts([row["licence"] for row in rows])
    alike = [row["licence"] for row in rows if row["share_alike"]]
    sources = [
        (
            e.name,
            e.role,
            e.licence,
            number(e.rows),
            number(e.bytes),
            e.url,
            number(facts.figures.get("contributors", {}).get(e.name)),
        )
        for e in facts.manifest.sources
        if e.rows
    ]
    parts = [
        f"# Licences of {escape(facts.title)}\n",
        (f"Corpus `{escape(facts.manifest.id)}`. The licence of every row stands in its column `licence`; a selection by that"
        " column is a selection by this table. This is a summary for builders, not legal advice.\n"),
        "## What may be done\n",
        table(
            ("licence", "commercial use", "attribution", "share alike", "other duties", "documents>", "bytes>", "share>", "held out>", "chat rows>"),
            (
                (
                    row["licence"], yes[row["commercial"]], yes[row["attribution"]], yes[row["share_alike"]],
                    ", ".join(d for d in row["obligations"] if d not in ("attribution", "share-alike")),
                    number(row["documents"]), number(row["bytes"]), share(row["bytes"], total),
                    number(row["held_out_documents"]), number(row["chat_rows"]),
                )
                for row in rows
            ),
        ),
        "## In sum\n",
        _sums(rows),
        "## Duties\n",
        table(("duty", "brought by"), ((duty, ", ".join(of)) for duty, of in obligations([r["licence"] for r in rows]).items())),
        "## Conflicts\n",
        "".join(f"- {escape(sentence)}.\n" for sentence in clashes) or "None found.\n",
        (
            f"Share-alike travels: whoever publishes an adaptation of rows under {escape(', '.join(alike))} publishes it under"
            " the same licence. Leave those rows out (`licence` column) where that is not wanted.\n"
            if alike
            else ""
        ),
        "## To be named: sources\n",
        table(("source", "use", "licence", "rows>", "bytes>", "where from", "contributors named>"), sources),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)

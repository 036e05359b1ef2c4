"""The encoder's card, rendered from its manifest alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rumpun.records.artefacts import Manifest
from rumpun.records.licences import obligations

__all__ = ["card"]


def card(manifest: Manifest) -> str:
    """The card in Markdown."""
    import jinja2

    # Markdown, not HTML: the card is text that nobody but the project writes
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=jinja2.select_autoescape(())
    )
    template = environment.from_string((Path(__file__).parent / "card.md.jinja").read_text(encoding="utf-8"))
    text: str = template.render(
        manifest=manifest, summary=manifest.summary, params=manifest.maker.params,
        duties=obligations(manifest.licences), table=retrieval_table,
    )  # fmt: skip
    return text + "\n"


def retrieval_table(entries: Sequence[dict[str, Any]]) -> str:
    """Accuracy at 1 both ways, with intervals."""
    lines = [
        "| source | language | rows | found in English | among | found from English | among |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        there, back = entry["to_english"], entry["from_english"]
        lines.append(
            f"| {entry['source']} | {entry['language']} | {entry['rows']}"
            f" | {there['share']:.3f} ({there['low']:.3f} to {there['high']:.3f}) | {entry['candidates']}"
            f" | {back['share']:.3f} ({back['low']:.3f} to {back['high']:.3f}) | {back['candidates']} |"
        )
    return "\n".join(lines)

"""The guard's card, rendered from its manifest alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rumpun.records.artefacts import Manifest
from rumpun.records.licences import obligations

__all__ = ["card"]

_MEASURES = (("recall", "recall"), ("false_alarms", "false alarms"), ("topic_flags", "topic flags"))


def card(manifest: Manifest) -> str:
    """The card in Markdown."""
    import jinja2

    from rumpun.guard.guard import WINDOW
    from rumpun.guard.taxonomy import UNSAFE, taxonomy
    from rumpun.language.tables import WORKING

    summary, known = manifest.summary, taxonomy()
    fitted = {tag for part in summary["rows"]["fitted"].values() for tag in part}
    # Markdown, not HTML: the card is text that nobody but the project writes
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=jinja2.select_autoescape(())
    )
    template = environment.from_string((Path(__file__).parent / "card.md.jinja").read_text(encoding="utf-8"))
    text: str = template.render(
        manifest=manifest,
        summary=summary,
        params=manifest.maker.params,
        covered=summary["covered"],
        not_covered=[key for key in known.openai if key not in summary["covered"]],
        unsafe_languages=sorted(summary["rows"]["fitted"].get("unsafe", {})),
        unseen=[tag for tag in WORKING if tag not in fitted],
        signals=[label for label in summary["heads"] if known.categories[label].signal],
        duties=obligations(manifest.licences),
        window=WINDOW,
        table=_table,
        fields=lambda label: ", ".join(known.categories[label].openai) if label != UNSAFE else "`flagged`",
    )
    return text + "\n"


def _table(entries: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| set | language | measure | share | 95 % interval | rows | AUROC |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        for key, words in _MEASURES:
            if key in entry:
                found = entry[key]
                lines.append(
                    f"| {entry['set']} | {entry['language']} | {words} | {found['share']:.3f}"
                    f" | {found['low']:.3f} to {found['high']:.3f} | {found['rows']} | {entry.get('auroc', '')} |"
                )
    return "\n".join(lines)

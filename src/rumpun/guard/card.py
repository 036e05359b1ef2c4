"""The guard's card, rendered from its manifest alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.records.artefacts import Manifest
from rumpun.records.licences import obligations

if TYPE_CHECKING:
    import jinja2

__all__ = ["DIAGRAM", "card", "diagram"]

DIAGRAM = "reliability.svg"


def card(manifest: Manifest) -> str:
    """The card in Markdown."""
    from rumpun.guard.taxonomy import taxonomy
    from rumpun.guard.windows import WINDOW
    from rumpun.language.tables import WORKING

    summary, known = manifest.summary, taxonomy()
    template = _template("card.md.jinja")
    real = summary["rows"]["fit"].get("unsafe", {})
    text: str = template.render(
        manifest=manifest,
        summary=summary,
        params=manifest.maker.params,
        covered=summary["covered"],
        not_covered=[key for key in known.openai if key not in summary["covered"]],
        unsafe_languages=sorted(real),
        without=[tag for tag in WORKING if tag not in real],
        known=known,
        working=WORKING,
        duties=obligations(manifest.licences),
        window=WINDOW,
        rankings=rankings,
        shares=shares,
        reliability=_reliability,
    )
    return text + "\n"


def diagram(table: Mapping[str, Mapping[str, Any]]) -> str:
    """The reliability diagram as SVG, a panel a language: on the dotted line a probability is what it says.

    Args:
        table: language -> rows, error and the share unsafe in each tenth, as `held_out.reliability` gives it.
    """
    panels = [
        {
            "language": "all" if language == "any" else language, "rows": own["rows"], "error": own["error"],
            "bars": [{"x": 12 * n + 1, "height": 120 * share} for n, share in enumerate(own["bins"]) if share is not None],
        }
        for language, own in table.items()
    ]  # fmt: skip
    text: str = _template("reliability.svg.jinja").render(
        panels=panels, columns=min(3, len(panels)), rows=max(1, -(-len(panels) // 3))
    )
    return text + "\n"


def _template(name: str) -> "jinja2.Template":
    """A template of this room; Markdown is not escaped: it is text that nobody but the project writes."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(("svg.jinja",)),
    )
    return environment.get_template(name)


def _cell(found: dict[str, float] | None) -> str:
    return f"{found['figure']:.2f} ({found['low']:.2f} to {found['high']:.2f})" if found else ""


def rankings(entries: Sequence[dict[str, Any]]) -> str:
    """A table of average precision and recalls; sets with both kinds of rows alone."""
    lines = [
        "| set | language | unsafe | safe | average precision | recall at 1 % | recall at 5 % |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {e['set']} | {e['language']} | {e['unsafe']} | {e['safe']} | {_cell(e['auprc'])} | {_cell(e['recall_at_0.01'])} | {_cell(e['recall_at_0.05'])} |"
        for e in entries
        if "auprc" in e
    ]
    return "\n".join(lines)


def shares(entries: Sequence[dict[str, Any]], point: str = "balanced") -> str:
    """A table of the shares flagged at a point."""
    lines = [
        "| set | language | recall | ordinary texts flagged | sensitive but safe texts flagged |",
        "|---|---|---|---|---|",
    ]
    for entry in entries:
        own = entry[point]
        cells = [
            f"{own[k]['share']:.3f} ({own[k]['low']:.3f} to {own[k]['high']:.3f}; {own[k]['rows']} rows)"
            if k in own
            else ""
            for k in ("recall", "ordinary", "sensitive")
        ]
        role = " answers" if entry.get("role") == "answer" else ""
        lines.append(f"| {entry['set']}{role} | {entry['language']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _reliability(table: dict[str, Any]) -> str:
    lines = [
        "| language | rows | expected calibration error | share unsafe by tenth of the probability |",
        "|---|---|---|---|",
    ]
    for language, own in table.items():
        bins = " ".join("·" if share is None else f"{share:.2f}" for share in own["bins"])
        lines.append(f"| {language} | {own['rows']} | {own['error']:.3f} | {bins} |")
    return "\n".join(lines)

"""One page that shows a corpus: figures, pictures and tables, with nothing loaded from anywhere."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rumpun.corpus.cards.counts import count_rows
from rumpun.corpus.cards.facts import Facts, language_name
from rumpun.corpus.cards.licence_report import conflicts, licence_rows
from rumpun.corpus.cards.markdown import size
from rumpun.corpus.cards.plots import PPI, Picture
from rumpun.corpus.cards.responsible import biases, limitations, personal

__all__ = ["page"]

_TEMPLATES = Path(__file__).parent / "templates"
_ROWS = 500  # of the counts; the rest is in counts.csv


def page(facts: Facts, pictures: Sequence[Picture]) -> str:
    """The page, in HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    rows = sorted(count_rows(facts), key=lambda row: (-row["documents"], row["language"], row["source"]))
    summary = facts.manifest.summary
    return environment.get_template("page.html.jinja").render(
        title=facts.title,
        about=str(facts.card.get("description") or ""),
        manifest=facts.manifest,
        tiles=_tiles(facts),
        not_reviewed=str(summary.get("not_reviewed", "")).capitalize(),
        pictures=[_picture(item) for item in pictures],
        languages=_languages(facts),
        licences=licence_rows(facts),
        conflicts=conflicts([row["licence"] for row in licence_rows(facts)]),
        counts=rows[:_ROWS],
        more=max(0, len(rows) - _ROWS),
        notes=(
            ("Personal data", personal(facts)),
            ("Biases", biases(facts)),
            ("Limitations", limitations(facts)),
        ),
    )


def _picture(item: Picture) -> Mapping[str, str]:
    # PNG, since an SVG's letters would be drawn in whatever face the reader's machine has, and would not fit
    data = base64.b64encode(item.png).decode()
    width = (
        int.from_bytes(item.png[16:20], "big") * 72 // PPI
    )  # of the drawing, in pixels: from the PNG's header
    return {"title": item.title, "alt": item.alt, "src": f"data:image/png;base64,{data}", "width": str(width)}


def _tiles(facts: Facts) -> list[tuple[str, str]]:
    with_text = sum(1 for n in facts.sums("language", outcome="train").values() if n)
    removed = sum(facts.manifest.summary["rows"]["dropped"].values())
    tiles = [
        (f"{facts.total('train'):,}", "documents train"),
        (size(facts.total("train", "bytes")), "of text, each document once"),
        (f"{with_text} of {len(facts.tags())}", "languages have text"),
        (f"{facts.total('heldout'):,}", "documents held out"),
        (f"{removed:,}", "removed, each with its reason"),
        (f"{len(facts.licences())}", "licences"),
    ]
    packed = facts.manifest.summary.get("packed", {})
    if packed:
        tiles.append((f"{sum(item['tokens'] for item in packed.values()):,}", "tokens packed"))
    return tiles


def _languages(facts: Facts) -> list[dict[str, Any]]:
    documents = facts.sums("language", outcome="train", of="documents")
    sizes = facts.sums("language", outcome="train")
    read = facts.sums("language", of="documents")
    held = facts.sums("language", outcome="heldout", of="documents")
    return [
        {
            "tag": tag, "name": language_name(tag), "read": read.get((tag,)), "documents": documents.get((tag,)),
            "bytes": sizes.get((tag,)), "held": held.get((tag,)),
        }
        for tag in facts.tags()
    ]  # fmt: skip

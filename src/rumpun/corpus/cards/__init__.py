"""Cards: a written corpus -> what people and machines read of it, made from its manifest and figures.json alone.

`README.md` (data card with the hub's front matter), `croissant.json` (Croissant 1.1 with RAI and provenance),
`licences.md` and `licences.json`, `eu_summary.md`, `counts.csv`, `index.html` (one page that shows it, loading nothing) and
`plots/*.svg`, `plots/*.png`.

Reading order: `facts` (the questions that every card asks), `markdown`, `licence_report`, `responsible` (biases, limits,
personal data), `eu_summary`, `croissant`, `data_card`, `counts`, `plots`, `page`.
"""

import json
from pathlib import Path

from rumpun.corpus.find import corpus_manifest
from rumpun.errors import InputError
from rumpun.records.artefacts import Manifest

__all__ = ["render", "render_cards"]


def render(corpus: Path, out: Path) -> list[Path]:
    """Render the cards of a finished corpus into another folder; the files that were written.

    Raises:
        InputError: no corpus of `corpus.write` there, or `out` lies in it: a finished artefact is not changed.
    """
    manifest = corpus_manifest(corpus)
    if out.absolute().is_relative_to(corpus.absolute()):
        raise InputError(f"{out}: inside the corpus, which is finished", "name a folder outside it")
    return render_cards(corpus, manifest, out)


def render_cards(corpus: Path, manifest: Manifest, out: Path) -> list[Path]:
    """Render the cards of a corpus that the manifest describes; the files that were written.

    Args:
        corpus: its folder.
        manifest: of it; it need not be written yet.
        out: where the cards are put.
    """
    from rumpun.corpus.cards.counts import counts_csv
    from rumpun.corpus.cards.croissant import croissant
    from rumpun.corpus.cards.data_card import data_card
    from rumpun.corpus.cards.eu_summary import eu_summary
    from rumpun.corpus.cards.facts import read_facts
    from rumpun.corpus.cards.licence_report import licence_report, licence_rows
    from rumpun.corpus.cards.page import page
    from rumpun.corpus.cards.plots import draw

    facts = read_facts(corpus, manifest)
    pictures = draw(facts) if facts.card.get("plots", True) else []
    texts = {
        "README.md": data_card(facts, {f"plots/{item.name}.png": item.alt for item in pictures}),
        "croissant.json": json.dumps(croissant(facts), ensure_ascii=False, indent=1) + "\n",
        "licences.md": licence_report(facts),
        "licences.json": json.dumps(licence_rows(facts), ensure_ascii=False, indent=1) + "\n",
        "eu_summary.md": eu_summary(facts),
        "counts.csv": counts_csv(facts),
        "index.html": page(facts, pictures),
        **{f"plots/{item.name}.svg": item.svg for item in pictures},
    }
    written = []
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        written.append(path)
    for item in pictures:
        path = out / "plots" / f"{item.name}.png"
        path.write_bytes(item.png)
        written.append(path)
    return written

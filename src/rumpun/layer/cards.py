"""A model card and a data card, rendered from manifests alone.

Names, licences and other strings that come from data are escaped, so that no source can write Markdown or HTML into a
card. A figure that a manifest does not have leaves its cell empty.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rumpun.errors import InputError
from rumpun.layer.card_tables import forgetting, limits, score_rows, scores, vocabulary, working
from rumpun.layer.card_words import escape, flat, link, number
from rumpun.layer.harm import table_lines
from rumpun.layer.params import TRAINING
from rumpun.records.artefacts import Manifest
from rumpun.records.licences import obligations
from rumpun.weights.layer_file import LayerSpec

__all__ = ["corpora_behind", "data_card", "data_cards", "model_card", "obligation_rows", "render"]

_TEMPLATES = Path(__file__).parent / "templates"


def obligation_rows(licences: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a card's table of duties and the licences that bring them."""
    return [
        {"duty": escape(duty), "licences": escape(", ".join(of))}
        for duty, of in obligations(tuple(licences)).items()
    ]


_TRAINING = (  # key of the layer's summary -> words
    ("steps", "Optimiser steps"), ("tokens", "Tokens trained on"), ("seconds", "Seconds"), ("device", "Machine"),
    ("precision", "Arithmetic"), ("peak_memory_bytes", "Peak memory, bytes"), ("rank", "Rank"), ("alpha", "Alpha"),
    ("trained_parameters", "Trained parameters"), ("text_from", "Text read from"),
    ("preferences", "Preferences learnt"), ("teacher", "Teacher"), ("base_beside", "The base's own distributions"),
)  # fmt: skip


_MADE = (("method", "Merged by the method"), ("rank", "Rank"))


def _training_rows(layer: Manifest, behind: Sequence[Manifest]) -> list[dict[str, str]]:
    told = (
        _TRAINING if layer.maker.step in TRAINING else _MADE
    )  # whose "tokens" are words, not text that was read
    rows = [
        {"name": words, "value": number(layer.summary[key])} for key, words in told if key in layer.summary
    ]
    rows += [
        {"name": f"Before that: {escape(earlier.name)}", "value": _told(earlier.summary)}
        for earlier in behind
        if earlier.maker.step in TRAINING and earlier.id != layer.id
    ]
    for name, version in sorted(layer.maker.tools.items()):
        rows.append({"name": escape(name), "value": escape(version)})
    return rows


def _told(run: Mapping[str, Any]) -> str:
    """A training run in a few words."""
    said = [
        f"{number(run[key])} {words}"
        for key, words in (("tokens", "tokens"), ("steps", "steps"), ("seconds", "s"))
        if key in run
    ]
    return ", ".join([*said, escape(run.get("device", ""))])


def _data_words(corpora: Sequence[Manifest]) -> str:
    sources = [entry for corpus in corpora for entry in corpus.sources if "held-out" not in entry.role]
    size = sum(entry.bytes for entry in sources)
    names = {entry.name for entry in sources}
    return f"Sources: {len(names):,}. Text and chat rows: {size:,} bytes."


def render(template: str, context: dict[str, Any]) -> str:
    """A template of this room filled in; the caller has escaped what comes from data."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown; every string from data goes through `escape`
    )
    text = environment.get_template(template).render(context)
    return re.sub(r"\n{3,}", "\n\n", text)


def _base_words(layer: Manifest, spec: LayerSpec) -> dict[str, str]:
    base = next((entry for entry in layer.sources if entry.role == "base"), None)
    return {
        "name": escape(spec.base_name),
        "sha256": escape(spec.base_sha256),
        "licence": escape(base.licence if base else "licence not given"),
    }


def _spec_words(spec: LayerSpec) -> dict[str, object]:
    return {
        "rank": spec.rank,
        "alpha": spec.alpha,
        "targets": escape(", ".join(spec.targets)) or "no module",
        "tokens": len(spec.tokens),
        "licence": escape(spec.licence),
        "architecture": escape(spec.architecture),
    }


def model_card(
    *,
    title: str,
    name: str,
    spec: LayerSpec,
    layer: Manifest,
    corpus: Manifest,
    evaluation: Manifest | None = None,
    safety: Manifest | None = None,
    more_corpora: Sequence[Manifest] = (),
    others: Sequence[Manifest] = (),
    behind: Sequence[Manifest] = (),
    cannot: Sequence[str] = (),
) -> str:
    """The model card of a layer, in Markdown.

    Args:
        title: heading.
        name: of the layer.
        spec: its `layer.json`.
        layer: its manifest.
        corpus: what it was trained on.
        evaluation: base against layer, and the parent beside them where there is one; without it every cell of the table
            is empty.
        safety: what base and layer make of prompts that ask for harm; without it the card says that nobody measured it.
        more_corpora: what the layers under a merged one were trained on besides.
        others: more manifests to show: a merged model, a GGUF.
        behind: what the layer stands on, the nearest first: the table of what its new tokens cost is found among them.
        cannot: sentences of the recipe's author on what it cannot do.

    Raises:
        InputError: a manifest is of another kind than its place.
    """
    _check_kinds(layer=layer, corpus=corpus, evaluation=evaluation, safety=safety)
    shown = [m for m in (layer, corpus, *more_corpora, evaluation, safety, *others) if m is not None]
    measured = scores(evaluation)
    return render(
        "model_card.md.jinja",
        {
            "title": escape(title),
            "name": escape(name),
            "base": _base_words(layer, spec),
            "spec": _spec_words(spec),
            "languages": escape(", ".join(layer.languages)),
            "training": _training_rows(layer, behind),
            "scores": score_rows(measured),
            "grown": any("parent" in score for score in measured.values()),
            "forgetting": forgetting(measured),
            "harm": table_lines(safety.summary.get("languages", {})) if safety else [],
            "asked_at_most": safety.summary.get("limit", "") if safety else "",
            "judge": escape(safety.summary.get("guard", "")) if safety else "",
            "vocabulary": vocabulary(spec, (layer, *behind)),
            "cannot": limits(measured, cannot),
            "data_words": _data_words((corpus, *more_corpora)),
            "obligations": obligation_rows((*layer.licences, spec.licence)),
            "lineage": [
                {
                    "kind": escape(m.kind),
                    "name": escape(m.name),
                    "id": escape(m.id),
                    "maker": escape(m.maker.step),
                }
                for m in shown
            ],
            "figures": [
                {"title": escape(f"{m.kind} {m.name}"), "rows": list(flat(m.summary))}
                for m in shown
                if m.kind not in ("corpus", "safety") and m.summary
            ],
        },
    )


def _check_kinds(**given: Manifest | None) -> None:
    for kind, manifest in given.items():
        if manifest is not None and manifest.kind != kind:
            raise InputError(f"{manifest.id}: a {manifest.kind} where a {kind} belongs", f"name a {kind}")


def data_cards(corpora: Sequence[Manifest], *, title: str) -> str:
    """The data cards of every corpus behind a layer, the nearest first, as one page.

    Raises:
        InputError: a manifest is not a corpus's.
    """
    return "\n".join(data_card(corpus, title=title) for corpus in corpora)


def data_card(corpus: Manifest, *, title: str) -> str:
    """The data card of a corpus, in Markdown.

    Raises:
        InputError: the manifest is not a corpus's.
    """
    if corpus.kind != "corpus":
        raise InputError(
            f"{corpus.id}: a {corpus.kind}, not a corpus", "name the corpus that the layer was trained on"
        )
    summary = corpus.summary
    rows, chat = summary.get("rows", {}), summary.get("chat", {})
    text_drops, chat_drops = rows.get("dropped", {}), chat.get("dropped", {})
    return render(
        "data_card.md.jinja",
        {
            "title": escape(title),
            "id": escape(corpus.id),
            "created": escape(corpus.created),
            "not_reviewed": escape(summary.get("not_reviewed", "")).capitalize(),
            "languages": _language_rows(summary.get("languages", {})),
            "sources": _source_rows(corpus),
            "by_language": _by_language(summary.get("sources", {})),
            "held_out": _by_language(summary.get("held_out_sources", {})),
            "rows": {
                "read": number(rows.get("read")),
                "train": number(rows.get("train")),
                "held_out": number(rows.get("held_out")),
                "dropped": number(sum(text_drops.values())),
            },
            "chat": {key: number(chat.get(key)) for key in ("read", "train", "held_out")},
            "drops": [
                {"reason": escape(r), "text": number(text_drops.get(r)), "chat": number(chat_drops.get(r))}
                for r in sorted({*text_drops, *chat_drops})
            ],
            "left_out": [
                {"source": escape(i["source"]), "reason": escape(i["reason"]), "rows": number(i["rows"])}
                for i in summary.get("left_out", [])
            ],
            "obligations": obligation_rows(corpus.licences),
            "parameters": list(flat(corpus.maker.params)),
        },
    )


def _language_rows(languages: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    rows = []
    for tag in [*working(), *sorted(set(languages) - set(working()))]:
        found = languages.get(tag, {})
        train, held = found.get("train", {}), found.get("held_out", {})
        row = {
            "language": escape(tag),
            "documents": number(train.get("documents")),
            "bytes": number(train.get("bytes")),
            "machine": number(found.get("machine_translated_bytes")),
            "chat": number(found.get("chat_rows")),
            "held_documents": number(held.get("documents")),
            "held_bytes": number(held.get("bytes")),
            "by": escape(held.get("by", "")),
        }
        rows.append(row)
    return rows


def _source_rows(corpus: Manifest) -> list[dict[str, str]]:
    totals: dict[str, int] = {}
    for entry in corpus.sources:
        totals[entry.role] = totals.get(entry.role, 0) + entry.bytes
    return [
        {
            "name": escape(entry.name),
            "role": escape(entry.role),
            "licence": escape(entry.licence),
            "rows": number(entry.rows),
            "bytes": number(entry.bytes),
            "share": f"{100 * entry.bytes / totals[entry.role]:.1f} %" if totals[entry.role] else "",
            "url": link(entry.url),
            "commit": escape(entry.commit[:12]),
        }
        for entry in sorted(corpus.sources, key=lambda entry: (entry.role, -entry.bytes, entry.name))
    ]


def _by_language(table: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[dict[str, str]]:
    return [
        {
            "language": escape(tag),
            "source": escape(name),
            "documents": number(part.get("documents")),
            "bytes": number(part.get("bytes")),
        }
        for tag, places in table.items()
        for name, part in places.items()
    ]


def corpora_behind(known: Mapping[str, Manifest], trained: Manifest) -> list[Manifest]:
    """What a layer, and the layers under it, were trained on; each once, the nearest first.

    Raises:
        InputError: there is none, so that nobody could say what it was fed with.
    """
    found: dict[str, Manifest] = {}
    waiting = [trained]
    for manifest in waiting:
        for parent in (known[key] for key in manifest.parents):
            if parent.kind == "corpus":
                found.setdefault(parent.id, parent)
            elif parent.kind in ("layer", "model"):
                waiting.append(parent)
    if not found:
        raise InputError(
            f"{trained.name or trained.id}: no corpus stands behind it, so its data card would be empty",
            "release a layer that a recipe trained on a corpus step",
        )
    return list(found.values())

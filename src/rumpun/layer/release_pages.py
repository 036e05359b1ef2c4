"""A release's pages beside its cards: the licences with whom to name, and the README that a hub reads."""

import re
from collections.abc import Sequence
from typing import Any

from rumpun.errors import MissingPartError
from rumpun.layer.card_words import escape, link
from rumpun.layer.cards import obligation_rows, render
from rumpun.records.artefacts import Manifest, SourceEntry
from rumpun.records.licences import terms
from rumpun.weights.layer_file import LayerSpec

__all__ = ["hub_readme", "licences_page"]

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HUB_ADDRESS = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/?")


def licences_page(title: str, trained: Manifest, spec: LayerSpec) -> str:
    """The set of licences behind a layer's weights, what it obliges, and every source to name; in Markdown."""
    licences = sorted({*trained.licences, spec.licence})
    behind = _behind(trained)
    return render(
        "licences.md.jinja",
        {
            "title": escape(title),
            "own": escape(spec.licence),
            "licences": [
                {
                    "licence": escape(name),
                    "name": escape(terms(name).name),
                    "of": _of(name, behind, spec),
                    "duties": escape(", ".join(terms(name).oblige)) or "none",
                }
                for name in licences
            ],
            "obligations": obligation_rows(licences),
            "sources": [
                {
                    "name": escape(source.name),
                    "role": escape(source.role),
                    "licence": escape(source.licence),
                    "url": link(source.url),
                    "commit": escape(source.commit[:12]),
                }
                for source in behind
            ],
        },
    )  # fmt: skip


def _of(licence: str, behind: Sequence[SourceEntry], spec: LayerSpec) -> str:
    """What stands under a licence, in words."""
    count = sum(source.licence == licence for source in behind)
    if count:
        return "1 source" if count == 1 else f"{count:,} sources"
    return "the layer's own part" if licence == spec.licence else "held-out text"


def _behind(trained: Manifest) -> list[SourceEntry]:
    return [source for source in trained.sources if "held-out" not in source.role]


def hub_readme(card: str, trained: Manifest, spec: LayerSpec, *, forms: Sequence[str]) -> str:
    """The card under the head of YAML that a hub reads: licence, base, languages, data sets by name, tags.

    One licence is named as such; a set of several is "other", with a link to LICENCES.md.

    Raises:
        MissingPartError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import ModelCardData
    except ModuleNotFoundError as error:
        raise MissingPartError("a hub's README (huggingface_hub)", "runtime") from error
    licences = {*trained.licences, spec.licence}
    one = licences == {spec.licence}
    base = _base_on_hub(trained, spec)
    names = sorted({source.name for source in _behind(trained) if source.role != "base"})
    facts: dict[str, Any] = {
        "language": list(trained.languages) or None,
        "license": spec.licence.lower() if one else "other",
        "license_name": None if one else "set-of-the-sources-licences",
        "license_link": None if one else "LICENCES.md",
        "base_model": base,
        "base_model_relation": "adapter" if base else None,
        "datasets": [name for name in names if _HUB_NAME.fullmatch(name)] or None,
        "tags": ["rumpun", "layer", *(["gguf"] if forms else [])],
    }
    head = ModelCardData(**{key: value for key, value in facts.items() if value is not None}).to_yaml()
    return f"---\n{head}\n---\n\n{card}"


def _base_on_hub(trained: Manifest, spec: LayerSpec) -> str | None:
    """owner/name of the base where a manifest or the catalogue knows it."""
    from rumpun.engines import catalogue

    for source in trained.sources:
        found = _HUB_ADDRESS.fullmatch(source.url)
        if source.role == "base" and found:
            return found[1]
    entry = catalogue.find(spec.base_name)
    return (entry.weights or entry.repository or None) if entry else None

"""What was measured of a layer, as a card shows it: bits per byte, and what its vocabulary makes text cost."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rumpun.layer.card_words import escape, number
from rumpun.records.artefacts import Manifest
from rumpun.weights.layer_file import LayerSpec

__all__ = ["findings", "forgetting", "limits", "score_rows", "scores", "vocabulary", "working"]

_USUAL = (
    "It is a demonstration, not a helper: a base of this size makes sentences, not sound advice.",
    "Do not rely on what it says about health, law, money or anything else that matters.",
    "It does not know what is true, what happened lately, or who you are.",
    "No native speaker has reviewed what it writes in any language.",
)


def findings(languages: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Language -> what the interval says in plain words, or an empty string where nothing was compared."""
    said: dict[str, str] = {}
    for tag, score in languages.items():
        interval = score.get("difference")
        if not interval:
            said[tag] = ""
        elif interval[1] < 0:
            said[tag] = "better than the base"
        elif interval[0] > 0:
            said[tag] = "worse than the base"
        else:
            said[tag] = "no difference shown"
    return said


def working() -> tuple[str, ...]:
    """Tags of the working languages, which stand in every table of a card."""
    from rumpun.language.tables import WORKING

    return WORKING


def scores(evaluation: Manifest | None) -> dict[str, Mapping[str, Any]]:
    """Language -> scores, all working languages first, an empty table where nothing was measured."""
    measured: Mapping[str, Mapping[str, Any]] = evaluation.summary.get("languages", {}) if evaluation else {}
    tags = [*working(), *sorted(set(measured) - set(working()))]
    return {tag: measured.get(tag, {}) for tag in tags}


def score_rows(measured: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """The table of bits per byte; `parent` and `from_parent` are empty where no parent was measured."""
    said = findings(measured)
    return [
        {"language": escape(tag), "words": said[tag]}
        | {key: number(score.get(key)) for key in ("model", "against", "parent", "documents", "bytes")}
        | {key: _interval(score.get(key)) for key in ("difference", "from_parent")}
        for tag, score in measured.items()
    ]


def _interval(ends: Sequence[float] | None) -> str:
    return f"{ends[0]:+.3f} to {ends[1]:+.3f}" if ends else ""


def forgetting(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """What the table says of English, by which forgetting is seen."""
    english = measured.get("en", {})
    if not english.get("difference"):
        return "English, by which forgetting is seen, was not measured."
    low, high = english["difference"]
    verdict = {
        "worse than the base": "it has forgotten some",
        "better than the base": "it has forgotten none",
    }
    said = verdict.get(findings({"en": english})["en"], "no forgetting is shown")
    return (
        f"English stands for what the base knew before: from {number(english.get('against'))} to"
        f" {number(english.get('model'))} bits per byte ({low:+.3f} to {high:+.3f}): {said}."
    )


def limits(measured: Mapping[str, Mapping[str, Any]], extra: Sequence[str]) -> list[str]:
    """Sentences on what it cannot do: the usual ones, the author's own, and what the table of bits per byte says."""
    said = findings(measured)
    sentences = [*_USUAL, *(escape(sentence) for sentence in extra)]
    for words, sentence in (
        ("worse than the base", "It predicts held-out text worse than the base alone in: {}."),
        ("no difference shown", "It is not shown to beat the base in: {}."),
    ):
        tags = [tag for tag, found in said.items() if found == words]
        if tags:
            sentences.append(sentence.format(", ".join(tags)))
    lost = [tag for tag, score in measured.items() if (apart := score.get("from_parent")) and apart[0] > 0]
    if lost:
        sentences.append(
            f"It predicts held-out text worse than the layer that it was grown from in: {', '.join(lost)}."
        )
    empty = [tag for tag, score in measured.items() if not score]
    if empty:
        sentences.append(f"It was not measured in: {', '.join(empty)}.")
    return sentences


_COSTS = ("characters", "per_character_before", "per_character_after", "cost_before", "cost_after")


def vocabulary(spec: LayerSpec, behind: Iterable[Manifest]) -> dict[str, Any] | None:
    """What text costs before and after the layer's new tokens; None for a layer without any.

    `rows` is empty where the step that made this very vocabulary is not behind the layer: one that was put together of
    several, or cut, was never measured as it is.

    Args:
        spec: the layer's.
        behind: manifests of what the layer stands on, the nearest first.
    """
    if not spec.tokens:
        return None
    made = next(
        (
            manifest
            for manifest in behind
            if manifest.maker.step in ("layer.extend", "layer.prune_vocabulary")
            and manifest.summary.get("tokens") == len(spec.tokens)
        ),
        None,
    )
    found = {row["language"]: row for row in made.summary.get("table", ())} if made else {}
    tags = [*working(), *sorted(set(found) - set(working()))] if found else []
    return {
        "tokens": number(len(spec.tokens)),
        "id": escape(made.id) if made else "",
        "step": made.maker.step if made else "",
        "rows": [
            {"language": escape(tag)} | {key: number(found.get(tag, {}).get(key)) for key in _COSTS}
            for tag in tags
        ],
    }

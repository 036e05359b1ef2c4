"""A verdict in the shape of one entry of `results` in OpenAI's POST /v1/moderations.

Every field of OpenAI's result is there. Fields that no head or rule of the guard stands behind are false with score
0.0; the card lists them as not covered. `x_rumpun` is our addition, which OpenAI's clients ignore.
"""

from collections.abc import Sequence
from typing import Any

from rumpun.guard.taxonomy import taxonomy
from rumpun.guard.verdict import Verdict

__all__ = ["covered", "result", "unchecked"]


def covered(labels: Sequence[str]) -> tuple[str, ...]:
    """The fields of OpenAI's result that heads with these labels, or rules of words, can set; in OpenAI's order."""
    table = taxonomy()
    known = [name for name, category in table.categories.items() if name in labels or category.by_words]
    found = {
        key
        for name in known
        for key in (*table.categories[name].openai, *table.categories[name].openai_serious)
    }
    return tuple(key for key in table.openai if key in found)


def result(verdict: Verdict) -> dict[str, Any]:
    """One entry of `results`.

    `flagged` may be true with every category false: the text is harmful and no category's head knew of which kind.
    """
    table = taxonomy()
    scores = dict.fromkeys(table.openai, 0.0)
    fired = dict.fromkeys(table.openai, False)
    judgement = verdict.judgement
    for name, level in judgement.levels.items():
        category = table.categories[name]
        score = max(judgement.probabilities.get(name, 0.0), 1.0 if name in judgement.rules and level else 0.0)
        for key in (*category.openai, *(category.openai_serious if level == 2 else ())):
            scores[key] = max(scores[key], round(score, 4))
            fired[key] = fired[key] or level > 0
    return {
        "flagged": verdict.flagged,
        "categories": fired,
        "category_scores": scores,
        "category_applied_input_types": {key: ["text"] for key in table.openai},
        "x_rumpun": verdict.plain(),
    }


def unchecked(why: str) -> dict[str, Any]:
    """One entry of `results` for a text that no guard saw, where the service may let it pass."""
    table = taxonomy()
    return {
        "flagged": False,
        "categories": dict.fromkeys(table.openai, False),
        "category_scores": dict.fromkeys(table.openai, 0.0),
        "category_applied_input_types": {key: ["text"] for key in table.openai},
        "x_rumpun": {"unchecked": why},
    }

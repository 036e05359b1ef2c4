"""A verdict in the shape of one entry of `results` in OpenAI's POST /v1/moderations.

Every field of OpenAI's result is there. Fields that no head of the guard stands behind are false with score 0.0; the
card lists them as not covered. `x_rumpun` is our addition, which OpenAI's clients ignore.
"""

from typing import Any

from rumpun.guard.guard import Verdict
from rumpun.guard.taxonomy import UNSAFE, taxonomy

__all__ = ["covered", "result"]


def covered(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The fields of OpenAI's result that heads with these labels can set, in OpenAI's order."""
    table = taxonomy()
    sets = {key for label in labels if label in table.categories for key in table.categories[label].openai}
    return tuple(key for key in table.openai if key in sets)


def result(verdict: Verdict) -> dict[str, Any]:
    """One entry of `results`.

    `flagged` may be true with every category false: the binary head found the text unsafe and no category's head did.
    """
    table = taxonomy()
    scores = dict.fromkeys(table.openai, 0.0)
    fired = dict.fromkeys(table.openai, False)
    for label, score in verdict.scores.items():
        for key in table.categories[label].openai if label != UNSAFE else ():
            scores[key] = max(scores[key], score)
            fired[key] = fired[key] or label in verdict.categories
    return {
        "flagged": verdict.flagged,
        "categories": fired,
        "category_scores": scores,
        "category_applied_input_types": {key: ["text"] for key in table.openai},
        "x_rumpun": {
            "unsafe": verdict.scores.get(UNSAFE, 0.0),
            "categories": list(verdict.categories),
            "scores": verdict.scores,
            "language": verdict.language,
            "role": verdict.role,
        },
    }

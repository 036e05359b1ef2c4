"""One door to SEA-HELM's figures: a task, a language, its rows and the answers to them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rumpun.evaluate.seahelm.external import judged, translations
from rumpun.evaluate.seahelm.instructions import instructions
from rumpun.evaluate.seahelm.labels import labels
from rumpun.evaluate.seahelm.logprobs import logprobs
from rumpun.evaluate.seahelm.pairs import minimal_pairs, pragmatics, pragmatics_part
from rumpun.evaluate.seahelm.qa import questions
from rumpun.evaluate.seahelm.rouge import summaries
from rumpun.evaluate.seahelm.rows import Rows
from rumpun.evaluate.seahelm.scored import Scored
from rumpun.evaluate.seahelm.tasks import TaskSpec, find, tasks

__all__ = ["Scored", "TaskSpec", "score", "tasks"]

Answers = Sequence[str | None]
_BY_TEXT: Mapping[str, Callable[[TaskSpec, str, Rows, Answers], Scored]] = {
    "labels": labels,
    "minimal-pairs": minimal_pairs,
    "pragmatics": pragmatics,
    "pragmatics-part": pragmatics_part,
    "qa": questions,
    "summary": summaries,
}
_BY_NUMBERS: Mapping[str, Callable[[TaskSpec, str, Rows, Answers, Sequence[float | None] | None], Scored]] = {
    "translation": translations,
    "judge": judged,
    "logprobs": logprobs,
    "logprobs-pairs": logprobs,
    "logprobs-part": logprobs,
    "logprobs-pragmatics": logprobs,
}


def score(
    task: str,
    language: str,
    items: Sequence[Mapping[str, Any]],
    predictions: Answers,
    *,
    detected: Sequence[str | None] | None = None,
    external: Sequence[float | None] | None = None,
) -> Scored:
    """SEA-HELM's figures for one task in one language.

    Args:
        task: a name of `tasks()`.
        language: SEA-HELM's code ("id", "tl", "zh", …).
        items: its rows: `id`, `label` (text, or a list of references for questions; `prompt_label` or `response_label` in
            the safeguard tasks), `metadata`, `prompts`, and `kwargs` for if-eval. The rows of `pragmatics` are those of
            pragmatic-single and pragmatic-pair together.
        predictions: what the model answered, in the items' order; None where the generation failed.
        detected: for if-eval, the language found in each answer.
        external: for translations each item's MetricX-24 score as the model gives it (0 to 25), for judged tasks each
            item's score over its criteria (0 to 1), for a «…-logprobs» task each right label's log-probability (nats).

    Raises:
        UsageError: no such task, or not in this language.
        InputError: a row or an answer is malformed, or what only a model can tell is missing.
        MissingPartError: Thai, Chinese or a summary is to be cut into words without SEA-HELM's libraries.
    """
    spec = find(task, language)
    if spec.family in _BY_TEXT:
        return _BY_TEXT[spec.family](spec, language, items, predictions)
    if spec.family in _BY_NUMBERS:
        return _BY_NUMBERS[spec.family](spec, language, items, predictions, external)
    return instructions(spec, language, items, predictions, detected)

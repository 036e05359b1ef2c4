"""Figures made elsewhere by a neural model: MetricX for translations, a judge for open answers.

Each item's score is given; nothing stands in for one that is missing.
Source: seahelm_tasks/nlg/translation/translation_metric.py, src/metrics/llm_judges/criteria_judge_metric.py,
seahelm_tasks/multi_turn/mt_bench_judge, seahelm_tasks/lindsea/syntax_criteria.
"""

from collections.abc import Sequence

import numpy as np

from rumpun.evaluate.seahelm.parse import LINE, extract
from rumpun.evaluate.seahelm.rows import Rows, categories, numbers, responses
from rumpun.evaluate.seahelm.scored import Counts, Floats, Scored, means, parts, ratio, scored
from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = ["judged", "translations"]

_WORST = 25.0  # MetricX: 0 is the best
_IN_HUNDREDS = "syntax-criteria"  # the one judged task whose categories are told from 0 to 100
_FAULTS_TRANSLATION = (
    "One line after the tag is the translation; without the tag the whole answer is scored, and a failed generation as the text «None».",
    "MetricX scores depend on the batch: only the longest row of one loses its end token.",
    "The language of the translation is not checked.",
)
_FAULTS_JUDGE = ("A judge's answer that cannot be read counts as not met, and is not counted apart.",)


def translations(
    spec: TaskSpec,
    language: str,
    items: Rows,
    predictions: Sequence[str | None],
    external: Sequence[float | None] | None,
) -> Scored:
    """Translations from each item's MetricX score, raw: 0 (best) to 25."""
    given = responses(items, predictions)
    raw = _given(items, external, "MetricX-24 score", _WORST)
    read = [extract(spec.tags[language] + LINE, response) for response in given]
    values = 100 * np.maximum((raw - _WORST) / -_WORST, 0)
    empty = np.array([answer == "" for answer, _ in read], np.float64)
    columns = np.stack([raw, values], axis=1)

    def at(counts: Counts) -> dict[str, Floats]:
        of_raw, of_values = means(counts, columns).T
        return {
            "metricx_wmt24_scores": of_raw,
            "normalized_metricx_wmt24_scores": of_values,
            "null_count": counts @ empty,
        }

    return scored(
        spec,
        language,
        at,
        values=values,
        answers=[answer for answer, _ in read],
        parse_failures=sum(not tagged for _, tagged in read),
        faults=_FAULTS_TRANSLATION,
    )


def judged(
    spec: TaskSpec,
    language: str,
    items: Rows,
    predictions: Sequence[str | None],
    external: Sequence[float | None] | None,
) -> Scored:
    """Open answers from each item's score by a judge over its criteria, 0 to 1."""
    responses(items, predictions)
    values = _given(items, external, "judge's score", 1.0)
    kinds = categories(items)
    names = tuple(dict.fromkeys(kinds or ()))
    of = parts(names, kinds or ()) if kinds else np.zeros((len(items), 0))
    scale = 100 if spec.name == _IN_HUNDREDS else 1

    def at(counts: Counts) -> dict[str, Floats]:
        weights = counts.astype(np.float64)
        by_kind = scale * ratio(weights @ (of * values[:, None]), weights @ of)
        return {f"categories.{kind}": by_kind[:, n] for n, kind in enumerate(names)} | {
            "average_criteria_score": 100 * means(counts, values[:, None])[:, 0]
        }

    return scored(
        spec,
        language,
        at,
        values=values,
        answers=predictions,
        parse_failures=sum(prediction is None for prediction in predictions),
        faults=_FAULTS_JUDGE,
    )


def _given(items: Rows, external: Sequence[float | None] | None, each: str, most: float) -> Floats:
    mend = f"give a {each} (0 to {most:g}) for each item"
    return numbers(items, external, each, "scores", low=0.0, high=most, every=True, mend=mend)

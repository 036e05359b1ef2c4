"""Summaries: ROUGE-L, the longest common subsequence of tokens.

SEA-HELM's figure is no mean: it is the median of the means of 1,000 resamples of the items, drawn with a fixed seed.
`metrics` has that median; `at` has the plain mean of the rows drawn, since a median of resamples has none.
Source: seahelm_tasks/nlg/abstractive_summarization/summarization.py, src/rouge_score/*, after Lin 2004 (ROUGE).
"""

from collections.abc import Sequence

import numpy as np

from rumpun.evaluate.seahelm.parse import LINE, extract
from rumpun.evaluate.seahelm.rows import Rows, responses, texts
from rumpun.evaluate.seahelm.scored import Counts, Floats, Scored, means
from rumpun.evaluate.seahelm.tasks import TaskSpec
from rumpun.evaluate.seahelm.tokenizers import rouge_tokens

__all__ = ["common_length", "rouge_l", "seeded_median", "summaries"]

_SEED, _RESAMPLES = 4156, 1000
_FAULTS = (
    "The figure is the median of 1,000 resampled means, drawn with one seed, and not the mean of the items.",
    "One line after the tag is the summary; a summary of several lines is cut.",
)
_FAULTS_OF = {
    "th": ("White space counts as words, which answer and reference share for nothing.",),
    "my": (
        "Burmese is compared in syllables, other languages in words.",
        "Of two closing consonants in a row, the second is left as a syllable of its own.",
    ),
}


def summaries(spec: TaskSpec, language: str, items: Rows, predictions: Sequence[str | None]) -> Scored:
    """Score summaries against one reference each."""
    given = responses(items, predictions)
    gold = texts(spec, items)
    read = [extract(spec.tags[language] + LINE, response) for response in given]
    answers = [answer for answer, _ in read]
    shares = np.array(
        [
            rouge_l(rouge_tokens(right, language), rouge_tokens(answer, language))
            for right, answer in zip(gold, answers, strict=True)
        ],
        np.float64,
    )
    empty = np.array([answer == "" for answer in answers], np.float64)

    def at(counts: Counts) -> dict[str, Floats]:
        return _named(100 * means(counts, shares), counts @ empty)

    median = 100 * seeded_median(shares)
    metrics = {name: float(x[0]) for name, x in _named(median[None], empty.sum(keepdims=True)).items()}
    return Scored(
        task=spec.name,
        language=language,
        metrics=metrics,
        normalised=metrics["normalized_rougel_f1"],
        values=tuple(100 * float(f1) for f1 in shares[:, 2]),
        answers=tuple(answers),
        parse_failures=sum(not tagged for _, tagged in read),
        at=at,
        faults=_FAULTS + _FAULTS_OF.get(language, ()),
    )


def _named(figures: Floats, empty: Floats) -> dict[str, Floats]:
    precision, recall, f1 = figures.T
    return {
        "null_count": empty,
        "rougel_precision": precision,
        "rougel_recall": recall,
        "rougel_f1": f1,
        "normalized_rougel_f1": f1,
    }


def rouge_l(reference: Sequence[str], answer: Sequence[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of the common subsequence; zeros where either side is empty."""
    if not reference or not answer:
        return 0.0, 0.0, 0.0
    common = common_length(reference, answer)
    precision, recall = common / len(answer), common / len(reference)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return precision, recall, f1


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a whole line of the table at a time in one integer's bits (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for n, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << n
    full = (1 << len(one)) - 1
    line = full  # a bit is 0 where the length grows
    for token in other:
        met = line & places.get(token, 0)
        line = (line + met | line - met) & full
    return len(one) - line.bit_count()


def seeded_median(values: Floats) -> Floats:
    """[columns] the median over 1,000 resamples of the mean of each column of values [items, columns]."""
    draw = np.random.RandomState(_SEED)  # SEA-HELM's own generator: another gives another figure
    places = np.arange(len(values))
    resampled = [values[draw.choice(places, size=len(values))].mean(axis=0) for _ in range(_RESAMPLES)]
    found: Floats = np.percentile(np.array(resampled), 50, axis=0)
    return found

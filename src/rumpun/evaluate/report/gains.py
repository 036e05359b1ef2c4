"""Model against model: the gain in each language, what may be said of it, and the one sentence for the top."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rumpun.evaluate.records import Difference, Figure, Scores
from rumpun.evaluate.report.numbers import digits_of, finite, interval, number, p_value, shown_as, unit_of
from rumpun.evaluate.report.plots import Mark, Scale, scale_of

__all__ = ["ALPHA", "LOWER", "Gain", "Gains", "Verdict", "gain_of", "headline", "of_metric", "of_task"]

ALPHA = 0.05
LOWER = frozenset(
    ("bits_per_byte", "tokens_per_character", "tokens_against_english")
)  # metrics of which less is better
ALL = "*"  # all tasks, or all languages
Verdict = Literal["better", "worse", "unclear"]
_TONES: dict[Verdict, Literal["dot", "ring"]] = {"better": "dot", "worse": "dot", "unclear": "ring"}


@dataclass(frozen=True, slots=True)
class Gain:
    """A difference as it is shown: the model less the other, shares in points."""

    language: str
    task: str
    figure: Figure
    p: float | None
    p_holm: float | None
    verdict: Verdict
    metric: str
    items: int
    clusters: int
    left_out: int
    test: str

    @property
    def mark(self) -> Mark:
        """The gain on a plot: full where it may be claimed, a ring where it may not."""
        return Mark(self.figure.value, self.figure.ci95, _TONES[self.verdict], self.verdict)

    @property
    def value(self) -> str:
        """The gain with its sign."""
        return number(self.figure.value, digits_of(self.metric), sign=True)

    @property
    def span(self) -> str:
        """Its interval with signs; says where there is none."""
        return interval(self.figure.ci95, digits_of(self.metric), sign=True) or "no interval"

    @property
    def chance(self) -> str:
        """Its p-value, corrected where it was; empty where the interval alone says it."""
        if self.p_holm is not None:
            return f"p {p_value(self.p_holm)}"
        return "" if self.p is None else f"p {p_value(self.p)}, uncorrected"


@dataclass(frozen=True, slots=True)
class Gains:
    """The gains of one comparison, by language."""

    rows: tuple[Gain, ...]
    without: tuple[str, ...]  # languages without one
    scale: Scale | None
    unit: str
    lower: bool  # whether less is better
    whole: bool  # whether rows are over all tasks of their languages

    def of(self, verdict: Verdict) -> tuple[str, ...]:
        """The languages of a verdict; a row over all languages is not among them."""
        return tuple(row.language for row in self.rows if row.verdict == verdict and row.language != ALL)


def gain_of(one: Difference) -> Gain | None:
    """A difference for showing; None where it is no number.

    It may be claimed where its p, corrected over languages, is 0.05 or less; where there is none, where its interval does
    not hold zero.
    """
    if finite(one.difference) is None:
        return None
    ends = one.ci95 if one.ci95 and all(finite(end) is not None for end in one.ci95) else None
    p, p_holm = finite(one.p), finite(one.p_holm)
    judged = p_holm if p_holm is not None else p
    apart = judged <= ALPHA if judged is not None else bool(ends and (ends[0] > 0 or ends[1] < 0))
    up = (one.difference < 0) == (one.metric in LOWER)
    verdict: Verdict = "unclear" if not apart or not one.difference else "better" if up else "worse"
    shown = ends and (shown_as(one.metric, ends[0]), shown_as(one.metric, ends[1]))
    return Gain(
        language=one.language, task=one.task, figure=Figure(value=shown_as(one.metric, one.difference), ci95=shown or None),
        p=p, p_holm=p_holm, verdict=verdict, metric=one.metric, items=one.items, clusters=one.clusters,
        left_out=one.left_out, test=one.test,
    )  # fmt: skip


def headline(scores: Scores, languages: Sequence[str]) -> Gains | None:
    """The gain of each language over all its tasks; in a language of one task, that task's.

    Costs count only where nothing else was compared: bits per byte, then tokens a character.

    Returns:
        None where nothing was compared.
    """
    costs = [one for one in scores.differences if one.metric in LOWER]
    rest = [one for one in scores.differences if one.metric not in LOWER]
    for found in (rest, *([one for one in costs if one.metric == name] for name in sorted(LOWER))):
        whole = [one for one in found if one.task == ALL]
        told = {one.language for one in whole}
        count: dict[str, list[Difference]] = {}
        for one in found:
            if one.task != ALL and one.language not in told:
                count.setdefault(one.language, []).append(one)
        single = [own[0] for own in count.values() if len(own) == 1]
        gains = _gains([*whole, *single], languages, whole=bool(whole))
        if gains is not None:
            return gains
    return None


def of_task(scores: Scores, task: str, languages: Sequence[str]) -> Gains | None:
    """The gains of one task; None where it was not compared."""
    return _gains([one for one in scores.differences if one.task == task], languages, whole=False)


def of_metric(scores: Scores, metric: str, languages: Sequence[str]) -> Gains | None:
    """The gains of the first task that is measured so; None where there is none."""
    own = [one for one in scores.differences if one.metric == metric and one.task != ALL]
    return of_task(scores, own[0].task, languages) if own else None


def _gains(found: Iterable[Difference], languages: Sequence[str], *, whole: bool) -> Gains | None:
    by = {gain.language: gain for one in found if (gain := gain_of(one)) is not None}
    rows = [by[tag] for tag in languages if tag in by]
    rows += [gain for tag, gain in by.items() if tag not in languages and tag != ALL]
    rows += [by[ALL]] if ALL in by else []
    if not rows:
        return None
    metrics = {row.metric for row in rows}
    return Gains(
        rows=tuple(rows),
        without=tuple(tag for tag in languages if tag not in by),
        scale=scale_of([row.figure for row in rows], zero=True, sign=True),
        unit=unit_of(rows[0].metric)
        if len({unit_of(one) for one in metrics}) == 1
        else "each task's own unit",
        lower=metrics <= LOWER,
        whole=whole,
    )

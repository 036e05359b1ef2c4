"""From samples to cells and differences: nothing here knows an engine.

Errors are left out and counted, never zero; an answer in which nothing could be read is wrong, and counted too. Items of one
group (translations of one another, questions about one text) are drawn together.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import structs

from rumpun.evaluate.judged import metric_of
from rumpun.evaluate.records import Cell, Difference, Figure, Sample
from rumpun.evaluate.summaries import set_figures
from rumpun.evaluate.tasks import Task
from rumpun.evaluate.text_metrics import chrf, language_share
from rumpun.evaluate.texts import known_language
from rumpun.measure.draws import CLUSTERS_MIN, Counts, figure_interval
from rumpun.measure.means import item_means, mean_interval
from rumpun.measure.paired import holm, paired
from rumpun.measure.power import detectable
from rumpun.measure.resample import interval, paired_interval

__all__ = ["DRAWS", "cell_of", "differences", "even", "gain_seen", "of_labels"]

DRAWS = 2_000
ALL = "*"  # all tasks, or all languages
_RATIOS = {
    "bits": ("bits", "bytes"),
    "tokens": ("tokens", "characters"),
    "parallel": ("tokens", "tokens_english"),
}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Table:
    """The samples of one task, language and model: a row an item, a column a run."""

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    samples: Mapping[tuple[str, int], Sample]
    runs: int

    def values(self, metric: str) -> Floats:
        """[items, runs]; NaN where there is none."""
        found = np.full((len(self.ids), self.runs), np.nan)
        for row, one in enumerate(self.ids):
            for run in range(self.runs):
                if (sample := self.samples.get((one, run))) is not None and metric in sample.scores:
                    found[row, run] = sample.scores[metric]
        return found


def _table(samples: Iterable[Sample]) -> _Table:
    by = {(sample.id, sample.run): sample for sample in samples}
    groups = {sample.id: sample.group or sample.id for sample in by.values()}
    ids = tuple(sorted(groups))
    return _Table(ids, tuple(groups[one] for one in ids), by, 1 + max(run for _, run in by))


def cell_of(
    one: Task, language: str, samples: Sequence[Sample], *, draws: int = DRAWS, seed: int = 0
) -> Cell:
    """One task in one language for one model."""
    table = _table(samples)
    scored = [sample for sample in samples if sample.status != "error"]
    # always the same label gets more than chance where labels are unequally many, but not of the balanced accuracy
    metric = _headline(one)
    found = _metrics(one, table, scored, draws, seed) if scored else {}
    chance = _chance(one, scored)
    headline = found.get(metric)
    return Cell(
        task=one.name, language=language, skill=one.skill, model=samples[0].model, metric=metric, metrics=found,
        normalised=_normalised(one, headline, chance), chance=chance, items=len(table.ids),
        scored=len({sample.id for sample in scored if sample.scores}), runs=table.runs,
        parse_failures=sum(sample.status == "no answer found" for sample in samples),
        truncated=sum(sample.status == "truncated" for sample in samples),
        errors=sum(sample.status == "error" for sample in samples),
        detectable=gain_seen(one, len(table.ids), len(set(table.clusters))), method=samples[0].method,
    )  # fmt: skip


def _metrics(one: Task, table: _Table, scored: Sequence[Sample], draws: int, seed: int) -> dict[str, Figure]:
    if one.family in _RATIOS:
        top, bottom = _ratio(one, scored)
        return {
            metric_of(one): Figure(
                value=float(top.sum() / bottom.sum()), ci95=interval(top, bottom, draws=draws, seed=seed)
            )
        }
    names = list(dict.fromkeys(name for sample in scored for name in sample.scores))
    found = {}
    for name in names:
        values = table.values(name)
        if not np.isnan(values).all():
            bounds = (0.0, 100.0 if name == "chrf" else 1.0)
            span = mean_interval(values, clusters=table.clusters, bounds=bounds, draws=draws, seed=seed)
            found[name] = Figure(value=float(np.nanmean(item_means(values))), ci95=span)
    if one.family == "label":
        at = of_labels([str(sample.gold) for sample in scored], [sample.parsed for sample in scored])
        found |= _figures(at, scored, draws, seed)
        if even([str(sample.gold) for sample in scored]):
            found["balanced_accuracy"] = found["accuracy"]
    if one.summarises and all("lead" in sample.more for sample in scored):
        found |= _figures(set_figures(scored), scored, draws, seed)
    if one.translates:
        found |= _of_translations(one, scored, draws, seed)
    if one.family in ("text", "instructions", "answerable") and "language" not in found:  # else it is a rule
        found |= _of_language(one, scored, draws, seed)
    return found


def _ratio(one: Task, scored: Sequence[Sample]) -> tuple[Floats, Floats]:
    top, bottom = _RATIOS[one.family]
    return np.array([s.scores[top] for s in scored]), np.array([s.scores[bottom] for s in scored])


def of_labels(gold: Sequence[str], said: Sequence[str | None]) -> Callable[[Counts], dict[str, Floats]]:
    """Counts of draws -> balanced accuracy and macro F1 over the labels that are right somewhere.

    A draw without a label's items leaves that label out of its balanced accuracy.
    """
    labels = sorted(set(gold))
    meant = np.array([labels.index(one) for one in gold])
    told = np.array([labels.index(one) if one in labels else -1 for one in said])

    def at(counts: Counts) -> dict[str, Floats]:
        recall, f1 = [], []
        for label in range(len(labels)):
            own, named = counts @ (meant == label), counts @ (told == label)
            hit = counts @ ((meant == label) & (told == label))
            recall.append(np.divide(hit, own, out=np.full(len(own), np.nan), where=own > 0))
            f1.append(np.divide(2 * hit, own + named, out=np.zeros(len(own)), where=own + named > 0))
        return {"balanced_accuracy": np.nanmean(recall, axis=0), "macro_f1": np.mean(f1, axis=0)}

    return at


def even(gold: Sequence[str]) -> bool:
    """Whether every label is right equally often: then the balanced accuracy is the accuracy, whose interval holds better.

    Where labels have few items, no resampling knows how often a label would be missed (see `measure.draws`).
    """
    return len(set(Counter(gold).values())) == 1


def _of_translations(one: Task, scored: Sequence[Sample], draws: int, seed: int) -> dict[str, Figure]:
    """Corpus chrF++, which the mean over sentences is not."""
    target = one.answered_in(scored[0].language)
    corpus = chrf(
        [sample.parsed or "" for sample in scored], [list(sample.gold) for sample in scored], target
    )
    return _figures(lambda counts: {"chrf": corpus.at(counts)}, scored, draws, seed)


def _of_language(one: Task, scored: Sequence[Sample], draws: int, seed: int) -> dict[str, Figure]:
    """The share of answers in the language asked for, and in a sister of it; those too short to tell are left out.

    None of a language that no table has, and so no identifier knows.
    """
    asked = one.answered_in(scored[0].language)
    if not known_language(asked):
        return {}
    share = language_share([sample.answer for sample in scored], asked)
    clusters = [sample.group or sample.id for sample in scored]
    return {
        metric.name: Figure(
            value=metric.figure, ci95=mean_interval(metric.values, clusters=clusters, draws=draws, seed=seed)
        )
        for metric in (share.right, share.sisters)
        if not np.isnan(metric.values).all()
    }


def _figures(at: Any, scored: Sequence[Sample], draws: int, seed: int) -> dict[str, Figure]:
    clusters = [sample.group or sample.id for sample in scored]
    points = at(np.ones((1, len(scored)), np.int64))
    spans = figure_interval(at, len(scored), clusters=clusters, draws=draws, seed=seed)
    return {name: Figure(value=float(value[0]), ci95=spans[name]) for name, value in points.items()}


def _chance(one: Task, scored: Sequence[Sample]) -> float:
    """The share that guessing gets right."""
    if one.family not in ("choice", "label", "pairs") or not scored:
        return 0.0
    shares = [1 / len(sample.options) for sample in scored if sample.options]
    return float(np.mean(shares)) if shares else 0.0


def _normalised(one: Task, figure: Figure | None, chance: float) -> Figure | None:
    """0 is chance and 100 the best; below chance is below 0, so that noise does not turn into skill."""
    if figure is None or one.family in _RATIOS:
        return None
    if chance >= 1:  # there is nothing to choose
        return None
    if one.translates:
        return figure  # chrF++ goes from 0 to 100 by itself

    def put(value: float) -> float:
        return 100 * (value - chance) / (1 - chance)

    return Figure(value=put(figure.value), ci95=figure.ci95 and (put(figure.ci95[0]), put(figure.ci95[1])))


def gain_seen(one: Task, items: int, clusters: int) -> float | None:
    """The least gain in points that a paired test would see in four cases of five; None where none can be told."""
    if one.family in _RATIOS or one.translates or clusters < CLUSTERS_MIN:
        return None
    return 100 * detectable(items, clusters=clusters)


def differences(
    tasks: Mapping[str, Task],
    model: Sequence[Sample],
    against: Sequence[Sample],
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> list[Difference]:
    """Model minus the other on the same items: per task and language, over the tasks of each language, over all.

    Over several tasks each weighs the same, as in a suite's mean. The p-values of one task are corrected over its languages
    (Holm 1979), those over the tasks of a language likewise; the one over all needs none.
    """
    found: list[Difference] = []
    parts: list[_Part] = []
    for (name, language), (mine, theirs) in _both(model, against):
        one = tasks[name]
        if one.family in _RATIOS:
            found += _ratio_difference(one, language, mine, theirs, draws, seed)
            continue
        part = _part(name, language, mine, theirs, metric_of(one))
        if np.isnan(item_means(part.values) + item_means(part.others)).all():
            continue
        metric = _headline(one)
        if one.family == "label":
            part = _balanced(part, {sample.id: str(sample.gold) for sample in mine})
        found.append(
            _difference(name, language, metric, part.values, part.others, part.clusters, draws, seed)
        )
        if not one.translates:
            parts.append(part)
    languages = sorted({part.language for part in parts})
    for language in languages:
        found += _pooled(language, [part for part in parts if part.language == language], draws, seed)
    if len(languages) > 1:
        found += _pooled(ALL, parts, draws, seed)
    return _corrected(found)


def _headline(one: Task) -> str:
    """The metric that a task is told by."""
    return "balanced_accuracy" if one.family == "label" else metric_of(one)


def _both(
    model: Sequence[Sample], against: Sequence[Sample]
) -> list[tuple[tuple[str, str], tuple[list[Sample], list[Sample]]]]:
    """((Task, language), samples of both models), where both have some."""
    cells: dict[tuple[str, str], tuple[list[Sample], list[Sample]]] = defaultdict(lambda: ([], []))
    for place, samples in enumerate((model, against)):
        for sample in samples:
            cells[sample.task, sample.language][place].append(sample)
    return [(where, both) for where, both in sorted(cells.items()) if all(both)]


@dataclass(frozen=True, slots=True)
class _Part:
    """Both models' values of one task in one language, on the items that both have, in the same order."""

    task: str
    language: str
    ids: list[str]
    values: Floats  # [items, runs]
    others: Floats
    clusters: list[tuple[str, ...]]


def _balanced(part: _Part, gold: Mapping[str, str]) -> _Part:
    """Values whose mean is the balanced accuracy: an item of a rare label weighs more.

    Else a model that always says the commonest label would beat one that tells them apart. Where all labels are equally
    many, right and wrong stay what they are.
    """
    labels = np.array([gold[one] for one in part.ids])
    told = ~np.isnan(item_means(part.values) + item_means(part.others))
    names, counts = np.unique(labels[told], return_counts=True)
    if len(set(counts.tolist())) <= 1:
        return part
    weight = dict(zip(names.tolist(), told.sum() / (len(names) * counts), strict=True))
    weights = np.array([weight.get(one, np.nan) for one in labels.tolist()])[:, None]
    return replace(part, values=part.values * weights, others=part.others * weights)


def _part(name: str, language: str, mine: Sequence[Sample], theirs: Sequence[Sample], metric: str) -> _Part:
    one, other = _table(mine), _table(theirs)
    common = set(one.ids) & set(other.ids)
    keep, keep_other = ([n for n, i in enumerate(table.ids) if i in common] for table in (one, other))
    # items of one group in several languages are one; an id that stands in two tasks or languages is two items
    clusters: list[tuple[str, ...]] = [
        (name, one.clusters[n]) if one.clusters[n] != one.ids[n] else (name, language, one.ids[n])
        for n in keep
    ]
    ids = [one.ids[n] for n in keep]
    return _Part(name, language, ids, one.values(metric)[keep], other.values(metric)[keep_other], clusters)


def _pooled(language: str, parts: Sequence[_Part], draws: int, seed: int) -> list[Difference]:
    """The difference over several tasks, each of the same weight; none where there is only one."""
    names = list(dict.fromkeys(part.task for part in parts))
    if len(names) < 2 and language != ALL:
        return []
    values = [item_means(part.values) for part in parts]
    others = [item_means(part.others) for part in parts]
    told = [~np.isnan(a + b) for a, b in zip(values, others, strict=True)]
    counts = {
        name: sum(int(t.sum()) for p, t in zip(parts, told, strict=True) if p.task == name) for name in names
    }
    weights = [sum(counts.values()) / (len(names) * counts[part.task]) for part in parts]
    if len(set(weights)) == 1:
        weights = [1.0] * len(parts)  # right and wrong stay what they are
    return [
        _difference(
            ALL, language, "accuracy", np.concatenate([w * v for w, v in zip(weights, values, strict=True)]),
            np.concatenate([w * o for w, o in zip(weights, others, strict=True)]),
            [cluster for part in parts for cluster in part.clusters], draws, seed,
        )
    ]  # fmt: skip


def _difference(  # noqa: PLR0917  (two callers)
    task: str,
    language: str,
    metric: str,
    values: Floats,
    others: Floats,
    clusters: Sequence[Hashable],
    draws: int,
    seed: int,
) -> Difference:
    said = paired(values, others, clusters=clusters, draws=draws, seed=seed)
    return Difference(
        task=task, language=language, metric=metric, difference=said.difference, ci95=said.interval, p=said.p,
        p_holm=said.p, test=said.test, items=said.items, clusters=said.clusters, left_out=said.left_out,
    )  # fmt: skip


def _ratio_difference(  # noqa: PLR0917  (one caller)
    one: Task, language: str, mine: Sequence[Sample], theirs: Sequence[Sample], draws: int, seed: int
) -> list[Difference]:
    """Bits per byte: lower is better; no p-value, the interval says it."""
    by = {sample.id: sample for sample in theirs}
    both = [
        (sample, by[sample.id])
        for sample in mine
        if sample.id in by and sample.scores and by[sample.id].scores
    ]
    if not both:
        return []
    (top, bottom), (other, _) = (_ratio(one, [pair[side] for pair in both]) for side in (0, 1))
    return [
        Difference(
            task=one.name, language=language, metric=metric_of(one), difference=float((top - other).sum() / bottom.sum()),
            ci95=paired_interval(top, other, bottom, draws=draws, seed=seed), p=None, p_holm=None,
            test="bootstrap interval", items=len(both), clusters=len(both), left_out=len(mine) - len(both),
        )
    ]  # fmt: skip


def _corrected(found: Sequence[Difference]) -> list[Difference]:
    done = list(found)
    for task in dict.fromkeys(one.task for one in found):
        mine = {
            n: one.p
            for n, one in enumerate(found)
            if one.task == task and one.language != ALL and one.p is not None
        }
        for n, p in holm(mine).items():
            done[n] = structs.replace(found[n], p_holm=p)
    return done

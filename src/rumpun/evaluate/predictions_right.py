"""Answers made elsewhere, scored the right way: read as our own runs read them, with intervals over groups of items.

Labels are scored by balanced accuracy above chance, options by accuracy above chance, texts beside their references,
instructions by their rules. A null answer is in no figure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.answers import read_choice, read_label, read_text
from rumpun.evaluate.figures import DRAWS, even, of_labels
from rumpun.evaluate.items import Item, fields_of, gold_of
from rumpun.evaluate.judged import rules_kept
from rumpun.evaluate.lint import Problem, lint
from rumpun.evaluate.prompts import languages, prompts
from rumpun.evaluate.seahelm.tasks import tasks as seahelm_tasks
from rumpun.evaluate.tasks import tasks
from rumpun.evaluate.text_metrics import Counts, Floats, Metric, chrf, exact, mean_of, rouge_l, token_f1
from rumpun.measure.draws import figure_interval
from rumpun.measure.means import mean_interval

__all__ = ["Right", "score_right"]

# family of SEA-HELM's table -> ours
_FAMILIES = {
    "labels": "label", "minimal-pairs": "label", "pragmatics": "label", "pragmatics-part": "label", "qa": "extract",
    "summary": "summary", "translation": "translation",
}  # fmt: skip
_NATIVE = frozenset(("options", "good", "bad", "references"))  # columns of the native layout alone
_WORDS = ("sentiment", "nli", "topic")  # prompts whose labels have words in each language


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """What was found."""

    metrics: dict[str, float]
    normalised: float
    parse_failures: int
    ci95: dict[str, tuple[float, float] | None]
    problems: list[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """Answers read and scored: metrics of single items, and what else counts of draws make."""

    metrics: list[Metric]
    headline: str
    chance: float = 0.0
    lost: int = 0
    more: Callable[[Counts], Mapping[str, Floats]] = lambda _: {}


def score_right(
    name: str, language: str, rows: Sequence[Mapping[str, Any]], said: Sequence[str | None], *, where: str, seed: int
) -> Right:  # fmt: skip
    """Score answers.

    Args:
        name: the task, one of ours or of SEA-HELM's.
        language: its tag.
        rows: its items, each with an id.
        said: the answers in the items' order.
        where: the items' file or task, for messages.
        seed: of the intervals.

    Raises:
        UsageError: answers to this task are not scored so.
        InputError: an item is malformed, or no answer is there.
    """
    family = _family(name)
    column = _column(name, rows)
    judged = family == "instructions"
    items = [_item(row, language, column, f"{where}: item {row['id']}", judged=judged) for row in rows]
    if family == "choice" and not any(item.options for item in items):
        family = "label"  # the options stand in the prompt, and the right one's letter is the label
    labels = _labels_of(name, items, where) if family == "label" else ()
    there = [n for n, one in enumerate(said) if one is not None]
    if not there:
        raise InputError(f"{where}: every prediction is null", "there is nothing to score")
    mine, answers = [items[n] for n in there], [str(said[n]) for n in there]
    if family == "label":
        found = _by_label(language, mine, answers, labels)
    elif family == "choice":
        found = _by_option(language, mine, answers, where)
    elif family == "instructions":
        found = _by_rules(mine, answers)
    else:
        found = _by_references(family, name, language, mine, answers)

    def at(counts: Counts) -> dict[str, Floats]:
        return {metric.name: metric.at(counts) for metric in found.metrics} | dict(found.more(counts))

    figures = {key: float(value[0]) for key, value in at(np.ones((1, len(mine)), np.int64)).items()}
    clusters = [item.cluster for item in mine]
    spans = figure_interval(at, len(mine), clusters=clusters, draws=DRAWS, seed=seed)
    for metric in found.metrics:
        if metric.name != "chrf":  # chrF++ of a set is no mean of its items
            spans[metric.name] = mean_interval(metric.values, clusters=clusters, draws=DRAWS, seed=seed)
    if found.headline == "balanced_accuracy" and even([item.right for item in mine]):
        spans["balanced_accuracy"] = spans["accuracy"]
    value, chance = figures[found.headline], found.chance
    texts = [
        item for item in items if item.fields or item.options
    ]  # rows of ids and labels alone have none to look at
    return Right(
        metrics=figures, normalised=value if found.headline == "chrf" else 100 * (value - chance) / (1 - chance),
        parse_failures=found.lost, ci95={key: spans.get(key) for key in figures},
        problems=lint(texts, labels=labels or None),
    )  # fmt: skip


def _family(name: str) -> str:
    """«label», «choice», «instructions», «extract», «open», «summary» or «translation»."""
    if name in tasks():
        one = tasks()[name]
        if one.family == "text":
            return "translation" if one.translates else one.prompt
        if one.family in ("label", "choice", "instructions"):
            return one.family
        raise UsageError(f"{name}: its answers are no texts", "ask a model with `rumpun eval run`")
    theirs = next(spec.family for spec in seahelm_tasks() if spec.name == name)
    if theirs not in _FAMILIES:
        raise UsageError(f"{name}: scored in SEA-HELM's way alone", "add --compat seahelm")
    return _FAMILIES[theirs]


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Where the right answer stands: a row of SEA-HELM's may have several columns, and the task says which."""
    named = {spec.gold for spec in seahelm_tasks() if spec.name == name}
    return next((column for column in named if any(column in row for row in rows)), "label")


def _item(row: Mapping[str, Any], language: str, column: str, where: str, *, judged: bool) -> Item:
    turns = row.get("prompts")
    texts = turns[0] if isinstance(turns, list) and turns and isinstance(turns[0], Mapping) else row
    options: tuple[str, ...] = ()
    gold: int | tuple[str, ...] = ()
    if not _NATIVE.isdisjoint(row):
        options, gold = gold_of(row, where)
    elif not judged:
        gold = _gold(row.get(column), f"{where}: {column}")
    return Item(
        id=str(row["id"]), language=language, fields=fields_of(texts), options=options, gold=gold,
        group=str(row.get("group") or ""), more=row.get("more") or {},
    )  # fmt: skip


def _gold(value: Any, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed or any(one == "" or not isinstance(one, str | int | float) for one in listed):
        what = "empty" if value in ("", []) else "missing" if value is None else f"a {type(value).__name__}"
        raise InputError(
            f"{where} is {what}", "write the right answer as text, or several as a list of texts"
        )
    return tuple(str(one) for one in listed)


def _labels_of(name: str, items: Sequence[Item], where: str) -> tuple[str, ...]:
    """The task's labels; those of the items where the task has none, or the items all have others (SEA-HELM's letters).

    Raises:
        InputError: some items have a label of the task's, and one has another.
    """
    there = sorted({item.right for item in items})
    known = tasks()[name].labels if name in tasks() else ()
    strange = next((item for item in items if item.right not in known), None)
    if not known or (strange and not set(there) & set(known)):
        return tuple(there)
    if strange:
        raise InputError(
            f"{where}: item {strange.id}: no label '{strange.right}' in this task",
            f"write one of {', '.join(known)}",
        )
    return known


def _tags(language: str) -> tuple[str, ...]:
    return prompts(language).tags if language in languages() else ()


def _by_label(language: str, items: Sequence[Item], answers: Sequence[str], labels: Sequence[str]) -> _Scored:
    """Each answer's label, by its own words and, where the labels are those of a prompt of ours, by the language's."""
    words = {label: [label] for label in labels}
    for name in _WORDS if language in languages() else ():
        own = prompts(language).labels(name)
        if set(labels) <= set(own):
            words = {label: list(dict.fromkeys((label, *own[label]))) for label in labels}
    read = [read_label(one, labels=words, tags=_tags(language)).value for one in answers]
    found = [None if one is None else str(one) for one in read]
    gold = [item.right for item in items]
    return _Scored(
        metrics=[mean_of("accuracy", [float(r == g) for r, g in zip(found, gold, strict=True)])],
        headline="balanced_accuracy", chance=1 / max(2, len(labels)), lost=found.count(None), more=of_labels(gold, found),
    )  # fmt: skip


def _by_option(language: str, items: Sequence[Item], answers: Sequence[str], where: str) -> _Scored:
    own = prompts(language).letters if language in languages() else ()
    right: list[float] = []
    lost = 0
    for item, answer in zip(items, answers, strict=True):
        if not item.options:
            raise InputError(f"{where}: item {item.id}: no options", "give all items options, or none")
        letters = own[: len(item.options)] if len(item.options) <= len(own) else ()
        place = read_choice(answer, options=item.options, letters=letters, tags=_tags(language)).value
        lost += place is None
        right.append(float(place == item.gold))
    chance = float(np.mean([1 / len(item.options) for item in items]))
    return _Scored(metrics=[mean_of("accuracy", right)], headline="accuracy", chance=chance, lost=lost)


def _by_rules(items: Sequence[Item], answers: Sequence[str]) -> _Scored:
    kept = [rules_kept(item, answer) for item, answer in zip(items, answers, strict=True)]
    names = [name for name in ("accuracy", "accuracy_loose") if all(name in one for one in kept)]
    return _Scored(
        metrics=[mean_of(name, [one[name] for one in kept]) for name in names], headline="accuracy"
    )


def _by_references(
    family: str, name: str, language: str, items: Sequence[Item], answers: Sequence[str]
) -> _Scored:
    read = [read_text(one, tags=_tags(language)).value for one in answers]
    said = [str(one or "") for one in read]
    meant = [[item.right] if isinstance(item.gold, int) else list(item.gold) for item in items]
    if family == "translation":
        metrics = [chrf(said, meant, _target(name, language))]
    elif family == "summary":
        metrics = [rouge_l(said, meant, language), chrf(said, meant, language)]
    else:
        metrics = [metric(said, meant, language) for metric in (token_f1, exact, rouge_l)]
    return _Scored(metrics=metrics, headline=metrics[0].name, lost=read.count(None))


def _target(name: str, language: str) -> str:
    """The language that a translation is in: SEA-HELM's «translation-xx-en» name it at their end."""
    if name in tasks():
        return tasks()[name].answered_in(language)
    end = name.rpartition("-")[2]
    return language if end == "xx" else end

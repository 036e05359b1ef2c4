"""A suite put to a model, and to the one it is compared with: items -> questions -> answers -> samples -> scores.

What is asked is fixed before anything is asked, so that a plan can say what a run will cost and what it can see. Answers
are kept as they come (`cache`): a run that was cut off goes on, and the same run again asks nothing.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from rumpun.engines.port import Request
from rumpun.errors import UsageError
from rumpun.evaluate.ask import Asker, NotAsked
from rumpun.evaluate.compat import as_seahelm_reads, cell_as_seahelm
from rumpun.evaluate.costs import costs_of
from rumpun.evaluate.figures import DRAWS, cell_of, differences, gain_seen
from rumpun.evaluate.harmful import answers
from rumpun.evaluate.items import Item
from rumpun.evaluate.judged import by_likelihood, by_text, text_scores
from rumpun.evaluate.lint import Problem
from rumpun.evaluate.long_context import in_text, parallel_tokens
from rumpun.evaluate.means import means
from rumpun.evaluate.passages import LATE, bit_counts, token_counts
from rumpun.evaluate.questions import Method, Question, check_template, methods_of, questions, unaskable
from rumpun.evaluate.records import Cell, ModelInfo, Sample, Scores
from rumpun.evaluate.summaries import beside_lead
from rumpun.evaluate.tasks import COST, Task, TaskItems, items_of, skills
from rumpun.evaluate.turns import converse
from rumpun.measure.power import SPREAD, suite_detectable
from rumpun.steps import Progress, quiet
from rumpun.version import __version__

__all__ = ["Plan", "Planned", "Settings", "ask_model", "plan", "scores_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a suite is run."""

    languages: tuple[str, ...]
    limit: int = 0  # items of a task and language; 0 is all
    method: Method | None = None  # by default the first that the engine can
    template: int | None = None  # variant of the instruction; by the item's id where none is named
    runs: int = 1  # of what is generated, each with its own seed
    temperature: float = 0.0
    seed: int = 0
    draws: int = DRAWS
    judge: str = ""  # who says which criteria a conversation meets
    max_tokens: int = 0  # of an answer that is generated; 0 is what its task allows

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: several runs at temperature 0 would be the same run.
        """
        if self.runs > 1 and self.temperature == 0:
            raise UsageError(
                f"{self.runs} runs at temperature 0 give the same answers",
                "add --temperature 0.7, or ask for one run",
            )
        if self.max_tokens < 0:
            raise UsageError(f"--max-tokens {self.max_tokens}", "give 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One task in one language."""

    task: Task
    language: str
    items: tuple[Item, ...]
    left: int = 0  # items over the limit

    @property
    def detectable(self) -> float | None:
        """The least gain, in points, that a paired test would see in four cases of five."""
        return gain_seen(self.task, len(self.items), len({item.cluster for item in self.items}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that will be asked, and what will not."""

    suite: str
    settings: Settings
    cells: tuple[Planned, ...]
    missing: tuple[dict[str, str], ...]  # language and skill without items
    not_run: tuple[dict[str, str], ...] = ()  # task and language that cannot be asked, and why
    problems: tuple[tuple[str, Problem], ...] = ()  # task and what the lint found
    dropped: dict[str, int] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()  # tasks that were named in place of the suite's
    tasks: tuple[Task, ...] = ()
    made: dict[str, Any] = field(
        default_factory=dict
    )  # what scores say of it besides: files of one's own items

    def facts(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "suite": self.suite, "detectable": self.detectable, "missing": self.missing, "not_run": self.not_run,
            "dropped": self.dropped, "lint": self.lint,
            "cells": [
                {"task": c.task.name, "language": c.language, "items": len(c.items), "left": c.left, "detectable": c.detectable}
                for c in self.cells
            ],
        }  # fmt: skip

    @property
    def skills(self) -> set[str]:
        """Those that were asked for; what a language costs is none."""
        named = {cell.task.skill for cell in self.cells} | {one["skill"] for one in self.missing}
        skill_of = {one.name: one.skill for one in self.tasks}
        return (named | {skill_of[one["task"]] for one in self.not_run}) - {COST}

    @property
    def lint(self) -> dict[str, int]:
        """Task and kind of problem -> how many the lint found."""
        return dict(Counter(f"{name}: {problem.kind}" for name, problem in self.problems))

    @property
    def detectable(self) -> float | None:
        """The least gain, in points, that the suite as a whole would probably see, over all its languages."""
        groups: dict[str, set[Hashable]] = defaultdict(set)
        items: Counter[str] = Counter()
        for cell in self.cells:
            if cell.detectable is not None:
                groups[cell.task.name] |= {item.cluster for item in cell.items}
                items[cell.task.name] += len(cell.items)
        if not items:
            return None
        return 100 * suite_detectable(
            [(count, SPREAD) for count in items.values()], clusters=[len(groups[name]) for name in items]
        )


def plan(
    name: str,
    tasks: Sequence[Task],
    settings: Settings,
    folder: Path | None = None,
    progress: Progress = quiet,
    *,
    own: Mapping[str, TaskItems] | None = None,
) -> Plan:
    """Read and lint the items of every task and language.

    Args:
        name: the suite's.
        tasks: what is asked.
        settings: how.
        folder: a mirror of the data folder, for public sets.
        progress: told of tasks.
        own: task -> its items, where they are read already.

    Raises:
        UsageError: the settings cannot be meant.
        InputError: a public set is not at hand, or an item is malformed.
    """
    settings.check()
    cells, problems, dropped = [], [], Counter[str]()
    not_run: list[dict[str, str]] = []
    for number, one in enumerate(tasks):
        progress(number, len(tasks), one.name)
        read = (own or {}).get(one.name) or items_of(one, settings.languages, folder)
        problems += [(one.name, problem) for problem in read.problems]
        dropped.update({f"{one.name}: {why}": count for why, count in read.dropped.items()})
        for language in settings.languages:
            mine = [item for item in read.items if item.language == language]
            kept = tuple(mine[: settings.limit] if settings.limit else mine)
            unjudged = "no judge was named" if one.family == "turns" and not settings.judge else ""
            if kept and (why := unaskable(one, language) or unjudged):
                not_run.append({"task": one.name, "language": language, "why": why})
            elif kept:
                cells.append(Planned(task=one, language=language, items=kept, left=len(mine) - len(kept)))
    if settings.template is not None:
        check_template(settings.template, [(cell.task, cell.language) for cell in cells])
    skill_of = {one.name: one.skill for one in tasks}
    there = {(cell.language, cell.task.skill) for cell in cells}
    there |= {(one["language"], skill_of[one["task"]]) for one in not_run}
    wanted = [skill for skill in skills() if any(one.skill == skill for one in tasks)]
    missing = tuple(
        {"language": language, "skill": skill}
        for language in settings.languages
        for skill in wanted
        if (language, skill) not in there
    )
    return Plan(
        suite=name, settings=settings, cells=tuple(cells), missing=missing, not_run=tuple(not_run), problems=tuple(problems),
        dropped=dict(dropped), tasks=tuple(tasks),
    )  # fmt: skip


def ask_model(
    made: Plan, info: ModelInfo, asker: Asker, told: Progress = quiet
) -> tuple[list[Sample], list[dict[str, str]]]:
    """Every sample of a model, and what was not run and why.

    Raises:
        EnvironmentFault: the engine is gone; what it answered is kept.
    """
    samples: list[Sample] = []
    not_run: list[dict[str, str]] = []
    about = asker.engine.about()
    for number, cell in enumerate(made.cells):
        told(number, len(made.cells), f"{cell.task.name} {cell.language}")
        found = _asked(cell, made.settings, info.name, asker, about.can)
        if isinstance(found, str):
            not_run.append(
                {"model": info.name, "task": cell.task.name, "language": cell.language, "why": found}
            )
        else:
            samples += found
    told(len(made.cells), len(made.cells))
    return samples, not_run


def _asked(
    cell: Planned, settings: Settings, model: str, asker: Asker, can: frozenset[str]
) -> list[Sample] | str:
    """The samples of a cell, or why there are none."""
    if cell.task.family in ("tokens", "parallel"):
        counts = token_counts if cell.task.family == "tokens" else parallel_tokens
        return counts(cell.task.name, cell.items, model, asker)
    if cell.task.family in ("bits", "pairs") and "score" not in can:
        return "this engine gives no probabilities of a text"
    if cell.task.family == "bits":
        return bit_counts(cell.task.name, cell.items, model, asker)
    ways = methods_of(cell.task, can)
    if not ways:
        only_chat = cell.task.family in ("answerable", "harmful", "turns")
        return "this engine has no chat" if only_chat else "this engine can neither generate nor score"
    way = settings.method if settings.method in ways else ways[0]
    chat = "chat" in can
    if not cell.task.length_tokens:
        return _put(cell, way, settings, model, asker, chat=chat)
    return in_text(
        cell.task, cell.items, way, asker,
        lambda items: _put(replace(cell, items=tuple(items)), way, settings, model, asker, chat=chat),
        chat=chat, template=settings.template, answer_tokens=settings.max_tokens, seed=settings.seed,
    )  # fmt: skip


def _put(
    cell: Planned, way: Method, settings: Settings, model: str, asker: Asker, *, chat: bool
) -> list[Sample] | str:
    if cell.task.family == "turns":
        runs, seed = settings.runs, settings.seed
        talks = converse(
            cell.task.name, cell.items, model, asker, runs=runs, temperature=settings.temperature, seed=seed,
            max_tokens=settings.max_tokens,
        )  # fmt: skip
        return LATE if talks is None else talks
    put = questions(cell.task, cell.items, way, chat=chat, template=settings.template)
    if cell.task.family == "harmful":
        unread = answers(
            cell.task.name, put, model, asker, runs=settings.runs, temperature=settings.temperature, seed=settings.seed,
            max_tokens=settings.max_tokens,
        )  # fmt: skip
        return LATE if unread is None else unread
    if way == "generate":
        return _generated(cell.task, put, settings, model, asker)
    pairs = [(question.prompt, follow) for question in put for follow in question.follows]
    said = iter(asker.score(pairs))
    found = []
    for question in put:
        own = [next(said) for _ in question.follows]
        kept = [one for one in own if not isinstance(one, NotAsked)]
        if len(kept) < len(own):
            return LATE
        found.append(
            by_likelihood(
                cell.task, question, kept, model, asker.key("score", [question.prompt, question.follows[0]])
            )
        )
    return found


def _generated(
    one: Task, put: Sequence[Question], settings: Settings, model: str, asker: Asker
) -> list[Sample] | str:
    found = []
    for run in range(settings.runs):
        seed = settings.seed + run
        requests = [
            Request(
                messages=question.messages, prompt=question.prompt or None,
                max_tokens=settings.max_tokens or question.max_tokens,
                temperature=settings.temperature, seed=seed, stop=question.stop,
            )
            for question in put
        ]  # fmt: skip
        for question, request, said in zip(put, requests, asker.generate(requests), strict=True):
            if isinstance(said, NotAsked):
                return LATE
            key = asker.key("generate", asdict(request))
            found.append(by_text(one, question, said, model, key, run=run, seed=seed))
    language = put[0].item.language
    if one.helm is not None and one.helm.compat:
        return as_seahelm_reads(one, language, found)
    if one.family == "text":
        found = text_scores(one, language, found)
    return beside_lead([question.item for question in put], found) if one.summarises else found


def scores_of(
    made: Plan,
    models: Sequence[ModelInfo],
    samples: Sequence[Sequence[Sample]],
    not_run: Sequence[dict[str, str]],
    seconds: float,
) -> Scores:
    """The figures of a run: of each model, and of the first against the second."""
    settings = made.settings
    by: dict[tuple[int, str, str], list[Sample]] = defaultdict(list)
    for place, mine in enumerate(samples):
        for sample in mine:
            by[place, sample.task, sample.language].append(sample)
    cells = [
        _cell(planned, by[place, planned.task.name, planned.language], settings)
        for place in range(len(samples))
        for planned in made.cells
        if (place, planned.task.name, planned.language) in by
    ]
    compared = (
        differences({c.task.name: c.task for c in made.cells}, samples[0], samples[1], seed=settings.seed)
        if len(samples) > 1
        else []
    )
    return Scores(
        suite=made.suite, models=list(models), cells=cells, differences=compared,
        means=means(cells, settings.languages, made.skills), missing=list(made.missing), not_run=[*made.not_run, *not_run],
        costs=costs_of(cells),
        made={
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "version": __version__, "seconds": round(seconds, 2),
            "languages": list(settings.languages), "tasks": ",".join(made.chosen), "limit": settings.limit,
            "method": settings.method,
            "template": settings.template, "seed": settings.seed, "runs": settings.runs,
            "temperature": settings.temperature, "max_tokens": settings.max_tokens, "detectable": made.detectable,
            "lint": made.lint, "dropped": made.dropped, **made.made,
        },
    )  # fmt: skip


def _cell(planned: Planned, samples: Sequence[Sample], settings: Settings) -> Cell:
    """A cell with what its items say of it: licences, and whose words they were asked in."""
    draws, seed, helm = settings.draws, settings.seed, planned.task.helm
    own = cell_of(planned.task, planned.language, samples, draws=draws, seed=seed)
    if helm is not None and helm.compat:
        own = cell_as_seahelm(own, planned.task, samples, draws=draws, seed=seed)
    asked = {s.template.partition("/")[0] for s in samples if "/" in s.template} - {planned.language}
    notes = [
        f"{planned.task.name} in {planned.language} was asked in the words of {tag}" for tag in sorted(asked)
    ]
    if helm is not None and (
        shown := helm.note(planned.language, chat=not isinstance(samples[0].prompt, str))
    ):
        notes.append(shown)
    licences = sorted({item.licence for item in planned.items if item.licence})
    return structs.replace(own, licences=licences, notes=[*own.notes, *notes])

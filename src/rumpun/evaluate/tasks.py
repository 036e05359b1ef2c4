"""Tasks and suites: `tasks.toml`, with the items that each one has."""

import functools
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rumpun.errors import InputError, UsageError, nearest
from rumpun.evaluate.items import Item, read_items, rows_of
from rumpun.evaluate.lint import Problem, lint, no_gold
from rumpun.evaluate.long_facts import fact_items, parallel_items
from rumpun.evaluate.turns import conversation
from rumpun.recipes import build

if TYPE_CHECKING:
    from rumpun.evaluate.seahelm_prompts import SeaHelmPrompts

__all__ = [
    "COST",
    "Family",
    "Task",
    "TaskItems",
    "chosen",
    "items_of",
    "skills",
    "suite",
    "suites",
    "task",
    "tasks",
]

Family = Literal[
    "choice", "label", "pairs", "text", "instructions", "answerable", "harmful", "turns", "bits", "tokens", "parallel",
]  # fmt: skip
_HERE = Path(__file__).parent
_REGION = _HERE / "suites/region"
_PARALLEL = _HERE / "suites/news.jsonl"
_LICENCE = "CC0-1.0"
COST = "cost"  # the skill that is none: what a language costs, which goes into no mean


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    skill: str
    family: Family
    prompt: str = ""
    about: str = ""
    length_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    skills: tuple[str, ...]
    native: dict[str, _Kind]
    public: dict[str, _Kind]
    suites: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task, in any number of languages."""

    name: str
    skill: str
    family: Family
    prompt: str = ""  # a table of the language's prompts
    public: str = ""  # the set of public.toml; "" for a native one
    about: str = ""
    length_tokens: int = (
        0  # of the text that an item is hidden in, in the model's own tokens; 0 where it is not
    )
    labels: tuple[str, ...] = ()  # where the right answer is one of them
    labels_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # language -> its own labels
    target: str = ""  # the language of a translation, where its prompt does not say it
    helm: "SeaHelmPrompts | None" = None  # asked in SEA-HELM's own words

    @property
    def translates(self) -> bool:
        """Whether an answer is a translation."""
        return self.prompt.startswith("translation")

    @property
    def summarises(self) -> bool:
        """Whether an answer is a summary."""
        return self.prompt == "summary"

    def answered_in(self, language: str) -> str:
        """The language that an answer should be in."""
        return self.target or ("en" if self.prompt == "translation.into" else language)

    def labels_in(self, language: str) -> tuple[str, ...]:
        """Its labels in a language; none where any label of its prompt is meant."""
        return self.labels_by.get(language, self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskItems:
    """What a task has in the languages that were asked for."""

    items: list[Item]
    problems: list[Problem] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


@functools.cache
def _table() -> _Table:
    return build(_Table, tomllib.loads((_HERE / "tasks.toml").read_text(encoding="utf-8")), "tasks.toml")


def skills() -> tuple[str, ...]:
    """All skills, in the order of the table."""
    return _table().skills


@functools.cache
def tasks() -> dict[str, Task]:
    """Every task by name: native ones, then public sets that a prompt is there for."""
    from rumpun.evaluate.prompts import prompts
    from rumpun.evaluate.public_table import describe, names

    found = {
        name: Task(
            name=name, skill=kind.skill, family=kind.family, prompt=kind.prompt, about=kind.about,
            length_tokens=kind.length_tokens, labels=tuple(prompts("en").labels(kind.prompt)) if kind.family == "label" else (),
        )
        for name, kind in _table().native.items()
    }  # fmt: skip
    for name in names():
        spec = describe(name)
        if (kind := _table().public.get(spec.tests)) is None:
            continue
        prompt = kind.prompt
        if prompt == "translation":
            prompt = "translation.into" if spec.target_language == "en" else "translation.from"
            if "en" not in (spec.source_language, spec.target_language):
                continue  # asked in one language about two others: no prompt says that
        found[name] = Task(
            name=name, skill=kind.skill, family=kind.family, prompt=prompt, public=name, about=spec.notes or spec.tests,
            labels=spec.label_set if kind.family == "label" else (),
        )  # fmt: skip
    return found


def task(name: str) -> Task:
    """The task of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in tasks():
        raise UsageError(f"no task '{name}'", nearest(name, list(tasks())))
    return tasks()[name]


def suites() -> dict[str, tuple[str, ...]]:
    """Suite -> names of its tasks."""
    return _table().suites


def suite(name: str) -> tuple[Task, ...]:
    """The tasks of a suite.

    Raises:
        UsageError: there is no suite of that name.
    """
    if name not in suites():
        raise UsageError(f"no suite '{name}'", nearest(name, list(suites())))
    return tuple(task(one) for one in suites()[name])


def chosen(names: Iterable[str]) -> tuple[Task, ...]:
    """Tasks by name, those of a suite where a name is a suite's; each once.

    Raises:
        UsageError: there is no task or suite of a name.
    """
    found = [
        one
        for name in names
        for one in (suite(name) if name in suites() and name not in tasks() else (task(name),))
    ]
    return tuple({one.name: one for one in found}.values())


def items_of(one: Task, languages: Sequence[str], folder: Path | None = None) -> TaskItems:
    """The items of a task in some languages (all where none is named), past the lint.

    Args:
        one: the task.
        languages: BCP-47 tags.
        folder: a mirror of the data folder, for public sets.

    Raises:
        InputError: a file is not at hand or malformed, or nothing could be right for an item of our own.
    """
    if one.public:
        from rumpun.evaluate.public import load

        loaded = load(one.public, languages=languages, folder=folder)
        if one.family == "harmful":
            from rumpun.evaluate.harmful import admitted

            kept, left = admitted(loaded.items)
            return TaskItems(items=kept, problems=loaded.problems, dropped=loaded.dropped + left)
        return TaskItems(items=loaded.items, problems=loaded.problems, dropped=loaded.dropped)
    items = _native(one, languages or _native_languages())
    if one.family == "turns":
        items = [conversation(item) for item in items]
    labels = one.labels or None
    for item in items:
        if bad := no_gold(item, labels):
            raise InputError(
                f"suites/{item.source}: item {item.id}: {bad[0]}: {bad[1]}",
                f"expected one of {', '.join(labels or item.options)}",
            )
    problems = [] if one.family in ("bits", "tokens", "parallel") else lint(items, labels=labels)
    return TaskItems(items=items, problems=problems)


@functools.cache
def _native_languages() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _REGION.glob("*.jsonl")))


def _native(one: Task, languages: Iterable[str]) -> list[Item]:
    if one.translates:
        return _translations(one, languages)
    if one.length_tokens:
        return fact_items(one.length_tokens, languages)
    if one.family == "parallel":
        return parallel_items(languages)
    skill = "reading" if one.family in ("bits", "tokens") else one.name
    found: list[Item] = []
    for language in languages:
        path = _REGION / f"{language}.jsonl"
        if path.is_file():
            found += [replace(item, source="region", licence=_LICENCE) for item in read_items(path, skill)]
    return found


def _translations(one: Task, languages: Iterable[str]) -> list[Item]:
    """Sentences in every working language; those of one key are translations of one another."""
    found = []
    for row in rows_of(_PARALLEL):
        for language in languages:
            if language == "en" or language not in row:
                continue
            source, target = (language, "en") if one.prompt.endswith("into") else ("en", language)
            found.append(
                Item(
                    id=f"{language}-{row['key']}", language=language, fields={"text": row[source]}, gold=(row[target],),
                    group=str(row["key"]), source="news", licence=_LICENCE, more={"from": source, "to": target},
                )
            )  # fmt: skip
    return found

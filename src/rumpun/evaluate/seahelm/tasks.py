"""The table of SEA-HELM's tasks: which family scores one, where it stands in the hierarchy, what its answers begin with."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from rumpun.errors import UsageError, nearest

__all__ = ["SKILLS", "TaskSpec", "find", "main_set", "tasks"]

_TWIN = "-logprobs"
SKILLS: Mapping[str, str] = {  # competency -> the skill of ours that it is
    "nlu": "understanding", "nlr": "reasoning", "nlg": "generation", "knowledge": "knowledge", "cultural": "culture",
    "linguistic-diagnostics": "linguistics", "instruction-following": "instructions", "multi-turn": "turns", "safety": "safety",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task as SEA-HELM's configuration has it."""

    name: str
    family: str  # what scores it: "labels", "qa", "summary", …
    competency: str
    group: str | None = None  # tasks of a group count as one in the competency
    metric: str | None  # the key that goes up the hierarchy; None: the task has no score of its own
    languages: tuple[str, ...]  # SEA-HELM's codes
    tags: Mapping[str, str]  # language -> what stands before the answer; empty where no tag is looked for
    gold: str = "label"  # the rows' column of the right answer


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("tasks.toml").read_text(encoding="utf-8"))


@cache
def _specs() -> Mapping[str, TaskSpec]:
    table = _table()
    found: dict[str, TaskSpec] = {}
    for entry in table["task"]:
        for name in entry["names"]:
            found[name] = _spec(table, entry, name, entry["family"], "")
            if "twin" in entry:
                found[name + _TWIN] = _spec(table, entry, name + _TWIN, entry["twin"], _TWIN)
    return MappingProxyType(found)


def _spec(table: dict[str, Any], entry: dict[str, Any], name: str, family: str, ending: str) -> TaskSpec:
    of_family = table["family"][family]
    tags = table["tags"].get(of_family.get("tags"), {}) | entry.get("own_tags", {})
    group = entry.get("group")
    return TaskSpec(
        name=name,
        family=family,
        competency=entry["competency"],
        group=None if group is None else group + ending,
        metric=of_family.get("metric"),
        languages=tuple(entry["languages"]),
        tags=MappingProxyType(
            {x: tags[x] for x in entry["languages"] if x in tags} if "tags" in of_family else {}
        ),
        gold=entry.get("gold", "label"),
    )


def tasks() -> tuple[TaskSpec, ...]:
    """Every task, in the table's order; a task's log-probability twin follows it."""
    return tuple(_specs().values())


def find(task: str, language: str) -> TaskSpec:
    """A task that is configured for a language.

    Raises:
        UsageError: no such task, or not in this language.
    """
    known = _specs()
    if task not in known:
        raise UsageError(f"task = '{task}' is none of SEA-HELM's", nearest(task, list(known)))
    spec = known[task]
    if language not in spec.languages:
        raise UsageError(
            f"language = '{language}': SEA-HELM has no task '{task}' in it", nearest(language, spec.languages)
        )
    return spec


@cache
def main_set() -> Mapping[str, tuple[str, ...]]:
    """SEA-HELM's main set: language -> its tasks, a group replaced by its members in that language.

    The two pragmatics tasks stand as the one `pragmatics`, which pools them.
    """
    found = {}
    for language, names in _table()["main"].items():
        whole: list[str] = []
        for name in names:
            members = [x.name for x in tasks() if x.group == name and language in x.languages]
            whole += [name] if name in _specs() else members
        found[language] = tuple(whole)
    return MappingProxyType(found)

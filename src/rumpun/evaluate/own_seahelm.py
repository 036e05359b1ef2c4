"""SEA-HELM's rows and config as a task: asked in its words, read and scored our way, or its own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.items import Item, rows_of
from rumpun.evaluate.own_items import OWN, Own, labels_of, unique
from rumpun.evaluate.public_seahelm import load_seahelm
from rumpun.evaluate.seahelm.score import score
from rumpun.evaluate.seahelm.tasks import SKILLS, find, tasks
from rumpun.evaluate.seahelm_prompts import InLanguage, SeaHelmPrompts, prompts_in
from rumpun.evaluate.tasks import Family, Task, TaskItems

__all__ = ["own_seahelm"]

# SEA-HELM's family of a task -> ours, and the prompt by which ours says what kind of text an answer is
_FAMILIES: Mapping[str, tuple[Family, str]] = {
    "labels": ("label", ""), "minimal-pairs": ("label", ""), "pragmatics-part": ("label", ""), "qa": ("text", "extract"),
    "summary": ("text", "summary"), "translation": ("text", "translation.from"),
}  # fmt: skip
_METRICS = {
    "normalized_accuracy": "labels", "normalized_f1": "qa", "normalized_rougel_f1": "summary",
    "normalized_metricx_wmt24_scores": "translation",
}  # fmt: skip
_UNSCORED = (
    "run it without --compat; `rumpun eval score --compat seahelm` takes scores made elsewhere (--external)"
)


def own_seahelm(
    path: Path, config: Path, name: str, *, labels: Sequence[str] = (), languages: Sequence[str] = (), compat: bool = False
) -> Own:  # fmt: skip
    """A file of SEA-HELM's rows with the config of its task.

    Args:
        path: its rows.
        config: its task's config.yaml.
        name: SEA-HELM's name of the task.
        labels: that right labels are among; empty: those of each language's rows.
        languages: BCP-47 tags; empty: those that the rows name.
        compat: answers are read and scored as SEA-HELM does.

    Raises:
        UsageError: the config has no such task or language, or the task is not of a kind that is asked here.
        InputError: a file cannot be read or is malformed.
        MissingPartError: PyYAML is not installed.
    """
    rows = rows_of(path)
    if not rows or "prompts" not in rows[0]:
        raise InputError(
            f"{path}: row 1: no 'prompts'", "--config asks SEA-HELM's rows: leave it out, or name them"
        )
    named = [_named(row) for row in rows]
    wanted = tuple(dict.fromkeys(languages or filter(None, named)))
    if not wanted or (len(wanted) > 1 and "" in named):
        raise UsageError(
            f"{path}: row {named.index('') + 1} names no language",
            "name one with --languages",
        )
    found = {tag: load_seahelm(path, config=config, language=tag, task=name) for tag in wanted}
    table = next(iter(found.values())).config
    kind = next(
        (spec.family for spec in tasks() if spec.name == name), _METRICS.get(str(table.get("metric")), "")
    )
    where = f"{config}: {name}"
    if kind not in _FAMILIES or table.get("use_logprobs"):
        raise UsageError(
            f"{where}: tasks with judges, rules or probabilities are not asked by a config",
            "score answers made elsewhere with `rumpun eval score --compat seahelm`",
        )
    items = [item for one in found.values() for item in one.loaded.items]
    unique(path, items)
    _check(path, items, _FAMILIES[kind][0])
    by: dict[str, InLanguage] = {
        tag: prompts_in(one, rows, tag, config, name) for tag, one in found.items() if one.loaded.items
    }
    if compat:
        _check_compat(name, kind, by)
    family, prompt = _FAMILIES[kind]
    helm = SeaHelmPrompts(task=name, compat=compat, languages=by)
    for item in items:  # a template that cannot be filled is told before a model is asked
        helm.turns(item, chat=True)
        helm.turns(item, chat=False)
    one = Task(
        name=f"seahelm-{name}", skill=SKILLS.get(str(table.get("competency")), OWN), family=family, prompt=prompt,
        about=f"SEA-HELM's {name}, its rows and prompts" + (", scored its way" if compat else ""), helm=helm,
        labels_by=labels_of(path, items, labels) if family == "label" else {}, target=_target(name),
    )  # fmt: skip
    dropped = Counter(
        {f"language {tag}": count for tag, count in Counter(named).items() if tag and tag not in wanted}
    )
    problems = [problem for each in found.values() for problem in each.loaded.problems]
    return Own(task=one, read=TaskItems(items=items, problems=problems, dropped=dropped), languages=wanted)


def _named(row: Mapping[str, Any]) -> str:
    """The language that a row names; empty where it names none."""
    about = row.get("metadata")
    return str(about.get("language") or "") if isinstance(about, Mapping) else ""


def _target(name: str) -> str:
    """The language of translations that a task's name ends with; empty where it is the items' own."""
    end = name.rpartition("-")[2] if name.startswith("translation-") else "xx"
    return "" if end == "xx" else end


def _check(path: Path, items: Sequence[Item], family: Family) -> None:
    """Refuse items of several turns, and those without what an answer is compared with."""
    for item in items:
        where = f"{path}: item {item.id}"
        if len(item.more.get("turns", ())) > 1:
            raise InputError(
                f"{where}: several turns", "conversations are asked as in `suites/region`: --task turns"
            )
        if not isinstance(item.gold, tuple) or not item.gold or (family == "label" and len(item.gold) > 1):
            raise InputError(f"{where}: no label that is one text" if family == "label" else f"{where}: no reference",
                "give the task's rows as SEA-HELM has them")  # fmt: skip


def _check_compat(name: str, kind: str, by: Mapping[str, InLanguage]) -> None:
    """Refuse what SEA-HELM's way cannot score from answers alone, or reads by another tag than is asked for.

    No answer at all is scored too: rows that it cannot score, and libraries that it lacks, are told before a model is asked.
    """
    if kind == "translation":
        raise UsageError(f"{name}: SEA-HELM scores it by a neural model", _UNSCORED)
    for tag, asked in by.items():
        known = find(name, tag).tags.get(tag, "")
        if asked.prompt.answer_tag != known:
            raise InputError(
                f"{asked.where}: answer_tag '{asked.prompt.answer_tag}', which SEA-HELM's way reads as '{known}'",
                "correct the config, or leave --compat out",
            )
        score(name, tag, list(asked.rows.values()), [None] * len(asked.rows))

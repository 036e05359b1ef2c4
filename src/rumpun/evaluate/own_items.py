"""Files of one's own items as tasks: what each row has says how it is asked; nothing of it needs a table or a program.

Options are a choice, good and bad a minimal pair, a label one of a set, references a text. The words around an item are those
of a task that is named, a plain prompt that fits its fields, or its own field `prompt`. With a config of SEA-HELM's, see
`own_seahelm`.
"""

import string
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, RumpunError, UsageError
from rumpun.evaluate.instructions import rule
from rumpun.evaluate.items import Item, read_items, rows_of
from rumpun.evaluate.lint import lint
from rumpun.evaluate.prompts import prompts
from rumpun.evaluate.public import load_path
from rumpun.evaluate.tasks import Family, Task, TaskItems, task
from rumpun.evaluate.turns import conversation

__all__ = ["OWN", "Own", "labels_of", "own_file", "unique"]

OWN = "own"  # the skill of items that no task is named for
# where nothing in a row is right
_BARE: tuple[Family, ...] = ("instructions", "answerable", "turns", "bits", "tokens")
_SAID: Mapping[str, str] = {
    "choice": "options", "pairs": "good and bad", "label": "a label", "text": "references", "": "nothing that is right",
}  # fmt: skip
_GIVEN = frozenset(("options", "labels", "language"))  # that a prompt is filled with besides an item's fields
_NAMES = "name them question, passage and question, text, premise and hypothesis, or prompt; or name a task with --task"
_ONE_KIND = "keep one kind of item in a file: --items may be given several times"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A file as a task."""

    task: Task
    read: TaskItems  # in every language that is asked
    languages: tuple[str, ...]  # of the file, in its order


def own_file(
    path: Path, called: str, *, name: str = "", labels: Sequence[str] = (), languages: Sequence[str] = ()
) -> Own:
    """A file in the native layout, or of SEA-HELM's rows asked in our words.

    Args:
        path: JSON lines.
        called: the task's name.
        name: a task of ours whose prompt and skill are taken; empty: a plain prompt that fits the fields.
        labels: that right labels are among; empty: those of the named task, else those of each language's rows.
        languages: BCP-47 tags; rows in others are left out and counted. Empty: all.

    Raises:
        UsageError: the named task or the labels do not go with these items.
        InputError: the file cannot be read, a row is malformed, or rows are of several kinds.
    """
    rows = rows_of(path)
    if not rows:
        raise InputError(f"{path}: no item in it", "write one JSON object a line")
    read, dropped = _read(path, rows, languages)
    if not read:
        raise UsageError(f"{path}: no item in {', '.join(languages)}", "name the file's own language")
    shape = _one(path, [_shape(row) for row in rows], _SAID)
    base = _base(path, name, shape) if name else None
    family: Family = base.family if base else _family(path, shape)
    items = [_fit(item, base, path) for item in read]
    unique(path, items)
    known = labels_of(path, items, labels or (base.labels if base else ())) if family == "label" else {}
    if labels and family != "label":
        raise UsageError(f"--labels: the items of {path} have {_SAID[shape]}", "leave --labels out")
    every = {one for own in known.values() for one in own}
    prompt = base.prompt if base else _plain(path, family, items, every)
    _filled(path, items, family, prompt)
    mine = [item for item in items if not languages or item.language in languages]
    dropped.update(
        f"language {item.language}" for item in items if languages and item.language not in languages
    )
    about = f"items of {path.name}" + (f", asked as {name}" if name else "")
    one = Task(
        name=called, skill=base.skill if base else OWN, family=family, prompt=prompt, about=about,
        labels=tuple(labels), labels_by={} if labels else known,
    )  # fmt: skip
    problems = [] if family in ("bits", "tokens") else lint(mine, labels=every or None)
    return Own(
        task=one, read=TaskItems(items=mine, problems=problems, dropped=dropped),
        languages=tuple(dict.fromkeys(item.language for item in items)),
    )  # fmt: skip


def _read(
    path: Path, rows: Sequence[Mapping[str, Any]], languages: Sequence[str]
) -> tuple[list[Item], Counter[str]]:
    """(Items, why rows are none): SEA-HELM's rows may name no language, and are then in the one that is asked."""
    if "prompts" not in rows[0]:
        return read_items(path), Counter()
    loaded = load_path(path, language=languages[0] if len(languages) == 1 else "")
    return loaded.items, loaded.dropped


def unique(path: Path, items: Sequence[Item]) -> None:
    """Refuse two items of one id and language: their answers could not be told apart.

    Raises:
        InputError: there are; the id is named.
    """
    for (tag, key), times in Counter((item.language, item.id) for item in items).items():
        if times > 1:
            raise InputError(
                f"{path}: {times} items in {tag} have the id {key}", "give each item an id of its own"
            )


def _shape(row: Mapping[str, Any]) -> str:
    """The family that a row's right answer belongs to; empty where nothing is right."""
    if "good" in row or "bad" in row:
        return "pairs"
    if "options" in row:
        return "choice"
    label = next((row[key] for key in ("label", "prompt_label", "response_label") if key in row), None)
    if "references" in row or isinstance(label, list):
        return "text"
    return "" if label is None else "label"


def _one(path: Path, kinds: Sequence[str], said: Mapping[str, str]) -> str:
    """The kind that all rows are of."""
    other = next((n for n, kind in enumerate(kinds) if kind != kinds[0]), None)
    if other is not None:
        both = (said.get(kind, kind) for kind in (kinds[other], kinds[0]))
        raise InputError("{}: row {} has {}, and row 1 has {}".format(path, other + 1, *both), _ONE_KIND)
    return kinds[0]


def _family(path: Path, shape: str) -> Family:
    if shape == "":
        raise InputError(
            f"{path}: row 1: nothing in it is right",
            "add options and answer, good and bad, label or references; or name a task with --task",
        )
    return shape  # type: ignore[return-value]


def _base(path: Path, name: str, shape: str) -> Task:
    """The named task, where its items are of this kind."""
    base = task(name)
    if base.family not in (*_SAID, *_BARE) or base.length_tokens:
        raise UsageError(f"--task {name}: no file of items is asked so", "`rumpun eval tasks` lists tasks")
    wanted = "" if base.family in _BARE else base.family
    if shape != wanted and base.family not in ("bits", "tokens"):
        raise UsageError(
            f"--task {name}: its items have {_SAID[wanted]}, and those of {path} have {_SAID[shape]}",
            "name another task, or none",
        )
    return base


def _fit(item: Item, base: Task | None, path: Path) -> Item:
    """An item with what the named task needs besides."""
    if base is None:
        return item
    try:
        if base.family == "turns":
            return conversation(item)
        if base.family == "instructions" and "instruction_id_list" not in item.more:
            _check_rules(item)
    except RumpunError as error:
        raise InputError(f"{path}: {error}", error.hint) from error
    if base.translates and not {"from", "to"} <= item.more.keys():
        way = (item.language, "en") if base.prompt == "translation.into" else ("en", item.language)
        return replace(item, more={**item.more, **dict(zip(("from", "to"), way, strict=True))})
    return item


def _check_rules(item: Item) -> None:
    rules = item.more.get("rules")
    if (
        not isinstance(rules, Mapping)
        or not rules
        or not all(isinstance(one, Mapping) for one in rules.values())
    ):
        raise InputError(
            f"item {item.id}: no rules",
            'write "more": {"rules": {"words": {"relation": "at most", "count": 20}}}',
        )
    for name, given in rules.items():
        try:
            rule(name, given)
        except UsageError as error:
            raise InputError(f"item {item.id}: {error}", error.hint) from error


def labels_of(path: Path, items: Sequence[Item], given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Language -> its labels: those given, else those of its rows.

    Raises:
        UsageError: a label is given twice, or one alone.
        InputError: a row has another, or all rows of a language have one.
    """
    if given and (len(set(given)) < len(given) or len(given) < 2 or not all(given)):
        raise UsageError(f"--labels {','.join(given)}", "give two labels or more, each once")
    found: dict[str, tuple[str, ...]] = {}
    for tag in dict.fromkeys(item.language for item in items):
        mine = [item for item in items if item.language == tag]
        found[tag] = tuple(given) or tuple(sorted({item.right for item in mine}))
        if strange := next((item for item in mine if item.right not in found[tag]), None):
            raise InputError(
                f"{path}: item {strange.id}: label '{strange.right}' is none of {', '.join(found[tag])}",
                "correct it, or name all labels with --labels",
            )
        if len(found[tag]) < 2:
            raise InputError(
                f"{path}: every item in {tag} has the label '{found[tag][0]}'",
                "name all labels with --labels a,b",
            )
    return found


def _plain(path: Path, family: Family, items: Sequence[Item], labels: Collection[str]) -> str:
    """The prompt that fits the items' fields; empty where they bring their own, or need none."""
    if family == "pairs":
        return ""
    kinds = [_prompt_for(family, item.fields, labels) for item in items]
    if (none := next((n for n, kind in enumerate(kinds) if kind is None), None)) is not None:
        fields = ", ".join(items[none].fields) or "none"
        raise InputError(
            f"{path}: item {items[none].id}: no prompt is known for {_SAID[family]} with the fields {fields}",
            _NAMES,
        )
    named = [kind or "a prompt of its own" for kind in kinds]
    found = _one(path, named, {kind: f"the fields of the prompt «{kind}»" for kind in named if kind in kinds})
    return found if found in kinds else ""


def _prompt_for(family: Family, fields: Mapping[str, str], labels: Collection[str]) -> str | None:
    """The plain prompt of an item; empty for its own words, None where none is known."""
    there = fields.keys()
    if "prompt" in there:
        return ""
    if family == "label":
        return _prompt_of_labels(there, set(labels))
    if family == "choice" and {"premise", "asks"} <= there:
        return "causal"
    if "question" not in there:
        return None
    alone, beside = ("question", "reading") if family == "choice" else ("open", "extract")
    return beside if "passage" in there else alone


def _prompt_of_labels(there: Collection[str], labels: set[str]) -> str | None:
    """A prompt that has words for the labels where there is one: sentiment and inference name theirs, all of them."""
    known = {name: set(prompts("en").labels(name)) for name in ("nli", "sentiment", "topic")}
    if "premise" in there and "hypothesis" in there:
        return "nli" if labels == known["nli"] else None
    if "text" not in there:
        return None
    if labels == known["sentiment"]:
        return "sentiment"
    return "topic" if labels <= known["topic"] else "label"


def _filled(path: Path, items: Sequence[Item], family: Family, prompt: str) -> None:
    """Refuse items that lack a field of their prompt, or what an answer is compared with, before anything is asked."""
    needed = _needed(family, prompt)
    for item in items:
        if lacking := sorted(needed - item.fields.keys()):
            raise InputError(
                f"{path}: item {item.id}: no '{lacking[0]}', which its prompt is filled with",
                f"write {' and '.join(sorted(needed))} in each item",
            )
        if family in ("text", "label") and not item.gold:
            raise InputError(f"{path}: item {item.id}: no reference", 'write "references": ["…"]')


def _needed(family: Family, prompt: str) -> set[str]:
    if family in ("bits", "tokens"):
        return {"passage"}
    if family in ("pairs", "turns"):
        return set()
    if not prompt:
        return {"prompt"}
    own = prompts("en")
    table = f"{prompt}.cause" if prompt == "causal" else prompt
    texts = [text for form in ("cloze", "ask") for text in own.variants(table, form)]
    names = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
    return (names - _GIVEN) | ({"asks"} if prompt == "causal" else set())

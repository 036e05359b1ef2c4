"""SEA-HELM's own files as they are: JSON lines of items, and the task's YAML with its prompts.

Source: SEA-HELM's task configuration and data layout (github.com/aisingapore/SEA-HELM, docs/new_task_guide.md).
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, MissingPartError, UsageError, nearest
from rumpun.evaluate.items import Item, rows_of
from rumpun.evaluate.public_rows import Loaded, linted

__all__ = ["Prompt", "SeaHelmTask", "items_of_seahelm", "load_seahelm"]

_GOLD = ("label", "response_label", "prompt_label")  # a row may have the last two: the task says which
_OWN = ("id", "prompts", "metadata", "licence", "source")
_WAY = re.compile(r"translation-([a-z]+)-([a-z]+)")  # xx stands for the task's language
_REFERENCE = re.compile(r"\$\{([^${}]*)\}")
_DEEP = 20  # references within references


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The texts of a task's prompt in one language, their places as `{name}`."""

    preamble: str = ""  # before the first turn
    task_template: str = ""  # a turn of the user; filled with an item's fields
    answer_template: str = ""  # a turn of the assistant, in examples
    answer_tag: str = ""  # what stands before the answer
    answer_tag_separator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeaHelmTask:
    """A task's items in one language; its prompt where a config was named."""

    loaded: Loaded
    prompt: Prompt | None
    config: Mapping[str, Any]  # the task's own table of the config, references filled in


def load_seahelm(path: Path, *, config: Path | None = None, language: str, task: str) -> SeaHelmTask:
    """A SEA-HELM data file and, where there is one, its task's config.

    An item's fields are the texts of its first turn; kwargs, criteria, metadata, and all turns where there are several
    or where one holds more than text, stand in `more`.

    Args:
        path: JSON lines with `id`, `label` (or `prompt_label`, `response_label`), `prompts`, `metadata`.
        config: the task's config.yaml.
        language: BCP-47 tag; rows whose metadata names another are left out and counted.
        task: SEA-HELM's name of it: which gold column is meant, and which table of the config.

    Raises:
        InputError: a file cannot be read or is of another form; what and where is named.
        UsageError: the config has no such task or language.
        MissingPartError: a config was named and PyYAML is not installed.
    """
    table = _config(config, task) if config else {}
    prompt = _prompt(table, language, f"{config}: {task}") if config else None
    return SeaHelmTask(
        loaded=items_of_seahelm(path, language=language, task=task), prompt=prompt, config=table
    )


def items_of_seahelm(
    path: Path, *, language: str = "", task: str = "", labels: Collection[str] | None = None
) -> Loaded:
    """The items of a SEA-HELM data file; without a language, each row's own.

    Raises:
        InputError: the file cannot be read, or a row is of another form.
    """
    items: list[Item] = []
    dropped: Counter[str] = Counter()
    for number, row in enumerate(rows_of(path), 1):
        where = f"{path}: row {number}"
        about = row.get("metadata") or {}
        if not isinstance(about, Mapping):
            raise InputError(f"{where}: metadata is no object", "write it as an object")
        own = str(about.get("language") or "")
        if language and own and own != language:
            dropped[f"language {own}"] += 1
            continue
        if not (language or own):
            raise InputError(f"{where}: no language in its metadata", "name the file's language")
        items.append(_item(row, about, language or own, task, where))
    return linted(items, labels=labels, languages=[language] if language else [], dropped=dropped)


def _item(row: Mapping[str, Any], about: Mapping[str, Any], tag: str, task: str, where: str) -> Item:
    turns = row.get("prompts")
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, Mapping) for turn in turns):
        raise InputError(f"{where}: prompts are no list of objects", 'write "prompts": [{"text": "…"}]')
    if isinstance(row.get("id"), bool) or not isinstance(row.get("id"), str | int):
        raise InputError(f"{where}: no 'id'", "give each row an id")
    column = _gold_column(row, task)
    more = {key: value for key, value in row.items() if key not in (*_OWN, column)}
    if about:
        more["metadata"] = dict(about)
    texts = {str(key): str(value) for key, value in turns[0].items() if isinstance(value, str | int | float)}
    if len(turns) > 1 or len(texts) < len(turns[0]):
        more["turns"] = turns
    if way := _WAY.fullmatch(task):
        more["from"], more["to"] = (tag if one == "xx" else one for one in way.groups())
    return Item(
        id=str(row["id"]), language=tag, fields=texts, gold=_references(row.get(column), where),
        source=str(row.get("source") or task), licence=str(row.get("licence") or ""), more=more,
    )  # fmt: skip


def _gold_column(row: Mapping[str, Any], task: str) -> str:
    if "prompt_label" in row and "response" not in task and "label" not in row:
        return "prompt_label"
    return next((column for column in _GOLD if column in row), "label")


def _references(value: Any, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if any(not isinstance(one, str | int | float) for one in listed):
        raise InputError(f"{where}: the label is no text and no list of texts", "write a string or a list")
    return tuple(str(one) for one in listed)


def _config(path: Path, task: str) -> dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise MissingPartError(f"reading {path} (PyYAML)", "score") from error
    try:
        root = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}", "name a SEA-HELM config.yaml") from error
    if not isinstance(root, dict):
        raise InputError(f"{path}: no table of tasks", "name a SEA-HELM config.yaml")
    if not isinstance(root.get(task), dict):
        raise UsageError(f"{path}: no task '{task}'", nearest(task, [str(key) for key in root]))
    filled = _filled(root[task], root, (task,), str(path), 0)
    assert isinstance(filled, dict)
    return filled


def _prompt(table: Mapping[str, Any], language: str, where: str) -> Prompt:
    languages = table.get("languages") or {}
    if not isinstance(languages, Mapping) or not isinstance(languages.get(language), Mapping):
        known = [str(tag) for tag in languages] if isinstance(languages, Mapping) else []
        raise UsageError(f"{where}: no language '{language}'", nearest(language, known))
    texts = languages[language].get("prompt_template") or {}
    if not isinstance(texts, Mapping):
        raise InputError(f"{where}: {language}: prompt_template is no table", "name a SEA-HELM config.yaml")
    named = Prompt.__dataclass_fields__
    return Prompt(**{key: str(value) for key, value in texts.items() if key in named and value is not None})


def _filled(value: Any, root: Mapping[str, Any], path: tuple[str, ...], where: str, deep: int) -> Any:
    """A value with every `${a.b}` replaced by what stands at a.b of the file, or from a leading dot on beside it."""
    if isinstance(value, Mapping):
        return {key: _filled(one, root, (*path, str(key)), where, deep) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, root, (*path, str(n)), where, deep) for n, one in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    if deep > _DEEP:
        raise InputError(f"{where}: {'.'.join(path)}: references go round", "name what is meant by its value")

    def found(name: str) -> Any:
        place, at = _place(name, path), root
        for key in place:
            at = _step(at, key, f"{where}: {'.'.join(path)}: ${{{name}}}")
        return _filled(at, root, place, where, deep + 1)

    whole = _REFERENCE.fullmatch(value)
    return found(whole[1]) if whole else _REFERENCE.sub(lambda match: str(found(match[1])), value)


def _place(name: str, path: Sequence[str]) -> tuple[str, ...]:
    dots = len(name) - len(name.lstrip("."))
    return (*path[: len(path) - dots], *name[dots:].split(".")) if dots else tuple(name.split("."))


def _step(at: Any, key: str, where: str) -> Any:
    if isinstance(at, Mapping):
        named = {str(own): own for own in at}
        if key in named:
            return at[named[key]]
    elif isinstance(at, list) and key.isdecimal() and int(key) < len(at):
        return at[int(key)]
    raise InputError(f"{where} leads nowhere", "name the file that has what it refers to, or write the value")

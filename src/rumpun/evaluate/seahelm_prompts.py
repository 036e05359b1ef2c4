"""Items put in SEA-HELM's own words: preamble, template and examples of a task's config, as its code joins them.

Source: src/dataloaders/base_dataloader.py, src/dataloaders/seahelm_local_dataloader.py and chat_templates/base_model.jinja of
github.com/aisingapore/SEA-HELM. Its judges, its reasoning modes and its own tokenizers' first token are not part of a prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.engines.port import Message
from rumpun.errors import InputError
from rumpun.evaluate.items import Item, rows_of
from rumpun.evaluate.public_seahelm import Prompt, SeaHelmTask

__all__ = ["BREAK", "InLanguage", "SeaHelmPrompts", "prompts_in"]

BREAK = "\n\n"  # between the turns of a model without a chat, whose answer ends there
_SHOTS = {"instruct": 0, "base": 5}  # where a config says nothing

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InLanguage:
    """What a config says of one language."""

    where: str  # for messages: config, task and language
    prompt: Prompt
    rows: Mapping[str, Row]  # of the items, by id
    max_tokens: int = 0  # of an answer; 0 where it says nothing
    shots: Mapping[str, int]  # «instruct» and «base»: how many examples it asks for
    examples: tuple[Row, ...] = ()  # those that are there, in the file's order
    why: str = ""  # why they are fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class SeaHelmPrompts:
    """How a task of SEA-HELM's is put, by language."""

    task: str  # SEA-HELM's name of it
    compat: bool = False  # answers are read and scored as SEA-HELM does
    languages: Mapping[str, InLanguage]

    def turns(self, item: Item, *, chat: bool) -> tuple[Message, ...]:
        """The examples as turns of a person and answers, then the item; the preamble stands before the first turn.

        Raises:
            InputError: a template names what the item or the example has not.
        """
        asked = self.languages[item.language]
        said, tag = asked.prompt, asked.prompt.answer_tag
        texts: list[Message] = []
        for row in asked.examples[: asked.shots[_kind(chat=chat)]]:
            fields = row["prompts"][0]
            own = {**row, "label": _label(row), **fields, "answer_tag": tag}
            example = f"{asked.where}: example {row.get('id', len(texts) // 2 + 1)}"
            texts.append(Message("user", _filled(said.task_template, {**fields, "answer_tag": tag}, example)))
            texts.append(Message("assistant", _filled(said.answer_template, own, example)))
        fields = asked.rows[item.id]["prompts"][0]  # an item is not given the tag
        texts.append(Message("user", _filled(said.task_template, fields, f"{asked.where}: item {item.id}")))
        preamble = _filled(said.preamble, {"answer_tag": tag}, f"{asked.where}: preamble")
        return (Message("user", f"{preamble}\n\n{texts[0].content}".strip()), *texts[1:])

    def text(self, turns: Sequence[Message]) -> str:
        """The turns as one text that a model without a chat goes on from."""
        return "".join(turn.content.strip() + BREAK for turn in turns)

    def note(self, language: str, *, chat: bool) -> str:
        """How many examples were shown, and why not as many as the config asks for; empty where it asks for none."""
        asked = self.languages[language]
        wanted = asked.shots[_kind(chat=chat)]
        if not wanted:
            return ""
        there = min(wanted, len(asked.examples))
        told = f"{self.task} in {language} was asked with {there} of {wanted} examples"
        return told if there == wanted else f"{told}: {asked.why}"


def _kind(*, chat: bool) -> str:
    return "instruct" if chat else "base"


def prompts_in(found: SeaHelmTask, rows: Sequence[Row], language: str, config: Path, task: str) -> InLanguage:
    """What a task's config says of a language, with the examples that it names.

    Args:
        found: the task as it was loaded.
        rows: of the items' file.
        language: whose part of the config.
        config: the file; a relative name of an examples' file is looked for in its folder and those above it.
        task: SEA-HELM's name of it.

    Raises:
        InputError: the config says what cannot be meant, or the examples are malformed.
    """
    where = f"{config}: {task}: {language}"
    prompt, table = found.prompt, found.config["languages"][language]
    if prompt is None or not prompt.task_template:
        raise InputError(f"{where}: no task_template", "name a SEA-HELM config.yaml whose task has one")
    said = found.config.get("fewshot_num_examples")
    shots = {
        kind: _count(said, kind, f"{where}: fewshot_num_examples", default)
        for kind, default in _SHOTS.items()
    }
    ids = {item.id for item in found.loaded.items}
    examples, why = _examples(table.get("example_filepath"), config, max(shots.values()))
    return InLanguage(
        where=where, prompt=prompt, rows={str(row["id"]): row for row in rows if str(row["id"]) in ids},
        max_tokens=_count(table, "max_tokens", where, 0), shots=shots, examples=examples, why=why,
    )  # fmt: skip


def _count(table: Any, key: str, where: str, default: int) -> int:
    value = table.get(key, default) if isinstance(table, Mapping) else default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{where}: {key} = {value!r}", "write a whole number, 0 or more")
    return value


def _examples(name: Any, config: Path, wanted: int) -> tuple[tuple[Row, ...], str]:
    """(The first of a file's rows, why they are fewer)."""
    if not wanted:
        return (), ""
    if not name:
        return (), "the config names no file of examples"
    folders = [Path(), *config.absolute().parents]
    path = next((place for folder in folders if (place := folder / str(name)).is_file()), None)
    if path is None:
        return (), f"{name} is no file here"
    rows = rows_of(path)[:wanted]
    for number, row in enumerate(rows, 1):
        turns = row.get("prompts")
        if not isinstance(turns, list) or not turns or not isinstance(turns[0], Mapping):
            raise InputError(
                f"{path}: row {number}: prompts are no list of objects", 'write "prompts": [{"text": "…"}]'
            )
    return tuple(rows), f"{path.name} has no more"


def _label(row: Row) -> Any:
    label = row.get("label")
    return label[0] if isinstance(label, list) and label else label


def _filled(template: str, fields: Mapping[str, Any], where: str) -> str:
    try:
        return template.format(**{str(key): value for key, value in fields.items()})
    except KeyError as error:
        raise InputError(
            f"{where}: no '{error.args[0]}', which the template is filled with",
            "add it to the row's prompts, or correct the config",
        ) from error
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise InputError(
            f"{where}: {template[:60]!r}: {error}", "write {{ for a brace in a template"
        ) from error

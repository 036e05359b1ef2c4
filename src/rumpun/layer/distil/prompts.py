"""What a teacher is asked: prompts of files, or those of a corpus's chat rows."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rumpun.errors import InputError
from rumpun.layer.distil.params import DistilParams
from rumpun.layer.prefer.build import chat_rows
from rumpun.layer.prefer.rows import Turn, lines
from rumpun.layer.prefer.rules import Answered, draw, joined_licences
from rumpun.records.artefacts import SourceEntry
from rumpun.records.licences import shippable

__all__ = ["find_prompts"]


def find_prompts(
    params: DistilParams, corpus: Path | None, seed: int, dropped: Counter[str]
) -> tuple[list[Answered], list[SourceEntry]]:
    """Conversations to answer, at most as many of a language as asked for, and the sources that files bring.

    They stand in the order in which they are asked: one of each language in turn, so that a budget does not end with the first
    languages.

    Raises:
        InputError: there is none, or a line of a file is no prompt.
    """
    rows: Iterator[Answered] = iter(())
    if params.prompts:
        rows = (row for name in params.prompts for row in _file_rows(Path(name).expanduser()))
    elif corpus is not None:
        rows = chat_rows(corpus / "chat.jsonl", dropped)
    by_language: dict[str, dict[tuple[Turn, ...], Answered]] = {}
    for row in rows:
        spoken = by_language.setdefault(row.language, {})
        if why := _refused(row, params) or ("prompt stands twice" if row.messages in spoken else ""):
            dropped[why] += 1
        else:
            spoken[row.messages] = row
    kept = []
    for found in by_language.values():
        order = sorted(found.values(), key=lambda row: draw(seed, "distil", row.identity))
        kept += order[: params.prompts_per_language]
        dropped["over prompts_per_language"] += len(order[params.prompts_per_language :])
    if not kept:
        raise InputError(
            "no prompt to ask the teacher",
            "name files of prompts, or a corpus with chat rows among the inputs; look at chat_sources and languages",
        )
    return _spread(kept), _sources(kept) if params.prompts else []


def _refused(row: Answered, params: DistilParams) -> str:
    if params.chat_sources and not row.source.startswith(params.chat_sources):
        return "chat source not asked for"
    if params.languages and row.language not in params.languages:
        return "language not asked for"
    return "" if shippable(row.licence) else "licence may not stand behind a shipped layer"


def _sources(rows: Sequence[Answered]) -> list[SourceEntry]:
    found: dict[str, SourceEntry] = {}
    for row in rows:
        before = found.get(row.source, SourceEntry(name=row.source, licence=row.licence, role="prompts"))
        found[row.source] = SourceEntry(
            name=row.source, licence=joined_licences(before.licence, row.licence), rows=before.rows + 1,
            bytes=before.bytes + sum(len(turn.content.encode()) for turn in row.messages), role="prompts",
        )  # fmt: skip
    return list(found.values())


def _file_rows(path: Path) -> Iterator[Answered]:
    for number, line in lines(path):
        try:
            row = json.loads(line)
            said = row.get("messages") or [{"role": "user", "content": row["prompt"]}]
            turns = tuple(Turn(role=str(m["role"]), content=str(m["content"])) for m in said)
            answer = turns[-1].content if turns[-1].role == "assistant" else ""
            turns = turns[:-1] if answer else turns
            if turns[-1].role != "user":
                raise ValueError("the user's turn is not the last")  # noqa: TRY301  # told with the other faults
            language, source, licence = (str(row[key]) for key in ("language", "source", "licence"))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise InputError(
                f"{path}:{number}: no prompt ({error!r})",
                'write {"prompt": …, "language": …, "source": …, "licence": …}',
            ) from error
        yield Answered(messages=turns, answer=answer, language=language, source=source, licence=licence)


def _spread(prompts: Sequence[Answered]) -> list[Answered]:
    """One of each language in turn, so that a budget does not end with the first languages."""
    ranks: Counter[str] = Counter()
    placed = []
    for prompt in prompts:
        placed.append((ranks[prompt.language], prompt.language, prompt))
        ranks[prompt.language] += 1
    return [prompt for *_, prompt in sorted(placed, key=lambda item: item[:2])]

"""The step `layer.pairs`: preference pairs from files of them and, by rule, from chat rows that stand already.

Writes `preferences.jsonl` and `heldout/preferences.jsonl`. Held out are whole prompts, a conversation in all its languages at once.
"""

import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rumpun.errors import InputError
from rumpun.layer.prefer.params import PairsParams, Table
from rumpun.layer.prefer.rows import PreferenceRow, Turn, lines, read_preferences, write_rows
from rumpun.layer.prefer.rules import Answered, draw, joined_licences, pairs_by_rule
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.records.licences import shippable
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

__all__ = ["PREFERENCES", "chat_rows", "pairs"]

PREFERENCES = "preferences.jsonl"
_LICENCE = "licence may not stand behind a shipped layer"


def _facts(params: PairsParams) -> dict[str, Any]:
    """The hashes of the files that the recipe names."""
    named = [*params.files, *(table.path for table in params.tables)]
    return {"sha256": [sha256_file(_named(name)) for name in named]}


def _named(name: str) -> Path:
    """A file that the recipe names: where it says, or in the folder of source text."""
    path = Path(name).expanduser()
    if path.is_absolute() or path.exists():
        return path
    found = source_data() / path
    if not found.is_file():
        raise InputError(f"{name}: neither here nor in {found.parent}", "name the file with its whole path")
    return found


@step(kind="preferences", version=2, identity=_facts)
def pairs(params: PairsParams, work: Work) -> Outcome:
    """Pairs of answers; inputs: a corpus whose chat rows are taken, if the recipe has one."""
    dropped: Counter[str] = Counter()
    corpus = next((item.folder for item in work.inputs if item.manifest.kind == "corpus"), None)
    given, sources = _given(params, dropped)
    answered = _answered(params, corpus, dropped, sources) if params.rules else []
    parts = _held_apart(answered, params.held_out_share, work.seed)
    made = []
    for rows, share in zip(parts, (1 - params.held_out_share, params.held_out_share), strict=True):
        most = max(1, round(params.pairs_per_rule * share))
        found, none = pairs_by_rule(
            rows, params.rules, most=most, least=params.min_characters, seed=work.seed
        )
        made.append(found)
        dropped.update(none)
    train, held = _joined(given, made, params, work.seed, dropped)
    if not train:
        raise InputError(
            f"no preference pair in {len(params.files)} files and {len(answered)} conversations",
            "name files of pairs, or a corpus with chat rows among the inputs, or tables",
        )
    write_rows(work.folder / PREFERENCES, train)
    write_rows(work.folder / "heldout" / PREFERENCES, held)
    return Outcome(
        sources=tuple(sources),
        languages=tuple(sorted({row.language for row in train})),
        summary={
            "pairs": len(train),
            "held_out_pairs": len(held),
            "by_language": _count(row.language for row in train),
            "by_rule": _count(row.rule or "given" for row in train),
            "dropped": dict(sorted((name, count) for name, count in dropped.items() if count)),
        },
    )


def _count(names: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _given(params: PairsParams, dropped: Counter[str]) -> tuple[list[PreferenceRow], list[SourceEntry]]:
    """Pairs of the files named, and their sources."""
    kept: list[PreferenceRow] = []
    sources: dict[str, SourceEntry] = {}
    for name in params.files:
        path = _named(name)
        mine: dict[str, list[PreferenceRow]] = {}
        for row in read_preferences(path):
            if why := _refused(row.language, row.licence, params):
                dropped[why] += 1
            else:
                mine.setdefault(row.source, []).append(row)
        for source, rows in mine.items():
            kept += rows
            before = sources.get(source)
            licences = {row.licence for row in rows} | ({before.licence} if before else set())
            sources[source] = SourceEntry(
                name=source, licence=functools.reduce(joined_licences, sorted(licences)), rows=len(rows) + (before.rows if before else 0),
                bytes=sum(len((r.prompt + r.chosen + r.rejected).encode()) for r in rows) + (before.bytes if before else 0),
                sha256=sha256_file(path) if before is None else "", role="preferences",
            )  # fmt: skip
    return kept, list(sources.values())


def _refused(language: str, licence: str, params: PairsParams) -> str:
    if params.languages and language not in params.languages:
        return "language not asked for"
    return "" if shippable(licence) else _LICENCE


def _answered(
    params: PairsParams, corpus: Path | None, dropped: Counter[str], sources: list[SourceEntry]
) -> list[Answered]:
    """Conversations of the corpus and the tables, each once."""
    found: dict[tuple[str, str], Answered] = {}
    held: set[tuple[str, str]] = set()
    if corpus is not None:
        path = corpus / "heldout" / "chat.jsonl"
        rows = chat_rows(path, dropped) if path.is_file() else ()
        held = {(row.source, row.key) for row in rows if row.key}
        for row in chat_rows(corpus / "chat.jsonl", dropped):
            if params.chat_sources and not row.source.startswith(params.chat_sources):
                dropped["chat source not asked for"] += 1
            else:
                found.setdefault((row.language, row.identity), row)
    for table in params.tables:
        size = rows_taken = 0
        for row in _table_rows(table):
            if (row.source, row.key) in held:
                dropped["held out in the corpus"] += 1
                continue
            found[row.language, row.identity] = row  # in the place of the corpus's own, which has no key
            rows_taken += 1
            size += len(row.answer.encode())
        path = _named(table.path)
        sources.append(
            SourceEntry(
                name=table.source, licence=table.licence, rows=rows_taken, bytes=size, sha256=sha256_file(path),
                role="preferences",
            )
        )  # fmt: skip
    kept = []
    for row in found.values():
        if why := _refused(row.language, row.licence, params):
            dropped[why] += 1
        else:
            kept.append(row)
    return kept


def chat_rows(path: Path, dropped: Counter[str]) -> Iterator[Answered]:
    """Conversations of a `chat.jsonl` that end in an answer; others are counted.

    Raises:
        InputError: the file is not there, or a line is no conversation.
    """
    for number, line in lines(path):
        try:
            row = json.loads(line)
            turns = tuple(Turn(role=str(m["role"]), content=str(m["content"])) for m in row["messages"])
            language, source, licence = (str(row[key]) for key in ("language", "source", "licence"))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: not a conversation ({error!r})", "make the corpus again"
            ) from error
        if len(turns) < 2 or turns[-1].role != "assistant" or turns[-2].role != "user":
            dropped["conversation without a last answer"] += 1
            continue
        yield Answered(
            messages=turns[:-1], answer=turns[-1].content, language=language, source=source, licence=licence,
            key=str(row.get("key", "")),
        )  # fmt: skip


def _table_rows(table: Table) -> Iterator[Answered]:
    path = _named(table.path)
    for number, line in lines(path):
        try:
            row = json.loads(line)
            key = str(row["key"])
            cells = {tag: cell for tag, cell in row.items() if isinstance(cell, Mapping)}
            said = {tag: (str(cell["user"]), str(cell["assistant"])) for tag, cell in cells.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}:{number}: no conversation in several languages ({error!r})",
                'write {"key": …, "th": {"user": …, "assistant": …}, …}',
            ) from error
        for tag, (user, assistant) in said.items():
            yield Answered(
                messages=(Turn(role="user", content=user),), answer=assistant, language=tag, source=table.source,
                licence=table.licence, key=key,
            )  # fmt: skip


def _is_held(group: str, share: float, seed: int) -> bool:
    return draw(seed, "held out", group) < share * 2**64


def _held_apart(rows: Sequence[Answered], share: float, seed: int) -> tuple[list[Answered], list[Answered]]:
    train: list[Answered] = []
    held: list[Answered] = []
    for row in rows:
        (held if _is_held(row.group, share, seed) else train).append(row)
    return train, held


def _joined(
    given: Sequence[PreferenceRow], made: Sequence[Sequence[PreferenceRow]], params: PairsParams, seed: int,
    dropped: Counter[str],
) -> tuple[list[PreferenceRow], list[PreferenceRow]]:  # fmt: skip
    """Pairs to train on and held-out ones, none twice and no prompt in both."""
    held = list(made[1]) + [row for row in given if _is_held(row.prompt, params.held_out_share, seed)]
    prompts = {row.prompt for row in held}
    seen: set[tuple[str, str, str]] = set()
    parts: tuple[list[PreferenceRow], list[PreferenceRow]] = ([], [])
    for row in [*made[0], *given, *made[1]]:
        pair = (row.prompt, row.chosen, row.rejected)
        if pair in seen:
            dropped["duplicate"] += 1
            continue
        seen.add(pair)
        parts[row.prompt in prompts].append(row)
    return parts

"""Chat rows from conversations written for the project and from task rows made by rule.

Line of chat.jsonl: {"messages": [{"role", "content"}, …], "language", "source", "licence"}. Whole topics of the
conversations are held out in every language at once, into heldout/chat.jsonl.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from rumpun.corpus.chat.params import ChatParams
from rumpun.corpus.chat.read import check_file, records
from rumpun.corpus.letters import Hashes, Letters, member
from rumpun.corpus.order import order_key
from rumpun.corpus.overlap import HeldOut
from rumpun.corpus.read.inventory import Unit
from rumpun.errors import InputError
from rumpun.records.licences import shippable
from rumpun.records.never_kept import NEVER_KEPT, never_kept

__all__ = ["ChatRows", "Known", "chat_line", "chat_text", "instruct_rows", "safe_rows", "seed_rows"]


@dataclass(frozen=True, slots=True)
class Known:
    """Text that chat rows may not repeat."""

    held_out: Mapping[str, HeldOut]  # language -> index
    evaluation: Hashes

    def reason(self, texts: list[str], languages: list[str]) -> str:
        """Why one row of texts is refused, or an empty string."""
        letters = Letters(texts)
        if member(letters.keys(), self.evaluation).any():
            return "overlaps evaluation data"
        for tag in sorted(set(languages)):
            index = self.held_out.get(tag)
            if index is not None and index.hits(letters).any():
                return "overlaps held-out"
        return ""


@dataclass(slots=True)
class ChatRows:
    """Chat rows as they gather; drops go to a file at once, since there may be very many."""

    drops: TextIO
    read: int = 0
    train: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # (order, row)
    held_out: list[dict[str, Any]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)  # reason -> rows

    def drop(self, identity: str, source: str, language: str, reason: str) -> None:
        """Count one row's reason and write it down."""
        self.dropped[reason] += 1
        self.drops.write(_drop_line(identity, source, language, reason))


def chat_text(row: Mapping[str, Any]) -> str:
    """A row of chat.jsonl as one text: its turns, a line break between them."""
    return "\n".join(turn["content"] for turn in row["messages"])


def _drop_line(identity: str, source: str, language: str, reason: str) -> str:
    row = {"id": identity, "source": source, "language": language, "reason": reason}
    return json.dumps(row, ensure_ascii=False) + "\n"


def chat_line(user: str, assistant: str, language: str, source: str, licence: str) -> dict[str, Any]:
    """One row of chat.jsonl."""
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return {"messages": messages, "language": language, "source": source, "licence": licence}


def _held_topics(rows: list[dict[str, Any]], source: str, share: float, seed: int) -> set[str]:
    """Whole topics, in seeded order, until their rows are about the share asked for."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[str(row.get("topic", ""))] = counts.get(str(row.get("topic", "")), 0) + 1
    held: set[str] = set()
    taken = 0
    for topic in sorted(counts, key=lambda name: order_key(seed, source, name)):
        if taken + counts[topic] <= max(1, share * len(rows)) and share > 0:
            held.add(topic)
            taken += counts[topic]
    return held


def _turns(row: dict[str, Any], tag: str, where: str) -> tuple[str, str]:
    turn = row[tag]
    if (
        not isinstance(turn, dict)
        or not isinstance(turn.get("user"), str)
        or not isinstance(turn.get("assistant"), str)
    ):
        raise InputError(f"{where}: '{tag}' is no turn", 'write {"user": …, "assistant": …}')
    return turn["user"], turn["assistant"]


def seed_rows(unit: Unit, params: ChatParams, known: Known, seed: int, into: ChatRows) -> None:
    """Add the conversations of one file, a row for each language.

    Raises:
        InputError: a row without a key, or a language's cell without both turns.
    """
    check_file(unit)
    rows = [row for batch in records(unit.path, ("key",)) for row in batch]
    held = _held_topics(rows, unit.source, params.held_out_chat_share, seed)
    for row in rows:
        for tag in unit.languages:
            if tag not in row:
                continue
            into.read += 1
            user, assistant = _turns(row, tag, f"{unit.path}: {row['key']}")
            line = chat_line(user, assistant, tag, unit.source, unit.licence)
            identity = f"{row['key']}.{tag}"
            if str(row.get("topic", "")) in held:
                into.held_out.append(line | {"key": row["key"]})
                continue
            reason = _turn_reason(user, assistant, params) or known.reason([user, assistant], [tag])
            if reason:
                into.drop(identity, unit.source, tag, reason)
            else:
                into.train.append((order_key(seed, unit.source, identity), line))


def _turn_reason(user: str, assistant: str, params: ChatParams) -> str:
    if not user.strip() or not assistant.strip():
        return "empty"
    if max(len(user), len(assistant)) > params.max_characters_per_turn:
        return "too long"
    if "\ufffd" in user + assistant:
        return "replacement characters"
    return ""


def instruct_rows(unit: Unit, params: ChatParams, known: Known, seed: int, into: ChatRows) -> None:
    """Add task rows made by rule, at most `instruct_rows_per_language` of each language from one file."""

    def turns(row: dict[str, Any]) -> tuple[str, str]:
        return row["instruction"] + (f"\n\n{row['input']}" if row.get("input") else ""), row["output"]

    needs = ("id", "language", "instruction", "output")
    _budgeted(
        unit, params, known, seed, into, needs=needs, turns=turns, most=params.instruct_rows_per_language
    )


def safe_rows(unit: Unit, params: ChatParams, known: Known, seed: int, into: ChatRows) -> None:
    """Add a safety set's prompts with their safe answers, at most `safe_rows_per_language` of each language.

    Rows whose labels name children or minors are never kept.
    """

    def turns(row: dict[str, Any]) -> tuple[str, str]:
        return row["prompt"] or "", row["safe_response"] or ""

    needs = ("id", "language", "prompt", "safe_response")
    _budgeted(
        unit, params, known, seed, into,
        needs=needs, turns=turns, most=params.safe_rows_per_language, refuse=_never,
    )  # fmt: skip


def _never(row: dict[str, Any]) -> str:
    told = [value for name, value in row.items() if name not in ("id", "prompt", "safe_response", "url")]
    return NEVER_KEPT if never_kept(told) else ""


def _budgeted(
    unit: Unit, params: ChatParams, known: Known, seed: int, into: ChatRows, *, needs: tuple[str, ...],
    turns: Callable[[dict[str, Any]], tuple[str, str]], most: int, refuse: Callable[[dict[str, Any]], str] = lambda _: "",
) -> None:  # fmt: skip
    """Add a file's rows in seeded order, `most` of each language, the others counted with their reason."""
    found: dict[str, list[tuple[int, str, dict[str, Any]]]] = {}
    check_file(unit)
    for row in (row for batch in records(unit.path, needs) for row in batch):
        into.read += 1
        if row["language"] not in unit.languages:
            into.dropped["language not asked for"] += 1
            continue
        user, assistant = turns(row)
        identity, language = row["id"], row["language"]
        licence = row.get("licence") or unit.licence
        reason = (
            refuse(row)
            or _turn_reason(user, assistant, params)
            or known.reason([user, assistant], [language])
        )
        if not shippable(licence):
            reason = "licence may not stand behind a shipped layer"
        if reason:
            into.drop(identity, unit.source, language, reason)
            continue
        line = chat_line(user, assistant, language, unit.source, licence)
        found.setdefault(language, []).append((order_key(seed, unit.source, identity), identity, line))
    for language, lines in sorted(found.items()):
        for n, (order, identity, line) in enumerate(sorted(lines, key=lambda item: item[:2])):
            if n < most:
                into.train.append((order, line))
            else:
                into.drop(identity, unit.source, language, "over budget")

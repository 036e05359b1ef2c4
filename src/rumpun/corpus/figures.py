"""What a corpus's manifest says of it: its sources, and the figures that cards show."""

import hashlib
from collections.abc import Sequence
from typing import Any

from rumpun.corpus.chat.rows import ChatRows
from rumpun.corpus.params import BuildParams
from rumpun.corpus.read.inventory import LeftOut, Unit, machine_translated
from rumpun.corpus.settle import Settled
from rumpun.records.artefacts import SourceEntry
from rumpun.records.licences import terms

__all__ = ["sources", "summary"]

_CHAT = ("pairs", "chat", "instruct")
_NOT_REVIEWED = "seed rows and the requests to translate were written by a language model and not reviewed by native speakers"


def _licence(licences: set[str]) -> str:
    """One expression for a source's rows; of alternatives the one that obliges least is taken where others join it."""
    if len(licences) == 1:
        return next(iter(licences))
    return " AND ".join(dict.fromkeys(terms(licence).name for licence in sorted(licences)))


def _taken(settled: dict[str, Settled], chat: ChatRows) -> dict[tuple[str, str], dict[str, Any]]:
    """(source, role) -> rows, bytes and licences of what was taken."""
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def add(name: str, role: str, rows: int, size: int, licences: list[str]) -> None:
        entry = found.setdefault((name, role), {"rows": 0, "bytes": 0, "licences": set()})
        entry["rows"] += rows
        entry["bytes"] += size
        entry["licences"].update(licences)

    for item in settled.values():
        for role, place in (("text", item.train), ("held-out", item.held_out)):
            for name, part in place.items():
                add(name, role, part["documents"], part["bytes"], part["licences"])
    for role, rows in (("chat", [row for _, row in chat.train]), ("chat held-out", chat.held_out)):
        for row in rows:
            size = sum(len(turn["content"].encode()) for turn in row["messages"])
            add(row["source"], role, 1, size, [row["licence"]])
    return found


def sources(units: Sequence[Unit], settled: dict[str, Settled], chat: ChatRows) -> tuple[SourceEntry, ...]:
    """One entry for each source and use of which something was taken."""
    of_name = {unit.source: unit for unit in units}
    entries = []
    for (name, role), taken in sorted(_taken(settled, chat).items()):
        unit = of_name.get(name)
        entry = SourceEntry(
            name=name,
            licence=_licence(taken["licences"]),
            url=unit.repository if unit else "",
            commit=unit.commit if unit else "",
            rows=taken["rows"],
            bytes=taken["bytes"],
            sha256=_sha256(name, role, units),
            role=role,
        )
        entries.append(entry)
    return tuple(entries)


def _sha256(name: str, role: str, units: Sequence[Unit]) -> str:
    """The file's sha256, or where a source has several files the sha256 of their sorted list, a line each."""
    chatty = role.startswith("chat")
    listed = sorted(
        {u.sha256 for u in units if u.source == name and u.sha256 and (u.kind in _CHAT) == chatty}
    )
    if len(listed) < 2:
        return listed[0] if listed else ""
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def _totals(place: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {name: sum(part[name] for part in place.values()) for name in ("documents", "bytes")}


def _by_source(place: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    return {name: {k: part[k] for k in ("documents", "bytes")} for name, part in sorted(place.items())}


def _of_language(item: Settled, chat: ChatRows) -> dict[str, Any]:
    return {
        "train": _totals(item.train),
        "held_out": _totals(item.held_out) | {"by": item.held_out_by},
        "chat_rows": sum(row["language"] == item.language for _, row in chat.train),
        "machine_translated_bytes": sum(
            part["bytes"] for s, part in item.train.items() if machine_translated(s)
        ),
        "dropped": dict(sorted(item.dropped.items())),
    }


def summary(
    params: BuildParams,
    rows: dict[str, Any],
    settled: dict[str, Settled],
    chat: ChatRows,
    left: Sequence[LeftOut],
) -> dict[str, Any]:
    """Figures for cards.

    `rows`: read + added_by_splitting == train + held_out + the sum of dropped; `chat` (rows too): read == train +
    held_out + the sum of dropped. Bytes are of UTF-8 text.
    """
    left_out: dict[tuple[str, str], int] = {}
    for item in left:
        left_out[item.source, item.reason] = left_out.get((item.source, item.reason), 0) + item.rows
    model_written = bool(chat.train) or any(
        name.startswith("seed-") for s in settled.values() for name in s.train
    )
    return {
        "rows": rows,
        "languages": {tag: _of_language(settled[tag], chat) for tag in params.languages},
        "sources": {tag: _by_source(settled[tag].train) for tag in params.languages},
        "held_out_sources": {tag: _by_source(settled[tag].held_out) for tag in params.languages},
        "chat": {
            "read": chat.read,
            "train": len(chat.train),
            "held_out": len(chat.held_out),
            "dropped": dict(sorted(chat.dropped.items())),
        },
        "left_out": [
            {"source": name, "reason": reason, "rows": count}
            for (name, reason), count in sorted(left_out.items())
        ],
        "not_reviewed": _NOT_REVIEWED if model_written else "",
    }

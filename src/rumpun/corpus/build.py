"""The step `corpus.build`: sources -> train/*.parquet, heldout/*.parquet, chat.jsonl, drops.jsonl and the figures.

Every row read is in exactly one place: in training, held out, or dropped for a named reason; the summary's `rows` adds
up. A killed build resumes from its scratch folder and ends with the same bytes.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from rumpun.corpus.inventory import LeftOut, Unit, find_units, identity, machine_translated
from rumpun.corpus.params import BuildParams
from rumpun.errors import InputError, MissingPartError
from rumpun.records.artefacts import SourceEntry
from rumpun.records.licences import terms
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

__all__ = ["BuildParams", "build"]

_TEXT = ("text", "seed", "side", "file", "inline")


@step(kind="corpus", version=1, identity=identity)
def build(params: BuildParams, work: Work) -> Outcome:
    """Curate, trace, balance and hold out.

    Raises:
        InputError: data that are missing, damaged, empty, unlabelled or in an unknown language.
        MissingPartError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingPartError("corpus.build (pyarrow)", "corpus") from error
    import numpy as np

    units, left = find_units(params)
    texts = [unit for unit in units if unit.kind in _TEXT]
    chats = [unit for unit in units if unit.kind not in _TEXT]
    steps = len(texts) + len(params.languages) + len(chats) + 1
    rows: dict[str, Any] = {"read": sum(item.rows for item in left), "added_by_splitting": 0}
    dropped: Counter[str] = Counter()
    for item in left:
        dropped[item.reason] += item.rows
    shelves = _spool(texts, params, work, steps, rows, dropped)
    evaluation = _evaluation(params, work.scratch) if params.from_inventory else np.zeros(0, dtype=np.uint64)
    settled = _settle(shelves, params, work, evaluation, len(texts), steps)
    for item in settled.values():
        dropped.update(item.dropped)
    for place in ("train", "held_out"):
        rows[place] = sum(f["documents"] for item in settled.values() for f in getattr(item, place).values())
    rows["dropped"] = dict(sorted(dropped.items()))
    chat = _chat(chats, params, work, evaluation, len(texts) + len(params.languages), steps)
    _gather(work, params, texts, left, settled, chat)
    if not rows["train"] and not chat.train:
        reasons = ", ".join(f"{n} {reason}" for reason, n in dropped.most_common(5)) or "no rows were read"
        raise InputError(
            f"nothing is left to train on ({reasons})", "name more sources, or loosen the filters"
        )
    work.progress(steps, steps, "corpus whole")
    return Outcome(
        sources=_sources(units, settled, chat),
        languages=params.languages,
        summary=_summary(params, rows, settled, chat, left),
        tools={"pyarrow": pa.__version__, "numpy": np.__version__},
    )


def _spool(
    units: list[Unit],
    params: BuildParams,
    work: Work,
    steps: int,
    rows: dict[str, Any],
    dropped: Counter[str],
) -> dict[str, list[Path]]:
    """Every text unit onto the shelf; language -> the files that hold it."""
    from rumpun.corpus.spool import spool_text

    shelves: dict[str, list[Path]] = {}
    for number, unit in enumerate(units):
        tally = spool_text(number, unit, params, work.scratch, work.seed)
        rows["read"] += tally.read
        rows["added_by_splitting"] += tally.added
        dropped.update(tally.dropped)
        for tag in tally.kept:
            shelves.setdefault(tag, []).append(work.scratch / f"unit-{number}.{tag}.parquet")
        work.progress(number + 1, steps, f"read {unit.source}")
    return shelves


def _evaluation(params: BuildParams, scratch: Path) -> Any:
    """Keys of evaluation strings, kept in the scratch folder once made."""
    import numpy as np

    from rumpun.corpus.overlap import evaluation_keys

    kept = scratch / "evaluation.npy"
    if not kept.is_file():
        folder = Path(params.data).expanduser() if params.data else source_data()
        aside = scratch / "evaluation.part.npy"
        np.save(aside, evaluation_keys(folder / "eval"), allow_pickle=False)
        aside.replace(kept)
    return np.load(kept, allow_pickle=False)


def _settle(
    shelves: dict[str, list[Path]], params: BuildParams, work: Work, evaluation: Any, before: int, steps: int
) -> dict[str, Any]:
    from rumpun.corpus.settle import settle

    settled = {}
    for n, tag in enumerate(params.languages):
        settled[tag] = settle(tag, shelves.get(tag, []), params, work.scratch, evaluation, work.seed)
        work.progress(before + n + 1, steps, f"settled {tag}")
    return settled


def _chat(
    units: list[Unit], params: BuildParams, work: Work, evaluation: Any, before: int, steps: int
) -> Any:
    from rumpun.corpus.chat import ChatRows, Known, instruct_rows, seed_rows
    from rumpun.corpus.pairs import add_pairs

    found = ChatRows()
    if not units:
        return found
    known = Known(_held_out(params, work.scratch), evaluation)
    for n, unit in enumerate(unit for unit in units if unit.kind != "pairs"):
        (seed_rows if unit.kind == "chat" else instruct_rows)(unit, params, known, work.seed, found)
        work.progress(before + n + 1, steps, f"chat rows of {unit.source}")
    pairs = [unit for unit in units if unit.kind == "pairs"]
    if pairs:
        work.progress(before + len(units) - len(pairs), steps, f"{len(pairs)} parallel files")
        add_pairs(pairs, params, known, work.seed, found)
    found.train.sort(key=lambda item: (item[0], item[1]["source"], item[1]["messages"][0]["content"]))
    return found


def _held_out(params: BuildParams, scratch: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from rumpun.corpus.settle import held_out_index

    found = {}
    for tag in params.languages:
        path = scratch / f"{tag}.heldout.parquet"
        if path.is_file():
            found[tag] = held_out_index(
                pq.read_table(path, columns=["text"])["text"].to_pylist(), tag, params
            )
    return found


def _gather(
    work: Work,
    params: BuildParams,
    texts: list[Unit],
    left: list[LeftOut],
    settled: dict[str, Any],
    chat: Any,
) -> None:
    """Put the finished pieces in the artefact's folder."""
    for name in ("train", "heldout"):
        (work.folder / name).mkdir(exist_ok=True)
        for tag, item in settled.items():
            if item.train if name == "train" else item.held_out:
                _place(work.scratch / f"{tag}.{name}.parquet", work.folder / name / f"{tag}.parquet")
    with (work.folder / "drops.jsonl").open("wb") as drops:
        for item in left:
            row = {
                "id": item.path,
                "source": item.source,
                "language": "",
                "reason": item.reason,
                "rows": item.rows,
            }
            drops.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        kept = [work.scratch / f"unit-{n}.drops.jsonl" for n in range(len(texts))]
        for path in [*kept, *(work.scratch / f"{tag}.drops.jsonl" for tag in params.languages)]:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, drops)
        for identity_, source, language, reason in chat.drops:
            row = {"id": identity_, "source": source, "language": language, "reason": reason}
            drops.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    _jsonl(work.folder / "chat.jsonl", [row for _, row in chat.train])
    if chat.held_out:
        _jsonl(work.folder / "heldout" / "chat.jsonl", chat.held_out)


def _place(made: Path, final: Path) -> None:
    try:
        os.link(made, final)  # the scratch copy stays until the whole artefact stands
    except OSError:
        shutil.copyfile(made, final)


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _licence(licences: list[str]) -> str:
    """One expression for a source's rows; of alternatives the one that obliges least is taken where others join it."""
    if len(licences) == 1:
        return licences[0]
    return " AND ".join(dict.fromkeys(terms(licence).name for licence in sorted(licences)))


def _sources(units: list[Unit], settled: dict[str, Any], chat: Any) -> tuple[SourceEntry, ...]:
    """One entry for each source and use of which something was taken."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    kinds = {unit.source: unit for unit in units}

    def add(name: str, role: str, rows: int, size: int, licences: list[str]) -> None:
        entry = found.setdefault((name, role), {"rows": 0, "bytes": 0, "licences": set()})
        entry["rows"] += rows
        entry["bytes"] += size
        entry["licences"].update(licences)

    for item in settled.values():
        for role, place in (("text", item.train), ("held-out", item.held_out)):
            for name, taken in place.items():
                add(name, role, taken["documents"], taken["bytes"], taken["licences"])
    for role, rows in (("chat", [row for _, row in chat.train]), ("chat held-out", chat.held_out)):
        for row in rows:
            size = sum(len(turn["content"].encode()) for turn in row["messages"])
            add(row["source"], role, 1, size, [row["licence"]])
    entries = []
    for (name, role), entry in sorted(found.items()):
        unit = kinds.get(name)
        entries.append(
            SourceEntry(
                name=name,
                role=role,
                licence=_licence(sorted(entry["licences"])),
                rows=entry["rows"],
                bytes=entry["bytes"],
                url=unit.repository if unit else "",
                commit=unit.commit if unit else "",
                sha256=_sha256(name, role, units),
            )  # fmt: skip
        )
    return tuple(entries)


def _sha256(name: str, role: str, units: list[Unit]) -> str:
    """The file's sha256, or where a source has several files the sha256 of their sorted list."""
    chatty = role.startswith("chat")
    listed = sorted(
        {u.sha256 for u in units if u.source == name and u.sha256 and (u.kind not in _TEXT) == chatty}
    )
    if len(listed) < 2:
        return listed[0] if listed else ""
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def _summary(
    params: BuildParams, rows: dict[str, Any], settled: dict[str, Any], chat: Any, left: list[LeftOut]
) -> dict[str, Any]:
    """Figures for cards. `rows`: read + added_by_splitting == train + held_out + the sum of dropped; `chat` likewise."""
    languages: dict[str, Any] = {}
    for tag, item in settled.items():
        turns = [row for _, row in chat.train if row["language"] == tag]
        languages[tag] = {
            "train": _totals(item.train),
            "held_out": _totals(item.held_out) | {"by": item.held_out_by},
            "chat_rows": len(turns),
            "machine_translated_bytes": sum(
                f["bytes"] for s, f in item.train.items() if machine_translated(s)
            ),
            "dropped": dict(sorted(item.dropped.items())),
        }
    drops = Counter(reason for _, _, _, reason in chat.drops)
    if chat.not_asked_for:
        drops["language not asked for"] += chat.not_asked_for
    return {
        "rows": rows,
        "languages": languages,
        "sources": {
            tag: {name: {k: f[k] for k in ("documents", "bytes")} for name, f in sorted(item.train.items())}
            for tag, item in settled.items()
        },
        "held_out_sources": {
            tag: {
                name: {k: f[k] for k in ("documents", "bytes")} for name, f in sorted(item.held_out.items())
            }
            for tag, item in settled.items()
        },
        "chat": {
            "read": chat.read,
            "train": len(chat.train),
            "held_out": len(chat.held_out),
            "dropped": dict(sorted(drops.items())),
        },
        "left_out": [
            {
                "source": name,
                "reason": reason,
                "rows": sum(i.rows for i in left if (i.source, i.reason) == (name, reason)),
            }
            for name, reason in sorted({(i.source, i.reason) for i in left})
        ],
        "not_reviewed": "translation requests and seed rows were written by a language model, not reviewed by native speakers"
        if chat.train or any(name.startswith("seed-") for item in settled.values() for name in item.train)
        else "",
    }


def _totals(place: dict[str, Any]) -> dict[str, int]:
    return {name: sum(f[name] for f in place.values()) for name in ("documents", "bytes")}

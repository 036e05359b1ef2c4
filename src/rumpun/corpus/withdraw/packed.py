"""Packed shards without the documents that were taken back: shards that hold none of them are linked."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rumpun.weights.packed_shards import PackedShards, hashes

if TYPE_CHECKING:
    from rumpun.corpus.withdraw.rows import Taken

__all__ = ["repack"]


def repack(packed: Path, target: Path, taken: "Taken") -> None:
    """Write `packed/` again without the keys in `taken`.

    A language whose training rows carry no keys cannot be matched; its shards are left out whole, and the index says so.
    """
    shards = PackedShards(packed)
    target.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    lost = {language for (place, language, _) in taken.rows if place == "train"} - set(taken.keys)
    for row in shards.index["shards"]:
        if row["language"] in lost:
            continue
        tokens, table = shards.shard(row["name"])
        gone = np.isin(table["key"], np.array(sorted(taken.keys.get(row["language"], ())), dtype=np.uint64))
        if gone.any():
            row = row | _without(target, row["name"], tokens, table[~gone])  # noqa: PLW2901
        else:
            for suffix in (".bin", ".docs.npy"):
                _link(packed / (row["name"] + suffix), target / (row["name"] + suffix))
        if row["documents"]:
            rows.append(row)
    index = shards.index | {"shards": rows, "languages": _sums(target, rows)}
    if lost:
        said = "its rows carry no keys: build the corpus again to pack it"
        index["left_out"] = dict.fromkeys(sorted(lost), said)
    (target / "index.json").write_text(
        json.dumps(index, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


def _without(target: Path, name: str, tokens: Any, table: Any) -> dict[str, Any]:
    """One shard with the documents of `table` alone; its counts and hashes."""
    if not len(table):
        return {"documents": 0, "tokens": 0}
    kept = table.copy()
    with (target / f"{name}.bin").open("wb") as stream:
        at = 0
        for number, (start, length) in enumerate(
            zip(table["start"].tolist(), table["tokens"].tolist(), strict=True)
        ):
            stream.write(tokens[start : start + length].tobytes())
            kept["start"][number] = at
            at += length
    np.save(target / f"{name}.docs.npy", kept, allow_pickle=False)
    return {"documents": len(kept), "tokens": at} | hashes(target, name)


def _sums(target: Path, rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        table = np.load(target / f"{row['name']}.docs.npy", allow_pickle=False)
        sums = found.setdefault(row["language"], {"documents": 0, "tokens": 0, "tokens_seen": 0})
        sums["documents"] += row["documents"]
        sums["tokens"] += row["tokens"]
        sums["tokens_seen"] += int((table["tokens"] * table["times"].astype(np.int64)).sum())
    return found


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)

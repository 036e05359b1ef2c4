"""Labelled rows for training and measuring, read by script: nobody needs to read them.

Rows with a label that names children or minors are dropped as they are read, and counted. Texts of `data/safety` are
never printed, logged or put into a message.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, MissingPartError
from rumpun.guard.taxonomy import taxonomy
from rumpun.records.licences import shippable

__all__ = ["Row", "Rows", "read_measured", "read_training"]

_TOPIC_SHARE = 5  # every fifth topic of the seed sentences is kept for thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled text."""

    text: str = field(repr=False)
    language: str
    source: str
    licence: str
    label: str  # "unsafe", "safe" or "topic"
    categories: tuple[str, ...] = ()  # ours; empty where the source names none
    for_threshold: bool = False  # kept out of the fit
    sensitive: bool = False  # a safe question on a hard matter
    url: str = ""  # where the row comes from
    part: str = ""  # the data set within the source, where there is one


@dataclass(slots=True)
class Rows:
    """Rows, and what was dropped on the way: reason -> how many."""

    rows: list[Row] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Keep a row whose licence lets a model trained on it be given away, and that has text."""
        if not row.text.strip():
            self.dropped["no text"] += 1
        elif not shippable(row.licence):
            self.dropped[f"licence {row.licence}"] += 1
        else:
            self.rows.append(row)


def _table(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingPartError("reading the safety sets", "corpus") from error
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: cannot be read as parquet", "fetch the data again, or set RUMPUN_DATA"
        ) from error
    return rows


def _words(row: Mapping[str, Any]) -> Iterator[str]:
    for column in taxonomy().labels:
        value = row.get(column)
        for label in value if isinstance(value, list) else [value]:
            yield from re.findall(r"[a-z]+", str(label).lower())


def _kept(path: Path, split: str, rows: Rows) -> list[dict[str, Any]]:
    """The rows of one file and split, without those that are never kept.

    Raises:
        InputError: the file has rows of another split: a held-out set must not be mixed with training rows.
    """
    never = set(taxonomy().never)
    kept = []
    for row in _table(path):
        if row.get("split") != split:
            raise InputError(f"{path}: a row of split '{row.get('split')}'", f"expected only split '{split}'")
        if never.intersection(_words(row)):
            rows.dropped["label names children or minors"] += 1
        else:
            kept.append(row)
    return kept


def _categories(source: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    found = [
        labels[str(row.get(column))]
        for column, labels in taxonomy().mapping.get(source, {}).items()
        if str(row.get(column)) in labels
    ]
    return tuple(dict.fromkeys(found))


def read_training(folder: Path, threshold: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Rows:
    """Every row that may be fitted or chosen thresholds on: safety sets of split `train`, and the seed sentences.

    `threshold` names what is kept out of the fit: source -> column -> values. Held-out sets (split `test`) are never
    opened here.

    Raises:
        InputError: a file is missing or damaged.
        MissingPartError: pyarrow is not installed.
    """
    rows = Rows()
    for name in ("harmful-en", "indosafety-train", "ordinary-prompts"):
        for row in _kept(folder / "safety" / f"{name}.parquet", "train", rows):
            part = str(row.get("dataset") or "")
            kept_out = any(str(row.get(c)) in values for c, values in threshold.get(name, {}).items())
            label = "unsafe" if row["prompt_label"] == "unsafe" else "safe"
            common: dict[str, Any] = {
                "language": row["language"], "source": name, "licence": row["licence"],
                "for_threshold": kept_out, "part": part,
                "url": row.get("url") or "",
            }  # fmt: skip
            rows.add(Row(text=row["prompt"] or "", label=label, categories=_categories(name, row), **common))
            if row.get("safe_response"):
                rows.add(Row(text=row["safe_response"], label="safe", sensitive=True, **common))
    for path in sorted((folder / "seed").glob("*.jsonl")):
        _add_seed(path, rows)
    return rows


def _add_seed(path: Path, rows: Rows) -> None:
    source = f"seed-{path.stem}"
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        digest = hashlib.blake2b(str(row.get("topic")).encode(), digest_size=8).digest()
        for key, value in row.items():
            if key in ("key", "topic", "kind", "sensitive"):
                continue
            for text in value.values() if isinstance(value, dict) else [value]:
                rows.add(
                    Row(
                        text=str(text),
                        language=key,
                        source=source,
                        licence="CC0-1.0",
                        label="safe",
                        for_threshold=digest[0] % _TOPIC_SHARE == 0,
                        sensitive=bool(row.get("sensitive")),
                    )
                )


def read_measured(folder: Path) -> Rows:
    """Every row of the sets that are only ever measured.

    Raises:
        InputError: a file is missing or damaged, or has rows of another split.
        MissingPartError: pyarrow is not installed.
    """
    rows = Rows()
    for name, shape in taxonomy().sets.items():
        meaning = dict.fromkeys(shape.unsafe, "unsafe")
        meaning |= dict.fromkeys(shape.safe, "safe") | dict.fromkeys(shape.topic, "topic")
        for row in _kept(folder / "safety" / f"{name}.parquet", "test", rows):
            label = meaning.get(str(row.get(shape.column)))
            if label is None:
                rows.dropped[f"{name}: a label that {shape.column} has no meaning for"] += 1
                continue
            rows.add(
                Row(
                    text=row[shape.text] or "",
                    language=row["language"],
                    source=name,
                    licence=row["licence"],
                    label=label,
                )
            )
    return rows

"""Labelled rows for training and measuring, read by script: nobody needs to read them.

Rows with a label that names children or minors are dropped as they are read, and counted. Texts of `data/safety` are
never printed, logged or put into a message.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rumpun.errors import InputError, MissingPartError
from rumpun.guard.exchange import Exchange, exchange_of
from rumpun.guard.sets import LabelledSet, sets
from rumpun.language.lines import lines_of
from rumpun.records.licences import shippable
from rumpun.records.never_kept import NEVER_KEPT, never_kept

__all__ = [
    "Row",
    "Rows",
    "Use",
    "read_held_out",
    "read_labelled",
    "read_prompts",
    "read_rows",
    "read_seed",
    "table_of",
]

Use = Literal["fit", "threshold", "measure"]
_KEPT_SHARE = 5  # every fifth topic or prompt is kept for thresholds
_NOT_TEXT = ("key", "topic", "kind", "sensitive")
Threshold = Mapping[str, Mapping[str, tuple[str, ...]]]  # source -> column -> values kept out of the fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled text."""

    text: str = field(repr=False)
    language: str
    source: str
    licence: str
    unsafe: bool
    use: Use
    role: Literal["prompt", "answer"] = "prompt"
    categories: tuple[str, ...] = ()  # ours; empty where the source names none
    sensitive: bool = False  # a safe text on a hard matter
    weight: float = 1.0
    url: str = ""  # where the row comes from
    part: str = ""  # the data set within the source, where there is one
    id: str = ""
    parent: str = ""  # of an augmented row: the row that it was made from
    before: tuple[str, ...] = field(default=(), repr=False)  # of an exchange: what stands before the text

    @property
    def augmented(self) -> bool:
        """Whether a script made it out of another row."""
        return bool(self.parent)

    @property
    def exchange(self) -> Exchange:
        """The row as the guard checks it."""
        return Exchange(self.text, self.role, self.before)


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


def read_rows(folder: Path, names: Sequence[str], threshold: Threshold, *, fit: bool) -> Rows:
    """The rows of labelled sets.

    Args:
        folder: the data folder.
        names: sets of `sets.toml`.
        threshold: what is kept out of the fit for thresholds.
        fit: whether they are to be fitted (and chosen thresholds on), or only measured.

    Raises:
        InputError: a file is missing or damaged, has rows of another split, or its set may not be fitted.
        MissingPartError: pyarrow is not installed.
    """
    table, rows = sets(), Rows()
    for name in names:
        path = folder / "safety" / f"{name}.parquet"
        if name not in table.sets:
            raise InputError(f"{path}: no set of that name", f"known: {', '.join(table.sets)}")
        if fit and not table.fitted(name):
            raise InputError(
                f"{path}: a set of split 'test'", "it is for measuring alone: take it out of `fit`"
            )
        for row in _kept(path, table.sets[name], rows):
            _add(name, table.sets[name], row, threshold.get(name, {}), rows, fit=fit)
    return rows


def table_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a parquet file of the data folder.

    Raises:
        InputError: it cannot be read.
        MissingPartError: pyarrow is not installed.
    """
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


def _labels(row: Mapping[str, Any]) -> list[Any]:
    return [row.get(column) for column in sets().labels]


def _kept(path: Path, one: LabelledSet, rows: Rows) -> Iterator[dict[str, Any]]:
    """The rows of one file, without those that are never kept and those that the table leaves out."""
    table = table_of(path)
    if table and (missing := {"split", "language", "licence", one.text, one.column} - table[0].keys()):
        raise InputError(f"{path}: no column '{min(missing)}'", "fetch the data again, or mend sets.toml")
    for row in table:
        if row.get("split") != one.split:
            raise InputError(
                f"{path}: a row of split '{row.get('split')}'", f"expected only split '{one.split}'"
            )
        if never_kept(_labels(row)):
            rows.dropped[NEVER_KEPT] += 1
        elif any(str(row.get(column)) in labels for column, labels in one.left_out.items()):
            rows.dropped[f"{path.stem}: left out by sets.toml"] += 1
        else:
            yield row


def _add(
    name: str,
    one: LabelledSet,
    row: dict[str, Any],
    kept: Mapping[str, tuple[str, ...]],
    rows: Rows,
    *,
    fit: bool,
) -> None:
    label = str(row.get(one.column))
    if label not in (*one.unsafe, *one.safe):
        rows.dropped[f"{name}: a label that {one.column} has no meaning for"] += 1
        return
    kept_out = any(str(row.get(column)) in values for column, values in kept.items())
    use: Use = "measure" if not fit else "threshold" if kept_out else "fit"
    unsafe = label in one.unsafe
    part = str(row.get(one.part) or "") if one.part else ""
    common: dict[str, Any] = {
        "language": row["language"], "source": name, "licence": row["licence"], "use": use, "part": part,
        "url": row.get("url") or "", "id": str(row.get("id") or ""),
    }  # fmt: skip
    text = row[one.text] or ""
    found = [labels[str(row.get(c))] for c, labels in one.categories.items() if str(row.get(c)) in labels]
    if unsafe and not found:
        small = text.casefold()
        by_word = sets().words.get(name, {})
        found = [category for category, words in by_word.items() if any(word in small for word in words)]
    rows.add(
        Row(
            text=text,
            unsafe=unsafe,
            categories=tuple(dict.fromkeys(found)),
            sensitive=not unsafe and one.safe_is_sensitive,
            weight=one.weight if unsafe else 1.0,
            **common,
        )
    )
    if one.answer and row.get(one.answer):
        rows.add(Row(text=row[one.answer], unsafe=False, sensitive=True, role="answer", **common))


def _fifth(key: str) -> bool:
    return hashlib.blake2b(key.encode(), digest_size=8).digest()[0] % _KEPT_SHARE == 0


def read_seed(folder: Path) -> Rows:
    """The seed's sentences and chat turns: safe, in every working language; every fifth topic is for thresholds."""
    rows = Rows()
    for path in sorted((folder / "seed").glob("*.jsonl")):
        for row in _lines(path):
            use: Use = "threshold" if _fifth(str(row.get("topic"))) else "fit"
            for language, value in row.items():
                if language in _NOT_TEXT:
                    continue
                turns = value if isinstance(value, dict) else {"user": value}
                for who, text in turns.items():
                    rows.add(
                        Row(
                            text=str(text), language=language, source=f"seed-{path.stem}", licence="CC0-1.0",
                            unsafe=False, use=use, role="answer" if who == "assistant" else "prompt",
                            sensitive=bool(row.get("sensitive")), id=f"{row.get('key')}",
                        )
                    )  # fmt: skip
    return rows


def read_prompts(folder: Path) -> Rows:
    """Ordinary and sensitive-but-safe prompts, one file a language; a fixed fifth of the keys is for thresholds.

    Raises:
        InputError: a line is no JSON or lacks a field.
    """
    rows = Rows()
    for path in sorted(folder.glob("*.jsonl")):
        for number, row in enumerate(_lines(path), 1):
            try:
                rows.add(
                    Row(
                        text=str(row["text"]), language=path.stem, source="prompts", licence="CC0-1.0", unsafe=False,
                        use="threshold" if _fifth(str(row["key"])) else "fit", sensitive=bool(row["sensitive"]),
                        part=str(row["topic"]), id=str(row["key"]),
                    )
                )  # fmt: skip
            except KeyError as error:
                raise InputError(
                    f"{path}: line {number}: no field {error}", "write key, text, topic, sensitive"
                ) from error
    return rows


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for _, first, lines in lines_of([path]):
        for number, line in enumerate(lines, first):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}: line {number}: no JSON", "write one object a line") from error
            if not isinstance(row, dict):
                raise InputError(f"{path}: line {number}: a {type(row).__name__}", "write one object a line")
            yield row


def read_held_out(folder: Path) -> Rows:
    """Every set that may never be fitted."""
    table = sets()
    return read_rows(folder, [name for name in table.sets if not table.fitted(name)], {}, fit=False)


def read_labelled(path: Path) -> Rows:
    """Rows of a file of JSON lines: a text (prompt, response or messages), a label, and what else is known of it.

    Raises:
        InputError: a line is no JSON, has no text or no label, or a field of another type; the message names the line and
            never quotes its text.
    """
    from rumpun.guard.taxonomy import taxonomy
    from rumpun.language import identify

    rows = Rows()
    for number, row in enumerate(_lines(path), 1):
        where = f"{path}: line {number}"
        label = row.get("label")
        if label not in ("safe", "unsafe"):
            raise InputError(f"{where}: label is neither safe nor unsafe", "write one of them")
        exchange = exchange_of(row, where)
        named = row.get("categories", row.get("category")) or []
        categories = (
            (named,) if isinstance(named, str) else tuple(named) if isinstance(named, list) else (named,)
        )
        if not all(isinstance(name, str) for name in categories):
            raise InputError(f"{where}: categories are not all names", "write a list of names")
        if unknown := set(categories) - set(taxonomy().categories):
            raise InputError(
                f"{where}: no category is called {min(unknown)!r:.40}",
                f"known: {', '.join(taxonomy().categories)}",
            )
        rows.rows.append(
            Row(
                text=exchange.text, before=exchange.before, role=exchange.role, language=str(row.get("language") or "") or identify(exchange.text[:2000]).language,
                source=str(row.get("source") or path.stem), licence=str(row.get("licence") or "CC0-1.0"), unsafe=label == "unsafe",
                use="measure", categories=categories, sensitive=bool(row.get("sensitive")), id=str(row.get("id") or number),
            )
        )  # fmt: skip
    return rows

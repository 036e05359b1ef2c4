"""What a data folder holds in the languages asked for: each source with rows and bytes of each language, licence and domain."""

import json
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rumpun.errors import InputError
from rumpun.records.licences import shippable
from rumpun.records.places import source_data

__all__ = ["Amount", "Holding", "PublicTest", "holdings", "public_tests", "texts_of"]

_EVALUATION = "inventory-eval.toml"


@dataclass(frozen=True, slots=True)
class Amount:
    """Rows and UTF-8 bytes of one language in one source, equal texts counted once."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One source of text."""

    name: str
    kind: str  # text, parallel, seed, chat, instruct
    licence: str
    domain: str
    amounts: dict[str, Amount] = field(
        default_factory=dict
    )  # language -> how much; chat and instruct rows: bytes 0
    files: tuple[Path, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a layer that stands on it may be given away."""
        try:
            return shippable(self.licence)
        except InputError:
            return False

    def bytes(self, language: str) -> int:
        """Of one language; 0 without any."""
        return self.amounts[language].bytes if language in self.amounts else 0


@dataclass(frozen=True, slots=True)
class PublicTest:
    """A public test that lies in the data folder."""

    name: str
    task: str
    licence: str
    languages: tuple[str, ...]


def holdings(languages: Collection[str], data: str = "") -> list[Holding]:
    """Every source of the folder's inventories that has one of these languages, measured in them.

    Args:
        languages: BCP-47.
        data: the folder; empty: RUMPUN_DATA, or the one beside the checkout.

    Raises:
        InputError: no folder, no inventory, a damaged one, or a file that it names is missing.
    """
    folder = _folder(data)
    paths = [path for path in sorted(folder.glob("inventory*.toml")) if path.name != _EVALUATION]
    if not paths:
        raise InputError(
            f"{folder}: no inventory.toml there",
            "write one [[source]] table for each source, as docs/sources.md shows",
        )
    found = []
    for path in paths:
        for table in _tables(path):
            here = tuple(tag for tag in languages if tag in table.get("languages", ()))
            if here:
                found.append(_holding(folder, table, here))
    return found


def public_tests(languages: Collection[str], data: str = "") -> list[PublicTest]:
    """Public tests of the folder in these languages; none where it has no list of them."""
    path = _folder(data) / _EVALUATION
    if not path.is_file():
        return []
    found = []
    for table in _tables(path):
        here = tuple(tag for tag in languages if tag in table.get("languages", ()))
        if here and table.get("kind") == "eval":
            found.append(
                PublicTest(str(table["name"]), str(table.get("task", "")), str(table["licence"]), here)
            )
    return sorted(set(found), key=lambda test: (test.name, test.task))


def texts_of(holding: Holding, language: str) -> Iterator[str]:
    """Its different texts in one language, in the order of its files."""
    seen: set[str] = set()
    for path in holding.files:
        for tag, text in _texts(path, holding.kind, (language,)):
            if tag == language and text not in seen:
                seen.add(text)
                yield text


def _folder(data: str) -> Path:
    folder = Path(data).expanduser() if data else source_data()
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no folder there", "name a folder with inventory.toml and the files it names"
        )
    return folder


def _tables(path: Path) -> list[dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("source", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not an inventory ({error})", "mend the line named") from error
    for number, table in enumerate(tables, 1):
        for key in ("name", "kind", "licence", "files"):
            if key not in table:
                raise InputError(f"{path}: source {number}: no key '{key}'", f"add {key} = …")
    return list(tables)


def _holding(folder: Path, table: dict[str, Any], languages: tuple[str, ...]) -> Holding:
    kind = str(table["kind"])
    files = []
    for file in table["files"]:
        named = str(file["path"]).rsplit("/", 1)[-1].split(".")
        if (
            kind == "text"
            and len(named) > 2
            and named[-2] in table["languages"]
            and named[-2] not in languages
        ):
            continue
        path = folder / file["path"]
        if not path.is_file():
            raise InputError(
                f"{path}: missing, though the inventory names it",
                "fetch it again, or take its source out of the inventory",
            )
        files.append(path)
    amounts: dict[str, Amount] = {}
    if kind in ("text", "parallel", "seed"):
        seen: dict[str, set[int]] = defaultdict(set)
        sizes: dict[str, int] = defaultdict(int)
        for path in files:
            for tag, text in _texts(path, kind, languages):
                if tag in languages and hash(text) not in seen[tag]:
                    seen[tag].add(hash(text))
                    sizes[tag] += len(text.encode())
        amounts = {tag: Amount(len(seen[tag]), sizes[tag]) for tag in languages if seen[tag]}
    else:
        rows = int(table.get("rows", 0))
        amounts = {tag: Amount(rows, 0) for tag in languages}
    return Holding(
        name=str(table["name"]), kind=kind, licence=str(table["licence"]), domain=str(table.get("domain", "")),
        amounts=amounts, files=tuple(files),
    )  # fmt: skip


def _texts(path: Path, kind: str, languages: Collection[str]) -> Iterator[tuple[str, str]]:
    """(language, text) of every row."""
    if path.suffix == ".jsonl":
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                row = json.loads(line)
                yield from ((tag, row[tag]) for tag in languages if isinstance(row.get(tag), str))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [("src_lang", "src"), ("tgt_lang", "tgt")] if kind == "parallel" else [("language", "text")]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=[name for pair in columns for name in pair]):
                for tag, text in columns:
                    yield from (
                        (tag_, text_)
                        for tag_, text_ in zip(batch[tag].to_pylist(), batch[text].to_pylist(), strict=True)
                        if tag_ in languages and text_
                    )
    except (pa.ArrowException, KeyError, OSError) as error:
        raise InputError(f"{path}: not a file of {kind} rows ({error})", "fetch it again") from error

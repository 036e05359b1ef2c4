"""Which sources a build reads: the tables of `inventory*.toml`, files named by the recipe, texts written in it.

A `Unit` is one file (or the recipe's own texts) with what is known of it; a build works unit by unit.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rumpun.corpus.params import BuildParams, FileSource
from rumpun.errors import InputError, nearest
from rumpun.records.artefacts import sha256_file
from rumpun.records.licences import shippable
from rumpun.records.places import source_data

__all__ = ["Kind", "LeftOut", "Unit", "find_units", "identity", "machine_translated"]

Kind = Literal["text", "seed", "side", "file", "inline", "pairs", "chat", "instruct"]
_HASHED_AT_PLAN_BYTES = 64 << 20  # larger files outside an inventory are known by size and time


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One file to read, and what the inventory or the recipe says of it."""

    kind: Kind
    source: str
    path: Path | None  # None: the recipe's own texts
    licence: str = ""
    domain: str = ""
    repository: str = ""
    commit: str = ""
    sha256: str = ""  # empty: not known beforehand
    rows: int = 0
    languages: tuple[str, ...] = ()  # only rows in these are read; empty: all that the recipe asks for
    stands_in: FileSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file of the inventory that is not read, with the reason."""

    kind: Kind
    source: str
    path: str
    rows: int
    reason: str


def machine_translated(source: str) -> bool:
    """Whether a source says by its name that it is machine translation."""
    return source.endswith("-mt")


def _inventories(folder: Path) -> list[dict[str, Any]]:
    paths = [p for p in sorted(folder.glob("inventory*.toml")) if p.name != "inventory-eval.toml"]
    if not paths:
        raise InputError(
            f"{folder}: no inventory.toml there",
            "write one [[source]] table for each source, as docs/sources.md shows, or set from_inventory = false",
        )
    tables: list[dict[str, Any]] = []
    for path in paths:
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8")).get("source", [])
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"{path}: not an inventory ({error})", "mend the line named") from error
        for number, table in enumerate(found, 1):
            for key in ("name", "kind", "licence", "languages", "files"):
                if key not in table:
                    raise InputError(f"{path}: source {number}: no key '{key}'", f"add {key} = …")
        tables += found
    return tables


def _file_language(path: str) -> str:
    """`text/name.id.parquet` -> `id`; empty where the name does not say."""
    parts = path.rsplit("/", 1)[-1].split(".")
    return parts[-2] if len(parts) > 2 else ""


def _wanted(table: dict[str, Any], params: BuildParams) -> list[tuple[Kind, tuple[str, ...]]]:
    """How a source is read: (kind, languages) for each use that the recipe makes of it."""
    kind, name = table["kind"], table["name"]
    here = tuple(tag for tag in params.languages if tag in table["languages"])
    if not here:
        return []
    named = not params.sources or name in params.sources
    if kind == "text":
        return [("text", here)] if named else []
    if kind == "seed":
        held = any(name in names for names in params.held_out_sources.values())
        return [("seed", here)] if (params.seed_text and named) or name in params.sources or held else []
    if kind == "chat":
        return [("chat", here)] if params.chat_seed else []
    if kind == "instruct":
        return [("instruct", here)] if params.instruct else []
    uses: list[tuple[Kind, tuple[str, ...]]] = []
    if kind == "parallel":
        sides = tuple(tag for tag in here if name in params.text_from_pairs.get(tag, ()))
        if sides:
            uses.append(("side", sides))
        if params.pairs and len(here) > 1:
            uses.append(("pairs", here))
    return uses


def _refusal(table: dict[str, Any], params: BuildParams) -> str:
    if table["name"] in params.exclude_sources:
        return "excluded by the recipe"
    if table.get("domain", "") in params.exclude_domains:
        return f"domain {table['domain']} is not running text"
    if not shippable(table["licence"]):
        return f"licence {table['licence']} may not stand behind a shipped layer"
    return ""


def _from_inventory(params: BuildParams) -> tuple[list[Unit], list[LeftOut]]:
    folder = Path(params.data).expanduser() if params.data else source_data()
    tables = _inventories(folder)
    names = [table["name"] for table in tables]
    asked = {*params.sources, *params.exclude_sources}
    asked.update(
        name
        for group in (params.held_out_sources, params.text_from_pairs)
        for n in group.values()
        for name in n
    )
    asked -= {f.source for f in params.files} | {t.source for t in params.texts}
    for name in sorted(asked - set(names)):
        raise InputError(f"{folder}: no source is called '{name}'", nearest(name, names))
    units: list[Unit] = []
    left: list[LeftOut] = []
    for table in tables:
        for kind, languages in _wanted(table, params):
            reason = _refusal(table, params)
            for file in table["files"]:
                of_file = _file_language(file["path"])
                if kind == "text" and of_file in table["languages"] and of_file not in languages:
                    continue
                if reason:
                    left.append(
                        LeftOut(
                            kind=kind,
                            source=table["name"],
                            path=file["path"],
                            rows=file["rows"],
                            reason=reason,
                        )
                    )
                    continue
                unit = Unit(
                    kind=kind,
                    source=table["name"],
                    path=folder / file["path"],
                    licence=table["licence"],
                    domain=table.get("domain", kind),
                    repository=table.get("repository", ""),
                    commit=table.get("commit", ""),
                    sha256=file.get("sha256", ""),
                    rows=file["rows"],
                    languages=languages,
                )
                units.append(unit)
    return units, left


def _resolve(path: str) -> Path:
    for start in (Path.cwd(), Path(__file__).resolve().parents[3]):
        found = start / Path(path).expanduser()
        if found.exists():
            return found
    raise InputError(
        f"{path}: no such file or folder in the working folder or the checkout",
        "name a .jsonl, .parquet or .txt file, or a folder of them",
    )


def _from_files(params: BuildParams) -> list[Unit]:
    units: list[Unit] = []
    for item in params.files:
        place = _resolve(item.path)
        found = [place]
        if place.is_dir():
            found = sorted(p for p in place.rglob("*") if p.suffix in (".jsonl", ".parquet", ".txt"))
            if not found:
                raise InputError(
                    f"{place}: no .jsonl, .parquet or .txt file in this folder", "name another folder"
                )
        for path in found:
            unit = Unit(
                kind="file",
                source=item.source or path.stem,
                path=path,
                licence=item.licence,
                domain=item.domain,
                stands_in=item,
            )
            units.append(unit)
    return units


def find_units(params: BuildParams) -> tuple[list[Unit], list[LeftOut]]:
    """Every file to read, in the order in which duplicates are settled (human text before machine translation).

    Raises:
        InputError: no data folder, a damaged inventory, or a source that does not exist.
    """
    units, left = _from_inventory(params) if params.from_inventory else ([], [])
    units += _from_files(params)
    if params.texts:
        units.append(Unit(kind="inline", source="inline", path=None, licence="CC0-1.0"))
    if not units:
        raise InputError(
            "the recipe asks for no text: no source of the inventory, no file and no text of its own fits",
            "add languages, sources, files or texts",
        )
    return sorted(units, key=lambda u: (machine_translated(u.source), u.source, u.kind, str(u.path))), left


def identity(params: BuildParams) -> dict[str, Any]:
    """What the artefact's id depends on beyond the parameters: the hashes of the files that will be read."""
    facts: list[str] = []
    for unit in find_units(params)[0]:
        if unit.path is None:
            continue
        if unit.sha256:
            known = unit.sha256
        elif unit.path.stat().st_size <= _HASHED_AT_PLAN_BYTES:
            known = sha256_file(unit.path)
        else:
            stat = unit.path.stat()
            known = f"{stat.st_size} bytes, {stat.st_mtime_ns}"
        facts.append(f"{unit.kind} {unit.source} {unit.path.name} {known}")
    if params.from_inventory:
        facts += _evaluation_facts(params)
    return {"files": hashlib.sha256("\n".join(facts).encode()).hexdigest()}


def _evaluation_facts(params: BuildParams) -> list[str]:
    folder = Path(params.data).expanduser() if params.data else source_data()
    path = folder / "inventory-eval.toml"
    return [f"evaluation {sha256_file(path)}"] if path.is_file() else []

"""Which files of the data folder are read: the tables of `inventory*.toml`, by what is asked of them."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rumpun.corpus.read.policy import refused_licence
from rumpun.errors import InputError, nearest
from rumpun.records.places import source_data

__all__ = ["Kind", "LeftOut", "Unit", "Wanted", "find_units", "machine_translated"]

Kind = Literal["text", "seed", "side", "pairs", "chat", "instruct", "safe"]

_SAFETY = "inventory-eval.toml"  # whose safety sets may train where they say so; its other sets never do


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of an inventory."""

    languages: tuple[str, ...]  # BCP-47
    data: str = ""  # another data folder; default RUMPUN_DATA or the one beside the checkout
    sources: tuple[str, ...] = ()  # names; empty: every text source
    exclude_sources: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ()
    text: bool = True  # kind "text"
    seed_text: bool = False  # sentences written for the project (kind "seed")
    text_from_pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)  # language -> parallel sources
    chat_seed: bool = False  # kind "chat"
    pairs: bool = False  # kind "parallel", both sides
    instruct: bool = False  # kind "instruct"
    safe_answers: tuple[str, ...] = ()  # names of safety sets whose safe answers train


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One file to read, and what the inventory says of it."""

    kind: Kind
    source: str
    path: Path
    licence: str = ""
    domain: str = ""
    repository: str = ""
    commit: str = ""
    sha256: str = ""  # empty: not known beforehand
    rows: int = 0
    languages: tuple[str, ...] = ()  # only rows in these are read


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file of the inventory that is not read, with the reason."""

    kind: Kind
    source: str
    path: str
    rows: int
    reason: str
    rule: str = ""  # of `policy.HINTS`, where that is why


def machine_translated(source: str) -> bool:
    """Whether a source says by its name that it is machine translation."""
    return source.endswith("-mt")


def _inventories(folder: Path) -> list[dict[str, Any]]:
    paths = [p for p in sorted(folder.glob("inventory*.toml")) if p.name != _SAFETY]
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


def _uses(table: dict[str, Any], wanted: Wanted) -> list[tuple[Kind, tuple[str, ...]]]:
    """How a source is read: (kind, languages) for each use that the recipe makes of it."""
    kind, name = table["kind"], table["name"]
    here = tuple(tag for tag in wanted.languages if tag in table["languages"])
    if not here:
        return []
    named = not wanted.sources or name in wanted.sources
    if kind == "text":
        return [("text", here)] if wanted.text and named else []
    if kind == "seed":
        return [("seed", here)] if (wanted.seed_text and named) or name in wanted.sources else []
    if kind == "chat":
        return [("chat", here)] if wanted.chat_seed else []
    if kind == "instruct":
        return [("instruct", here)] if wanted.instruct else []
    uses: list[tuple[Kind, tuple[str, ...]]] = []
    if kind == "parallel":
        sides = tuple(tag for tag in here if name in wanted.text_from_pairs.get(tag, ()))
        if sides:
            uses.append(("side", sides))
        if wanted.pairs and len(here) > 1:
            uses.append(("pairs", here))
    return uses


def _refusal(table: dict[str, Any], wanted: Wanted) -> tuple[str, str] | None:
    """(rule, reason); the recipe's own wish is no rule."""
    if table["name"] in wanted.exclude_sources:
        return "", "excluded by the recipe"
    if table.get("domain", "") in wanted.exclude_domains:
        return "", f"domain {table['domain']} is not running text"
    return refused_licence(table["licence"])


def _safety_sets(folder: Path, wanted: Wanted) -> list[Unit]:
    """The safety sets that the recipe names, where their own table lets them train."""
    if not wanted.safe_answers:
        return []
    path = folder / _SAFETY
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("source", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not an inventory ({error})", "mend it, or name no safe_answers") from error
    known = {table["name"]: table for table in tables if table.get("kind") == "safety"}
    units = []
    for name in wanted.safe_answers:
        if name not in known:
            raise InputError(f"{path}: no safety set is called '{name}'", nearest(name, list(known)))
        table = known[name]
        if "safety-train" not in table.get("use", ()):
            raise InputError(
                f"{path}: '{name}' is for {', '.join(table.get('use', ())) or 'nothing'}, not for safety-train",
                "take it out of safe_answers",
            )
        refusal = refused_licence(table["licence"])
        if refusal:
            raise InputError(f"{path}: '{name}': {refusal[1]}", "take it out of safe_answers")
        here = tuple(tag for tag in wanted.languages if tag in table["languages"])
        if here and name not in wanted.exclude_sources:
            units += [
                Unit(
                    kind="safe", source=name, path=folder / file, licence=table["licence"], domain="safety",
                    repository=table.get("repository", ""), commit=table.get("commit", ""),
                    sha256=table.get("sha256", "") if len(table["files"]) == 1 else "",
                    rows=table.get("rows", 0), languages=here,
                )
                for file in table["files"]
            ]  # fmt: skip
    return units


def find_units(wanted: Wanted) -> tuple[list[Unit], list[LeftOut]]:
    """Every file of the inventory that is asked for, in the order in which duplicates are settled: human text first.

    Raises:
        InputError: no data folder, a damaged inventory, or a source that does not exist.
    """
    folder = Path(wanted.data).expanduser() if wanted.data else source_data()
    tables = _inventories(folder)
    names = [table["name"] for table in tables]
    asked = {*wanted.sources, *wanted.exclude_sources}
    asked.update(name for of_language in wanted.text_from_pairs.values() for name in of_language)
    for name in sorted(asked - set(names)):
        raise InputError(f"{folder}: no source is called '{name}'", nearest(name, names))
    units: list[Unit] = []
    left: list[LeftOut] = []
    for table in tables:
        for kind, languages in _uses(table, wanted):
            refusal = _refusal(table, wanted)
            for file in table["files"]:
                of_file = _file_language(file["path"])
                if kind == "text" and of_file in table["languages"] and of_file not in languages:
                    continue
                if refusal:
                    left.append(
                        LeftOut(
                            kind=kind,
                            source=table["name"],
                            path=file["path"],
                            rows=file["rows"],
                            reason=refusal[1],
                            rule=refusal[0],
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
    units += _safety_sets(folder, wanted)
    return sorted(units, key=lambda u: (machine_translated(u.source), u.source, u.kind, str(u.path))), left

"""Documents, attributes and links made by hand or by the steps, for tests of single steps; a plain loop for the engine."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from rumpun.corpus.link.counts import links_schema
from rumpun.corpus.parts import documents_schema, each_part, write_part
from rumpun.recipes import build
from rumpun.records.artefacts import Maker, Manifest, artefact_id, read_manifest, write_manifest
from rumpun.steps import Work, quiet
from rumpun.steps.step import Input

CALLS: list[Any] = []  # units that the plain loop has run


def plain_map(function, units, *, progress=quiet, note="", keep=None):
    """The engine's signature, one unit after another in this process."""
    found = []
    for unit in units:
        CALLS.append(unit)
        found.append(function(unit))
    progress(len(units), len(units), note)
    return found


def artefact(folder: Path, kind: str, tables: list[pa.Table], /, **summary: Any) -> Input:
    """An artefact of parts as a step would leave it."""
    folder.mkdir(parents=True)
    for number, table in enumerate(tables):
        write_part(folder, number, table)
    key = artefact_id(kind, f"test.{kind}", 1, {"folder": str(folder)}, [])
    maker = Maker(step=f"test.{kind}", version=1, params={}, rumpun="0")
    write_manifest(folder, Manifest(kind=kind, id=key, maker=maker, summary=summary))
    return Input(kind, folder, read_manifest(folder))


def documents(rows: list[dict[str, Any]], part_rows: int = 1_000) -> list[pa.Table]:
    """Parts of documents; what a row does not say is filled in."""
    fixed = {
        "language": "id",
        "source": "web",
        "licence": "CC-BY-4.0",
        "url": "",
        "domain": "news",
        "contributor": "",
    }
    full = [fixed | {"key": n, "id": f"d{n}", "where": f"test:{n + 1}"} | row for n, row in enumerate(rows)]
    return [
        pa.Table.from_pylist(full[n : n + part_rows], schema=documents_schema())
        for n in range(0, len(full), part_rows)
    ]


def links(count: int, rows: dict[int, dict[str, Any]], part_rows: int = 1_000) -> list[pa.Table]:
    """Parts of links: nothing linked but what `rows` says by key."""
    empty = dict.fromkeys(links_schema().names) | {
        "near.keep": True,
        "lines.frequent": [],
        "substrings.marks": [],
    }
    full = [empty | {"key": n} | rows.get(n, {}) for n in range(count)]
    return [
        pa.Table.from_pylist(full[n : n + part_rows], schema=links_schema())
        for n in range(0, len(full), part_rows)
    ]


def run_step(step: Any, params: dict[str, Any], inputs: list[Input], folder: Path, seed: int = 7) -> Input:
    """Run one step by itself and return its artefact."""
    made = folder / "made"
    made.mkdir(parents=True)
    (folder / "scratch").mkdir()
    work = Work(inputs=tuple(inputs), folder=made, scratch=folder / "scratch", seed=seed, progress=quiet)
    outcome = step.function(build(step.params, params, "test"), work)
    maker = Maker(step="test", version=step.version, params={}, rumpun="0")
    key = artefact_id(step.kind, "test", step.version, {"folder": str(folder)}, [])
    write_manifest(made, Manifest(kind=step.kind, id=key, maker=maker, summary=outcome.summary))
    return Input(step.kind, made, read_manifest(made))


def whole(item: Input, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """Every row of an artefact of parts."""
    return [row for table in each_part(item.folder, columns) for row in table.to_pylist()]

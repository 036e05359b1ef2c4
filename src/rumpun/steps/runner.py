"""Walk a recipe: look each artefact up by its id, make what is missing, resume what was cut off."""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import EnvironmentFault, RumpunError, UsageError
from rumpun.parts import require
from rumpun.recipes import Recipe, build
from rumpun.records.artefacts import (
    Maker,
    Manifest,
    artefact_id,
    find_artefact,
    making,
    publish,
    read_manifest,
    write_manifest,
)
from rumpun.steps.step import Input, Progress, Step, Work, resolve

__all__ = ["Planned", "named", "plan", "run"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One step of a plan, with its id and whether its artefact stands already."""

    name: str
    uses: str
    key: str
    params: Any
    needs: tuple[str, ...]
    folder: Path
    done: bool
    step: Step[Any]


def plan(recipe: Recipe, store: Path) -> list[Planned]:
    """Check every parameter and compute every id; nothing is made.

    Raises:
        UsageError: a step or a parameter that does not exist, or has a wrong value.
    """
    planned: list[Planned] = []
    keys: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for entry in recipe.steps:
        found = resolve(entry.uses)
        kinds[entry.name] = found.kind
        given = [kinds[need] for need in entry.needs]
        for kind in found.needs:
            if kind not in given:
                raise UsageError(
                    f"{recipe.path}: steps.{entry.name}: {entry.uses} needs {kind}, and its inputs are: {', '.join(given) or 'none'}",
                    f"name the step that makes {kind} in `needs`",
                )
        params = build(found.params, entry.params, f"{recipe.path}: steps.{entry.name}.with")
        facts = found.identity(params) if found.identity else {}
        made_of = {"params": dataclasses.asdict(params), "facts": dict(facts), "seed": recipe.seed}
        key = artefact_id(
            found.kind, entry.uses, found.version, made_of, [keys[need] for need in entry.needs]
        )
        keys[entry.name] = key
        folder = store / key
        planned.append(
            Planned(
                entry.name,
                entry.uses,
                key,
                params,
                entry.needs,
                folder,
                find_artefact(store, key) is not None,
                found,
            )
        )
    return planned


def run(recipe: Recipe, store: Path, *, progress: Callable[[str], Progress]) -> dict[str, Path]:
    """Make every artefact of a recipe and return step name -> folder.

    `progress(step name)` gives the callable that one step reports to. A process killed at any time leaves no
    half-made artefact; the next run resumes from the step's scratch folder.

    Raises:
        MissingPartError: names every part that the steps to make need, before the first of them starts.
        RumpunError: what a step raises; finished artefacts stay.
    """
    made: dict[str, Path] = {}
    planned = plan(recipe, store)
    require(f"recipe {recipe.name}", (item.step.part for item in planned if not item.done))
    for item in planned:
        report = progress(item.name)
        with making(store, item.key) as (final, scratch):
            if find_artefact(store, item.key) is None:
                needs = [(need, made[need]) for need in item.needs]
                _make(item, recipe, needs, final=final, scratch=scratch, report=report)
        report(1, 1, "done")
        made[item.name] = final
        _link(store, recipe.name, item.name, final)
    return made


def _make(
    item: Planned,
    recipe: Recipe,
    needs: list[tuple[str, Path]],
    *,
    final: Path,
    scratch: Path,
    report: Progress,
) -> None:
    inputs = tuple(Input(name, folder, read_manifest(folder)) for name, folder in needs)
    folder = scratch / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    keep = scratch / "keep"
    keep.mkdir(exist_ok=True)
    work = Work(inputs=inputs, folder=folder, scratch=keep, seed=recipe.seed, progress=report, key=item.key)
    wall, cpu = time.monotonic(), _cpu_seconds()
    try:
        outcome = item.step.function(item.params, work)
    except OSError as error:
        said = str(error)
        if error.errno is None:  # a library counted bytes and found too few
            free = shutil.disk_usage(scratch).free
            said = f"could not write under {scratch}, where {free:,} bytes are free ({said})"
        raise EnvironmentFault(
            f"step {item.name}: {said}", "free space or mend the path, and run again: it resumes"
        ) from error
    from rumpun.version import __version__

    parents = [i.manifest for i in inputs]
    sources = {(s.name, s.role): s for m in parents for s in m.sources} | {
        (s.name, s.role): s for s in outcome.sources
    }
    licences = {licence for m in parents for licence in m.licences} | {s.licence for s in sources.values()}
    languages = dict.fromkeys(outcome.languages or [tag for m in parents for tag in m.languages])
    manifest = Manifest(
        kind=item.step.kind,
        id=item.key,
        name=outcome.name or f"{recipe.name}-{item.name}",
        maker=Maker(
            step=item.uses,
            version=item.step.version,
            params=dataclasses.asdict(item.params) | {"seed": recipe.seed},
            rumpun=__version__,
            tools=outcome.tools,
            seconds=round(time.monotonic() - wall, 3),
            cpu_seconds=round(_cpu_seconds() - cpu, 3),
        ),
        parents=(*(m.id for m in parents), *outcome.parents),
        sources=tuple(sources[key] for key in sorted(sources)),
        licences=tuple(sorted(licences)),
        languages=tuple(languages),
        summary=outcome.summary,
    )
    write_manifest(folder, manifest)
    publish(folder, final)


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _link(store: Path, recipe: str, name: str, folder: Path) -> None:
    """A human name that points at an id: <store>/names/<recipe>/<step>.json; no path, so that a store may be moved."""
    place = store / "names" / recipe
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / f".{name}.{os.getpid()}"
    temporary.write_text(json.dumps({"id": folder.name}) + "\n")
    temporary.replace(place / f"{name}.json")


def named(store: Path, recipe: str, name: str) -> Path:
    """The folder that a recipe's step last made.

    Raises:
        RumpunError: the recipe has not been run in this store.
    """
    path = store / "names" / recipe / f"{name}.json"
    found = json.loads(path.read_text()).get("id") if path.is_file() else None
    if not found:
        raise RumpunError(f"{recipe}/{name}: not made in {store}", f"rumpun run the recipe '{recipe}' first")
    return store / str(found)

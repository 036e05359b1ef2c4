"""What a recipe's training will cost, said beforehand, and how far off that was, said afterwards."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError, UsageError
from rumpun.layer.cost import Load, operations, trained_numbers
from rumpun.layer.growth.parent import ParentParams, find_parent
from rumpun.layer.machines import find_card, find_gpu
from rumpun.layer.params import ExtendParams, FullParams, RunParams, TrainParams, TuneParams
from rumpun.layer.places import HERE, Asked, Place, on_gpu, on_this_machine
from rumpun.layer.shape import find_shape
from rumpun.recipes import Recipe, StepEntry, build
from rumpun.records.artefacts import MANIFEST, artefact_id, read_manifest
from rumpun.records.places import state_folder
from rumpun.steps import Progress, named, quiet
from rumpun.weights.layer_file import read_spec

__all__ = ["Forecast", "Hindsight", "forecast", "hindsight"]

_TRAINS: Mapping[str, type[RunParams]] = {
    "layer.train": TrainParams,
    "layer.tune": TuneParams,
    "layer.full": FullParams,
}


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of a recipe will cost."""

    step: str
    uses: str
    base: str
    tokens: int  # where the corpus has text enough for `epochs_max`
    steps: int
    trained_numbers: int
    added_tokens: int  # at most
    operations: float  # in all
    operations_a_token: dict[str, float]  # by what they are for
    places: tuple[Place, ...]


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    at: float  # seconds since 1970
    forecast: Forecast


class Hindsight(msgspec.Struct, frozen=True, kw_only=True):
    """A finished step's figures beside what was said of them."""

    step: str
    folder: str
    device: str
    processes: int  # that shared the run; a forecast is for one
    place: str  # of the forecast; "" where it said nothing of such a device
    forecast_device: str  # that the forecast was made for
    beforehand: bool  # whether the forecast was made before; else it is today's
    said: dict[str, float]
    found: dict[str, float]
    error: dict[str, float]  # (said - found) / found


def forecast(recipe: Recipe, asked: Asked, progress: Progress = quiet) -> list[Forecast]:
    """The cost of every step that trains on a corpus; each forecast is kept for `hindsight`.

    Raises:
        UsageError: a parameter is wrong, a GPU is unknown, or no step trains.
        InputError: a base is not at hand.
        EnvironmentFault: this machine is to be measured and cannot be.
    """
    found = []
    for entry, load in _loads(recipe, progress):
        made = _of_step(entry, load, asked, progress)
        _keep(_kept(recipe, entry, load), made)
        found.append(made)
    return found


def hindsight(recipe: Recipe, store: Path, asked: Asked) -> list[Hindsight]:
    """How far off the forecasts were, for the artefacts that the recipe last made in this store.

    Raises:
        RumpunError: a step has not been run.
        InputError: it was run with other parameters than the recipe's.
    """
    return [_compare(recipe, entry, load, store, asked) for entry, load in _loads(recipe, quiet)]


def _loads(recipe: Recipe, progress: Progress) -> list[tuple[StepEntry, Load]]:
    added: dict[str, int] = {}
    found = []
    for entry in recipe.steps:
        where = f"{recipe.path}: steps.{entry.name}.with"
        added[entry.name] = max((added[need] for need in entry.needs), default=0)
        if entry.uses == "layer.extend":
            added[entry.name] = build(ExtendParams, entry.params, where).tokens_max
        if entry.uses == "layer.parent":
            parent = find_parent(build(ParentParams, entry.params, where).layer)
            added[entry.name] = len(read_spec(parent).tokens)
        if entry.uses in _TRAINS:
            params = build(_TRAINS[entry.uses], entry.params, where)
            found.append((entry, Load(find_shape(params.base, progress), params, added[entry.name])))
    if not found:
        raise UsageError(
            f"{recipe.path}: no step trains on a corpus", f"name a recipe with {' or '.join(_TRAINS)} in it"
        )
    return found


def _of_step(entry: StepEntry, load: Load, asked: Asked, progress: Progress) -> Forecast:
    gpus = [find_gpu(name) for name in asked.gpus]
    costs = operations(load)
    return Forecast(
        step=entry.name,
        uses=entry.uses,
        base=load.shape.name,
        tokens=load.tokens,
        steps=load.steps,
        trained_numbers=trained_numbers(load),
        added_tokens=load.added,
        operations=sum(costs.values()) * load.tokens,
        operations_a_token=costs,
        places=(on_this_machine(load, asked, progress), *(on_gpu(gpu, load, asked) for gpu in gpus)),
    )


def _kept(recipe: Recipe, entry: StepEntry, load: Load) -> Path:
    made_of: dict[str, Any] = {"recipe": recipe.name, "step": entry.name, "seed": recipe.seed}
    key = artefact_id("forecast", entry.uses, 1, made_of | {"params": asdict(load.params)}, [])
    return state_folder() / "forecasts" / f"{key}.jsonl"


def _keep(path: Path, made: Forecast) -> None:
    """Add it to what was said of this step before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = msgspec.json.encode(_Said(at=time.time(), forecast=made)) + b"\n"
    with path.open("ab") as stream:
        stream.write(line)


def _said_before(path: Path, moment: float) -> Forecast | None:
    """The last forecast before a moment, in seconds since 1970; lines of another rumpun, or torn ones, are passed over."""
    found = None
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            said = msgspec.json.decode(line, type=_Said)
            found = said.forecast if said.at <= moment else found
    return found


def _compare(recipe: Recipe, entry: StepEntry, load: Load, store: Path, asked: Asked) -> Hindsight:
    folder = named(store, recipe.name, entry.name)
    manifest = read_manifest(folder)
    summary = manifest.summary
    asked_for = msgspec.json.encode(asdict(load.params) | {"seed": recipe.seed})
    if manifest.maker.params != msgspec.json.decode(asked_for):
        raise InputError(
            f"{folder}: made with other parameters than {recipe.path} has now", "run the recipe again"
        )
    made = _said_before(_kept(recipe, entry, load), (folder / MANIFEST).stat().st_mtime)
    beforehand = made is not None
    if made is None:
        made = _of_step(entry, load, Asked(measure=False, utilisation=asked.utilisation), quiet)
    place = _place_of(made, str(summary["device"]), load, asked)
    found = {
        "tokens": float(summary["tokens"]),
        "seconds": float(summary["seconds"]),
        "tokens_per_second": summary["tokens"] / max(0.1, summary["seconds"]),
        "memory_bytes": float(summary["peak_memory_bytes"]),
    }
    said = {"tokens": float(made.tokens)}
    if place and place.hours is not None and place.tokens_per_second is not None:
        said |= {"seconds": place.hours * 3600, "tokens_per_second": place.tokens_per_second}
    if place:
        said["memory_bytes"] = float(_counted(place))
    return Hindsight(
        step=entry.name,
        folder=str(folder),
        device=str(summary["device"]),
        processes=int(summary.get("processes", 1)),
        place=place.name if place else "",
        forecast_device=place.device if place else "",
        beforehand=beforehand,
        said=said,
        found=found,
        error={name: (value - found[name]) / found[name] for name, value in said.items()},
    )


def _place_of(made: Forecast, device: str, load: Load, asked: Asked) -> Place | None:
    """What was said of the device that the step ran on; of a GPU that the table has, computed now where nothing was."""
    here = next(place for place in made.places if place.name == HERE)
    cpu = device.startswith("cpu")
    if here.device == device or (cpu and (not here.device or here.device.startswith("cpu"))):
        return here
    card = None if cpu else find_card(device)
    if card is None:
        return None
    return next((place for place in made.places if place.name == card.name), on_gpu(card, load, asked))


def _counted(place: Place) -> int:
    """Bytes as a run counts them: on a GPU torch does not see what the driver takes."""
    gpu = place.basis != "measured" and place.name != HERE
    return place.memory_bytes - (place.memory["process"] if gpu else 0)

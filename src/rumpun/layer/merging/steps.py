"""The steps `layer.combine`, `layer.combine_models`, `layer.extract` and `layer.sweep`.

[steps.region_and_health]
uses = "layer.combine"
needs = ["region", "health"]                   # parents, in this order
with = { method = "ties", weight = [1.0, 0.5], density = 0.5, rank = 32 }
"""

import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rumpun.engines.bases import BESIDE, find_base
from rumpun.errors import InputError, UsageError
from rumpun.layer.base import base_sha256, base_source
from rumpun.layer.merging.params import (
    TASK_METHODS,
    CombineModelsParams,
    CombineParams,
    ExtractParams,
    MergeSettings,
    SweepParams,
)
from rumpun.layer.tiny_base import TINY_NAME
from rumpun.records.artefacts import SourceEntry
from rumpun.steps import Outcome, Progress, Work, quiet, step
from rumpun.weights.layer_file import read_spec, write_layer

__all__ = ["combine", "combine_models", "extract", "layer_into", "make_layer", "make_model", "sweep_layers"]

SWEEP_FILE = "sweep.json"


def _facts(*references: str) -> dict[str, Any]:
    """Hashes of what the parameters name and nothing made: files and folders."""
    known = [
        ref for ref in references if ref not in ("", "base", TINY_NAME) and Path(ref).expanduser().exists()
    ]
    return {ref: base_sha256(find_base(ref)) for ref in known}


@step(kind="layer", version=2, identity=lambda params: _facts(params.base), needs=("layer",))
def combine(params: CombineParams, work: Work) -> Outcome:
    """Several layers of one base -> one layer, whose place in the text is that of the last parent that has one."""
    folders = _layers(work)
    source = _one_base(folders, params.base, work)
    told = layer_into(work.folder, folders, params, rank=params.rank, seed=work.seed, progress=work.progress)
    places = [item.manifest.summary["data"] for item in work.inputs if "data" in item.manifest.summary]
    place = {"data": places[-1]} if places else {}
    return Outcome(sources=(source,), summary=told | {"parents": [item.name for item in work.inputs]} | place)


@step(kind="model", version=1, identity=lambda params: _facts(params.base, *params.models))
def combine_models(params: CombineModelsParams, work: Work) -> Outcome:
    """Several models and layers on their bases -> a transformers folder."""
    from rumpun.layer.merging.models import merge_models
    from rumpun.layer.merging.parents import open_parents

    places = [str(i.folder) for i in work.inputs if i.manifest.kind in ("layer", "model")] + list(
        params.models
    )
    if not places:
        raise UsageError("nothing to merge", "name layers or models in `needs`, or `models`")
    parents, base = open_parents(places, params.base, params.method, work.progress)
    told = merge_models(
        parents, base, params, work.folder,
        precision=params.precision, shard_bytes=params.shard_bytes, seed=work.seed, progress=work.progress,
    )  # fmt: skip
    named = [ref for ref in (params.base, *params.models) if ref]
    return Outcome(sources=tuple(base_source(find_base(ref), ref) for ref in named), summary=told)


@step(kind="layer", version=1, identity=lambda params: _facts(params.base, params.model))
def extract(params: ExtractParams, work: Work) -> Outcome:
    """A tuned model minus its base, or minus base and layer where a layer is among the inputs, -> a layer."""
    from rumpun.layer.merging.extract import extract_layer
    from rumpun.layer.merging.parents import open_parent, with_layer
    from rumpun.weights.layer_file import layer_sha256

    base = find_base(params.base, work.progress)
    lower = next((item.folder for item in work.inputs if item.manifest.kind == "layer"), None)
    model = open_parent(params.model or work.input("model").folder, progress=work.progress)
    spec, tensors, told = extract_layer(
        model,
        with_layer(base, lower, work.progress) if lower else open_parent(params.base, progress=work.progress),
        base,
        params.base,
        rank=params.rank,
        targets=params.targets,
        stands_on=layer_sha256(lower) if lower else None,
        licence=params.licence,
        progress=work.progress,
    )
    write_layer(work.folder, spec, tensors)
    sources = [base_source(base, params.base)]
    if params.model:
        sources.append(base_source(find_base(params.model), params.model))
    return Outcome(sources=tuple(sources), summary=told)


@step(kind="layer", version=1, identity=lambda params: _facts(params.base), needs=("layer", "corpus"))
def sweep_layers(params: SweepParams, work: Work) -> Outcome:
    """Many merges of layers tried on a corpus's held-out texts; the best one is written, beside the table of all."""
    from rumpun.layer.merging.held_texts import read_held

    folders = _layers(work)
    source = _one_base(folders, params.base, work)
    base = work.folder / BESIDE if (work.folder / BESIDE).is_file() else find_base(params.base, work.progress)
    texts = read_held(work.input("corpus").folder, params.documents_max, work.seed)
    told = make_layer(
        work.folder, folders, params, texts, base,
        scratch=work.scratch, seed=work.seed, progress=work.progress,
    )  # fmt: skip
    return Outcome(sources=(source,), summary=told)


def make_layer(
    folder: Path,
    folders: Sequence[Path],
    params: SweepParams,
    texts: Sequence[Any],
    base: Path,
    *,
    scratch: Path,
    seed: int,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Sweep, write the winner and `sweep.json` into a folder, and return the table."""
    from rumpun.layer.merging.sweep import score_layer, sweep

    asked = params.tries(len(folders))

    def make(place: Path, settings: MergeSettings) -> dict[str, Any]:
        return layer_into(place, folders, settings, rank=params.rank, seed=seed)

    best, table = sweep(
        [(_about(s, len(folders)), partial(make, settings=s)) for s in asked], texts, score_layer(base),
        report_share=params.report_share, scratch=scratch, seed=seed, progress=progress,
    )  # fmt: skip
    return _swept(folder, table, make(folder, asked[best]))


def make_model(
    folder: Path,
    references: Sequence[str],
    params: SweepParams,
    texts: Sequence[Any],
    *,
    scratch: Path,
    seed: int,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """The same over whole models; `base` is what differences are taken from, for the methods that take them.

    Raises:
        MissingPartError: torch is not installed.
    """
    from rumpun.layer.merging.models import merge_models
    from rumpun.layer.merging.parents import open_parents
    from rumpun.layer.merging.sweep import score_model, sweep

    asked = params.tries(len(references))

    def make(place: Path, settings: MergeSettings) -> dict[str, Any]:
        base = params.base if settings.method in TASK_METHODS else ""
        parents, under = open_parents(references, base, settings.method, progress)
        return merge_models(parents, under, settings, place, seed=seed)

    best, table = sweep(
        [(_about(s, len(references)), partial(make, settings=s)) for s in asked], texts, score_model,
        report_share=params.report_share, scratch=scratch, seed=seed, progress=progress,
    )  # fmt: skip
    return _swept(folder, table, make(folder, asked[best]))


def _about(settings: MergeSettings, parents: int) -> dict[str, Any]:
    return {
        "method": settings.method,
        "weight": list(settings.weights(parents)),
        "density": settings.density,
        "lambda": settings.lambda_,
    }


def _swept(folder: Path, table: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    whole = table | {"merge": told}
    text = json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
    (folder / SWEEP_FILE).write_text(text, encoding="utf-8")
    return whole


def layer_into(
    folder: Path,
    folders: Sequence[Path],
    settings: MergeSettings,
    *,
    rank: int = 0,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Merge layers into a folder and return what was done."""
    from rumpun.layer.merging.layers import merge_layers, open_layer_parent

    parents = [open_layer_parent(place) for place in folders]
    spec, tensors, told = merge_layers(parents, settings, rank=rank, seed=seed, progress=progress)
    write_layer(folder, spec, tensors)
    return told


def _layers(work: Work) -> list[Path]:
    return [item.folder for item in work.inputs if item.manifest.kind == "layer"]


def _one_base(folders: Sequence[Path], reference: str, work: Work) -> SourceEntry:
    """The base as a source; one that lies beside the layers goes along.

    Raises:
        UsageError: the parameter `base` names another than the layers stand on.
    """
    beside = next((place / BESIDE for place in folders if (place / BESIDE).is_file()), None)
    if beside is None and reference == TINY_NAME:
        raise InputError(f"{folders[0]}: no {BESIDE} in it", "make the layer again")
    base = beside or find_base(reference, work.progress)
    spec = read_spec(folders[0])
    found = base_sha256(base)
    if found != spec.base_sha256:
        raise UsageError(
            f"base = '{reference}' (sha256 {found[:12]}…), the layers stand on '{spec.base_name}'"
            f" ({spec.base_sha256[:12]}…)",
            "name the base as the steps that trained the layers do",
        )
    if beside:
        shutil.copyfile(beside, work.folder / BESIDE)
    return base_source(base, reference)

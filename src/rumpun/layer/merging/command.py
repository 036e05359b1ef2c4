"""What `rumpun layer merge`, `extract` and `sweep` do: parents by path or name, a whole folder with its manifest out."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rumpun.engines.bases import BESIDE, base_of_layer, find_base
from rumpun.errors import UsageError
from rumpun.layer.base import base_sha256, base_source
from rumpun.layer.merging.params import (
    CombineModelsParams,
    CombineParams,
    ExtractParams,
    MergeSettings,
    Precision,
    SweepParams,
)
from rumpun.layer.merging.place import whole_folder
from rumpun.layer.merging.steps import layer_into, make_layer, make_model
from rumpun.records.artefacts import (
    MANIFEST,
    Maker,
    Manifest,
    SourceEntry,
    artefact_id,
    read_manifest,
    write_manifest,
)
from rumpun.records.copies import keep_copy
from rumpun.records.lineage import walk
from rumpun.steps import Progress, quiet
from rumpun.weights.layer_file import SPEC_FILE, layer_sha256, read_spec

__all__ = ["extract_to", "is_layer", "merge_to", "sweep_to"]


def is_layer(reference: str) -> bool:
    """Whether a path is a layer's folder."""
    return (Path(reference).expanduser() / SPEC_FILE).is_file()


def merge_to(
    target: Path,
    references: Sequence[str],
    settings: MergeSettings,
    *,
    base: str = "",
    as_: Literal["", "layer", "model"] = "",
    rank: int = 0,
    precision: Precision = "same",
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Merge into a new folder; a layer where all are layers and nothing else is asked for, else a model.

    Raises:
        UsageError: the target exists, or the settings do not fit.
        InputError: the parents do not fit together, or one is damaged.
        EnvironmentFault: the target cannot be written.
    """
    wanted = as_ or ("layer" if all(map(is_layer, references)) and settings.method != "slerp" else "model")
    shared = {field.name: getattr(settings, field.name) for field in dataclasses.fields(MergeSettings)}
    if wanted == "model":
        if settings.method == "stack":
            raise UsageError(
                "a stack is of layers", "make it a layer, then rumpun layer merge LAYER --out FOLDER"
            )
        if rank:
            raise UsageError(
                f"rank = {rank} has no meaning for models", "leave --rank out, or add --as layer"
            )
        asked = CombineModelsParams(**shared, base=base, models=tuple(references), precision=precision)
        return _models_to(target, references, asked, seed, progress)
    odd = [ref for ref in references if not is_layer(ref)]
    if odd:
        raise UsageError(
            f"{odd[0]}: no layer, and a layer is to come out", "extract a layer from it, or --as model"
        )
    folders = [Path(ref).expanduser() for ref in references]
    params = CombineParams(**shared, base=_reference(folders[0], base), rank=rank)
    with whole_folder(target) as folder:
        told = layer_into(folder, folders, params, rank=rank, seed=seed, progress=progress)
        _carry_base(folders[0], folder)
        _record(
            (folder, target.name, "layer", "layer.combine"),
            dataclasses.asdict(params) | {"seed": seed},
            references,
            told,
        )
    return told | {"path": str(target), "kind": "layer"}


def _models_to(
    target: Path, references: Sequence[str], params: CombineModelsParams, seed: int, progress: Progress
) -> dict[str, Any]:
    from rumpun.layer.merging.models import merge_models
    from rumpun.layer.merging.parents import open_parents

    with whole_folder(target) as folder:
        parents, under = open_parents(references, params.base, params.method, progress)
        told = merge_models(
            parents, under, params, folder, precision=params.precision, seed=seed, progress=progress
        )
        named = [*references, *([params.base] if params.base else [])]
        _record(
            (folder, target.name, "model", "layer.combine_models"),
            dataclasses.asdict(params) | {"seed": seed},
            named,
            told,
        )
    return told | {"path": str(target), "kind": "model"}


def extract_to(
    target: Path, params: ExtractParams, *, on: Path | None = None, progress: Progress = quiet
) -> dict[str, Any]:
    """Write a tuned model's difference from its base, or from a layer on it, as a new layer's folder.

    Raises:
        UsageError: the target exists, or a parameter does not fit.
        InputError: model and base do not fit together.
        EnvironmentFault: the target cannot be written.
    """
    from rumpun.layer.merging.extract import extract_layer
    from rumpun.layer.merging.parents import open_parent, with_layer
    from rumpun.weights.layer_file import write_layer

    base = find_base(params.base, progress)
    with whole_folder(target) as folder:
        spec, tensors, told = extract_layer(
            open_parent(params.model, progress=progress),
            with_layer(base, on, progress) if on else open_parent(params.base, progress=progress),
            base,
            params.base,
            rank=params.rank,
            targets=params.targets,
            stands_on=layer_sha256(on) if on else None,
            licence=params.licence,
            progress=progress,
        )
        write_layer(folder, spec, tensors)
        named = [params.model, params.base, *([str(on)] if on else [])]
        _record((folder, target.name, "layer", "layer.extract"), dataclasses.asdict(params), named, told)
    return told | {"path": str(target), "kind": "layer"}


def sweep_to(
    target: Path,
    references: Sequence[str],
    params: SweepParams,
    texts: Path,
    *,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Try every merge that `params` names on texts, and write the best: a layer of layers, a model where one is none.

    Raises:
        UsageError: the target exists, or a parameter does not fit.
        InputError: the layers do not fit together, or the texts cannot be read.
        EnvironmentFault: the target cannot be written.
    """
    from rumpun.layer.merging.held_texts import read_held

    try:
        params.check()
    except ValueError as error:
        raise UsageError(f"sweep: {error}", "change the value") from error
    held = read_held(texts, params.documents_max, seed)
    with whole_folder(target) as folder:
        scratch = folder / ".trying"
        scratch.mkdir()
        if all(map(is_layer, references)):
            folders = [Path(ref).expanduser() for ref in references]
            params = dataclasses.replace(params, base=_reference(folders[0], params.base))
            base = base_of_layer(folders[0], progress)
            told = make_layer(
                folder, folders, params, held, base, scratch=scratch, seed=seed, progress=progress
            )
            _carry_base(folders[0], folder)
            kind = "layer"
        else:
            told = make_model(folder, references, params, held, scratch=scratch, seed=seed, progress=progress)
            kind = "model"
        scratch.rmdir()
        told_params = dataclasses.asdict(params) | {"seed": seed}
        _record((folder, target.name, kind, "layer.sweep"), told_params, references, told)
    return told | {"path": str(target), "kind": kind}


def _reference(layer: Path, base: str) -> str:
    """The base as people type it: as asked, as the layer's own step named it, or by the layer's word."""
    if base:
        return base
    if (layer / MANIFEST).is_file():
        return str(read_manifest(layer).maker.params.get("base", "base"))
    return read_spec(layer).base_name


def _carry_base(layer: Path, folder: Path) -> None:
    if (layer / BESIDE).is_file():
        shutil.copyfile(layer / BESIDE, folder / BESIDE)


def _record(
    made: tuple[Path, str, str, str],
    params: Mapping[str, Any],
    references: Sequence[str],
    told: Mapping[str, Any],
) -> None:
    """The manifest of (folder, its name, kind, step): parents by id where they have one, else as sources at the root.

    The manifests of all ancestors that are on this machine are copied into `lineage/`.
    """
    from rumpun.version import __version__

    folder, name, kind, step = made
    places = [Path(ref).expanduser() for ref in references]
    artefacts = [place for place in places if (place / MANIFEST).is_file()]
    known = [read_manifest(place) for place in artefacts]
    roots = [_source(ref) for ref, place in zip(references, places, strict=True) if place not in artefacts]
    sources = {
        (source.name, source.role): source for source in (*(s for m in known for s in m.sources), *roots)
    }
    licences = {licence for manifest in known for licence in manifest.licences} | {
        s.licence for s in sources.values()
    }
    parents = tuple(manifest.id for manifest in known)
    facts = {"params": dict(params), "facts": [root.sha256 for root in roots]}
    _copy_lineage(folder, artefacts)
    write_manifest(folder, Manifest(
        kind=kind,
        id=artefact_id(kind, step, 1, facts, parents),
        name=name,
        maker=Maker(step=step, version=1, params=dict(params), rumpun=__version__),
        parents=parents,
        sources=tuple(sources[key] for key in sorted(sources)),
        licences=tuple(sorted(licences)),
        languages=tuple(dict.fromkeys(tag for one in known for tag in one.languages)),
        summary=dict(told),
    ))  # fmt: skip


def _copy_lineage(folder: Path, artefacts: Sequence[Path]) -> None:
    """Ancestors that are nowhere on this machine stay missing, and `rumpun lineage` names them."""
    for artefact in artefacts:
        for node in walk(artefact).nodes:
            keep_copy(Path(node.place), folder, node.id)


def _source(reference: str) -> SourceEntry:
    if is_layer(reference):
        place = Path(reference).expanduser()
        spec = read_spec(place)
        return SourceEntry(name=place.name, licence=spec.licence, sha256=layer_sha256(place), role="layer")
    base = find_base(reference)
    found = base_source(base, reference)
    return (
        found
        if found.sha256
        else SourceEntry(name=found.name, licence=found.licence, sha256=base_sha256(base), role="base")
    )

"""The layer that a child is grown from: found by name or folder, and the step `layer.parent` that brings it into a recipe.

[steps.parent]
uses = "layer.parent"
with = { layer = "first" }     # a shipped layer, a layer's folder, or an artefact's id
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.engines.bases import BESIDE
from rumpun.errors import InputError, UsageError, nearest
from rumpun.layer.params import TRAINING
from rumpun.records.artefacts import MANIFEST, Manifest, find_artefact, read_manifest
from rumpun.records.copies import LINEAGE, keep_copy, read_copy
from rumpun.records.lineage import walk
from rumpun.records.places import data_folder, shipped_folder
from rumpun.steps import Outcome, Work, step
from rumpun.weights.layer_file import SPEC_FILE, TENSORS_FILE, LayerSpec, layer_sha256, read_spec

__all__ = ["Parent", "ParentParams", "find_parent", "parent", "read_parent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentParams:
    """Which layer."""

    layer: str  # a shipped layer's name, a layer's folder, or an artefact's id
    base: str = "base"  # that it stands on, as layer.train names it; a base beside the layer goes before it

    def check(self) -> None:
        """Refuse an empty name."""
        if not self.layer:
            raise ValueError("layer is empty: name a layer's folder, or a shipped layer such as 'first'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What a child has to know of its parent."""

    reference: str  # as it was named
    folder: Path
    spec: LayerSpec
    manifest: Manifest
    base: str  # as a recipe names it
    languages: tuple[str, ...]
    trained: frozenset[str]  # names of sources that it learnt from
    held_out: dict[str, tuple[str, ...]]  # language -> sources that it was measured on


def find_parent(reference: str) -> Path:
    """The folder of a layer.

    Raises:
        UsageError: nothing is called so.
        InputError: a folder without a finished layer.
    """
    place = Path(reference).expanduser()
    if place.is_dir():
        return _finished(place)
    shelf = shipped_folder()
    names = {path.parent.name: path.parent for path in sorted(shelf.glob(f"*/{SPEC_FILE}"))}
    names |= {read_manifest(path).name: path for path in list(names.values()) if (path / MANIFEST).is_file()}
    if reference in names:
        return _finished(names[reference])
    made = find_artefact(data_folder() / "artefacts", reference) if "/" not in reference else None
    if made is not None:
        return _finished(made)
    raise UsageError(
        f"no layer is called '{reference}'",
        nearest(reference, list(names)) if names else "name a layer's folder",
    )


def _finished(folder: Path) -> Path:
    for name in (SPEC_FILE, TENSORS_FILE, MANIFEST):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: no finished layer there ({name} is missing)", "name a layer's folder"
            )
    return folder


def read_parent(reference: str) -> Parent:
    """A layer with what its lineage says of its training.

    Raises:
        UsageError: nothing is called so.
        InputError: it is damaged, or stands on another layer.
    """
    folder = find_parent(reference)
    spec = read_spec(folder)
    if spec.stands_on is not None:
        raise InputError(
            f"{folder}: stands on the layer {spec.stands_on[:12]}…, not on the base alone",
            "stack the two with rumpun layer merge, and name the outcome",
        )
    manifest = read_manifest(folder)
    lineage = walk(folder)
    corpora, bases = [], []
    for node in lineage.nodes:
        place = Path(node.place)
        found = read_manifest(place) if place.is_dir() else read_copy(place)
        if node.kind == "corpus":
            corpora.append(found)
        if found.maker.step in TRAINING:
            bases.append(str(found.maker.params.get("base", "base")))
    held: dict[str, tuple[str, ...]] = {}
    for corpus in corpora:
        for tag, sources in corpus.summary.get("held_out_sources", {}).items():
            held[tag] = tuple(dict.fromkeys((*held.get(tag, ()), *sources)))
    trained = frozenset(
        s.name for corpus in corpora for s in corpus.sources if s.rows and s.role not in ("base", "held-out")
    )
    languages = manifest.languages or tuple(
        dict.fromkeys(tag for corpus in corpora for tag in corpus.languages)
    )
    base = next(iter(bases), "base")
    beside = folder / BESIDE
    return Parent(
        reference=reference, folder=folder, spec=spec, manifest=manifest, base=str(beside) if beside.is_file() else base,
        languages=languages, trained=trained, held_out=held,
    )  # fmt: skip


def _facts(params: ParentParams) -> dict[str, Any]:
    """The layer's own hash: another layer under the same name is another parent."""
    return {"layer_sha256": layer_sha256(find_parent(params.layer))}


def _place(manifest: Manifest, beside: Path) -> dict[str, Any]:
    """The layer's place in the text, for go_on = "data"; that of a release stands with the layer that it holds."""
    held = beside / f"{manifest.summary.get('layer', '')}.json"
    if "data" not in manifest.summary and held.is_file():
        manifest = read_copy(held)
    return {"data": manifest.summary["data"]} if "data" in manifest.summary else {}


@step(kind="layer", version=3, identity=_facts)
def parent(params: ParentParams, work: Work) -> Outcome:
    """Bring a finished layer into a recipe, byte for byte, with the manifests of all that it stands on."""
    folder = find_parent(params.layer)
    manifest = read_manifest(folder)
    for name in (SPEC_FILE, TENSORS_FILE, BESIDE):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, work.folder / name)
    for node in walk(folder).nodes:
        keep_copy(Path(node.place), work.folder, node.id)
    return Outcome(
        sources=manifest.sources,
        languages=manifest.languages,
        summary=_place(manifest, work.folder / LINEAGE) | {"layer": manifest.id},
        name=manifest.name,
        parents=(manifest.id,),
    )

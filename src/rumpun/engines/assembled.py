"""A base and a layer put together into one GGUF on this machine, kept by content.

The key is made of the base's sha256, the layer's files' sha256 and the quantisation, so a changed layer is a new file
and the same one is found. On a start sizes and manifests are checked; `rumpun lineage --verify` hashes.
"""

import shutil
from pathlib import Path

from rumpun.engines.catalogue import content_sha256
from rumpun.errors import EnvironmentFault, InputError
from rumpun.records.artefacts import (
    MANIFEST,
    Maker,
    Manifest,
    SourceEntry,
    artefact_id,
    find_artefact,
    making,
    publish,
    read_manifest,
    sha256_file,
    write_manifest,
)
from rumpun.records.copies import copies, keep_copy, read_copy
from rumpun.records.lineage import SOURCES_KEY, pack_sources
from rumpun.records.places import cache_folder
from rumpun.steps import Progress, quiet
from rumpun.weights.kinds import Quantisation

__all__ = ["FILE", "QUANTISATION", "assembled", "find_assembled", "manifest_of_gguf"]

VERSION = 2  # raised when the same base and layer give another file
FILE = "model.gguf"
# the base's blocks are rounded already; eight bits add a low-rank product without losing it to a second rounding
QUANTISATION: Quantisation = "Q8_0"


def assembled(
    base: Path, layer: Path, *, quantisation: Quantisation = QUANTISATION, progress: Progress = quiet
) -> Path:
    """The artefact folder of base + layer, with `model.gguf`, made when it is not at hand.

    Two processes that ask at once: one makes it, the other waits.

    Raises:
        InputError: the layer is damaged or made for another base.
        EnvironmentFault: the disk has too little space.
    """
    below = manifest_of_gguf(base)
    above = _manifest_of_layer(layer)
    params = _params(content_sha256(base), above, quantisation)
    key = _key(params, below, above)
    store = cache_folder() / "assembled"
    if _whole(store / key):
        return store / key
    with making(store, key) as (final, scratch):
        if not _whole(final):
            folder = scratch / "folder"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _need_space(folder, base)
            manifest = _manifest(key, params, below, above)
            _keep_lineage(folder, layer, below, above)
            _assemble(base, layer, folder / FILE, manifest, progress)
            write_manifest(folder, manifest)
            (final / MANIFEST).unlink(missing_ok=True)  # a damaged one is cleared by publish
            publish(folder, final)
        return final


def find_assembled(
    below: Manifest, base_sha256: str, layer: Path, *, quantisation: Quantisation = QUANTISATION
) -> Path | None:
    """The folder that `assembled` would return, where it stands already; the base itself need not be at hand.

    Raises:
        InputError: the layer is damaged.
    """
    above = _manifest_of_layer(layer)
    folder = cache_folder() / "assembled" / _key(_params(base_sha256, above, quantisation), below, above)
    return folder if _whole(folder) else None


def _params(base_sha256: str, above: Manifest, quantisation: Quantisation) -> dict[str, object]:
    return {
        "quantisation": quantisation,
        "base_sha256": base_sha256,
        "layer_files": {entry.path: entry.sha256 for entry in above.files if entry.path.startswith("layer.")},
    }


def _key(params: dict[str, object], below: Manifest, above: Manifest) -> str:
    return artefact_id("gguf", "engines.assembled", VERSION, params, [below.id, above.id])


def _assemble(base: Path, layer: Path, target: Path, manifest: Manifest, progress: Progress) -> None:
    from rumpun.weights.assemble import assemble

    metadata: dict[str, str | list[str]] = {
        "rumpun.id": manifest.id,
        "rumpun.parents": list(manifest.parents),
        "general.name": manifest.name,
        "general.license": " AND ".join(manifest.licences),
        SOURCES_KEY: pack_sources(manifest.sources),
    }
    assemble(base, layer, target, manifest.maker.params["quantisation"], metadata=metadata, progress=progress)


def _whole(folder: Path) -> bool:
    """Whether an assembled folder stands with every file of its manifest at its size."""
    if find_artefact(folder.parent, folder.name) is None:
        return False
    try:
        files = read_manifest(folder).files
        return all((folder / entry.path).stat().st_size == entry.size for entry in files)
    except (InputError, OSError):
        return False


def _need_space(folder: Path, base: Path) -> None:
    free, needed = shutil.disk_usage(folder).free, 2 * base.stat().st_size
    if free < needed:
        raise EnvironmentFault(
            f"{folder}: {free / 1e6:,.0f} MB free, assembling needs about {needed / 1e6:,.0f} MB",
            "free space, or set RUMPUN_HOME to a folder on another disk",
        )


def manifest_of_gguf(path: Path) -> Manifest:
    """The manifest beside a GGUF, or one made from what the file says of itself.

    Raises:
        InputError: no manifest names the file, and it cannot be read.
    """
    try:
        found = read_manifest(path.parent)
        if any(path.parent / entry.path == path for entry in found.files):
            return found
    except InputError:
        pass
    from rumpun.weights.gguf_file import describe

    about = describe(path)
    sha256 = content_sha256(path)
    licence = about.licence or "unknown"
    source = SourceEntry(
        name=about.name or path.stem, licence=licence, bytes=about.size, sha256=sha256, role="base"
    )
    maker = Maker(step="engines.file", version=1, params={"sha256": sha256}, rumpun=_version())
    return Manifest(
        kind="base",
        id=artefact_id("base", maker.step, 1, maker.params, []),
        name=path.stem,
        maker=maker,
        sources=(source,),
        licences=(licence,),
    )


def _manifest_of_layer(layer: Path) -> Manifest:
    """The layer's manifest, with every size and its two files' hashes checked, or one made from these two files."""
    from rumpun.records.artefacts import FileEntry
    from rumpun.weights.layer_file import SPEC_FILE, TENSORS_FILE, read_spec

    spec = read_spec(layer)
    if (layer / MANIFEST).is_file():
        manifest = read_manifest(layer)
        for entry in manifest.files:
            path = layer / entry.path
            if not path.is_file() or path.stat().st_size != entry.size:
                found = f"{path.stat().st_size:,} bytes" if path.is_file() else "missing"
                raise InputError(
                    f"{path}: {found}, its {MANIFEST} says {entry.size:,} bytes",
                    "fetch or make the layer again",
                )
            if entry.path in (SPEC_FILE, TENSORS_FILE) and sha256_file(path) != entry.sha256:
                raise InputError(
                    f"{path}: damaged, its sha256 is not the one that {MANIFEST} names",
                    "fetch or make the layer again",
                )
        return manifest
    files = tuple(
        FileEntry(path=name, sha256=content_sha256(layer / name), size=(layer / name).stat().st_size)
        for name in (SPEC_FILE, TENSORS_FILE)
    )
    params = {entry.path: entry.sha256 for entry in files}
    maker = Maker(step="engines.file", version=1, params=params, rumpun=_version())
    source = SourceEntry(name=layer.name, licence=spec.licence, role="layer", url="")
    return Manifest(
        kind="layer",
        id=artefact_id("layer", maker.step, 1, params, []),
        name=layer.name,
        maker=maker,
        sources=(source,),
        licences=(spec.licence,),
        files=files,
    )


def _manifest(key: str, params: dict[str, object], below: Manifest, above: Manifest) -> Manifest:
    sources = {(s.name, s.role): s for m in (below, above) for s in m.sources}
    return Manifest(
        kind="gguf",
        id=key,
        name=f"{below.name}+{above.name}",
        maker=Maker(step="engines.assembled", version=VERSION, params=params, rumpun=_version()),
        parents=(below.id, above.id),
        sources=tuple(sources[name] for name in sorted(sources)),
        licences=tuple(sorted({*below.licences, *above.licences})),
        languages=tuple(dict.fromkeys([*above.languages, *below.languages])),
        summary={"base": below.name, "layer": above.name},
    )


def _keep_lineage(folder: Path, layer: Path, below: Manifest, above: Manifest) -> None:
    """Copies of every ancestor's manifest, so that the file can be audited where the store is not."""
    for path in copies(layer):
        keep_copy(path, folder, read_copy(path).id)
    for manifest in (below, above):
        keep_copy(manifest, folder, manifest.id)


def _version() -> str:
    from rumpun.version import __version__

    return __version__

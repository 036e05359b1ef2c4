"""A model named by hand: what `rumpun layer apply`, `rumpun edge export` and `rumpun edge trim` call."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.edge.export import ExportParams, base_of_layer, layer_metadata, write_fitting
from rumpun.edge.trim import Trimmed, TrimParams, trim_file
from rumpun.errors import InputError, UsageError, nearest
from rumpun.records.artefacts import MANIFEST, read_manifest
from rumpun.steps import Progress, quiet
from rumpun.weights.kinds import QUANTISATIONS

if TYPE_CHECKING:
    from rumpun.weights.gguf_file import Gguf

__all__ = ["apply_layer", "base_named", "trim_model"]


def base_named(layer: Path | None, base: str, *, progress: Progress = quiet) -> Path:
    """The GGUF that a person named (of a transformers folder, one made in the cache), or the one that the layer names where `base` is empty.

    Raises:
        UsageError: neither a layer nor a base is named, or no base has the name.
        InputError: the file is not there.
    """
    from rumpun.engines import catalogue, embedded
    from rumpun.engines.bases import as_gguf

    if not base:
        if layer is None:
            raise UsageError("neither a layer nor a base is named", "add --layer FOLDER or --base FILE")
        return base_of_layer(layer, progress)
    if base in ("base", embedded.BASE_NAME):
        return embedded.base(progress)
    path = Path(base).expanduser()
    if path.is_file() or (path / "config.json").is_file():
        return as_gguf(path, progress)
    if path.suffix == ".gguf" or "/" in base:
        raise InputError(f"{base}: no such file", "name the base's GGUF, or 'base' for the embedded one")
    entry = catalogue.find(base)
    if entry is None or not entry.path:
        words = "is known and not at hand" if entry else "is no base that is known here"
        raise UsageError(
            f"--base = '{base}' {words}",
            nearest(base, ["base", *(e.name for e in catalogue.entries() if e.path)]),
        )
    return Path(entry.path)


def apply_layer(
    layer: Path | None,
    base: str,
    target: Path,
    quantisation: str,
    *,
    size_limit_bytes: int | None = None,
    progress: Progress = quiet,
) -> int:
    """Write one GGUF and return its size in bytes; without a layer the base alone is quantised again.

    Raises:
        UsageError: no such quantisation, or a limit that nothing fits into.
        InputError: layer or base are damaged, or do not belong together.
        EnvironmentFault: the target cannot be written.
    """
    if quantisation not in QUANTISATIONS:
        raise UsageError(f"--quantisation = '{quantisation}'", nearest(quantisation, list(QUANTISATIONS)))
    if target.is_dir():
        raise UsageError(f"--out = {target} is a folder", "name the file to write, such as model.gguf")
    params = ExportParams(quantisation=quantisation, size_limit_bytes=size_limit_bytes)
    found = base_named(layer, base, progress=progress)
    if target.resolve() == found.resolve():
        raise UsageError(f"--out = {target} is the base itself", "name another file")
    write_fitting(found, layer, target, params, metadata=_metadata(layer, found), progress=progress)
    return target.stat().st_size


def trim_model(
    reference: str, target: Path | None, params: TrimParams, *, plan: bool = False, progress: Progress = quiet
) -> Trimmed:
    """Trim a model by the name or path that a person gives; with `plan` nothing is written.

    Raises:
        UsageError: the name is unknown, it lies elsewhere, or what `trim_file` refuses.
        InputError: the model is no GGUF that can be trimmed.
        EnvironmentFault: the target cannot be written.
    """
    from rumpun.engines.load import resolve
    from rumpun.weights.gguf_file import read_gguf

    if target is None and not plan:
        raise UsageError("no --out", "name the file to write, such as --out phone.gguf, or add --plan")
    found = resolve(reference, progress=progress)
    if found.kind != "gguf":
        raise UsageError(f"{reference}: only a GGUF can be trimmed", "make one: rumpun edge export --help")
    file = read_gguf(found.path)
    name = params.name or f"{file.get('general.name', found.name)} trimmed"
    metadata: dict[str, Any] = {"general.name": name, "rumpun.id": ""} | _parents(file)
    return trim_file(found.path, target, params, metadata=metadata, progress=progress)


def _metadata(layer: Path | None, base: Path) -> dict[str, Any]:
    """Name, sources and parents, so that a lineage can be walked from the file; no id, which only a store gives."""
    from rumpun.weights.gguf_file import read_gguf

    file = read_gguf(base)
    found: dict[str, Any] = {"rumpun.id": ""} if file.get("rumpun.id") else {}
    if layer is None or not (layer / MANIFEST).is_file():
        return found | _parents(file)
    manifest = read_manifest(layer)
    name = f"{file.get('general.name', base.stem)}+{manifest.name or layer.resolve().name}"
    return found | layer_metadata(manifest) | {"general.name": name, "rumpun.parents": [manifest.id]}


def _parents(file: "Gguf") -> dict[str, list[str]]:
    """The artefact that a file is, as the parent of what is made of it; else its own parents stay."""
    own = file.get("rumpun.id")
    return {"rumpun.parents": [str(own)]} if own else {}

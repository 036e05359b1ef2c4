"""A layer put on a base by hand: what `rumpun layer apply` and `rumpun edge export` call."""

from pathlib import Path
from typing import Any

from rumpun.edge.export import ExportParams, base_of_layer, write_fitting
from rumpun.errors import InputError, UsageError, nearest
from rumpun.records.artefacts import MANIFEST, read_manifest
from rumpun.steps import Progress, quiet
from rumpun.weights.kinds import QUANTISATIONS

__all__ = ["apply_layer", "base_named"]


def base_named(layer: Path | None, base: str, *, progress: Progress = quiet) -> Path:
    """The GGUF that a person named, or the one that the layer names where `base` is empty.

    Raises:
        UsageError: neither a layer nor a base is named, or no base has the name.
        InputError: the file is not there.
    """
    from rumpun.engines import catalogue, embedded

    if not base:
        if layer is None:
            raise UsageError("neither a layer nor a base is named", "add --layer FOLDER or --base FILE")
        return base_of_layer(layer, progress)
    if base in ("base", embedded.BASE_NAME):
        return embedded.base(progress)
    path = Path(base).expanduser()
    if path.is_file():
        return path
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
    write_fitting(found, layer, target, params, metadata=_metadata(layer), progress=progress)
    return target.stat().st_size


def _metadata(layer: Path | None) -> dict[str, Any]:
    """The layer's id, where it is a finished artefact, so that a lineage can be walked from the file."""
    if layer is None or not (layer / MANIFEST).is_file():
        return {}
    return {"rumpun.parents": [read_manifest(layer).id]}

"""Bases by reference: the file behind a recipe's `base`, the base under a layer, a base as a folder or as a GGUF."""

import hashlib
import shutil
from pathlib import Path

from rumpun.errors import InputError
from rumpun.records.artefacts import read_manifest, sha256_file
from rumpun.records.places import cache_folder
from rumpun.steps import Progress, quiet

__all__ = ["BESIDE", "as_folder", "as_gguf", "base_of_layer", "downloaded", "find_base", "name_of"]

BESIDE = "base.gguf"  # in a layer's folder: a base made for the layer alone, as the tiny recipe does


def find_base(reference: str, progress: Progress = quiet) -> Path:
    """The GGUF file or transformers folder of "base" (the embedded one), a path, or a name in the catalogue or on the hub.

    Of a name, the weights that `hf download` put into the hub's own cache come before a GGUF: they are not quantised.

    Raises:
        InputError: nothing is there, or the reference is a service without weights.
    """
    if reference == "base":
        from rumpun.engines.embedded import base

        return base(progress)
    place = Path(reference).expanduser()
    if place.is_file() or (place / "config.json").is_file():
        return place
    if place.is_dir():
        found = sorted(place.glob("*.gguf"))
        if len(found) == 1:
            return found[0]
        raise InputError(
            f"{place}: neither config.json nor exactly one .gguf there",
            "name a GGUF file or a folder of transformers weights",
        )
    weights = downloaded(reference)
    if weights is not None:
        return weights
    from rumpun.engines.load import resolve

    resolved = resolve(reference)
    if resolved.kind == "url":
        raise InputError(
            f"{reference}: a service, whose weights cannot be read", "name a GGUF file or a folder"
        )
    return Path(resolved.place)


def downloaded(reference: str) -> Path | None:
    """Transformers weights in the hub's cache, by a catalogue's name or the hub's own "owner/name"; None without them."""
    from rumpun.engines import catalogue

    entry = catalogue.find(reference)
    if entry is not None and entry.kind == "packaged":  # its name means the packaged file
        return None
    repository = entry.weights if entry is not None else reference
    if repository.count("/") != 1 or not all(repository.split("/")):
        return None
    try:
        import huggingface_hub

        found = Path(huggingface_hub.snapshot_download(repository, local_files_only=True))
    except (ImportError, OSError, ValueError):  # not installed, not there, no name of a repository
        return None
    return found if (found / "config.json").is_file() and any(found.glob("*.safetensors")) else None


def name_of(base: Path) -> str:
    """A base as people call it: a folder's or file's name, "owner/name" for a snapshot in the hub's cache."""
    place = base.resolve()
    if place.parent.name == "snapshots":
        return place.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
    return place.name if place.is_dir() else place.stem


def base_of_layer(folder: Path, progress: Progress = quiet) -> Path:
    """The base that a layer's artefact stands on.

    Raises:
        InputError: the layer's base is not at hand.
    """
    if (folder / BESIDE).is_file():
        return folder / BESIDE
    return find_base(str(read_manifest(folder).maker.params.get("base", "base")), progress)


def as_folder(base: Path, progress: Progress = quiet) -> Path:
    """A transformers folder of a base: the folder itself, or a GGUF dequantised once into the cache.

    Two processes that ask at once: one writes, the other waits.

    Raises:
        InputError: the GGUF cannot be read or has no counterpart in transformers.
        EnvironmentFault: the cache cannot be written.
    """
    if base.is_dir():
        return base
    import filelock

    from rumpun.weights.folder import write_folder

    store = cache_folder() / "folders"
    store.mkdir(parents=True, exist_ok=True)
    final = store / sha256_file(base)[:32]
    with filelock.FileLock(store / f"{final.name}.lock"):
        if not (final / "whole").is_file():
            shutil.rmtree(final, ignore_errors=True)
            making = store / f".{final.name}"
            shutil.rmtree(making, ignore_errors=True)
            write_folder(base, making, progress=progress)
            (making / "whole").write_text("")
            making.replace(final)
    return final


def as_gguf(base: Path, progress: Progress = quiet) -> Path:
    """A GGUF of a base: the file itself, or a transformers folder written once into the cache, as precise as it is stored.

    Raises:
        InputError: of a family that has no counterpart here, or the folder is damaged.
        EnvironmentFault: the cache cannot be written.
    """
    if base.is_file():
        return base
    import filelock

    from rumpun.weights.from_folder import write_gguf_of
    from rumpun.weights.shards import weights_sha256

    key = hashlib.sha256(weights_sha256(base).encode())
    for path in sorted([*base.glob("*.json"), *base.glob("*.jinja")]):
        key.update(path.name.encode() + bytes.fromhex(sha256_file(path)))
    store = cache_folder() / "gguf"
    store.mkdir(parents=True, exist_ok=True)
    name = name_of(base)
    final = store / key.hexdigest()[:32] / f"{name.rpartition('/')[2]}.gguf"
    with filelock.FileLock(store / f"{final.parent.name}.lock"):
        if not final.is_file():
            write_gguf_of(base, final, metadata={"general.name": name}, progress=progress)
    return final

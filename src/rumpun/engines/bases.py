"""Bases by reference: the file behind a recipe's `base`, the base under a layer, and a base as a transformers folder."""

import shutil
from pathlib import Path

from rumpun.errors import InputError
from rumpun.records.artefacts import read_manifest, sha256_file
from rumpun.records.places import cache_folder
from rumpun.steps import Progress, quiet

__all__ = ["BESIDE", "as_folder", "base_of_layer", "find_base"]

BESIDE = "base.gguf"  # in a layer's folder: a base made for the layer alone, as the tiny recipe does


def find_base(reference: str, progress: Progress = quiet) -> Path:
    """The GGUF file or transformers folder of "base" (the embedded one), a path, or a name in the catalogue.

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
    from rumpun.engines.load import resolve

    resolved = resolve(reference)
    if resolved.kind == "url":
        raise InputError(
            f"{reference}: a service, whose weights cannot be read", "name a GGUF file or a folder"
        )
    return Path(resolved.place)


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

"""Which model it is: a digest of everything that its answers come from."""

import glob
import hashlib
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

from rumpun.engines.catalogue import content_sha256
from rumpun.engines.load import Found
from rumpun.engines.port import Engine
from rumpun.evaluate.records import ModelInfo
from rumpun.version import __version__

__all__ = ["identity_of", "model_info"]

_PACKAGES = {"llamacpp": ("xllamacpp",), "hf": ("transformers", "torch")}
_PARTS = re.compile(r"-00001-of-\d{5}\.gguf$")


def model_info(found: Found, engine: Engine) -> ModelInfo:
    """Name, engine and digest of a model that is open; for a server its address, `#` and its own name of the model."""
    about = engine.about()
    return ModelInfo(
        name=found.name.rpartition("@")[2] if found.kind == "url" else found.name,  # no password before the host
        engine=about.engine, digest=_digest(found), place=_served(engine) if found.kind == "url" else "",
        context_tokens=about.context_tokens, vocabulary=about.vocabulary, architecture=about.architecture,
    )  # fmt: skip


def identity_of(info: ModelInfo) -> dict[str, str | int]:
    """What makes the answers of a model its own, for the cache: weights with tokenizer and template, and what runs them.

    A server shows no digest: its address and its name of the model stand for it, and whoever changes the weights behind
    them names another cache.
    """
    told: dict[str, str | int] = {"engine": info.engine, "model": info.digest or info.place}
    if info.digest:
        told |= {"runtime": _runtime(info.engine), "context": info.context_tokens}  # long texts are cut by it
    return told


def _runtime(engine: str) -> str:
    """Versions of what computes, and on which kind of device, which decides the type of the numbers."""
    try:
        versions = [f"{name} {version(name)}" for name in _PACKAGES.get(engine, ())]
    except PackageNotFoundError:
        versions = []
    if engine == "hf" and versions:
        from rumpun.engines.hf_load import device_of

        versions.append(device_of(None).type)
    return ", ".join([f"rumpun {__version__}", *versions])


def _served(engine: Engine) -> str:
    from rumpun.engines.http import OpenAICompatible

    model = engine.model if isinstance(engine, OpenAICompatible) else ""
    return f"{engine.about().path}#{quote(model, safe='/:')}"


def _digest(found: Found) -> str:
    """sha256 of a file, or of the names and sha256s of several (a folder, a GGUF in parts); "" for an address."""
    if found.kind == "url":
        return ""
    path = Path(found.place)
    if path.is_file() and not _PARTS.search(path.name):
        return content_sha256(path)
    folder = path if path.is_dir() else path.parent
    wanted = "**/*" if path.is_dir() else glob.escape(_PARTS.sub("", path.name)) + "-*.gguf"
    told = hashlib.sha256()
    for file in sorted(one for one in folder.glob(wanted) if one.is_file()):
        told.update(f"{file.relative_to(folder).as_posix()}\0{content_sha256(file)}\n".encode())
    return told.hexdigest()

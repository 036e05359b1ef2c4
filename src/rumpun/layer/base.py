"""What a layer says of its base: name, hash, licence."""

import hashlib
from pathlib import Path

from rumpun.errors import InputError
from rumpun.layer.tiny_base import TINY_NAME
from rumpun.records.artefacts import SourceEntry, sha256_file

__all__ = ["base_name", "base_sha256", "base_source"]


def base_sha256(base: Path) -> str:
    """The sha256 of a GGUF, or of a transformers folder's weights taken in order of name."""
    if base.is_file():
        return sha256_file(base)
    files = sorted(base.glob("*.safetensors"))
    if not files:
        raise InputError(
            f"{base}: no .safetensors there", "name a folder of transformers weights, or a GGUF file"
        )
    if len(files) == 1:
        return sha256_file(files[0])
    return hashlib.sha256("".join(sha256_file(path) for path in files).encode()).hexdigest()


def base_name(base: Path, reference: str) -> str:
    """The base's name as people type it."""
    from rumpun.engines.embedded import BASE_NAME

    if reference == "base":
        return BASE_NAME
    if reference == TINY_NAME:
        return TINY_NAME
    return reference if not Path(reference).expanduser().exists() else base.stem


def base_source(base: Path, reference: str) -> SourceEntry:
    """The base as a source at the root of a lineage."""
    from rumpun.engines.embedded import EMBEDDED

    name = base_name(base, reference)
    if reference == "base":
        return SourceEntry(
            name=name,
            licence=EMBEDDED.licence,
            url=EMBEDDED.url,
            bytes=EMBEDDED.size,
            sha256=EMBEDDED.sha256,
            role="base",
        )
    if reference == TINY_NAME:
        size = base.stat().st_size
        return SourceEntry(name=name, licence="CC0-1.0", bytes=size, sha256=base_sha256(base), role="base")
    licence = ""
    if base.is_file():
        from rumpun.weights.gguf_file import describe

        licence = describe(base).licence or ""
        size = base.stat().st_size
    else:
        size = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    return SourceEntry(name=name, licence=_spdx(licence), bytes=size, sha256=base_sha256(base), role="base")


def _spdx(licence: str) -> str:
    """A GGUF writes "apache-2.0"; the table of licences knows "Apache-2.0"."""
    known = {"apache-2.0": "Apache-2.0", "mit": "MIT", "": "unknown"}
    return known.get(licence.lower(), licence)

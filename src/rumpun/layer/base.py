"""What a layer says of its base: name, hash, licence."""

import re
from pathlib import Path
from typing import Any, Protocol

from rumpun.layer.tiny_base import TINY_NAME
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.weights.shards import weights_sha256

__all__ = ["base_facts", "base_name", "base_sha256", "base_source"]


class _Based(Protocol):
    @property
    def base(self) -> str: ...


def base_facts(params: _Based) -> dict[str, Any]:
    """The base's own hash, where the recipe names a file or folder; nothing is fetched for it."""
    from rumpun.engines.bases import find_base

    place = Path(params.base).expanduser()
    if params.base in ("base", TINY_NAME) or not place.exists():
        return {}
    return {"base_sha256": base_sha256(find_base(params.base))}


def base_sha256(base: Path) -> str:
    """The sha256 of a GGUF, or of a transformers folder's weights taken in order of name.

    Raises:
        InputError: nothing is there.
    """
    if base.is_file():
        return sha256_file(base)
    return weights_sha256(base)


def base_name(base: Path, reference: str) -> str:
    """The base's name as people type it."""
    from rumpun.engines.bases import name_of
    from rumpun.engines.embedded import BASE_NAME

    if reference == "base":
        return BASE_NAME
    if reference == TINY_NAME:
        return TINY_NAME
    return reference if not Path(reference).expanduser().exists() else name_of(base)


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
        licence = _licence(base, reference)
        size = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    return SourceEntry(name=name, licence=_spdx(licence), bytes=size, sha256=base_sha256(base), role="base")


def _licence(folder: Path, reference: str) -> str:
    """A folder's licence: the catalogue's where it is known there by its name, else what its model card says."""
    from rumpun.engines import catalogue
    from rumpun.engines.bases import name_of

    entry = catalogue.find(reference) or catalogue.find(name_of(folder))
    if entry is not None:
        return entry.licence
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    said = re.search(r"^license:\s*(\S+)\s*$", head, re.MULTILINE)
    return said[1] if said else ""


def _spdx(licence: str) -> str:
    """A GGUF writes "apache-2.0"; the table of licences knows "Apache-2.0"."""
    known = {"apache-2.0": "Apache-2.0", "mit": "MIT", "": "unknown"}
    return known.get(licence.lower(), licence)

"""Copies of ancestors' manifests, `lineage/<id>.json` beside what was made from them.

A shipped folder, which may not grow past a limit, has them packed: `<id>.json.gz`. Manifests that say the same sources over
and over are a fifth of their size then. `zcat` shows one; whoever copies a packed one unpacks it.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST, Manifest

__all__ = ["LINEAGE", "copies", "is_copy", "keep_copy", "read_copy"]

LINEAGE = "lineage"
_PACKED = ".gz"
_MOST = 64_000_000  # bytes of a packed manifest: a small file may not fill the memory
_MEND = "copy the ancestor's manifest.json again"


def copies(folder: Path) -> Iterator[Path]:
    """The copies beside an artefact, in the order of their names."""
    yield from sorted(path for end in ("json", "json.gz") for path in (folder / LINEAGE).glob(f"*.{end}"))


def is_copy(path: Path) -> bool:
    """Whether a file is named as a copy is."""
    return path.name.endswith((".json", f".json{_PACKED}"))


def read_copy(path: Path) -> Manifest:
    """A copy's manifest.

    Raises:
        InputError: it is missing, cannot be read, or is no manifest.
    """
    try:
        return msgspec.json.decode(_content(path), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a manifest ({error})", _MEND) from error


def keep_copy(source: Path | Manifest, folder: Path, key: str, *, packed: bool = False) -> Path:
    """Put an ancestor's manifest beside what was made from it; returns the copy.

    Args:
        source: an artefact's folder, its manifest's file, a copy of that, or a manifest that has no file.
        folder: of what was made from it.
        key: the ancestor's id.
        packed: whether it is packed; equal manifests give equal bytes.

    Raises:
        InputError: the source cannot be read.
    """
    if isinstance(source, Manifest):
        content = msgspec.json.format(msgspec.json.encode(source), indent=1) + b"\n"
    else:
        content = _content(source / MANIFEST if source.is_dir() else source)
    copy = folder / LINEAGE / (f"{key}.json{_PACKED}" if packed else f"{key}.json")
    copy.parent.mkdir(parents=True, exist_ok=True)
    if packed:
        import gzip

        content = gzip.compress(content, mtime=0)
    copy.write_bytes(content)
    return copy


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if path.suffix != _PACKED:
            return content
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", _MEND) from error
    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            unpacked = stream.read(_MOST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: not packed by gzip, or cut off ({error})", _MEND) from error
    if len(unpacked) > _MOST:
        raise InputError(f"{path}: more than {_MOST:,} bytes once unpacked", _MEND)
    return unpacked

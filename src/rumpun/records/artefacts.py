"""Artefacts: folders with a manifest written last.

An artefact is made in a hidden folder on the same disk and renamed when whole, so a folder that has a
`manifest.json` is finished and one that has none does not exist for anybody. Its id is the hash of what made it
(kind, the parents' ids, the parameters, the step's name and version), so the same work is found and not done again.
Two processes that make the same one wait for each other on a file lock.
"""

import contextlib
import hashlib
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import EnvironmentFault, InputError

__all__ = [
    "MANIFEST",
    "FileEntry",
    "Maker",
    "Manifest",
    "SourceEntry",
    "artefact_id",
    "find_artefact",
    "making",
    "now",
    "publish",
    "read_manifest",
    "sha256_file",
    "verify",
    "write_manifest",
]

MANIFEST = "manifest.json"
SCHEMA = 1
_CHUNK = 1 << 20


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an artefact."""

    path: str  # relative to the artefact's folder, with forward slashes
    sha256: str
    size: int  # bytes


class SourceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One source at the root of a lineage: nothing in rumpun made it."""

    name: str
    licence: str  # SPDX expression or LicenseRef-
    url: str = ""
    commit: str = ""
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    role: str = "text"  # text, base, benchmark, seed


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """What made an artefact."""

    step: str  # "corpus.write"
    version: int  # of the step; raised when its results change
    params: dict[str, Any]
    rumpun: str  # the package's version
    tools: dict[str, str] = {}  # library -> version, where they bear on the result
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an artefact is, what it is made of and what that obliges."""

    schema: int = SCHEMA
    kind: str  # corpus, layer, model, evaluation, gguf, guard, base, card
    id: str  # 32 hex digits
    name: str = ""
    created: str = ""  # RFC 3339, UTC; SOURCE_DATE_EPOCH is honoured
    maker: Maker
    parents: tuple[str, ...] = ()  # ids
    sources: tuple[SourceEntry, ...] = ()
    licences: tuple[str, ...] = ()  # the set of every source's licence, through all parents
    languages: tuple[str, ...] = ()
    summary: dict[str, Any] = {}  # figures for cards: counts, drops, losses, scores
    files: tuple[FileEntry, ...] = ()


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes.

    Raises:
        InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "check the path and its permissions"
        ) from error
    return digest.hexdigest()


def artefact_id(kind: str, step: str, version: int, params: Mapping[str, Any], parents: Sequence[str]) -> str:
    """32 hex digits from what makes an artefact.

    Raises:
        TypeError: a parameter has no stable form in JSON (a callable, a set, a key that is no text, not a number).
    """
    made_of = {"kind": kind, "step": step, "version": version, "params": params, "parents": list(parents)}
    canonical = msgspec.json.encode(_stable(made_of), order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:32]


def _stable(value: Any) -> Any:
    """The same value in plain JSON types, or TypeError: what has two spellings would give two ids."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _stable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_stable(item) for item in value]
    raise TypeError(f"{value!r} ({type(value).__name__}) has no stable form, so it cannot be part of an id")


def now() -> str:
    """The time for a manifest, RFC 3339 in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(epoch) if epoch else time.time()))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artefact's folder.

    Raises:
        InputError: there is none, or it is not one.
    """
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise InputError(
            f"{folder}: no {MANIFEST} there, so no finished artefact", "name an artefact's folder"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a manifest ({error})", "make the artefact again") from error
    if manifest.schema > SCHEMA:
        raise InputError(
            f"{path}: schema {manifest.schema}, this rumpun reads up to {SCHEMA}", "upgrade rumpun"
        )
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Hash every file of the folder and write the manifest last, atomically."""
    for leftover in folder.glob(f".{MANIFEST}.*"):  # of a writer that was killed just here
        leftover.unlink()
    files = tuple(
        FileEntry(
            path=path.relative_to(folder).as_posix(), sha256=sha256_file(path), size=path.stat().st_size
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    )
    whole = msgspec.structs.replace(manifest, files=files, created=manifest.created or now())
    temporary = folder / f".{MANIFEST}.{os.getpid()}"
    with temporary.open("wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(folder / MANIFEST)
    return whole


def verify(folder: Path) -> Manifest:
    """Re-hash an artefact and name the first file that does not match.

    Raises:
        InputError: a file is missing, of another size or of another hash.
    """
    manifest = read_manifest(folder)
    for entry in manifest.files:
        path = folder / entry.path
        if not path.is_file():
            raise InputError(
                f"{path}: missing, though {MANIFEST} names it", "make or fetch the artefact again"
            )
        size = path.stat().st_size
        if size != entry.size:
            raise InputError(
                f"{path}: {size} bytes, {MANIFEST} says {entry.size}", "make or fetch the artefact again"
            )
        found = sha256_file(path)
        if found != entry.sha256:
            raise InputError(
                f"{path}: sha256 {found[:12]}…, {MANIFEST} says {entry.sha256[:12]}…",
                "make or fetch the artefact again",
            )
    return manifest


def find_artefact(store: Path, key: str) -> Path | None:
    """The finished artefact with this id in a store, or None."""
    folder = store / key
    return folder if (folder / MANIFEST).is_file() else None


@contextlib.contextmanager
def making(store: Path, key: str) -> Iterator[tuple[Path, Path]]:
    """Hold the lock of one artefact and give (final folder, scratch folder).

    The scratch folder outlives a killed process: a step resumes from what it finds there. It is removed once the
    artefact stands. Whoever comes second waits, and finds the artefact made.

    Raises:
        EnvironmentFault: the store cannot be written.
    """
    import filelock

    scratch = store / ".making" / key
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(store / ".making" / f"{key}.lock")
        with lock:
            scratch.mkdir(parents=True, exist_ok=True)
            yield store / key, scratch
            if find_artefact(store, key):
                shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise EnvironmentFault(
            f"{error.filename or store}: {error.strerror or error}",
            f"free space, or mend the permissions under {store}",
        ) from error


def publish(folder: Path, final: Path) -> None:
    """Rename a whole artefact to its place; an unfinished leftover there is cleared first."""
    if final.exists() and not (final / MANIFEST).is_file():
        shutil.rmtree(final)
    folder.replace(final)

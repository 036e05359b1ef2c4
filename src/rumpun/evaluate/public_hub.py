"""One file of a data set on a hub: its size said first, then fetched, checked and kept in the cache."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from rumpun.errors import EnvironmentFault, InputError, MissingPartError
from rumpun.records.artefacts import sha256_file
from rumpun.records.places import cache_folder

__all__ = ["fetch", "silent"]


def silent(_message: str) -> None:
    """Tell nobody."""


def fetch(repo: str, file: str, say: Callable[[str], None] = silent) -> Path:
    """The path of a data set's file, from the cache where it is there whole; HF_ENDPOINT may name another hub.

    Args:
        repo: "owner/name", or "owner/name@revision".
        file: its path in the repository, or its name where it lies in another folder there.
        say: is told the size before anything is fetched.

    Raises:
        MissingPartError: huggingface_hub is not installed.
        InputError: the data set has no such file, or what came is not what the hub lists.
        EnvironmentFault: the hub does not answer, or the disk is too small.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingPartError(f"reading {repo} from a hub (huggingface_hub)", "eval") from error
    name, _, revision = repo.partition("@")
    api = huggingface_hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    path, size, sha256, commit = _look_up(api, name, revision or None, file)
    folder = cache_folder() / "hub" / name.replace("/", "--") / commit
    kept = folder / path
    if kept.is_file() and kept.stat().st_size == size:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder).free) < size:
        raise EnvironmentFault(
            f"{folder}: {free / 1e9:.2f} GB free, {path} needs {size / 1e9:.2f} GB",
            "free space, or set RUMPUN_HOME to a folder on another disk",
        )
    say(f"{name}: fetching {path}, {size / 1e6:.1f} MB")
    try:
        got = Path(
            huggingface_hub.hf_hub_download(
                name, path, repo_type="dataset", revision=commit, local_dir=folder, endpoint=os.environ.get("HF_ENDPOINT")
            )
        )  # fmt: skip
    except Exception as error:
        raise _unreachable(name, error) from error
    if got.stat().st_size != size or (sha256 and sha256_file(got) != sha256):
        got.unlink()
        raise InputError(f"{name}: {path} is not what the hub lists", "fetch it again")
    return got


def _look_up(api: Any, name: str, revision: str | None, file: str) -> tuple[str, int, str, str]:
    """(path, bytes, sha256 or "", commit) of the file."""
    try:
        about = api.dataset_info(name, revision=revision, files_metadata=True)
    except Exception as error:
        raise _unreachable(name, error) from error
    listed = {one.rfilename: one for one in about.siblings or []}
    base = PurePosixPath(file).name
    fits = [file] if file in listed else sorted(path for path in listed if PurePosixPath(path).name == base)
    if len(fits) != 1:
        raise InputError(
            f"{name}: {len(fits)} files named {base}, one was expected",
            "name a data set that is laid out like the data folder, or fetch the files and name their folder",
        )
    one = listed[fits[0]]
    return fits[0], int(one.size or 0), one.lfs.sha256 if one.lfs else "", about.sha or "main"


def _unreachable(name: str, error: Exception) -> EnvironmentFault:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EnvironmentFault(
        f"{name}: the hub did not give it ({said[:200]})",
        "check the name, the network, HF_ENDPOINT and HF_TOKEN; or fetch the file and name its folder",
    )

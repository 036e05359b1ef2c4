"""Fetching a base from a hub: asked for by name, its size said first, its hash checked, kept among the bases."""

import fnmatch
import os
import shutil
from pathlib import Path
from typing import Any

from rumpun.engines.catalogue import Entry, at_hand
from rumpun.errors import EnvironmentFault, InputError, MissingPartError
from rumpun.records.artefacts import (
    Maker,
    Manifest,
    SourceEntry,
    artefact_id,
    making,
    publish,
    sha256_file,
    write_manifest,
)
from rumpun.records.places import data_folder
from rumpun.steps import Progress, quiet

__all__ = ["fetch", "not_at_hand"]


def not_at_hand(entry: Entry) -> InputError:
    """What to say of a base that is known and not on this machine."""
    if entry.file:
        return InputError(
            f"{entry.name} is not at hand ({entry.size}, {entry.licence}, {entry.repository})",
            f"where a hub can be reached: rumpun up --base {entry.name}",
        )
    return InputError(
        f"{entry.name} is not at hand, and is published as transformers weights only ({entry.repository})",
        f"serve it with vLLM (vllm serve {entry.repository}) and name its address: rumpun up --base http://HOST:8000/v1",
    )


def fetch(entry: Entry, progress: Progress = quiet) -> Path:
    """Fetch a base's GGUF into `<data>/bases/<name>` and return its path; HF_ENDPOINT may name another hub.

    Raises:
        MissingPartError: huggingface_hub is not installed.
        InputError: the base has no GGUF, or what came does not match its checksum.
        EnvironmentFault: the hub does not answer, or the disk has too little space.
    """
    if not entry.file:
        raise not_at_hand(entry)
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingPartError(f"fetching {entry.name} from a hub (huggingface_hub)", "eval") from error
    api = huggingface_hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    with making(data_folder() / "bases", entry.name) as (final, scratch):
        found = at_hand(entry.name)
        if found is not None:
            return found
        name, size, sha256, commit = _look_up(api, entry)
        free = shutil.disk_usage(scratch).free
        if free < size:
            raise EnvironmentFault(
                f"{final.parent}: {free / 1e9:.2f} GB free, {entry.name} needs {size / 1e9:.2f} GB",
                "free space, or set RUMPUN_HOME to a folder on another disk",
            )
        progress(0, size, f"{entry.name} ({entry.licence}): fetching {size / 1e9:.2f} GB")
        folder = scratch / "folder"
        folder.mkdir(exist_ok=True)
        path = _download(api, entry, name, commit, folder)
        digest = sha256_file(path)
        for expected in filter(None, (sha256, entry.sha256)):
            if digest != expected:
                path.unlink()
                raise InputError(
                    f"{name}: sha256 {digest[:12]}…, expected {expected[:12]}…", "fetch it again"
                )
        progress(size, size, "fetched")
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        write_manifest(folder, _manifest(entry, digest, path.stat().st_size, commit))
        publish(folder, final)
        return final / path.name


def _look_up(api: Any, entry: Entry) -> tuple[str, int, str, str]:
    """(file, bytes, sha256 or "", commit) of the one file that the entry's pattern names."""
    try:
        about = api.model_info(entry.repository, files_metadata=True)
    except Exception as error:
        raise _unreachable(entry, error) from error
    names = [item.rfilename for item in about.siblings if fnmatch.fnmatchcase(item.rfilename, entry.file)]
    if len(names) != 1:
        raise InputError(
            f"{entry.repository}: {len(names)} files match {entry.file}, one was expected",
            "fetch the file you want by hand and name its path: rumpun up --base PATH",
        )
    item = next(item for item in about.siblings if item.rfilename == names[0])
    return names[0], int(item.size or 0), item.lfs.sha256 if item.lfs else "", about.sha or "main"


def _download(api: Any, entry: Entry, name: str, commit: str, folder: Path) -> Path:
    try:
        return Path(api.hf_hub_download(entry.repository, name, revision=commit, local_dir=folder))
    except OSError as error:
        raise _unreachable(entry, error) from error


def _unreachable(entry: Entry, error: Exception) -> EnvironmentFault:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EnvironmentFault(
        f"{entry.repository}: the hub did not give it ({said[:200]})",
        "check the network, HF_ENDPOINT and HF_TOKEN; or fetch the file elsewhere and name its path",
    )


def _manifest(entry: Entry, sha256: str, size: int, commit: str) -> Manifest:
    from rumpun.version import __version__

    params = {"repository": entry.repository, "commit": commit, "sha256": sha256}
    source = SourceEntry(
        name=entry.name,
        licence=entry.licence,
        url=f"https://huggingface.co/{entry.repository}",
        commit=commit,
        bytes=size,
        sha256=sha256,
        role="base",
    )
    return Manifest(
        kind="base",
        id=artefact_id("base", "engines.hub", 1, params, []),
        name=entry.name,
        maker=Maker(step="engines.hub", version=1, params=params, rumpun=__version__),
        sources=(source,),
        licences=(entry.licence,),
        languages=entry.languages,
    )

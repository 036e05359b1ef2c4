"""Data sets on a Hugging Face hub: which files a set's split has, their size said first, then fetched and checked."""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rumpun.corpus.read.formats import SourceFile, format_of
from rumpun.corpus.read.params import HubSet
from rumpun.errors import EnvironmentFault, InputError, MissingPartError
from rumpun.records.artefacts import sha256_file
from rumpun.records.places import cache_folder
from rumpun.steps import Progress

__all__ = ["chosen", "fetch"]


def fetch(hubs: Sequence[HubSet], languages: tuple[str, ...], progress: Progress) -> list[SourceFile]:
    """Fetch each set's files into the cache, where they stand the next time, and say what they are.

    Raises:
        MissingPartError: huggingface_hub is not installed.
        InputError: no such split, more than the recipe allows, or a file that is not what the hub lists.
        EnvironmentFault: the hub does not answer, or the disk is too small.
    """
    return [file for item in hubs for file in _fetch(item, languages, progress)]


def _fetch(item: HubSet, languages: tuple[str, ...], progress: Progress) -> list[SourceFile]:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingPartError(f"reading {item.hf} from a hub (huggingface_hub)", "eval") from error
    folder = cache_folder() / "hub" / item.hf.replace("/", "--") / item.revision
    api = huggingface_hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    listed = _listed(api, item, folder)
    wanted = chosen(item, listed)
    lacking = [name for name in wanted if not _here(folder / name, listed[name][0])]
    size = sum(listed[name][0] for name in lacking)
    if size > item.max_download_bytes:
        raise InputError(
            f"{item.hf}: {len(lacking)} files, {size / 1e9:.2f} GB to fetch,"
            f" the recipe allows {item.max_download_bytes / 1e9:.2f} GB",
            f"raise max_download_bytes to {size}, or take another config or split",
        )
    if lacking:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise EnvironmentFault(
                f"{folder}: {free / 1e9:.2f} GB free, {item.hf} needs {size / 1e9:.2f} GB",
                "free space, or set RUMPUN_HOME to a folder on another disk",
            )
    done = 0
    for name in lacking:
        progress(done, size, f"{item.hf}: fetching {len(lacking)} files, {size / 1e6:.1f} MB")
        _download(api, item, name, listed[name], folder)
        done += listed[name][0]
    return [_source(item, name, folder / name, listed[name][1], languages) for name in wanted]


def _here(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _listed(api: Any, item: HubSet, folder: Path) -> dict[str, tuple[int, str]]:
    """File -> (bytes, sha256 or "") at the commit; kept beside the files, so that a set once fetched needs no network."""
    import msgspec

    kept = folder / "listing.json"
    if kept.is_file():
        return msgspec.json.decode(kept.read_bytes(), type=dict[str, tuple[int, str]])
    try:
        about = api.dataset_info(item.hf, revision=item.revision, files_metadata=True)
    except Exception as error:
        raise _unreachable(item, error) from error
    found = {s.rfilename: (int(s.size or 0), s.lfs.sha256 if s.lfs else "") for s in about.siblings or []}
    folder.mkdir(parents=True, exist_ok=True)
    aside = kept.with_suffix(f".{os.getpid()}.part")
    aside.write_bytes(msgspec.json.encode(found))
    aside.replace(kept)
    return found


def chosen(item: HubSet, names: Iterable[str]) -> list[str]:
    """The files of the set's config and split: Parquet where there is any, else JSON Lines.

    Raises:
        InputError: none fit, or they belong to several configs and the recipe names none.
    """
    of_split = re.compile(rf"(^|/)(partial-)?{re.escape(item.split)}([-_./]|$)")
    every = [name for name in sorted(names) if format_of(Path(name)) in ("parquet", "jsonl")]
    fits = [name for name in every if of_split.search(name)]
    if item.config:
        fits = [name for name in fits if f"/{item.config}/" in f"/{name}"]
    fits = [name for name in fits if format_of(Path(name)) == "parquet"] or fits
    if not fits:
        named = f"config '{item.config}', split '{item.split}'" if item.config else f"split '{item.split}'"
        raise InputError(
            f"{item.hf}: no Parquet or JSON Lines file of {named} at {item.revision[:12]}",
            f"it has: {', '.join(every[:8])}"
            if every
            else "take the commit of its branch refs/convert/parquet as revision",
        )
    homes = {_home(name, item.split) for name in fits}
    if not item.config and len(homes) > 1:
        raise InputError(
            f"{item.hf}: {len(homes)} configs have the split '{item.split}'",
            f"name one: config = … ({', '.join(sorted(homes)[:12])})",
        )
    return fits


def _home(name: str, split: str) -> str:
    """The folder that stands for a config: without the split's own folder."""
    folders = [part for part in name.split("/")[:-1] if part.removeprefix("partial-") != split]
    return "/".join(folders)


def _download(api: Any, item: HubSet, name: str, fact: tuple[int, str], folder: Path) -> None:
    try:
        path = Path(
            api.hf_hub_download(item.hf, name, repo_type="dataset", revision=item.revision, local_dir=folder)
        )
    except Exception as error:
        raise _unreachable(item, error) from error
    size, sha256 = fact
    if path.stat().st_size != size or (sha256 and sha256_file(path) != sha256):
        path.unlink()
        raise InputError(f"{item.hf}: {name} is not what the hub lists", "fetch it again")


def _unreachable(item: HubSet, error: Exception) -> EnvironmentFault:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EnvironmentFault(
        f"{item.hf}: the hub did not give it ({said[:200]})",
        "check the name, the commit, the network, HF_ENDPOINT and HF_TOKEN; or fetch the files and name their folder",
    )


def _source(item: HubSet, name: str, path: Path, sha256: str, languages: tuple[str, ...]) -> SourceFile:
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    return SourceFile(
        kind="file",
        source=item.source or item.hf,
        path=str(path.absolute()),
        name=f"{item.hf}/{name}",
        format=format_of(path),
        licence=item.licence,
        domain=item.domain,
        repository=f"{endpoint}/datasets/{item.hf}",
        commit=item.revision,
        sha256=sha256,
        language=item.language,
        languages=languages,
        columns=item.columns,
        own_names=True,
    )

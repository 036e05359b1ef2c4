"""Which files a reading takes, in canonical order, and how they are cut into units of work.

The cut depends on the files alone: small files are grouped, large ones cut at line ends or row groups, and a part of text
never spans two groups.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rumpun.corpus.languages import known
from rumpun.corpus.met import identity as taken_back
from rumpun.corpus.read.formats import SourceFile, Span, format_of
from rumpun.corpus.read.inventory import LeftOut, Unit, Wanted, find_units, machine_translated
from rumpun.corpus.read.params import Files, ReadParams
from rumpun.errors import InputError
from rumpun.records.places import source_data

__all__ = ["GROUP_BYTES", "SPLIT_BYTES", "Found", "find", "group", "identity", "reading"]

GROUP_BYTES = 8 << 20  # of files: small ones are read together until they come to this
SPLIT_BYTES = 32 << 20  # of a file: a larger one is cut, where its format can be cut
_HASHED_AT_PLAN_BYTES = 64 << 20  # larger files outside an inventory are known by size and time


@dataclass(frozen=True, slots=True)
class Found:
    """What is read and what is not."""

    files: list[
        SourceFile
    ]  # in canonical order: human text before machine translation, then by source, kind and name
    left_out: list[LeftOut]
    ignored: list[str]  # files in named folders whose suffix names no format


def find(params: ReadParams, hub_files: Iterable[SourceFile] = ()) -> Found:
    """Every file to read; `hub_files` are those that were fetched.

    Raises:
        InputError: no data folder, a damaged inventory, a source or a path that does not exist, or nothing to read.
    """
    files, left = _from_inventory(params) if params.from_inventory else ([], [])
    ignored: list[str] = []
    for item in params.files:
        files += _from_place(item, params, ignored)
    files += hub_files
    if params.texts:
        rows = tuple(
            {"text": t.text, "language": t.language, "source": t.source, "licence": t.licence}
            for t in params.texts
        )
        files.append(
            SourceFile(
                kind="inline", source="inline", name="the recipe's texts", format="inline", inline=rows
            )
        )
    if not files and not params.hubs:
        raise InputError(
            "the recipe asks for no text: no source of the inventory, no file, no set and no text of its own fits",
            "add languages, sources, files, hubs or texts",
        )
    order = sorted(
        _told_apart(files), key=lambda f: (machine_translated(f.source), f.source, f.kind, f.name, f.path)
    )
    return Found(order, left, sorted(ignored))


def _told_apart(files: Sequence[SourceFile]) -> list[SourceFile]:
    """The same files; those of one name have as many folders before it as tell them apart."""
    of_name: dict[str, set[str]] = {}
    for file in files:
        of_name.setdefault(file.name, set()).add(file.path)
    names: dict[str, str] = {}
    for paths in (paths for paths in of_name.values() if len(paths) > 1):
        parts = {path: Path(path).parts for path in paths}
        count = 1
        while len({item[-count:] for item in parts.values()}) < len(parts):
            count += 1
        names |= {path: "/".join(item[-count:]) for path, item in parts.items()}
    return [msgspec.structs.replace(f, name=names[f.path]) if f.path in names else f for f in files]


def _from_inventory(params: ReadParams) -> tuple[list[SourceFile], list[LeftOut]]:
    folder = Path(params.data).expanduser() if params.data else source_data()
    units, left = find_units(
        Wanted(
            languages=params.languages or tuple(known()), data=params.data, sources=params.sources,
            exclude_sources=params.exclude_sources, exclude_domains=params.exclude_domains,
            seed_text=params.seed_text, text_from_pairs=params.text_from_pairs,
        )
    )  # fmt: skip
    return [_of_unit(unit, folder, params) for unit in units], left


def _of_unit(unit: Unit, folder: Path, params: ReadParams) -> SourceFile:
    path = unit.path
    return SourceFile(
        kind=unit.kind,
        source=unit.source,
        path=str(path.absolute()),
        name=path.relative_to(folder).as_posix(),
        format=format_of(path) or "jsonl",
        licence=unit.licence,
        domain=unit.domain,
        repository=unit.repository,
        commit=unit.commit,
        sha256=unit.sha256,
        languages=unit.languages if params.languages or unit.kind != "text" else (),
    )


def _from_place(item: Files, params: ReadParams, ignored: list[str]) -> list[SourceFile]:
    place = _resolve(item.path)
    found, closed = [place], list[Path]()
    if place.is_dir():
        every, closed = _listed(place)
        found = [path for path in every if item.format or format_of(path)]
        ignored += [
            f"{place.name}/{path.relative_to(place).as_posix()}" for path in every if path not in set(found)
        ]
        if not found and not closed:
            raise InputError(
                f"{place}: no file in this folder has a format that can be read",
                "name another folder, or its files' format",
            )
    elif not item.format and not format_of(place):
        raise InputError(
            f"{place}: the name does not say the format",
            'add format = "jsonl" (parquet, text, html, warc) beside its path',
        )
    return [
        SourceFile(
            kind="file",
            source=item.source or path.name.partition(".")[0],
            path=str(path.absolute()),
            name=path.name if path == place else f"{place.name}/{path.relative_to(place).as_posix()}",
            format=item.format or format_of(path) or "text",
            licence=item.licence,
            domain=item.domain,
            language=item.language,
            languages=params.languages,
            columns=item.columns,
            documents=item.documents,
            encoding=item.encoding,
            sha256=item.sha256 if path == place else "",
            own_names=bool(item.source),
        )
        for path in (*found, *closed)  # a folder that is closed is told as a file that cannot be read
    ]


def _listed(place: Path) -> tuple[list[Path], list[Path]]:
    """The files under a folder, links that lead nowhere among them, and the folders that cannot be listed, in order.

    Raises:
        InputError: the folder itself cannot be listed.
    """
    closed: dict[Path, str] = {}

    def note(error: OSError) -> None:
        closed[Path(error.filename)] = error.strerror or str(error)

    files = [
        Path(folder) / name
        for folder, _, names in os.walk(place, onerror=note)
        for name in names
        if not name.startswith(".")
    ]
    if place in closed:
        raise InputError(
            f"{place}: this folder cannot be read ({closed[place]})",
            "mend its permissions, or name another",
        )
    return sorted(path for path in files if not _special(path)), sorted(closed)


def _special(path: Path) -> bool:
    """Whether it is there and neither a file nor out of reach: a pipe, a socket."""
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False


def _resolve(path: str) -> Path:
    for start in (Path.cwd(), Path(__file__).resolve().parents[3]):
        found = start / Path(path).expanduser()
        try:
            if found.exists():
                return found.resolve()
        except OSError as error:
            raise InputError(
                f"{found}: cannot be read ({error.strerror or error})",
                "mend its permissions, or name another place",
            ) from error
    raise InputError(
        f"{path}: no such file or folder in the working folder or the checkout",
        "name a .jsonl, .parquet, .txt, .html or .warc file (.gz and .zst too), or a folder of them",
    )


def identity(params: ReadParams) -> dict[str, Any]:
    """What the artefact's id depends on beyond the parameters: the hashes of the files, and what was taken back of them.

    Sets on a hub are known by their commit, which is a parameter; nothing is asked of the network.
    """
    files = _files(params)
    return {"files": files} | taken_back(_reading(params, files))


def reading(params: ReadParams) -> str:
    """What a reading is remembered by (`corpus.withdraw.met`): 32 hex digits of its parameters and files."""
    return _reading(params, _files(params))


def _reading(params: ReadParams, files: str) -> str:
    told = msgspec.json.encode({"params": params, "files": files}, order="deterministic")
    return hashlib.sha256(told).hexdigest()[:32]


def _files(params: ReadParams) -> str:
    facts = [
        f"{file.kind} {file.source} {file.name} {file.sha256 or _fact(Path(file.path))}"
        for file in find(params).files
        if file.path
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _fact(path: Path) -> str:
    """What a file is known by: its bytes, or where it is large its size and time, or that it cannot be read."""
    try:
        stat = path.stat()
        if stat.st_size > _HASHED_AT_PLAN_BYTES:
            return f"{stat.st_size} bytes, {stat.st_mtime_ns}"
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def group(files: Sequence[SourceFile], examined: Sequence[Mapping[str, Any]]) -> list[list[Span]]:
    """The spans of all files in groups of about GROUP_BYTES, in canonical order; files that were refused have none."""
    groups: list[list[Span]] = []
    size = GROUP_BYTES
    for number, (_, facts) in enumerate(zip(files, examined, strict=True)):
        for cut in facts["spans"]:
            if size >= GROUP_BYTES:
                groups.append([])
                size = 0
            groups[-1].append(Span(file=number, start=cut["start"], end=cut["end"], before=cut["before"]))
            size += cut["bytes"]
    return groups


def as_json(value: msgspec.Struct) -> Any:
    """A struct as plain JSON types, for a unit of work."""
    return msgspec.to_builtins(value)

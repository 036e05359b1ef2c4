"""From an artefact back to every source, its licence and what it obliges.

An ancestor is looked for, by its id, in the `lineage/` folder beside what names it, among its neighbours in the same
store, in the data store, the bases, the assembled models, and the shipped layers with their own `lineage/`. One that
is nowhere is named as missing, never left out.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST, Manifest, SourceEntry, read_manifest, sha256_file, verify
from rumpun.records.copies import copies, is_copy, read_copy
from rumpun.records.licences import obligations, shippable
from rumpun.records.places import cache_folder, data_folder, shipped_folder
from rumpun.records.private import must_stay

__all__ = [
    "SOURCES_KEY",
    "Lineage",
    "Missing",
    "Node",
    "ancestors",
    "pack_sources",
    "unpack_sources",
    "verify_file",
    "verify_lineage",
    "walk",
]


SOURCES_KEY = "rumpun.sources"  # in a file's own metadata, so that it can be traced where nothing else is


def pack_sources(sources: Sequence[SourceEntry]) -> list[str]:
    """Sources as the strings that a file's metadata holds, one each."""
    return [msgspec.json.encode(source).decode() for source in sources]


def unpack_sources(listed: object) -> tuple[SourceEntry, ...]:
    """Sources out of a file's metadata; none where it has none.

    Raises:
        msgspec.MsgspecError: a string is not what `pack_sources` writes.
    """
    return (
        tuple(msgspec.json.decode(line, type=SourceEntry) for line in listed)
        if isinstance(listed, list)
        else ()
    )


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One artefact of a lineage."""

    id: str
    kind: str
    name: str
    step: str
    created: str
    parents: tuple[str, ...]
    licences: tuple[str, ...]
    place: str  # the artefact's folder, or the copy of its manifest where the folder is not on this machine
    whole: bool  # whether the artefact itself is on this machine, so that it can be verified


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """An ancestor of which no manifest is on this machine, or one that cannot be read."""

    id: str
    wanted_by: str  # the id of what names it as a parent
    problem: str


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """A walked lineage. `nodes` stand root first, each once; keys are stable."""

    root: str
    nodes: tuple[Node, ...]
    sources: tuple[SourceEntry, ...]
    licences: tuple[str, ...]
    obligations: dict[str, list[str]]  # duty -> licences that bring it
    not_shippable: tuple[str, ...]  # licences under which no layer may be given away
    missing: tuple[Missing, ...]

    @property
    def complete(self) -> bool:
        """Whether every ancestor was found."""
        return not self.missing


class _Found(msgspec.Struct, frozen=True):
    manifest: Manifest
    place: Path  # folder, or the manifest's copy
    whole: bool


def walk(
    folder: Path | str,
    *,
    id: str = "",  # noqa: A002
    parents: Sequence[str] = (),
    sources: Sequence[SourceEntry] = (),
) -> Lineage:
    """Walk from an artefact's folder, or the id of one that is on this machine, back to its sources.

    Args:
        folder: an artefact's folder or its id.
        id: for a file that has no manifest beside it and says what it is itself (a GGUF): its id.
        parents: for such a file: its parents' ids.
        sources: for such a file: the sources that it names itself.

    Raises:
        InputError: neither a manifest nor an id leads anywhere.
    """
    path = Path(folder)
    index = _Index(path if path.is_dir() else path.parent if path.is_file() else data_folder() / "artefacts")
    if path.is_dir():
        root = _Found(read_manifest(path), path, whole=True)
    else:
        root = index.find(id or str(folder)) or _by_itself(path, id, parents, sources)
    return _gather(root, index)


def verify_lineage(lineage: Lineage) -> list[str]:
    """Re-hash every artefact of a lineage that is on this machine and return their folders.

    Raises:
        InputError: names the first file that does not match.
    """
    checked = []
    for node in lineage.nodes:
        if node.whole:
            verify(Path(node.place))
            checked.append(node.place)
    return checked


def verify_file(path: Path, lineage: Lineage) -> None:
    """Hash a file that was named by itself, wherever it lies now, against the manifest of what it says it is.

    Raises:
        InputError: its bytes are not those that the manifest names, or no manifest that names any is on this machine.
    """
    root = next(node for node in lineage.nodes if node.id == lineage.root)
    place = Path(root.place)
    manifest = read_manifest(place) if place.is_dir() else None
    if manifest is None and is_copy(place):
        manifest = read_copy(place)
    names = {entry.sha256 for entry in manifest.files} if manifest else set()
    if not names:
        raise InputError(
            f"{path}: not verified, no manifest on this machine names its hash",
            "put the manifest.json that came with it beside it",
        )
    found = sha256_file(path)
    if found not in names:
        raise InputError(
            f"{path}: sha256 {found[:12]}…, and no file of {lineage.root} has it",
            "fetch or make the file again",
        )


def _by_itself(path: Path, key: str, parents: Sequence[str], sources: Sequence[SourceEntry]) -> _Found:
    if not path.is_file() or not key:
        raise InputError(
            f"{path}: neither an artefact's folder nor the id of one on this machine",
            "name a folder with manifest.json, a GGUF that rumpun wrote, or 'default'",
        )
    from rumpun.records.artefacts import Maker

    maker = Maker(step="", version=0, params={}, rumpun="")
    manifest = Manifest(
        kind="gguf",
        id=key,
        name=path.name,
        maker=maker,
        parents=tuple(parents),
        sources=tuple(sources),
        licences=tuple(sorted({source.licence for source in sources})),
    )
    return _Found(manifest, path, whole=False)


def _gather(root: _Found, index: "_Index") -> Lineage:
    found: dict[str, _Found] = {root.manifest.id: root}
    missing: dict[str, Missing] = {}
    queue = [root.manifest]
    while queue:
        child = queue.pop(0)
        for parent in child.parents:
            if parent in found or parent in missing:
                continue  # seen already; a cycle ends here
            match = index.find(parent)
            if match is None:
                problem = index.problems.get(parent, "no manifest of it on this machine")
                missing[parent] = Missing(id=parent, wanted_by=child.id, problem=problem)
                continue
            found[parent] = match
            queue.append(match.manifest)
    manifests = [match.manifest for match in found.values()]
    sources = {(s.name, s.role, s.sha256): s for manifest in manifests for s in manifest.sources}
    licences = sorted(
        {licence for m in manifests for licence in (*m.licences, *(s.licence for s in m.sources))}
    )
    return Lineage(
        root=root.manifest.id,
        nodes=tuple(_node(match) for match in found.values()),
        sources=tuple(sources[key] for key in sorted(sources)),
        licences=tuple(licences),
        obligations=obligations(licences),
        not_shippable=tuple(licence for licence in licences if not shippable(licence)),
        missing=tuple(missing.values()),
    )


def _node(found: _Found) -> Node:
    manifest = found.manifest
    return Node(
        id=manifest.id,
        kind=manifest.kind,
        name=manifest.name,
        step=manifest.maker.step,
        created=manifest.created,
        parents=manifest.parents,
        licences=manifest.licences,
        place=str(found.place),
        whole=found.whole,
    )


class _Index:
    """Manifests by id, read from where ancestors may lie; whole artefacts go before copies of their manifests."""

    def __init__(self, start: Path) -> None:
        self.problems: dict[str, str] = {}
        self._known: dict[str, _Found] = {}
        for folder in _folders(start):
            self._take(folder / MANIFEST, folder, whole=True)
        for beside in (start, *_folders(start)):
            for copy in copies(beside):
                self._take(copy, copy, whole=False)

    def find(self, key: str) -> _Found | None:
        """What has this id, or None."""
        return self._known.get(key)

    def _take(self, path: Path, place: Path, *, whole: bool) -> None:
        if not path.is_file():
            return
        try:
            manifest = read_manifest(place) if whole else read_copy(path)
        except (InputError, OSError) as error:
            key = place.name if whole else path.name.partition(".")[0]
            self.problems[key] = f"{path}: cannot be read ({error})"
            return
        self._known.setdefault(manifest.id, _Found(manifest, place, whole))


def _folders(start: Path) -> Iterator[Path]:
    """Folders that may be artefacts, the nearest first."""
    yield start
    neighbours = [path.parent for path in start.absolute().parent.glob(f"[!.]*/{MANIFEST}")]
    yield from sorted(neighbours)
    for shelf in (
        data_folder() / "artefacts",
        data_folder() / "bases",
        cache_folder() / "assembled",
        shipped_folder(),
    ):
        yield from sorted(path.parent for path in shelf.glob(f"[!.]*/{MANIFEST}"))


def ancestors(folders: Sequence[Path]) -> Iterator[tuple[Manifest, Path]]:
    """(manifest, its file) of artefacts and all that they stand on, each once.

    Raises:
        InputError: one of them is not to be found.
    """
    seen: set[str] = set()
    for folder in folders:
        lineage = walk(folder)
        for gap in lineage.missing:
            raise InputError(
                f"{folder}: its ancestor {gap.id} is missing ({gap.problem})",
                "run the recipe that made it in the same store, or put its manifest into lineage/",
            )
        for node in lineage.nodes:
            place = Path(node.place)
            path = place / MANIFEST if place.is_dir() else place
            if node.id not in seen:
                seen.add(node.id)
                manifest = read_manifest(place) if place.is_dir() else read_copy(path)
                must_stay(manifest, str(folder))
                yield manifest, path

"""What stands on a corpus, and how artefacts are moved out of use, whole or not at all.

An artefact that is out of use keeps its folder's name and its manifest, of kind "withdrawn" and without files: lineage still
finds what a model was made from, and nothing can be trained on it again.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST, Manifest, now, read_manifest, write_manifest
from rumpun.records.copies import copies, read_copy
from rumpun.records.places import cache_folder, data_folder, shipped_folder

__all__ = ["Standing", "ancestors", "finish", "made_from", "retire"]

_STAGES = (
    "documents",
    "quality",
    "attributes",
    "links",
    "decisions",
    "mixture",
)  # of a corpus, before it is written


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An artefact that has to do with what was taken back."""

    id: str
    kind: str
    name: str
    place: str
    why: str


def _manifests(store: Path) -> Iterator[tuple[Manifest, Path]]:
    """Every manifest of this machine with its folder, and copies of others' beside what names them."""
    shelves = (
        store,
        data_folder() / "artefacts",
        data_folder() / "bases",
        cache_folder() / "assembled",
        shipped_folder(),
    )
    for shelf in dict.fromkeys(path.absolute() for path in shelves):
        for path in sorted(shelf.glob(f"[!.]*/{MANIFEST}")):
            try:
                yield read_manifest(path.parent), path.parent
            except InputError:
                continue  # `rumpun lineage --verify` names it
            for copy in copies(path.parent):
                try:
                    yield read_copy(copy), copy
                except InputError:
                    continue


def made_from(store: Path, corpora: Sequence[str], sources: Sequence[str]) -> list[Standing]:
    """Every artefact on this machine that was made from these corpora, or that names one of the sources.

    Corpora and indexes that were moved out of use are not listed.
    """
    known: dict[str, tuple[Manifest, Path]] = {}
    for manifest, place in _manifests(store):
        if manifest.id not in known or place.is_dir():
            known[manifest.id] = (manifest, place)
    reached = set(corpora)
    grown = True
    while grown:
        grown = False
        for key, (manifest, _) in known.items():
            if key not in reached and reached & set(manifest.parents):
                reached.add(key)
                grown = True
    found: list[Standing] = []
    for key, (manifest, place) in sorted(known.items()):
        names = [s.name for s in manifest.sources if s.name in sources]
        if key in corpora or manifest.kind in ("withdrawn", *_STAGES) or not (key in reached or names):
            continue
        why = (
            "made from the corpus" if key in reached else f"names the source {', '.join(sorted(set(names)))}"
        )
        found.append(Standing(id=key, kind=manifest.kind, name=manifest.name, place=str(place), why=why))
    return found


def ancestors(store: Path, manifest: Manifest) -> list[Manifest]:
    """Stages of the pipeline in the store that a corpus was made from: they hold its rows too."""
    found: dict[str, Manifest] = {}
    queue = list(manifest.parents)
    while queue:
        key = queue.pop()
        if key in found or not (store / key / MANIFEST).is_file():
            continue
        parent = read_manifest(store / key)
        if parent.kind in _STAGES:
            found[key] = parent
            queue += parent.parents
    return [found[key] for key in sorted(found)]


def retire(store: Path, replaced: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Move artefacts out of use: id -> the id of what stands in its place, or "".

    What is to be done is written down first. A process killed in the middle leaves it to the next `finish`.
    """
    journal = store / ".withdrawn" / "journal.json"
    journal.parent.mkdir(parents=True, exist_ok=True)
    aside = journal.with_suffix(f".{os.getpid()}")
    with aside.open("w", encoding="utf-8") as stream:
        json.dump({"replaced": dict(replaced), "facts": dict(facts)}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(journal)
    finish(store)


def finish(store: Path) -> None:
    """Complete what a killed process began to move out of use, and remove what else it left."""
    journal = store / ".withdrawn" / "journal.json"
    if journal.is_file():
        work = json.loads(journal.read_text(encoding="utf-8"))
        for key, after in work["replaced"].items():
            _retire(store, key, after, work["facts"])
        _rename(store, work["replaced"])
        journal.unlink()
    for path in (store / ".withdrawn").iterdir():  # texts that went, artefacts half removed
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _retire(store: Path, key: str, after: str, facts: Mapping[str, Any]) -> None:
    folder, old, new = store / key, store / ".withdrawn" / f"{key}.old", store / ".withdrawn" / f"{key}.new"
    if folder.is_dir() and read_manifest(folder).kind == "withdrawn":
        shutil.rmtree(old, ignore_errors=True)
        return
    if not old.is_dir():
        manifest = read_manifest(folder)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        summary = dict(facts) | {"was": manifest.kind, "replaced_by": after, "withdrawn_at": now()}
        write_manifest(new, msgspec.structs.replace(manifest, kind="withdrawn", summary=summary, files=()))
        folder.replace(old)
    new.replace(folder)
    shutil.rmtree(old)
    shutil.rmtree(store / ".making" / key, ignore_errors=True)


def _rename(store: Path, replaced: Mapping[str, str]) -> None:
    """Let the human names point at what stands in the place."""
    for path in sorted((store / "names").glob("*/*.json")):
        key = json.loads(path.read_text(encoding="utf-8")).get("id")
        if key not in replaced:
            continue
        if not replaced[key]:
            path.unlink()
            continue
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps({"id": replaced[key]}) + "\n", encoding="utf-8")
        aside.replace(path)

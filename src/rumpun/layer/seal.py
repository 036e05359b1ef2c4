"""Closing a release: a signed statement for each stage and one for the whole, then the checksums.

`lineage/<id>.json` is a stage's manifest and `lineage/<id>.intoto.jsonl` what is signed of it; `lineage/release.intoto.jsonl`
names every file of the release but itself and SHA256SUMS; SHA256SUMS names every file but itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rumpun.errors import InputError
from rumpun.layer.signing import Key
from rumpun.records.artefacts import Manifest, sha256_file
from rumpun.records.attestation import RELEASE, Statement, envelope, resource, stage_statement
from rumpun.records.copies import LINEAGE
from rumpun.records.json_files import read_json
from rumpun.records.licences import obligations

__all__ = [
    "KEY",
    "RELEASE_STATEMENT",
    "SUMS",
    "WRITTEN",
    "check_chain",
    "digests_of",
    "release_facts",
    "seal",
    "stages",
    "statement_of",
    "sums",
    "trained_stage",
]

KEY, SUMS = "key.pub", "SHA256SUMS"
RELEASE_STATEMENT = f"{LINEAGE}/release.intoto.jsonl"
# what a release writes anew even where the layer brings a file of that name
WRITTEN = ("README.md", "LICENCES.md", "tokenizer.json", "tokenizer_config.json")
_NOT_OURS = (".gitattributes", ".git", ".cache")  # what a hub and its client add to a folder
_MEND = "fetch the release again from whom you had it"


def seal(folder: Path, key: Key, facts: Mapping[str, Any]) -> None:
    """Write key.pub, the statements and SHA256SUMS into a release that is otherwise whole.

    Args:
        folder: the release, with its stages' manifests under lineage/.
        key: signs.
        facts: predicate of the release's own statement, as `release_facts` gives it.

    Raises:
        InputError: a stage's manifest cannot be read, or one of its parents is not there.
    """
    (folder / KEY).write_bytes(key.public)
    found = stages(folder)
    digests = {stage: sha256_file(folder / LINEAGE / f"{stage}.json") for stage in found}
    check_chain(folder, found)
    for stage, manifest in found.items():
        signed = envelope(stage_statement(manifest, digests), key.id, key.sign)
        (folder / statement_of(stage)).write_bytes(signed)
    whole = digests_of(folder, skip=(RELEASE_STATEMENT, SUMS))
    statement = Statement(
        subject=tuple(resource(name, sha256) for name, sha256 in whole.items()),
        predicate_type=RELEASE,
        predicate=dict(facts),
    )
    (folder / RELEASE_STATEMENT).write_bytes(envelope(statement, key.id, key.sign))
    whole[RELEASE_STATEMENT] = sha256_file(folder / RELEASE_STATEMENT)
    (folder / SUMS).write_text(sums(whole), encoding="utf-8")


def statement_of(stage: str) -> str:
    """Where a stage's statement lies in a release."""
    return f"{LINEAGE}/{stage}.intoto.jsonl"


def sums(digests: Mapping[str, str]) -> str:
    """What SHA256SUMS holds: a line a file, sorted, as `sha256sum -c` reads them."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(digests.items()))


def digests_of(folder: Path, *, skip: tuple[str, ...] = ()) -> dict[str, str]:
    """Name -> sha256 of every file of a release, sorted; what a hub adds is passed over.

    Raises:
        InputError: something in it is neither a file nor a folder, or cannot be read.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in skip or name.partition("/")[0] in _NOT_OURS or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{path}: a link or device where a release has plain files", _MEND)
        found[name] = sha256_file(path)
    return found


def stages(folder: Path) -> dict[str, Manifest]:
    """Id -> manifest of every stage whose manifest lies under lineage/.

    Raises:
        InputError: a manifest cannot be read, or its file is named by another id.
    """
    found = {}
    for path in sorted((folder / LINEAGE).glob("*.json")):
        manifest = read_json(path, Manifest, "a manifest", damaged=_MEND)
        if manifest.id != path.stem:
            raise InputError(f"{path}: the manifest of {manifest.id}", _MEND)
        found[manifest.id] = manifest
    return found


def check_chain(folder: Path, found: Mapping[str, Manifest]) -> None:
    """See that every stage leads back to sources, and keeps the licences of all that it stands on.

    Raises:
        InputError: names the first stage whose parent is missing, which has neither parent nor source, or drops a licence.
    """
    for stage, manifest in found.items():
        place = folder / LINEAGE / f"{stage}.json"
        absent = [parent for parent in manifest.parents if parent not in found]
        if absent:
            raise InputError(
                f"{place}: its parent {absent[0]} is missing, so the chain does not reach every source", _MEND
            )
        if not manifest.parents and not manifest.sources:
            raise InputError(
                f"{place}: neither a parent nor a source, so nobody can tell what it was made of",
                "make it by a recipe whose first steps name their sources",
            )
        needed = {source.licence for source in manifest.sources}
        needed |= {licence for parent in manifest.parents for licence in found[parent].licences}
        dropped = sorted(needed - set(manifest.licences))
        if dropped:
            raise InputError(
                f"{place}: the licence {dropped[0]} of what it stands on is not in its set", _MEND
            )


def trained_stage(found: Mapping[str, Manifest], root: str) -> Manifest:
    """The stage whose numbers a release gives away: the root, or the layer that its release step copied.

    Raises:
        InputError: the release step's own layer is not among its parents.
    """
    manifest = found[root]
    if manifest.maker.step != "layer.release":
        return manifest
    for parent in manifest.parents:
        if found[parent].kind == "layer":
            return trained_stage(found, parent)
    raise InputError(f"{root}: made by layer.release, and no layer is among its parents", _MEND)


def release_facts(root: Manifest, trained: Manifest, digest: str) -> dict[str, Any]:
    """What a release's statement says of its licences and of the stage that it gives away; `digest` is of its manifest."""
    from rumpun.version import __version__

    return {
        "name": root.name,
        "root": root.id,
        "layer": {"name": trained.id, "digest": {"sha256": digest}},
        "licences": list(trained.licences),
        "obligations": obligations(trained.licences),
        "languages": list(root.languages),
        "rumpun": __version__,
    }

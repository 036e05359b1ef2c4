"""A release checked offline, from nothing but its folder and, better, a public key that came another way."""

from pathlib import Path
from typing import NoReturn

import msgspec

from rumpun.errors import InputError
from rumpun.layer.seal import (
    KEY,
    RELEASE_STATEMENT,
    SUMS,
    WRITTEN,
    check_chain,
    digests_of,
    release_facts,
    stages,
    statement_of,
    sums,
    trained_stage,
)
from rumpun.layer.signing import Public, open_public
from rumpun.records.artefacts import MANIFEST, Manifest, read_manifest, verify
from rumpun.records.attestation import (
    RELEASE,
    Statement,
    open_envelope,
    payload_unchecked,
    stage_statement,
)
from rumpun.records.copies import LINEAGE
from rumpun.records.lineage import walk
from rumpun.weights.layer_file import SPEC_FILE, TENSORS_FILE

__all__ = ["Checked", "is_release", "verify_release"]

_MEND = "fetch the release again from whom you had it"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked; keys are stable."""

    signature: str  # "ed25519 <key id>", or "not signed"
    key: str  # "given", "of the release itself", or ""
    files: int  # hashed
    stages: int  # whose statements hold; of an unsigned folder, whose manifests are there
    sources: int  # at the roots, by name


def is_release(folder: Path) -> bool:
    """Whether a folder says that it is a finished release, whole or not."""
    return (folder / SUMS).is_file() or (folder / RELEASE_STATEMENT).is_file()


def verify_release(folder: Path, key: Path | None = None) -> Checked:
    """Check every byte, every signature and the whole chain of a release; of an unsigned folder, its manifest and chain.

    Args:
        folder: the release.
        key: the public key that must have signed; None takes the release's own key.pub, which shows that the
            folder is whole, and not who made it.

    Raises:
        InputError: names the first file that is missing, added, changed or says something else than the others.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", "name a release's folder")
    marks = [
        path for path in (folder / KEY, *sorted((folder / LINEAGE).glob("*.intoto.jsonl"))) if path.is_file()
    ]
    if not marks:
        return _unsigned(folder, key)
    if not (folder / RELEASE_STATEMENT).is_file():
        raise InputError(f"{folder / RELEASE_STATEMENT}: missing, and {marks[0].name} is there", _MEND)
    public = open_public(key or folder / KEY)
    digests = digests_of(folder, skip=(SUMS,))
    whole = _release_statement(folder, public, digests, own=key is None)
    _match(folder, whole, digests)
    found = stages(folder)
    check_chain(folder, found)
    _stages_match(folder, public, found, digests)
    _manifest_matches(folder, digests)
    _facts_match(folder, whole, found, digests)
    return Checked(
        signature=f"ed25519 {public.id}",
        key="given" if key else "of the release itself",
        files=len(digests) + 1,
        stages=len(found),
        sources=_sources(found),
    )


def _release_statement(folder: Path, public: Public, digests: dict[str, str], *, own: bool) -> Statement:
    """The release's statement with its signature checked; where it does not hold, say which of the two files is at fault."""
    path = folder / RELEASE_STATEMENT
    try:
        statement = open_envelope(path, public.id, public.check)
    except InputError:
        if own and _said_of_key(path) not in ("", digests.get(KEY)):
            raise InputError(f"{folder / KEY}: not the key that {RELEASE_STATEMENT} names", _MEND) from None
        raise
    if statement.predicate_type != RELEASE:
        raise InputError(f"{path}: says {statement.predicate_type}, expected {RELEASE}", _MEND)
    return statement


def _said_of_key(path: Path) -> str:
    try:
        said = payload_unchecked(path).subject
    except InputError:
        return ""
    return next((subject.digest.sha256 for subject in said if subject.name == KEY), "")


def _match(folder: Path, whole: Statement, digests: dict[str, str]) -> None:
    """Every file that is there is signed, every signed one is there, and SHA256SUMS says the same."""
    said = {subject.name: subject.digest.sha256 for subject in whole.subject}
    said[RELEASE_STATEMENT] = digests[RELEASE_STATEMENT]
    for name in sorted(said.keys() | digests.keys()):
        if name not in digests:
            raise InputError(f"{folder / name}: missing, though {RELEASE_STATEMENT} names it", _MEND)
        if name not in said:
            raise InputError(
                f"{folder / name}: not a file of the release", "remove it, or fetch the release again"
            )
        if digests[name] != said[name]:
            _differs(folder / name, digests[name], said[name], RELEASE_STATEMENT)
    try:
        listed = (folder / SUMS).read_bytes()
    except OSError as error:
        raise InputError(f"{folder / SUMS}: cannot be read ({error.strerror})", _MEND) from error
    if listed != sums(digests).encode():
        raise InputError(f"{folder / SUMS}: says something else than the files and their signatures", _MEND)


def _differs(path: Path, found: str, said: str, where: str) -> NoReturn:
    raise InputError(f"{path}: sha256 {found[:12]}…, {where} says {said[:12]}…", _MEND)


def _stages_match(folder: Path, public: Public, found: dict[str, Manifest], digests: dict[str, str]) -> None:
    """Every stage has a statement that its key signed and that says what its manifest says."""
    own = {stage: digests[f"{LINEAGE}/{stage}.json"] for stage in found}
    for stage, manifest in found.items():
        path = folder / statement_of(stage)
        if not path.is_file():
            raise InputError(f"{path}: missing, so the stage {manifest.kind} {stage} is not signed", _MEND)
        said = open_envelope(path, public.id, public.check)
        expected = stage_statement(manifest, own)
        if said == expected:
            continue
        odd = [key for key in expected.predicate if said.predicate.get(key) != expected.predicate[key]]
        what = odd[0] if odd else "files" if said.subject != expected.subject else "kind of statement"
        raise InputError(f"{path}: other {what} than the manifest {stage}.json beside it", _MEND)
    for path in sorted((folder / LINEAGE).glob("*.intoto.jsonl")):
        name = path.name.removesuffix(".intoto.jsonl")
        if name not in found and path != folder / RELEASE_STATEMENT:
            raise InputError(f"{path}: of a stage whose manifest is missing", _MEND)


def _manifest_matches(folder: Path, digests: dict[str, str]) -> None:
    """manifest.json names files of the release as they are."""
    manifest = read_manifest(folder)
    for entry in manifest.files:
        if digests.get(entry.path) != entry.sha256:
            _differs(folder / entry.path, digests.get(entry.path, "none"), entry.sha256, MANIFEST)


def _facts_match(folder: Path, whole: Statement, found: dict[str, Manifest], digests: dict[str, str]) -> None:
    """The release is of the stage that it names: the same licences, the same numbers."""
    path, root = folder / RELEASE_STATEMENT, read_manifest(folder)
    if root.id not in found:
        raise InputError(f"{folder / MANIFEST}: its stage {root.id} is not under {LINEAGE}/", _MEND)
    trained = trained_stage(found, root.id)
    expected = release_facts(root, trained, digests[f"{LINEAGE}/{trained.id}.json"])
    for key in expected.keys() - {"rumpun"}:
        if whole.predicate.get(key) != expected[key]:
            raise InputError(f"{path}: other {key} than the manifests under {LINEAGE}/", _MEND)
    made = {entry.path: entry.sha256 for entry in trained.files}
    own = {entry.path: entry.sha256 for entry in found[root.id].files if entry.path not in WRITTEN}
    numbers = {name: made.get(name, "none") for name in (SPEC_FILE, TENSORS_FILE)}
    for stage, files in ((trained, numbers), (root, own)):
        for name, sha256 in files.items():
            if digests.get(name, "none") != sha256:
                _differs(folder / name, digests.get(name, "none"), sha256, f"{LINEAGE}/{stage.id}.json")


def _unsigned(folder: Path, key: Path | None) -> Checked:
    """A folder without signatures: its manifest and, where there are any, the manifests that it came with."""
    if key is not None:
        raise InputError(f"{folder}: not signed, and --key asks for a signature", _MEND)
    manifest = verify(folder)
    if (folder / SUMS).is_file() and (folder / SUMS).read_bytes() != sums(
        digests_of(folder, skip=(SUMS,))
    ).encode():
        raise InputError(f"{folder / SUMS}: says something else than the files", _MEND)
    lineage = walk(folder)
    for gap in lineage.missing:
        raise InputError(
            f"{folder}: its ancestor {gap.id} is missing ({gap.problem})",
            "put its manifest into lineage/, or fetch the folder again",
        )
    return Checked(
        signature="not signed",
        key="",
        files=len(manifest.files),
        stages=len(lineage.nodes),
        sources=len({source.name for source in lineage.sources}),
    )


def _sources(found: dict[str, Manifest]) -> int:
    return len({source.name for manifest in found.values() for source in manifest.sources})

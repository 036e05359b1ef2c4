"""Stages of a lineage as in-toto Statements v1 in DSSE envelopes: plain tables; keys stay with the caller.

A stage's statement says of one artefact what its manifest says: the subjects are the artefact's files and the manifest
itself, the predicate holds parents (each by the sha256 of its manifest, so that statements form a chain), step,
parameters, tools, sources and licences. A release's statement says which files a release has.

Specifications: in-toto attestation v1 (github.com/in-toto/attestation, spec/v1), DSSE v1 (github.com/secure-systems-lab/dsse).
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST, Manifest
from rumpun.records.licences import obligations

__all__ = [
    "RELEASE",
    "STAGE",
    "Digest",
    "Resource",
    "Statement",
    "envelope",
    "open_envelope",
    "pae",
    "payload_unchecked",
    "resource",
    "stage_statement",
]

STAGE = "urn:rumpun:stage:v1"
RELEASE = "urn:rumpun:release:v1"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PAYLOAD = "application/vnd.in-toto+json"
_MEND = "fetch the release again from whom you had it"


class Digest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An in-toto DigestSet with the one digest that is used here."""

    sha256: str


class Resource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An in-toto ResourceDescriptor: a name and what it hashes to."""

    name: str
    digest: Digest


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An in-toto Statement v1."""

    type: str = msgspec.field(name="_type", default=_STATEMENT)
    subject: tuple[Resource, ...]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: dict[str, Any]


class _Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keyid: str
    sig: str  # base64


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload: str  # base64 of the statement
    payload_type: str = msgspec.field(name="payloadType", default=_PAYLOAD)
    signatures: tuple[_Signature, ...]


def resource(name: str, sha256: str) -> Resource:
    """A name with its digest."""
    return Resource(name=name, digest=Digest(sha256=sha256))


def stage_statement(manifest: Manifest, digests: Mapping[str, str]) -> Statement:
    """What one manifest says, as a statement.

    Args:
        manifest: of the stage.
        digests: id -> sha256 of the manifest's file, of the stage and of each of its parents.

    Raises:
        KeyError: the digest of the stage or of a parent is not given.
    """
    maker = manifest.maker
    predicate = {
        "id": manifest.id,
        "kind": manifest.kind,
        "name": manifest.name,
        "created": manifest.created,
        "step": maker.step,
        "version": maker.version,
        "params": maker.params,
        "rumpun": maker.rumpun,
        "tools": maker.tools,
        "parents": [resource(key, digests[key]) for key in manifest.parents],
        "sources": manifest.sources,
        "licences": manifest.licences,
        "obligations": obligations(manifest.licences),
        "languages": manifest.languages,
    }
    return Statement(
        subject=(
            resource(MANIFEST, digests[manifest.id]),
            *(resource(entry.path, entry.sha256) for entry in manifest.files),
        ),
        predicate_type=STAGE,
        predicate=msgspec.json.decode(msgspec.json.encode(predicate)),  # in plain JSON types, as it is read
    )


def pae(kind: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


def envelope(statement: Statement, keyid: str, sign: Callable[[bytes], bytes]) -> bytes:
    """The signed statement as one line of JSON with its line end.

    Args:
        statement: what is said.
        keyid: names the key.
        sign: message -> signature.
    """
    payload = msgspec.json.encode(statement, order="deterministic")
    signature = _Signature(keyid=keyid, sig=base64.b64encode(sign(pae(_PAYLOAD, payload))).decode())
    return _line(_Envelope(payload=base64.b64encode(payload).decode(), signatures=(signature,)))


def _line(whole: _Envelope) -> bytes:
    return msgspec.json.encode(whole) + b"\n"


def open_envelope(path: Path, keyid: str, check: Callable[[bytes, bytes], bool]) -> Statement:
    """The statement of a file, once its signature holds; every byte of the file has one meaning.

    Args:
        path: a file with one envelope, as `envelope` writes it.
        keyid: of the key that must have signed.
        check: (message, signature) -> whether the key made it.

    Raises:
        InputError: the file is none, was signed by another key, or its signature does not hold.
    """
    whole, payload, signature = _read(path)
    if whole.payload_type != _PAYLOAD:
        raise InputError(f"{path}: payloadType = {whole.payload_type!r}, expected {_PAYLOAD!r}", _MEND)
    found = whole.signatures[0].keyid
    if found != keyid:
        raise InputError(f"{path}: signed by the key {found[:16]}…, expected {keyid[:16]}…", _MEND)
    if not check(pae(whole.payload_type, payload), signature):
        raise InputError(f"{path}: the signature does not hold for the key {keyid[:16]}…", _MEND)
    return _statement(path, payload)


def payload_unchecked(path: Path) -> Statement:
    """The statement of a file whose signature nobody has checked: only to say what is at fault.

    Raises:
        InputError: the file is no envelope, or holds no statement.
    """
    return _statement(path, _read(path)[1])


def _statement(path: Path, payload: bytes) -> Statement:
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not an in-toto statement ({error})", _MEND) from error
    if statement.type != _STATEMENT:
        raise InputError(f"{path}: _type = {statement.type!r}, expected {_STATEMENT!r}", _MEND)
    return statement


def _read(path: Path) -> tuple[_Envelope, bytes, bytes]:
    """(envelope, payload, signature) of a file that is exactly one envelope with one signature."""
    try:
        raw = path.read_bytes()
        whole = msgspec.json.decode(raw, type=_Envelope)
        payload = base64.b64decode(whole.payload, validate=True)
        signature = base64.b64decode(whole.signatures[0].sig, validate=True)
        sound = (
            len(whole.signatures) == 1
            and _line(whole) == raw
            and base64.b64encode(payload).decode() == whole.payload
            and base64.b64encode(signature).decode() == whole.signatures[0].sig
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", _MEND) from error
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError, IndexError) as error:
        raise InputError(f"{path}: not a signed statement ({error})", _MEND) from error
    if not sound:
        raise InputError(f"{path}: not a signed statement as it was written", _MEND)
    return whole, payload, signature

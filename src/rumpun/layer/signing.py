"""Keys that releases are signed with: Ed25519 in PEM files; the private one never leaves its file.

A key's id is the sha256 of its public half in DER (SubjectPublicKeyInfo), as
`openssl pkey -pubin -in key.pub -outform DER | sha256sum` gives it.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rumpun.errors import EnvironmentFault, InputError, MissingPartError, UsageError
from rumpun.records.places import config_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["Key", "Public", "default_key", "make_key", "open_key", "open_public"]


@dataclass(frozen=True, slots=True)
class Key:
    """A private key at work."""

    id: str  # 64 hex digits
    public: bytes  # PEM
    sign: Callable[[bytes], bytes] = field(repr=False)  # message -> 64 bytes


@dataclass(frozen=True, slots=True)
class Public:
    """A public key."""

    id: str  # 64 hex digits
    check: Callable[[bytes, bytes], bool] = field(repr=False)  # (message, signature) -> whether it is its own


def default_key() -> Path:
    """Where this user's key lies."""
    return config_folder() / "release-key.pem"


def make_key(path: Path) -> Key:
    """Make a key: the private half at `path` (mode 0600), the public half beside it as `.pub`.

    Raises:
        UsageError: something has that name already.
        EnvironmentFault: the folder cannot be written.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_suffix(".pub")
    for taken in (path, public):
        if taken.exists() or path == public:
            raise _taken(taken)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _place(path, pem):
            raise _taken(path)
        public.write_bytes(_pem(private.public_key()))
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: the key cannot be written ({error.strerror})", "name another file"
        ) from error
    return open_key(path)


def _taken(path: Path) -> UsageError:
    return UsageError(
        f"{path}: there already, or no name for a private key; a key is never written over",
        "name another file, such as release.pem, or move it away",
    )


def _place(path: Path, content: bytes) -> bool:
    """Give the whole file its name at once, for its owner alone to read; False where the name is taken."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the start
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        Path(temporary).unlink()
    return True


def open_key(path: Path | None = None) -> Key:
    """The key in a file; without a name this user's own, made at its first use.

    Raises:
        InputError: there is none, it is no Ed25519 key in PEM, or others can read it.
    """
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if path is None:
        path = default_key()
        with contextlib.suppress(UsageError):  # another process was first
            if not path.exists():
                return make_key(path)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        pem = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the key cannot be read ({error.strerror})", "make one: rumpun layer keygen --out FILE"
        ) from error
    if mode & 0o077:
        raise InputError(f"{path}: others can read this key (mode {mode:04o})", f"chmod 600 {path}")
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # what the library says may quote the file
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(
            f"{path}: not an Ed25519 private key in PEM without a password",
            "make one: rumpun layer keygen --out FILE",
        )
    return Key(_id(private.public_key()), _pem(private.public_key()), private.sign)


def open_public(path: Path) -> Public:
    """The public key in a file.

    Raises:
        InputError: there is none, or it is no Ed25519 public key in PEM as `make_key` writes it.
    """
    _need_cryptography()
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        pem = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the public key cannot be read ({error.strerror})",
            "name the file key.pub of whom you trust",
        ) from error
    try:
        public = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise InputError(
            f"{path}: not an Ed25519 public key in PEM", "name the file key.pub of whom you trust"
        )
    found = public

    def check(message: bytes, signature: bytes) -> bool:
        try:
            found.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return Public(_id(found), check)


def _pem(public: "Ed25519PublicKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _id(public: "Ed25519PublicKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPartError("signing and checking a release (cryptography)", "runtime") from error

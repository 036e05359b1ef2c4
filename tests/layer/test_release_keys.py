"""Keys: made once, read by their owner alone, never shown."""

import hashlib
import os
import stat
import subprocess
import sys

import pytest

from rumpun.errors import EnvironmentFault, InputError, MissingPartError, UsageError
from rumpun.layer.signing import default_key, make_key, open_key, open_public


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_at_first_use_for_its_owner_alone(home):
    key = open_key()
    assert default_key() == home / "config" / "release-key.pem"
    assert mode(default_key()) == 0o600
    assert open_key().id == key.id
    assert sorted(path.name for path in default_key().parent.iterdir()) == [
        "release-key.pem",
        "release-key.pub",
    ]


def test_what_the_private_half_signs_the_public_half_takes(tmp_path):
    key, other = make_key(tmp_path / "a.pem"), make_key(tmp_path / "b.pem")
    public = open_public(tmp_path / "a.pub")
    assert public.id == key.id != other.id
    signature = key.sign(b"words")
    assert len(signature) == 64
    assert public.check(b"words", signature)
    assert not public.check(b"wordt", signature)
    assert not public.check(b"words", other.sign(b"words"))
    assert (tmp_path / "a.pub").read_bytes() == key.public


def test_a_keys_id_is_the_hash_of_its_public_half_in_der(tmp_path):
    """By hand: SubjectPublicKeyInfo of Ed25519 is twelve fixed bytes and the key (RFC 8410)."""
    import base64

    key = make_key(tmp_path / "a.pem")
    der = base64.b64decode("".join(key.public.decode().splitlines()[1:-1]))
    assert der[:12] == bytes.fromhex("302a300506032b6570032100")
    assert len(der) == 44
    assert key.id == hashlib.sha256(der).hexdigest()


def test_a_signature_is_that_of_rfc_8032(tmp_path):
    """Test 2 of the RFC's section 7.1, its secret put into PKCS #8 by hand."""
    import base64

    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    der = bytes.fromhex("302e020100300506032b657004220420") + secret
    path = tmp_path / "rfc.pem"
    path.write_bytes(
        b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der) + b"\n-----END PRIVATE KEY-----\n"
    )
    path.chmod(0o600)
    assert open_key(path).sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_a_key_is_never_written_over(tmp_path):
    key = make_key(tmp_path / "a.pem")
    with pytest.raises(UsageError, match="there already"):
        make_key(tmp_path / "a.pem")
    assert open_key(tmp_path / "a.pem").id == key.id
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / "a.pem").unlink()
    with pytest.raises(UsageError, match=r"a\.pub: there already"):
        make_key(tmp_path / "a.pem")
    with pytest.raises(UsageError, match="no name for a private key"):
        make_key(tmp_path / "new.pub")


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o602])
def test_a_key_that_others_can_read_is_refused(tmp_path, bits):
    make_key(tmp_path / "a.pem")
    (tmp_path / "a.pem").chmod(bits)
    with pytest.raises(InputError, match=f"mode {bits:04o}") as caught:
        open_key(tmp_path / "a.pem")
    assert caught.value.hint == f"chmod 600 {tmp_path / 'a.pem'}"


def test_files_that_are_no_keys_are_not_shown(tmp_path):
    path = tmp_path / "a.pem"
    make_key(path)
    secret = path.read_text().splitlines()[1]
    path.write_text(f"-----BEGIN PRIVATE KEY-----\n{secret[:-4]}\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InputError, match="not an Ed25519 private key") as caught:
        open_key(path)
    assert secret[:-4] not in caught.value.message + caught.value.hint + repr(caught.value.__cause__)
    with pytest.raises(InputError, match="not an Ed25519 public key"):
        open_public(path)
    with pytest.raises(InputError, match="cannot be read"):
        open_key(tmp_path / "none")


def test_a_key_at_work_does_not_show_itself(tmp_path):
    key = make_key(tmp_path / "a.pem")
    secret = (tmp_path / "a.pem").read_text().splitlines()[1]
    assert "sign" not in repr(key)
    assert secret not in repr(key)


def test_several_processes_at_their_first_use_share_one_key(home):
    run = "from rumpun.layer.signing import open_key; print(open_key().id)"
    started = [
        subprocess.Popen([sys.executable, "-c", run], stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(4)
    ]
    said = {process.communicate()[0].strip() for process in started}
    assert said == {open_key().id}
    assert len(list((home / "config").iterdir())) == 2


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        make_key(tmp_path / "file" / "a.pem")


def test_without_the_library_the_part_is_named(tmp_path, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for call in (open_key, lambda: make_key(tmp_path / "a.pem"), lambda: open_public(tmp_path / "a.pub")):
        with pytest.raises(MissingPartError, match=r"signing .* \(cryptography\)"):
            call()
    assert not list(tmp_path.glob("a.*"))

"""A release is refused, by the name of what is at fault, whatever byte, file, signature, stage or licence was touched."""

import json
import shutil

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import artefact, released, rewrite, store_of

from rumpun.errors import InputError
from rumpun.layer.release_verify import is_release, verify_release
from rumpun.layer.seal import RELEASE_STATEMENT, SUMS, digests_of, sums
from rumpun.layer.signing import make_key, open_key
from rumpun.records.artefacts import FileEntry, Manifest, sha256_file
from rumpun.records.attestation import (
    RELEASE,
    Statement,
    envelope,
    open_envelope,
    payload_unchecked,
    resource,
    stage_statement,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(a release with one form, the private key's file); nobody changes it."""
    place = tmp_path_factory.mktemp("made")
    layer, base = store_of(place)
    released(layer, base, place / "first", key=make_key(place / "maker.pem"), forms=("Q8_0",))
    return place / "first", place / "maker.pem"


@pytest.fixture
def copy(made, tmp_path):
    """(a copy of the release to be changed, the private key's file)."""
    return shutil.copytree(made[0], tmp_path / "first"), made[1]


def reseal(folder, key):
    """What only the holder of the key can do: sign whatever lies there now as a release."""
    key = open_key(key)
    facts = payload_unchecked(folder / RELEASE_STATEMENT).predicate
    whole = digests_of(folder, skip=(RELEASE_STATEMENT, SUMS))
    subjects = tuple(resource(name, sha256) for name, sha256 in whole.items())
    statement = Statement(subject=subjects, predicate_type=RELEASE, predicate=facts)
    (folder / RELEASE_STATEMENT).write_bytes(envelope(statement, key.id, key.sign))
    (folder / SUMS).write_text(sums(whole | {RELEASE_STATEMENT: sha256_file(folder / RELEASE_STATEMENT)}))


def refact(folder, key, facts):
    """Sign the release anew with another predicate."""
    opened = open_key(key)
    new = msgspec.structs.replace(payload_unchecked(folder / RELEASE_STATEMENT), predicate=facts)
    (folder / RELEASE_STATEMENT).write_bytes(envelope(new, opened.id, opened.sign))
    (folder / SUMS).write_text(sums(digests_of(folder, skip=(SUMS,))))


def rehash(folder):
    """Make manifest.json fit to the files as they are."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    files = tuple(
        msgspec.structs.replace(entry, sha256=sha256_file(folder / entry.path)) for entry in manifest.files
    )
    rewrite(folder / "manifest.json", files=files)


def restage(folder, key, stage, **facts):
    """Sign a stage anew with other facts in its predicate or its subjects."""
    key = open_key(key)
    path = folder / "lineage" / f"{stage}.intoto.jsonl"
    old = payload_unchecked(path)
    subject = facts.pop("subject", old.subject)
    new = msgspec.structs.replace(old, subject=subject, predicate=old.predicate | facts)
    path.write_bytes(envelope(new, key.id, key.sign))


def test_a_whole_release_is_taken_with_the_key_and_without(made):
    folder, key = made
    found = verify_release(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (found.files, found.stages, found.sources, found.key) == (
        len(files),
        4,
        4,
        "of the release itself",
    )
    assert found.signature == f"ed25519 {open_key(key).id}"
    assert verify_release(folder, key.with_suffix(".pub")).key == "given"
    assert is_release(folder)


@settings(max_examples=120)
@given(data=st.data())
def test_any_changed_byte_anywhere_is_refused_by_its_files_name(made, data):
    folder, _ = made
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    place = data.draw(st.integers(0, path.stat().st_size - 1))
    flip = data.draw(st.integers(1, 255))
    was = path.read_bytes()
    changed = bytearray(was)
    changed[place] ^= flip
    try:
        path.write_bytes(changed)
        with pytest.raises(InputError) as caught:
            verify_release(folder)
    finally:
        path.write_bytes(was)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("place", [0, -1, None])
def test_the_first_the_last_and_the_middle_byte_of_every_file(made, place):
    folder, key = made
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        was = path.read_bytes()
        at = len(was) // 2 if place is None else place
        changed = bytearray(was)
        changed[at] ^= 1
        for public in (None, key.with_suffix(".pub")):
            try:
                path.write_bytes(changed)
                with pytest.raises(InputError) as caught:
                    verify_release(folder, public)
            finally:
                path.write_bytes(was)
            assert caught.value.message.startswith(f"{path}: "), caught.value.message
    assert verify_release(folder).stages == 4


def test_every_file_that_is_taken_away_is_named(made):
    folder, _ = made
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        was = path.read_bytes()
        path.unlink()
        try:
            with pytest.raises(InputError) as caught:
                verify_release(folder)
        finally:
            path.write_bytes(was)
        assert caught.value.message.startswith(f"{path}: "), caught.value.message


@pytest.mark.parametrize(
    "name", ["more.txt", "lineage/more.json", "lineage/x.intoto.jsonl", "more.gguf", ".hidden"]
)
def test_every_file_that_is_added_is_named(copy, name):
    folder, _ = copy
    (folder / name).write_text("{}")
    with pytest.raises(InputError, match=r"not a file of the release") as caught:
        verify_release(folder)
    assert caught.value.message.startswith(f"{folder / name}: ")


def test_what_a_hub_and_its_client_add_is_passed_over(copy):
    folder, _ = copy
    before = verify_release(folder)
    (folder / ".gitattributes").write_text("*.gguf filter=lfs\n")
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "x.lock").write_text("")
    assert verify_release(folder) == before


def test_a_link_is_no_file_of_a_release(copy, tmp_path):
    folder, _ = copy
    (folder / "CARD.md").rename(tmp_path / "card")
    (folder / "CARD.md").symlink_to(tmp_path / "card")
    with pytest.raises(InputError, match=r"CARD\.md: a link"):
        verify_release(folder)


def test_somebody_elses_signature_is_not_the_makers(copy, tmp_path):
    """Everything signed anew by another key: whole by itself, and not what --key asks for."""
    folder, key = copy
    other = make_key(tmp_path / "other.pem")
    (folder / "key.pub").write_bytes(other.public)
    for path in (folder / "lineage").glob("*.intoto.jsonl"):
        path.write_bytes(envelope(payload_unchecked(path), other.id, other.sign))
    reseal(folder, tmp_path / "other.pem")
    assert verify_release(folder).signature == f"ed25519 {other.id}"
    with pytest.raises(InputError, match="signed by the key"):
        verify_release(folder, key.with_suffix(".pub"))


def test_one_stage_signed_by_another_key_is_named(copy, tmp_path):
    folder, key = copy
    make_key(tmp_path / "other.pem")
    restage(folder, tmp_path / "other.pem", "c" * 32)
    reseal(folder, key)
    with pytest.raises(InputError, match=f"{'c' * 32}.intoto.jsonl: signed by the key"):
        verify_release(folder)


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("licences", ["CC0-1.0"]),
        ("parents", []),
        ("params", {"share": 0.6, "names": ["a"]}),
        ("sources", []),
        ("tools", {}),
        ("step", "corpus.other"),
        ("obligations", {}),
    ],
)
def test_a_signed_stage_that_says_otherwise_than_its_manifest_is_named(copy, fact, value):
    folder, key = copy
    restage(folder, key, "c" * 32, **{fact: value})
    reseal(folder, key)
    with pytest.raises(InputError, match=f"{'c' * 32}.intoto.jsonl: other {fact} than the manifest"):
        verify_release(folder)


def test_a_signed_stage_with_other_files_than_its_manifest_is_named(copy):
    folder, key = copy
    restage(folder, key, "c" * 32, subject=(resource("train.jsonl", "0" * 64),))
    reseal(folder, key)
    with pytest.raises(InputError, match=f"{'c' * 32}.intoto.jsonl: other files"):
        verify_release(folder)


def changed_manifest(folder, key, stage, **facts):
    """A stage whose manifest was changed, with every statement and sum made to fit it again."""
    rewrite(folder / "lineage" / f"{stage}.json", **facts)
    opened = open_key(key)
    paths = sorted((folder / "lineage").glob("*.json"))
    digests = {path.stem: sha256_file(path) for path in paths}
    for path in paths:
        statement = stage_statement(msgspec.json.decode(path.read_bytes(), type=Manifest), digests)
        path.with_name(f"{path.stem}.intoto.jsonl").write_bytes(envelope(statement, opened.id, opened.sign))
    reseal(folder, key)


def test_a_licence_dropped_on_the_way_is_named_though_everything_is_signed(copy):
    folder, key = copy
    changed_manifest(folder, key, "c" * 32, licences=("CC0-1.0",))
    with pytest.raises(InputError, match=f"{'c' * 32}.json: the licence CC-BY-SA-4.0"):
        verify_release(folder)


def test_a_stage_left_out_is_named_though_everything_is_signed(copy):
    folder, key = copy
    for path in (folder / "lineage").glob(f"{'d' * 32}.*"):
        path.unlink()
    reseal(folder, key)
    with pytest.raises(InputError, match=f"{'c' * 32}.json: its parent {'d' * 32} is missing"):
        verify_release(folder)


def test_other_numbers_than_the_layers_stage_are_named_though_everything_is_signed(copy):
    folder, key = copy
    path = folder / "layer.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    rehash(folder)
    reseal(folder, key)
    with pytest.raises(InputError, match=r"layer\.safetensors: sha256 .*aaaa\.json says"):
        verify_release(folder)


def test_another_file_than_the_layers_own_stage_says_is_named_though_everything_is_signed(copy):
    folder, key = copy
    entry = FileEntry(path="CARD.md", sha256="0" * 64, size=1)
    own = msgspec.json.decode((folder / "lineage" / f"{'a' * 32}.json").read_bytes(), type=Manifest)
    changed_manifest(folder, key, "a" * 32, files=(*own.files, entry))
    rehash(folder)
    reseal(folder, key)
    facts = payload_unchecked(folder / RELEASE_STATEMENT).predicate
    facts["layer"]["digest"]["sha256"] = sha256_file(folder / "lineage" / f"{'a' * 32}.json")
    refact(folder, key, facts)
    with pytest.raises(InputError, match=r"CARD\.md: sha256 .*aaaa\.json says 000000"):
        verify_release(folder)


def test_a_manifest_that_names_another_hash_is_named(copy):
    folder, key = copy
    path = folder / "CARD.md"
    path.write_text("# Another\n")
    reseal(folder, key)
    with pytest.raises(InputError, match=r"CARD\.md: sha256 .*manifest\.json says"):
        verify_release(folder)


@pytest.mark.parametrize(("fact", "value"), [("licences", []), ("layer", {}), ("obligations", {})])
def test_a_release_that_says_otherwise_than_its_stages_is_named(copy, fact, value):
    folder, key = copy
    refact(folder, key, payload_unchecked(folder / RELEASE_STATEMENT).predicate | {fact: value})
    with pytest.raises(InputError, match=rf"release\.intoto\.jsonl: other {fact} than the manifests"):
        verify_release(folder)


def test_an_unsigned_folder_says_so_and_its_bytes_are_checked(tmp_path, home):
    layer, _ = store_of(tmp_path)
    found = verify_release(layer)
    assert (found.signature, found.key, found.stages) == ("not signed", "", 3)
    assert not is_release(layer)
    with pytest.raises(InputError, match="not signed, and --key asks"):
        verify_release(layer, tmp_path / "key.pub")
    (layer.parent / ("d" * 32) / "manifest.json").unlink()
    with pytest.raises(InputError, match=f"its ancestor {'d' * 32} is missing"):
        verify_release(layer)
    (layer / "layer.json").write_text("{}")
    with pytest.raises(InputError, match=r"layer\.json: 2 bytes"):
        verify_release(layer)


def test_a_release_without_its_signatures_is_not_signed(copy):
    folder, key = copy
    (folder / "key.pub").unlink()
    for path in (folder / "lineage").glob("*.intoto.jsonl"):
        path.unlink()
    assert is_release(folder)
    with pytest.raises(InputError, match="SHA256SUMS: says something else"):
        verify_release(folder)
    (folder / SUMS).write_text(sums(digests_of(folder, skip=(SUMS,))))
    assert verify_release(folder).signature == "not signed"
    with pytest.raises(InputError, match="not signed"):
        verify_release(folder, key.with_suffix(".pub"))


def test_a_layer_of_two_corpora_tells_of_both(tmp_path, home):
    layer, base = store_of(tmp_path)
    artefact(layer.parent, "corpus", "b", "corpus.write", ["d" * 32])
    rewrite(layer / "manifest.json", parents=("c" * 32, "b" * 32))
    released(layer, base, tmp_path / "first", forms=())
    assert verify_release(tmp_path / "first").stages == 5
    data = (tmp_path / "first" / "DATA.md").read_text()
    assert "c" * 32 in data
    assert "b" * 32 in data


def test_openssl_takes_the_signature_of_a_statement(made, tmp_path):
    """Where openssl is here, it agrees: a reader needs nothing of ours."""
    import base64
    import subprocess

    folder, key = made
    openssl = shutil.which("openssl")
    statement = open_envelope(folder / RELEASE_STATEMENT, open_key(key).id, lambda *_: True)
    assert statement.predicate["name"] == "layer-a"
    if openssl is None:
        pytest.skip("openssl is not installed")
    outer = json.loads((folder / RELEASE_STATEMENT).read_text())
    payload = base64.b64decode(outer["payload"])
    kind = outer["payloadType"].encode()
    (tmp_path / "message").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    (tmp_path / "signature").write_bytes(base64.b64decode(outer["signatures"][0]["sig"]))
    done = subprocess.run(
        [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", folder / "key.pub", "-rawin", "-in", tmp_path / "message",
         "-sigfile", tmp_path / "signature"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Verified Successfully" in done.stdout, done.stderr

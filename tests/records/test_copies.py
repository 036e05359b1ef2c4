"""Copies of ancestors' manifests: packed and plain say the same, damage is named, a small file may not fill the memory."""

import gzip

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.records.artefacts import Maker, Manifest, SourceEntry, write_manifest
from rumpun.records.copies import copies, keep_copy, read_copy
from rumpun.records.lineage import verify_file, walk

A, B = "a" * 32, "b" * 32


def made_of(*names, key=A, parents=()):
    sources = tuple(
        SourceEntry(name=name, licence="CC-BY-4.0", url=f"https://example.org/{name}") for name in names
    )
    maker = Maker(step="test.step", version=1, params={}, rumpun="0")
    return Manifest(kind="corpus", id=key, maker=maker, sources=sources, parents=parents)


@given(st.lists(st.text(min_size=1, max_size=20), max_size=4))
def test_a_packed_copy_is_the_manifest(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("made")
    manifest = made_of(*names)
    packed = keep_copy(manifest, folder, A, packed=True)
    assert packed.name == f"{A}.json.gz"
    assert read_copy(packed) == manifest
    first = packed.read_bytes()
    assert keep_copy(manifest, folder, A, packed=True).read_bytes() == first
    plain = keep_copy(packed, folder, A)
    assert gzip.decompress(first) == plain.read_bytes()  # zcat shows the file as it was
    assert list(copies(folder)) == [plain, packed]


def test_a_copy_of_a_folder_is_its_manifest_to_the_byte(tmp_path):
    (tmp_path / "one").mkdir()
    write_manifest(tmp_path / "one", made_of("วิทยุ"))
    copy = keep_copy(tmp_path / "one", tmp_path / "two", A)
    assert copy.read_bytes() == (tmp_path / "one" / "manifest.json").read_bytes()


def test_packing_pays_where_sources_are_said_over_and_over(tmp_path):
    manifest = made_of(*(f"source-{number}" for number in range(200)))
    plain, packed = keep_copy(manifest, tmp_path, A), keep_copy(manifest, tmp_path, A, packed=True)
    assert packed.stat().st_size < plain.stat().st_size / 5


def test_a_lineage_is_walked_through_packed_copies(home, tmp_path):
    child = tmp_path / "release"
    child.mkdir()
    keep_copy(made_of("radio"), child, A, packed=True)
    write_manifest(child, made_of(key=B, parents=(A,)))
    found = walk(child)
    assert found.complete
    assert [(node.id, node.whole) for node in found.nodes] == [(B, True), (A, False)]
    assert [source.name for source in found.sources] == ["radio"]


def test_a_file_is_verified_against_a_packed_copy(home, tmp_path):
    """A GGUF far from where it was made, whose manifest is a packed copy in a store."""
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.gguf").write_bytes(b"numbers")
    write_manifest(made, made_of("radio"))
    beside = home / "data" / "artefacts" / B
    keep_copy(made, beside, A, packed=True)
    write_manifest(beside, made_of(key=B, parents=(A,)))
    far = tmp_path / "far" / "model.gguf"
    far.parent.mkdir()
    far.write_bytes(b"numbers")
    verify_file(far, walk(far, id=A))
    far.write_bytes(b"other")
    with pytest.raises(InputError, match="no file of"):
        verify_file(far, walk(far, id=A))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a manifest|cut off"),
        (b"plain words", "not packed by gzip"),
        (gzip.compress(b"{}")[:-4], "not packed by gzip, or cut off"),
        (gzip.compress(b"{}"), "not a manifest"),
        (gzip.compress(b"\xff\xfe"), "not a manifest"),
        (gzip.compress(b" " * 64_000_001), "more than 64,000,000 bytes once unpacked"),
    ],
    ids=["empty", "no gzip", "cut off", "no manifest", "no text", "too large"],
)
def test_a_damaged_copy_is_named(home, tmp_path, content, said):
    child = tmp_path / "release"
    path = child / "lineage" / f"{A}.json.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{A}.json.gz: ({said})") as caught:
        read_copy(path)
    assert caught.value.hint
    write_manifest(child, made_of(key=B, parents=(A,)))
    (gap,) = walk(child).missing
    assert gap.id == A
    assert str(path) in gap.problem


def test_an_absent_copy_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_copy(tmp_path / "lineage" / f"{A}.json.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read"):
        keep_copy(tmp_path / "empty", tmp_path / "child", A)


def test_one_copy_is_no_copy_twice(home, tmp_path):
    """A plain and a packed one of the same ancestor count once."""
    child = tmp_path / "release"
    manifest = made_of("radio")
    for packed in (True, False):
        keep_copy(manifest, child, A, packed=packed)
    write_manifest(child, msgspec.structs.replace(made_of(key=B), parents=(A,)))
    assert [node.id for node in walk(child).nodes] == [B, A]

"""Reading GGUF: what a file says, and every way in which it can be damaged."""

import hashlib
import struct

import gguf
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.weights.gguf_file import describe, read_gguf
from tiny import CHAT, tiny_bpe, tiny_gguf, tiny_tensors

SHAPE = {"vocabulary": 384, "hidden": 64, "layers": 2, "heads": 4, "kv_heads": 2, "tied": True}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The smallest whole model: its content, for damaging."""
    path = tmp_path_factory.mktemp("small") / "small.gguf"
    tiny_gguf(path, 5, vocabulary=272, hidden=32, layers=1, heads=2, kv_heads=1, quantisation="Q8_0")
    return path.read_bytes()


def read_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(content)
    return read_gguf(path)


@pytest.mark.parametrize("quantisation", ["F32", "F16", "Q8_0", "Q4_0", "Q4_1"])
def test_agrees_with_the_reader_of_the_package_gguf(tmp_path, quantisation):
    path = tiny_gguf(tmp_path / "tiny.gguf", 1, quantisation=quantisation)
    ours, theirs = read_gguf(path), gguf.GGUFReader(path)
    fields = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert {key: value.value for key, value in ours.metadata.items()} == fields
    assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        entry = ours.tensors[tensor.name]
        assert entry.shape == tuple(int(size) for size in tensor.shape[::-1])
        assert (entry.type, entry.offset, entry.size) == (
            tensor.tensor_type.name,
            tensor.data_offset,
            tensor.n_bytes,
        )
        expected = gguf.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(ours.tensor(tensor.name), expected.reshape(entry.shape))


def test_float32_tensors_come_back_exactly(tmp_path):
    file = read_gguf(tiny_gguf(tmp_path / "tiny.gguf", 9))
    for name, expected in tiny_tensors(9, **SHAPE).items():
        np.testing.assert_array_equal(file.tensor(name), expected)


def test_describe_names_what_the_file_is(tmp_path):
    path = tiny_gguf(tmp_path / "tiny.gguf", 4, quantisation="Q4_0", context=256)
    about = describe(path)
    assert (about.architecture, about.name, about.context_tokens, about.vocabulary) == (
        "llama",
        "Tiny 4",
        256,
        384,
    )
    assert about.parameters == sum(tensor.size for tensor in tiny_tensors(4, **SHAPE).values())
    assert (about.size, about.quantisation, about.licence) == (path.stat().st_size, "Q4_0", "Apache-2.0")
    assert about.chat_template == CHAT
    assert about.metadata["tokenizer.ggml.tokens"] == "384 items"
    assert msgspec.json.decode(msgspec.json.encode(about))["vocabulary"] == len(tiny_bpe(384)[0])


@pytest.mark.base
def test_describes_the_embedded_base(base_gguf):
    about = describe(base_gguf)
    assert (about.architecture, about.quantisation, about.vocabulary) == ("llama", "Q4_1", 49152)
    assert (about.parameters, about.size, about.context_tokens) == (134_515_008, 98_362_432, 8192)
    assert about.licence == "apache-2.0"


def test_truncation_at_any_byte_is_found(small, tmp_path_factory):
    at = st.integers(0, len(small) - 1)

    @settings(max_examples=300)
    @given(at | at.map(lambda n: n // 40))  # the head is short: look there more often
    def check(cut):
        with pytest.raises(InputError) as caught:
            read_bytes(tmp_path_factory, small[:cut])
        assert "damaged.gguf" in caught.value.message
        assert ("truncated" in caught.value.message) == (cut > 0)
        assert caught.value.hint

    check()


def test_a_changed_byte_is_read_or_refused_but_never_a_crash(small, tmp_path_factory):
    @settings(max_examples=300)
    @given(st.integers(0, 3000), st.integers(1, 255))
    def check(at, change):
        content = bytearray(small)
        content[at] ^= change
        try:
            file = read_bytes(tmp_path_factory, bytes(content))
        except InputError:
            return
        for entry in file.tensors.values():
            assert entry.offset + entry.size <= len(content)

    check()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + b"\0" * 60, "not a GGUF file"),
        (b"GGUF" + struct.pack(">I", 3) + b"\0" * 60, "little-endian"),
        (b"GGUF" + struct.pack("<I", 9) + b"\0" * 60, "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60), "truncated"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 60), "truncated"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77), "unknown type 77"),
    ],
)
def test_foreign_and_damaged_files_are_named(content, words, tmp_path):
    path = tmp_path / "odd.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_gguf(path)
    assert str(path) in caught.value.message


def test_missing_files_and_folders_are_named(tmp_path):
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            describe(path)


def test_a_tensor_or_key_that_is_not_there_is_named(tmp_path):
    file = read_gguf(tiny_gguf(tmp_path / "tiny.gguf"))
    with pytest.raises(InputError, match=r"no tensor 'blk\.7\.attn_q\.weight'"):
        file.tensor("blk.7.attn_q.weight")
    with pytest.raises(InputError, match="no metadata 'llama\\.expert_count'"):
        file.hyper("expert_count")


def test_reading_does_not_change_the_file(tmp_path):
    path = tiny_gguf(tmp_path / "tiny.gguf")
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(ValueError, match="read-only"):
        read_gguf(path).tensor("output_norm.weight")[0] = 1.0
    assert hashlib.sha256(path.read_bytes()).digest() == before

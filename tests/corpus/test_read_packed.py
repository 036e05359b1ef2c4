"""Packed files: of a damaged one exactly those members are given that were unpacked whole and that a checksum proves."""

import base64
import contextlib
import gzip
import itertools
import json
import subprocess
import sys
import zlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import files, jsonl, read, rejected, rows, rules, texts
from world import ID, several

from rumpun.corpus.read.formats.packed import compression
from rumpun.corpus.read.formats.stream import chunks

GOOD = b'{"text": "satu dua", "language": "id"}\n'


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "1")


MEMBERS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def _members(sizes, pack):
    """Lines in members of so many lines each: the packed members, and the texts in each."""
    numbers = itertools.count()
    texts = [[f"{next(numbers)} {text}" for text in several(ID, size)] for size in sizes]
    lines = [
        b"".join(json.dumps({"text": t, "language": "id"}).encode() + b"\n" for t in some) for some in texts
    ]
    return [pack(some) for some in lines], texts


def _zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


def _given(path):
    """What is given of a packed file, and what is told."""
    told = []
    found = b"".join(chunks(path, compression(path), lambda detail, after: told.append((detail, after))))
    return found, told


@settings(max_examples=60, deadline=None)
@given(
    sizes=MEMBERS,
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    held=st.sampled_from([64, 8 << 20]),
)
def test_a_flipped_bit_in_a_gzip_garbles_no_row(tmp_path_factory, sizes, place, bit, held):
    packed, texts = _members(sizes, lambda data: gzip.compress(data, mtime=0))
    data = bytearray(b"".join(packed))
    at = int(len(data) * place)
    data[at] ^= 1 << bit
    path = tmp_path_factory.mktemp("gz") / "a.jsonl.gz"
    path.write_bytes(b"\x1f\x8b" + data[2:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rumpun.corpus.read.formats.packed._HELD_BYTES", held)
        found, told = _given(path)
    given = [json.loads(line)["text"] for line in found.splitlines()]
    hit = next(n for n in range(len(packed)) if at < sum(map(len, packed[: n + 1])))
    sound = [text for some in texts[:hit] for text in some]
    # a bit of a member's name, time or flags proves nothing wrong with its rows
    assert given == sound or (given == [text for some in texts for text in some] and not told)
    if given == sound:
        begin = sum(map(len, packed[:hit]))
        assert len(told) == 1
        assert f"nothing from byte {begin} on is taken" in told[0][0]


@settings(max_examples=40, deadline=None)
@given(sizes=MEMBERS, place=st.floats(0, 1), pack=st.sampled_from([gzip.compress, _zstd]))
def test_of_a_file_cut_short_whole_members_are_given(tmp_path_factory, sizes, place, pack):
    packed, texts = _members(sizes, pack)
    data = b"".join(packed)
    cut = max(4, int(len(data) * place))
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    path.write_bytes(data[:cut])
    found, told = _given(path)
    ends = list(itertools.accumulate(map(len, packed)))
    whole = sum(end <= cut for end in ends)
    assert [json.loads(line)["text"] for line in found.splitlines()] == [
        t for some in texts[:whole] for t in some
    ]
    assert bool(told) == (cut not in ends)


def test_a_corrupt_gzip_gives_nothing_under_a_licence_that_it_does_not_name(tmp_path, store):
    """One bit, one member: the rows after it come out garbled, a key among them, and only the checksum knows."""
    rows_in = [{"text": t, "language": "id", "licence": "CC-BY-SA-4.0"} for t in several(ID, 400)]
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows_in)
    packed = bytearray(gzip.compress(lines, mtime=0))
    for at in range(
        len(packed) // 3, len(packed)
    ):  # the first bit that unpacks to something else, to the end
        packed[at] ^= 1
        with contextlib.suppress(zlib.error):
            if zlib.decompressobj(wbits=-15).decompress(bytes(packed[10:])) != lines:
                break
        packed[at] ^= 1
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    good = jsonl(tmp_path / "b.jsonl", [{"text": "x", "language": "id"}])
    folder = read(store, files=files(tmp_path / "a.jsonl.gz", good))
    assert texts(folder) == ["x"]
    (told,) = rejected(folder)
    assert (told["file"], told["rule"]) == ("a.jsonl.gz", "read.corrupt")
    assert "incorrect data check" in told["detail"]


@pytest.mark.parametrize("documents", ["file", "paragraph", "line"])
def test_a_text_in_which_a_file_breaks_off_is_no_document(tmp_path, store, documents):
    data = gzip.compress(b"satu\n\ndua") + gzip.compress(b" tiga\n")[:-6]
    (tmp_path / "a.txt.gz").write_bytes(data)
    good = jsonl(tmp_path / "b.jsonl", [{"text": "x", "language": "id"}])
    folder = read(store, files=files(tmp_path / "a.txt.gz", good, language="id", documents=documents))
    assert texts(folder) == (["x"] if documents == "file" else ["satu", "x"])
    assert [rule for *_, rule in rules(folder)] == ["read.corrupt", "read.cut_off"]


# two lines, packed by zstd 1.5 with its checksum
CHECKED = base64.b64decode(
    "KLUv/SRiRQIAdAN7InRleHQiOiAic2F0dSBkdWEiLCAibGFuZ3VhZ2VpZCJ9CnRpZ2ljZW5jQ0MtQlktNC4wIn0KBQBXidYMglF0KAXaZacT8ifXVA=="
)


def test_a_zstd_checksum_is_heeded(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(CHECKED)
    whole, told = _given(path)
    assert (len(whole.splitlines()), told) == (2, [])
    for at in range(13, len(CHECKED)):
        path.write_bytes(CHECKED + CHECKED[:at] + bytes([CHECKED[at] ^ 1]) + CHECKED[at + 1 :] + CHECKED)
        found, told = _given(path)
        assert found == whole
        assert len(told) == 1


def test_frames_without_data_and_rubbish_after_a_frame(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(_zstd(GOOD) + b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc" + _zstd(GOOD * 2))
    assert _given(path) == (GOOD * 3, [])
    path.write_bytes(_zstd(GOOD) + b"rubbish")
    found, told = _given(path)
    assert found == GOOD
    assert "no frame begins there" in told[0][0]


def test_a_large_member_is_not_held(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as out:
        for n in range(60):
            out.write(GOOD * 25_000 + str(n).encode() + b"\n")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rumpun.corpus.read.formats.stream import chunks\n"
        "def peak(): return int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
        "before = peak()\n"
        "print(sum(map(len, chunks(Path(sys.argv[1]), 'gzip', print))), peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    size, peak = map(int, done.stdout.split())
    assert size > 58_000_000
    assert peak < 24_000  # kB


def test_gzip_members_padding_and_a_false_name(tmp_path, store):
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress(GOOD) + gzip.compress(GOOD) + b"\0" * 100)
    (tmp_path / "not.jsonl.gz").write_bytes(GOOD)
    (tmp_path / "bare.jsonl").write_bytes(gzip.compress(GOOD))
    folder = read(
        store, files=files(*(tmp_path / name for name in ("two.jsonl.gz", "not.jsonl.gz", "bare.jsonl")))
    )
    assert len(rows(folder)) == 3
    assert rules(folder) == [("not.jsonl.gz", 0, "read.corrupt")]

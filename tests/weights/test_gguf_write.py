"""Writing GGUF: what is written reads back, and what fails leaves nothing."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import EnvironmentFault
from rumpun.weights.assemble import assemble
from rumpun.weights.gguf_file import ARRAY, STRING, Value, read_gguf
from rumpun.weights.gguf_write import NewTensor, file_size, write_gguf
from tiny import tiny_gguf, tiny_layer

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INTEGERS = st.integers(-(2**31), 2**31 - 1)
VALUES = st.one_of(
    st.builds(Value, st.just(STRING), WORDS),
    st.builds(Value, st.just(5), INTEGERS),
    st.builds(Value, st.just(7), st.booleans()),
    st.builds(Value, st.just(12), st.floats(allow_nan=False)),
    st.builds(Value, st.just(ARRAY), st.lists(WORDS, max_size=4), st.just(STRING)),
    st.builds(Value, st.just(ARRAY), st.lists(INTEGERS, max_size=4), st.just(5)),
)


def quiet(done, total=0, note=""):
    pass


def row(name, numbers):
    content = np.asarray(numbers, np.float32)
    return NewTensor(name, "F32", content.shape, content.nbytes, lambda: content.view(np.uint8))


def test_metadata_and_tensors_read_back(tmp_path):
    @settings(max_examples=100)
    @given(
        st.dictionaries(WORDS.map("k.".__add__), VALUES, max_size=6),
        st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=9), max_size=4),
    )
    def check(metadata, rows):
        path = tmp_path / "made.gguf"
        tensors = [row(f"t{number}", numbers) for number, numbers in enumerate(rows)]
        write_gguf(path, metadata, tensors, progress=quiet)
        file = read_gguf(path)
        assert file.metadata == metadata
        assert path.stat().st_size == file_size(metadata, tensors)
        for number, numbers in enumerate(rows):
            np.testing.assert_array_equal(file.tensor(f"t{number}"), np.asarray(numbers, np.float32))

    check()


def test_another_alignment_is_kept(tmp_path):
    path = tmp_path / "made.gguf"
    write_gguf(path, {"general.alignment": Value(4, 256)}, [row("a", [1.0]), row("b", [2.0])], progress=quiet)
    file = read_gguf(path)
    assert [entry.offset % 256 for entry in file.tensors.values()] == [0, 0]
    assert file.tensor("b")[0] == 2.0


LIMITED = """
import resource, sys
from pathlib import Path
from rumpun.errors import RumpunError
from rumpun.weights.assemble import assemble
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    assemble(Path(sys.argv[1]), None, Path(sys.argv[2]), "Q8_0")
except RumpunError as error:
    print(error.exit_code, error.message, "|", error.hint)
"""


def test_no_room_in_the_middle_leaves_nothing_and_says_so(tmp_path):
    base = tiny_gguf(tmp_path / "base.gguf")
    target = tmp_path / "out" / "model.gguf"
    command = [sys.executable, "-c", LIMITED, str(base), str(target)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"5 {target}: cannot be written (File too large)")
    assert "free space" in said
    assert list(target.parent.iterdir()) == []


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_orderly_error(tmp_path, monkeypatch):
    base = tiny_gguf(tmp_path / "base.gguf")
    target = tmp_path / "model.gguf"
    opened = Path.open

    def into_full(path, *arguments, **options):
        return opened(FULL if path.suffix == ".part" else path, *arguments, **options)

    monkeypatch.setattr(Path, "open", into_full)
    with pytest.raises(EnvironmentFault, match="No space left") as caught:
        assemble(base, None, target, "F32")
    assert str(target) in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["base.gguf"]


def test_what_stood_there_stays_when_writing_fails(tmp_path):
    target = tmp_path / "model.gguf"
    target.write_bytes(b"the last good one")

    def fails():
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    bad = NewTensor("a", "F32", (4,), 16, fails)
    with pytest.raises(EnvironmentFault):
        write_gguf(target, {}, [bad], progress=quiet)
    assert target.read_bytes() == b"the last good one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        write_gguf(tmp_path / "file" / "model.gguf", {}, [], progress=quiet)


SLOW = """
import sys, time
from pathlib import Path
from rumpun.weights import assemble
def slow(done, total=0, note=""):
    print(note, flush=True)
    time.sleep(0.05)
assemble.assemble(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), "Q8_0", progress=slow)
"""


@pytest.mark.parametrize("tensors", [1, 4, 9])
def test_killed_while_writing_leaves_no_file_and_the_next_run_clears_up(tmp_path, tensors):
    base = tiny_gguf(tmp_path / "base.gguf")
    layer = tiny_layer(tmp_path / "layer", base)
    target = tmp_path / "out" / "model.gguf"
    command = [sys.executable, "-c", SLOW, str(base), str(layer), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for _ in range(tensors):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not target.exists()
    assert [path.suffix for path in target.parent.iterdir()] == [".part"]
    assemble(base, layer, target, "Q8_0")
    assert [path.name for path in target.parent.iterdir()] == ["model.gguf"]
    read_gguf(target)


def test_two_at_once_both_end_whole(tmp_path):
    base = tiny_gguf(tmp_path / "base.gguf")
    layer = tiny_layer(tmp_path / "layer", base)
    target = tmp_path / "model.gguf"
    command = [sys.executable, "-c", SLOW, str(base), str(layer), str(target)]
    children = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    deadline = time.monotonic() + 60
    for child in children:
        assert child.wait(timeout=deadline - time.monotonic()) == 0
    read_gguf(target)
    assert {path.name for path in tmp_path.iterdir()} == {"base.gguf", "layer", "model.gguf"}

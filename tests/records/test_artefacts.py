"""Artefacts: ids from content, manifest last, two processes safe, a killed writer leaves nothing that looks finished."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.records.artefacts import (
    MANIFEST,
    Maker,
    Manifest,
    artefact_id,
    find_artefact,
    making,
    publish,
    read_manifest,
    verify,
    write_manifest,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)
params = st.dictionaries(st.text(), values, max_size=6)


def manifest(key: str, **changes) -> Manifest:
    maker = Maker(step="test.step", version=1, params={}, rumpun="0")
    return Manifest(**({"kind": "corpus", "id": key, "maker": maker} | changes))


def shuffled(value, order):
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(params, st.randoms(use_true_random=False))
def test_an_id_does_not_depend_on_the_order_of_keys(made_of, order):
    assert artefact_id("corpus", "s", 1, made_of, []) == artefact_id(
        "corpus", "s", 1, shuffled(made_of, order), []
    )


@given(params, params)
def test_ids_differ_when_parameters_do(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (artefact_id("k", "s", 1, one, []) == artefact_id("k", "s", 1, other, [])) == same


@given(params)
def test_lists_and_tuples_give_one_id(made_of):
    tupled = {key: tuple(value) if isinstance(value, list) else value for key, value in made_of.items()}
    assert artefact_id("k", "s", 1, made_of, []) == artefact_id("k", "s", 1, tupled, [])


@pytest.mark.parametrize(
    "change", [("layer", "s", 1, []), ("k", "t", 1, []), ("k", "s", 2, []), ("k", "s", 1, ["a"])]
)
def test_every_part_of_the_making_bears_on_the_id(change):
    kind, step, version, parents = change
    assert artefact_id(kind, step, version, {"x": 1}, parents) != artefact_id("k", "s", 1, {"x": 1}, [])


def test_parents_are_ordered():
    assert artefact_id("k", "s", 1, {}, ["a", "b"]) != artefact_id("k", "s", 1, {}, ["b", "a"])


@pytest.mark.parametrize("value", [{1, 2}, print, float("nan"), float("inf"), b"x", {1: 2}, Path("x")])
def test_a_value_without_a_stable_form_is_refused(value):
    with pytest.raises(TypeError, match="stable form"):
        artefact_id("k", "s", 1, {"x": value}, [])


def test_a_manifest_names_every_file_with_its_hash(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ไทย.txt").write_text("ข้าว")
    (tmp_path / "a.bin").write_bytes(b"\0" * 10)
    written = write_manifest(tmp_path, manifest("a" * 32))
    assert [entry.path for entry in written.files] == ["a.bin", "deep/ไทย.txt"]
    assert read_manifest(tmp_path) == written == verify(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(b"longer than it was"), "bytes"),
        (lambda path: path.write_bytes(b"texu"), "sha256"),
    ],
)
def test_verify_names_the_first_file_that_does_not_match(tmp_path, spoil, said):
    (tmp_path / "a.txt").write_bytes(b"text")
    (tmp_path / "b.txt").write_bytes(b"text")
    write_manifest(tmp_path, manifest("a" * 32))
    spoil(tmp_path / "b.txt")
    with pytest.raises(InputError, match=said) as caught:
        verify(tmp_path)
    assert "b.txt" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 3}', b"\xff\xfe", b'{"kind": "\xff"}'])
def test_a_damaged_manifest_is_one_clear_error(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match="not a manifest"):
        read_manifest(tmp_path)


def test_a_manifest_of_a_newer_schema_is_refused(tmp_path):
    write_manifest(tmp_path, manifest("a" * 32, schema=99))
    with pytest.raises(InputError, match="schema 99"):
        read_manifest(tmp_path)


def test_source_date_epoch_is_honoured(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert write_manifest(tmp_path, manifest("a" * 32)).created == "1970-01-02T00:00:00Z"


WRITER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from rumpun.records.artefacts import *
    from rumpun.records.artefacts import Maker, Manifest
    store, key = Path(sys.argv[1]), sys.argv[2]
    with making(store, key) as (final, scratch):
        if find_artefact(store, key) is None:
            folder = scratch / "folder"
            folder.mkdir(exist_ok=True)
            print("writing", flush=True)
            for n in range(40):
                (folder / f"{n}.txt").write_text("สวัสดี" * 200)
                time.sleep(0.001)
            write_manifest(folder, Manifest(kind="corpus", id=key, maker=Maker(step="s", version=1, params={}, rumpun="0")))
            publish(folder, final)
    print("done", flush=True)
""")


def test_a_writer_killed_at_random_times_leaves_nothing_half_made(tmp_path):
    """kill -9 again and again: what is visible is always whole, and the work is finished in the end."""
    key, order = "b" * 32, random.Random()
    for attempt in range(40):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), key], stdout=subprocess.PIPE)
        child.stdout.readline()
        if attempt < 39:
            time.sleep(order.uniform(0, 0.08))
            os.kill(child.pid, signal.SIGKILL)
        child.stdout.read()
        code = child.wait()
        visible = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        assert all((path / MANIFEST).is_file() for path in visible)
        if find_artefact(tmp_path, key):
            assert len(verify(tmp_path / key).files) == 40
            break
    else:
        pytest.fail(f"never finished; last exit {code}")
    assert not (tmp_path / ".making" / key).exists()


def make_slowly(store: str, ready, made) -> None:
    ready.wait()
    with making(Path(store), "c" * 32) as (final, scratch):
        if find_artefact(Path(store), "c" * 32) is None:
            folder = scratch / "folder"
            folder.mkdir()
            time.sleep(0.2)
            (folder / "x").write_text("x")
            write_manifest(folder, manifest("c" * 32))
            publish(folder, final)
            made.put(os.getpid())


def test_of_two_processes_one_makes_and_the_other_waits(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, made = context.Barrier(3), context.Queue()
    children = [context.Process(target=make_slowly, args=(str(tmp_path), ready, made)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert made.get(timeout=5)
    assert made.empty()
    verify(tmp_path / ("c" * 32))


def test_an_unfinished_leftover_in_the_final_place_is_cleared(tmp_path):
    final, folder = tmp_path / "final", tmp_path / "new"
    final.mkdir()
    (final / "half").write_text("half")
    folder.mkdir()
    write_manifest(folder, manifest("d" * 32))
    publish(folder, final)
    assert sorted(path.name for path in final.iterdir()) == [MANIFEST]


def test_the_scratch_of_a_failed_making_is_kept_for_the_next_try(tmp_path):
    def fail():
        with making(tmp_path, "e" * 32) as (_, scratch):
            (scratch / "kept").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with making(tmp_path, "e" * 32) as (_, scratch):
        assert (scratch / "kept").read_text() == "half"

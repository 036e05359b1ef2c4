"""The cache of answers: many processes, kills, full disks, files that are none of its."""

import itertools
import json
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumpun.engines.port import Generation, Score, Usage
from rumpun.errors import EnvironmentFault, InputError
from rumpun.evaluate.cache import Cache

# --- one process


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "down" / "answers.sqlite"


FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANSWERS = {
    Score: st.builds(Score, FINITE, st.integers(0, 9)),
    int: st.integers(-(2**53), 2**53),
    Generation: st.builds(
        Generation,
        text=TEXT,
        finish=st.sampled_from(["stop", "length"]),
        usage=st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_kept_comes_back_the_same_from_the_file(tmp_path_factory, kind, data):
    said = data.draw(st.dictionaries(TEXT, ANSWERS[kind], max_size=5))
    path = tmp_path_factory.mktemp("kept") / "answers.sqlite"
    with Cache(path) as cache:
        cache.put(said)
    with Cache(path) as cache:
        assert cache.get([*said, "none"], kind) == said
        assert len(cache) == len(said)


def test_the_first_answer_stays(path):
    with Cache(path) as cache:
        cache.put({"a": 1})
        cache.put({"a": 2, "b": 3})
        assert cache.get("ab", int) == {"a": 1, "b": 3}
        cache.close()


def test_more_keys_than_one_question_holds(path):
    with Cache(path) as cache:
        cache.put({f"{number}": number for number in range(2500)})
        assert cache.get((f"{number}" for number in range(5000)), int) == {f"{n}": n for n in range(2500)}


def test_an_answer_of_another_kind_is_named_with_its_file(path):
    with Cache(path) as cache:
        cache.put({"a": {"said": "otherwise"}})
        with pytest.raises(InputError, match=r"answers\.sqlite: no cache of answers \(a: .*logprob"):
            cache.get("a", Score)


def test_many_threads_share_one_object(path):
    with Cache(path) as cache:

        def work(number):
            for place in range(30):
                cache.put({f"{number}-{place}": place, f"all-{place}": place})
                assert cache.get([f"{number}-{place}"], int) == {f"{number}-{place}": place}

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(cache) == 5 * 30


# --- files that are none


def test_a_file_of_another_kind_is_named_and_left_as_it_is(tmp_path):
    contents = [b"what is this?" * 100, b"SQLite format 3\0" + b"\xff" * 5000, b"\0" * 4096]
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.sqlite"
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{number}\.sqlite: no cache of answers") as caught:
            Cache(path)
        assert "move this one away" in caught.value.hint
        assert path.read_bytes() == content


@pytest.mark.parametrize("table", ["people (name TEXT)", "answers (question TEXT, said TEXT)"])
def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path, table):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute(f"CREATE TABLE {table}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="no cache of answers"):
        Cache(path)
    assert path.read_bytes() == before


def test_a_damaged_cache_is_named(path):
    with Cache(path) as cache:
        cache.put({f"{number}": "x" * 500 for number in range(500)})
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(InputError, match="no cache of answers"), Cache(path) as cache:
        cache.get((f"{number}" for number in range(500)), str)


def test_a_place_where_none_can_be_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "answers.sqlite", tmp_path):
        with pytest.raises(EnvironmentFault, match=path.name) as caught:
            Cache(path)
        assert "--cache" in caught.value.hint


# --- many processes

WRITER = """
import sys, time
from pathlib import Path
from rumpun.evaluate.cache import Cache

name = sys.argv[1]
print("ready", flush=True)
for line in sys.stdin:
    path, moment = line.rsplit(maxsplit=1)
    while time.monotonic() < float(moment):
        pass
    with Cache(Path(path)) as cache:
        for place in range(25):
            cache.put({f"{name}-{place}": [name, place], f"all-{place}": [name, place]})
    print("done", flush=True)
"""


def test_three_processes_that_write_one_file_at_once_lose_nothing(tmp_path):
    """Each round begins with a file that is not there: making it is where processes meet worst."""
    names = ("satu", "dua", "tiga")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in names
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        for number in range(25):
            path = tmp_path / f"{number}.sqlite"
            moment = time.monotonic() + 0.02
            for writer in writers:
                writer.stdin.write(f"{path} {moment}\n")
                writer.stdin.flush()
            assert [writer.stdout.readline() for writer in writers] == ["done\n"] * 3, (
                "see what it said above"
            )
            with Cache(path) as cache:
                own = [f"{name}-{place}" for name, place in itertools.product(names, range(25))]
                assert {
                    k: v
                    for k, v in cache.get(own, list).items()
                    if v != [k.partition("-")[0], int(k.partition("-")[2])]
                } == {}
                assert len(cache.get(own, list)) == 75
                assert len(cache) == 100
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_who_waits_for_another_process_longer_than_a_minute_is_told(path, monkeypatch):
    monkeypatch.setattr("rumpun.evaluate.cache._WAIT_SECONDS", 0.2)
    with Cache(path) as cache:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentFault, match="locked") as caught:
            cache.put({"a": 1})
        assert "another process" in caught.value.hint
        other.execute("ROLLBACK")
        other.close()
        cache.put({"a": 2})
        assert cache.get("a", int) == {"a": 2}


FULL = """
import json, resource, sys
from pathlib import Path
from rumpun.errors import EnvironmentFault
from rumpun.evaluate.cache import Cache

kept, said = [], ""
with Cache(Path(sys.argv[1])) as cache:
    cache.put({"before": "x"})
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    for number in range(200):
        try:
            cache.put({f"{number}-{part}": "x" * 3000 for part in range(3)})
            kept.append(number)
        except EnvironmentFault as fault:
            said = f"{fault.message} | {fault.hint}"
            break
    found = cache.get((f"{number}-{part}" for number in range(200) for part in range(3)), str)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    cache.put({"after": "x"})
print(json.dumps([kept, said, sorted(found)]))
"""


def test_a_full_disk_is_named_and_what_was_kept_before_stays(path):
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    kept, said, found = json.loads(ran.stdout)
    assert 5 < len(kept) < 200
    assert str(path) in said
    assert "free the disk" in said
    expected = {f"{number}-{part}" for number in kept for part in range(3)}
    assert set(found) == expected, "all of a write or none"
    with Cache(path) as cache:
        assert len(cache) == len(expected) + 2
        assert cache._do("PRAGMA integrity_check") == [("ok",)]


KILLED = """
import sys
from pathlib import Path
from rumpun.evaluate.cache import Cache

cache = Cache(Path(sys.argv[1]))
for number in range(10**6):
    cache.put({f"{number}-{part}": number for part in range(5)})
    print(number, flush=True)
"""


def test_what_was_kept_before_a_kill_is_there_and_no_write_is_half(path):
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    for line in writer.stdout:
        if int(line) >= 200:
            break
    writer.kill()
    rest, _ = writer.communicate()
    told = 200 + len(rest.split())
    with Cache(path) as cache:
        assert told + 1 <= len(cache) // 5 <= told + 2
        assert len(cache) % 5 == 0
        assert (
            len(cache.get((f"{number}-{part}" for number in range(told) for part in range(5)), int))
            == 5 * told
        )

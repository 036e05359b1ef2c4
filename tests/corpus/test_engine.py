"""One plan, natively and on a Ray cluster: the same results in the same order, and a killed worker loses nothing."""

import contextlib
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import engine_work
import pytest

from rumpun.corpus.engine import map_parts, workers
from rumpun.errors import EnvironmentFault, InputError, MissingPartError, UsageError

pytest.importorskip("daft", reason="daft is not installed (make dev)")
HERE = Path(__file__).parent


def units(folder, count=12, **more):
    return [
        {"number": n, "folder": str(folder / "parts"), "log": str(folder / "log")} | more
        for n in range(count)
    ]


def digest(folder):
    """Of a folder of parts: names and bytes."""
    found = hashlib.sha256()
    for path in sorted((folder / "parts").glob("*.parquet")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def in_a_process(folder, function, *, count=12, deadly=-1, **settings):
    """Run map_parts in a process of its own, since a process has one runner; returns what it printed."""
    folder.mkdir(parents=True, exist_ok=True)
    program = (
        "import json, sys\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "import engine_work\n"
        "from pathlib import Path\n"
        "from rumpun.corpus.engine import map_parts\n"
        "from test_engine import units\n"
        f"found = map_parts(engine_work.{function}, units(Path({str(folder)!r}), {count}, deadly={deadly}),"
        f" note='parts', keep=Path({str(folder / 'keep')!r}))\n"
        "print(json.dumps([item['rows'] for item in found]))\n"
    )
    env = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RUMPUN_ENGINE")}
    return subprocess.run(
        [sys.executable, "-c", program], env=env | settings, capture_output=True, text=True, check=False, timeout=120
    )  # fmt: skip


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The digest that every way of working must give."""
    folder = tmp_path_factory.mktemp("plain")
    for unit in units(folder):
        engine_work.write(unit)
    return digest(folder)


@pytest.mark.parametrize("number", ["1", "2", "4"])
def test_natively_the_same_digest_with_1_2_and_4_workers(tmp_path, reference, monkeypatch, capfd, number):
    monkeypatch.setenv("RUMPUN_WORKERS", number)
    found = map_parts(engine_work.write_slowly, units(tmp_path))
    assert [item["rows"] for item in found] == [2000] * 12
    assert digest(tmp_path) == reference
    logged = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert len(logged) == 12
    assert len({pid for _, pid in logged}) == int(number)
    assert capfd.readouterr() == ("", "")


def test_natively_a_killed_worker_loses_nothing(tmp_path, reference, monkeypatch, capfd):
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    said = []
    found = map_parts(
        engine_work.die_once, units(tmp_path, deadly=5), keep=tmp_path / "keep", note="parts",
        progress=lambda done, total=0, note="": said.append(note),
    )  # fmt: skip
    assert [item["rows"] for item in found] == [2000] * 12
    assert (tmp_path / "parts" / "died").exists()
    assert digest(tmp_path) == reference
    finished = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(set(finished), key=int) == [str(n) for n in range(12)]
    assert len(finished) <= 12 + 1  # one unit may be under way in the other worker; what was finished is kept
    assert any("handed out again (a worker process was ended)" in note for note in said)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_on_ray_with_two_nodes_the_same_digest_though_a_worker_is_killed(tmp_path, reference, ray_cluster):
    done = in_a_process(tmp_path, "die_once", deadly=5, RAY_ADDRESS=ray_cluster.address)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [2000] * 12
    assert done.stderr == ""
    assert (tmp_path / "parts" / "died").exists()
    assert digest(tmp_path) == reference
    logged = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert len({node for *_, node in logged}) == 2


@pytest.mark.slow
def test_on_ray_sources_are_read_to_the_same_bytes(tmp_path, monkeypatch, ray_cluster):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (make dev)")
    from reading import TEXTS, files, jsonl, read

    made = [
        jsonl(tmp_path / f"{tag}.jsonl", [{"text": f"{n} {text}", "language": tag} for n in range(300)])
        for tag, text in TEXTS.items()
    ]  # fmt: skip
    program = (
        "import json, sys\n"
        f"sys.path.insert(0, {str(HERE)!r})\n"
        "from pathlib import Path\n"
        "from reading import files, read\n"
        "from rumpun.corpus.read import units as documents_units\n"
        "documents_units.GROUP_BYTES = 60_000\n"
        f"read(Path({str(tmp_path / 'ray')!r}), files=files(*{[str(path) for path in made]!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"RAY_ADDRESS": ray_cluster.address}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    monkeypatch.setattr("rumpun.corpus.read.units.GROUP_BYTES", 60_000)
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    here = read(tmp_path / "native", files=files(*made))
    (there,) = [path.parent for path in (tmp_path / "ray").glob("[!.]*/manifest.json")]
    assert _files(there) == _files(here)
    assert len(list(here.glob("part-*.parquet"))) > 2


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_results_in_order_with_arguments_and_progress(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    said = []
    found = map_parts(
        functools.partial(engine_work.plus, more=100), list(range(9)),
        progress=lambda done, total=0, note="": said.append((done, total, note)), note="sums",
    )  # fmt: skip
    assert found == [100 + n for n in range(9)]
    assert said[0] == (0, 9, "sums")
    assert said[-1] == (9, 9, "sums")
    assert [done for done, *_ in said] == sorted(done for done, *_ in said)
    assert map_parts(engine_work.double, []) == []
    assert map_parts(engine_work.double, ["ກ", "ข"]) == ["ກກ", "ขข"]


def test_what_is_kept_is_not_done_again(tmp_path):
    made = units(tmp_path, 5)
    first = map_parts(engine_work.write, made, keep=tmp_path / "keep")
    again = map_parts(engine_work.write, made, keep=tmp_path / "keep")
    assert first == again
    assert len((tmp_path / "log").read_text().splitlines()) == 5
    assert map_parts(functools.partial(engine_work.plus, more=1), [1], keep=tmp_path / "keep") == [2]
    assert map_parts(functools.partial(engine_work.plus, more=2), [1], keep=tmp_path / "keep") == [3]
    map_parts(engine_work.write, [made[0] | {"more": 1}], keep=tmp_path / "keep")
    assert len((tmp_path / "log").read_text().splitlines()) == 6


@pytest.mark.parametrize("number", ["1", "2"])
def test_the_first_refusal_comes_back_as_it_was(monkeypatch, number):
    monkeypatch.setenv("RUMPUN_WORKERS", number)
    with pytest.raises(InputError, match=r"file.jsonl:3: not JSON") as caught:
        map_parts(engine_work.refuse, list(range(8)))
    assert caught.value.hint == "mend the line"
    if number == "2":  # the others come by the same way
        return
    with pytest.raises(OSError, match="No space left") as full:
        map_parts(engine_work.full, [1, 2])
    assert full.value.errno == 28
    with pytest.raises(MissingPartError, match="needs the part") as lacking:
        map_parts(engine_work.lacking, [1, 2])
    assert "rumpun[corpus]" in lacking.value.hint
    with pytest.raises(RuntimeError, match="OddError"):
        map_parts(engine_work.odd, [1, 2])


def test_a_unit_that_always_kills_its_worker_is_named(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    with pytest.raises(
        EnvironmentFault, match=r"units did not come back after 4 tries .*a worker process was ended"
    ) as caught:
        map_parts(engine_work.die_always, list(range(5)), note="numbers")
    assert "RUMPUN_WORKERS" in caught.value.hint


def test_workers_keep_to_one_thread_and_the_environment_is_given_back(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = map_parts(engine_work.threads, [1, 2, 3, 4])
    assert {tuple(item[:2]) for item in found} == {("1", 1)}
    assert os.getpid() not in {item[2] for item in found}
    assert "OMP_NUM_THREADS" not in os.environ


def test_few_light_units_start_no_process_and_workers_load_no_pandas(monkeypatch):
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    assert {who for _, who in map_parts(engine_work.spared, [1] * 7, least=4)} == {os.getpid()}
    made = map_parts(engine_work.spared, [1] * 8, least=4)
    assert os.getpid() not in {who for _, who in made}
    assert not any(there for there, _ in made)


def test_workers_that_print_do_not_disturb(monkeypatch, capfd):
    monkeypatch.setenv("RUMPUN_WORKERS", "2")
    assert map_parts(engine_work.say, [1, 2, 3]) == [1, 2, 3]
    assert "noise" not in capfd.readouterr().out


def test_an_interrupt_ends_everything(tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
        "import engine_work\nfrom pathlib import Path\nfrom rumpun.corpus.engine import map_parts\n"
        "from test_engine import units\n"
        f"map_parts(engine_work.write_slowly, units(Path({str(tmp_path)!r}), 400))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, env=os.environ | {"RUMPUN_WORKERS": "2"}, start_new_session=True
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "log").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    pids = {int(line.split()[1]) for line in (tmp_path / "log").read_text().splitlines()}
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=20)
    assert child.returncode != 0
    assert b"KeyboardInterrupt" in err
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in pids)


def _alive(pid):
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_settings_that_cannot_be_meant(monkeypatch):
    monkeypatch.setenv("RUMPUN_ENGINE", "spark")
    with pytest.raises(UsageError, match="RUMPUN_ENGINE"):
        map_parts(engine_work.double, [1])
    monkeypatch.setenv("RUMPUN_ENGINE", "native")
    monkeypatch.setenv("RUMPUN_WORKERS", "none")
    with pytest.raises(UsageError, match="RUMPUN_WORKERS"):
        workers()


def test_a_cluster_out_of_reach_is_told_at_once(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed (make dev)")
    done = in_a_process(tmp_path, "write", RAY_ADDRESS="127.0.0.1:1")
    assert done.returncode != 0
    assert "RAY_ADDRESS = 127.0.0.1:1: no Ray cluster answers there" in done.stderr


def test_without_ray_the_part_is_named(monkeypatch):
    monkeypatch.setenv("RUMPUN_ENGINE", "ray")
    monkeypatch.setattr("rumpun.parts.installed", lambda module: module != "ray")
    with pytest.raises(MissingPartError, match="working on a Ray cluster needs the part 'cluster'"):
        map_parts(engine_work.double, [1])

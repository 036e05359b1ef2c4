"""A suite over several engines on a Ray cluster: the same samples and figures as one engine gives, whatever dies."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict, deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from engines.openai_server import App, serving
from rumpun.engines.fake import Fake
from rumpun.engines.http import OpenAICompatible
from rumpun.engines.llamacpp import LlamaCpp
from rumpun.errors import EnvironmentFault, InputError, MissingPartError
from rumpun.evaluate.ask import Asking
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.run import Settings
from rumpun.evaluate.runs import plan_suite, run_suite
from rumpun.evaluate.shard_worker import Said
from rumpun.evaluate.shards import _handed_out, addresses
from rumpun.steps import quiet
from tiny import tiny_gguf

HASTE = Asking(concurrency=2, tries=2, wait_seconds=0.01, failures_max=1)
DEAD = "127.0.0.1:1"  # a RAY_ADDRESS where nothing listens


def planned(*tasks, languages=("id", "th"), limit=2, **more):
    return plan_suite("region", Settings(languages=languages, limit=limit, **more), tasks)


def said(folder):
    """The run's samples, and its figures but for when and how long."""
    scores = json.loads((folder / "scores.json").read_text())
    for name in ("when", "seconds"):
        scores["made"].pop(name)
    return (folder / "samples.jsonl").read_bytes(), scores


class Served(App):
    """A stand-in server whose answers come out of the question alone; `hook(self)` is called before each."""

    def __init__(self, hook=lambda self: None, model="served"):
        super().__init__(Fake(words=6), plain=True)
        self.hook, self.model, self.broken = hook, model, False
        self.answered = []

    async def models(self, request):
        return JSONResponse({"data": [{"id": self.model, "max_model_len": 2048}]})

    async def answer(self, request):
        try:
            body = await request.json()
        except ClientDisconnect:  # its worker was killed
            return Response(status_code=499)
        if not body.get("echo"):
            self.hook(self)
            if self.broken:
                return JSONResponse({"error": {"message": "broken"}}, 503)
            self.answered.append(body["messages"][-1]["content"])
        return await super().answer(request)


class Changing(Served):
    """Has one model where it is asked first, and then another: a worker finds what the run is not of."""

    async def models(self, request):
        found = await super().models(request)
        self.model = "other"
        return found


@contextlib.contextmanager
def servers(*apps):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(serving(app)) for app in apps]


def workers_alive():
    """Pids of the cluster's workers of this test, which are descendants of this process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = []
    for pid in parents:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            with contextlib.suppress(OSError):
                if b"ray::Worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
    return found


@pytest.fixture
def cluster(ray_cluster, monkeypatch):
    import ray

    monkeypatch.setenv("RAY_ADDRESS", ray_cluster.address)
    yield monkeypatch
    assert not ray.is_initialized(), "a cluster that fill() joined, it leaves"
    until = time.monotonic() + 30  # Ray ends its processes in its own time
    while workers_alive() and time.monotonic() < until:
        time.sleep(0.1)
    assert workers_alive() == []


# --- without a cluster


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=5, unique=True))
def test_addresses_are_listed_with_commas_and_nothing_else_is(ports):
    urls = [f"http://127.0.0.1:{port}/v1" for port in ports]
    assert addresses(", ".join([*urls, urls[0]]) + ",") == tuple(urls)
    path = "models/a,b.gguf" + ",".join(map(str, ports))
    assert addresses(path) == (path,)


def test_without_ray_the_part_is_named_and_nothing_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr("rumpun.parts.installed", lambda module: module != "ray")
    app = Served()
    with servers(app) as [url], pytest.raises(MissingPartError, match="--ray needs the part 'cluster'"):
        run_suite(planned("nli"), url, into=tmp_path / "run", cache=tmp_path / "c", workers=0)
    assert app.answered == []


class Faulty:
    """One engine that answers a part of its cell and then meets a fault that is no machine's."""

    def __init__(self, answers, fault):
        self.free = deque([0])
        self._said = Said(answers, fault)

    def ask(self, place, calls, seconds):
        return place, len(calls), seconds

    def first_ready(self, begun):
        return begun[0]

    def said(self, place, begun):
        return self._said


def test_what_was_answered_before_a_fault_of_the_question_is_kept(tmp_path):
    answers = {f"key {n}": n for n in range(3)}
    fault = InputError("question 4 holds half a character", "mend it")
    with Cache(tmp_path / "c") as cache:
        with pytest.raises(InputError, match="half a character"):
            _handed_out(
                [[("tokens", dict.fromkeys(answers, "?"))]], Faulty(answers, fault), cache, None, quiet
            )
        assert cache.get(list(answers), int) == answers


# --- on a cluster of two


@pytest.mark.slow
def test_two_engines_give_what_one_gives_to_the_byte_and_then_nothing_is_asked(tmp_path, cluster):
    model = str(tiny_gguf(tmp_path / "tiny.gguf", context=2048))
    tasks = ["reading", "nli", "grammar", "bpb", "tokens", "culture", "translation-into-english"]
    made = planned(*tasks, languages=("id", "th"), limit=3, temperature=0.7)
    one = run_suite(made, model, into=tmp_path / "one", cache=tmp_path / "one.sqlite")
    for ask in ("score", "generate", "count_tokens"):  # in this process; those of the workers are theirs
        cluster.setattr(LlamaCpp, ask, None)

    def cut_off(done, total=0, note=""):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(
            made, model, into=tmp_path / "two", cache=tmp_path / "two.sqlite", workers=2,
            start=lambda name: cut_off if "cluster" in name else quiet,
        )  # fmt: skip
    with Cache(tmp_path / "two.sqlite") as cache:
        before = len(cache)
    assert 0 < before < one.asked
    two = run_suite(made, model, into=tmp_path / "two", cache=tmp_path / "two.sqlite", workers=2)
    assert said(tmp_path / "two") == said(tmp_path / "one")
    assert (two.asked, two.kept) == (one.asked - before, one.kept + before)
    assert one.asked > 60
    assert not any(cell.errors for cell in two.scores.cells)
    # what is kept needs no cluster, neither for the same run nor for a part of it
    cluster.setenv("RAY_ADDRESS", DEAD)
    again = run_suite(made, model, into=tmp_path / "again", cache=tmp_path / "two.sqlite", workers=2)
    assert said(tmp_path / "again") == said(tmp_path / "one")
    assert (again.asked, again.kept) == (0, one.asked + one.kept)
    # and what is not kept does
    with pytest.raises(EnvironmentFault, match=r"no Ray cluster answers there") as caught:
        run_suite(planned("causal"), model, into=tmp_path / "x", cache=tmp_path / "two.sqlite", workers=2)
    assert "unset RAY_ADDRESS to work on this machine" in caught.value.hint


@pytest.mark.slow
def test_servers_share_the_cells_and_neither_a_killed_worker_nor_a_broken_server_costs_one(tmp_path, cluster):
    killed = []

    def kill_one(app):
        if len(app.answered) == 2 and not killed:
            killed.extend(workers_alive()[:1])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    def breaks(app):
        app.broken = app.broken or len(app.answered) == 3

    first, second, third = apps = Served(), Served(), Served(breaks)
    notes = defaultdict(list)
    made = planned("nli", "reading", "turns", runs=2, temperature=0.7, judge="not named")
    with servers(*apps) as urls:
        one = run_suite(made, urls[0], into=tmp_path / "one", cache=tmp_path / "one.sqlite", asking=HASTE)
        alone = Counter(first.answered)
        first.answered.clear()
        first.hook = kill_one
        cluster.setattr(OpenAICompatible, "generate", None)  # in this process
        found = run_suite(
            made, ",".join(urls), into=tmp_path / "two", cache=tmp_path / "two.sqlite", asking=HASTE, workers=0,
            start=lambda name: lambda done, total=0, note="": notes[name].append((done, total, note)),
        )  # fmt: skip
    assert said(tmp_path / "two") == said(tmp_path / "one")
    wanted = 2 * 2 * 2 * (1 + 1 + 2)  # runs, languages, items, turns of three tasks
    assert (found.asked, found.kept) == (one.asked, one.kept) == (wanted, 0)
    assert killed
    assert len(third.answered) == 3
    assert first.answered
    assert second.answered
    asked = sum((Counter(app.answered) for app in apps), Counter())
    assert set(asked) == set(alone)
    assert all(asked[question] >= times for question, times in alone.items())
    (told,) = (lines for name, lines in notes.items() if name.endswith("on a cluster"))
    shown = [(done, total) for done, total, _ in told]
    assert shown == sorted(shown, key=lambda one: (-one[1], one[0]))  # first all cells, then second turns
    assert (6, 6) in shown
    assert any(note == "a worker died and is started again" for *_, note in told)
    assert any(note.startswith(f"on without {urls[2]}: 1 questions in a row") for *_, note in told)
    assert shown[-1] == (2, 2)


@pytest.mark.slow
def test_a_cell_that_kills_every_worker_is_left_to_the_run_and_another_model_is_refused(tmp_path, cluster):
    deaths = []
    cluster.setattr("rumpun.evaluate.shards.RESUBMISSIONS", 1)  # so many more would take long

    def kill(app):
        if pids := workers_alive():
            deaths.extend(pids)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)

    deadly = Served(kill)
    made = planned("nli", languages=("id",))
    with servers(deadly) as [url]:
        found = run_suite(made, url, into=tmp_path / "run", cache=tmp_path / "a", asking=HASTE, workers=4)
    assert len(set(deaths)) == 2
    assert found.asked == 2
    assert not any(cell.errors for cell in found.scores.cells)
    with servers(Changing()) as [url], pytest.raises(InputError, match="is another model"):
        run_suite(made, url, into=tmp_path / "mixed", cache=tmp_path / "b", asking=HASTE, workers=0)


# --- on this machine alone


@pytest.mark.slow
def test_without_an_address_a_cluster_is_started_here_and_stopped_without_a_word(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed (make dev)")
    model = str(tiny_gguf(tmp_path / "tiny.gguf", context=2048))
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    options = [
        "--ray", "--tasks", "nli,grammar", "--languages", "id,th", "--limit", "2", "--into", "run", "--cache", "c"
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "rumpun.cli", "eval", "run", "tiny.gguf", *options], env=env, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    one = run_suite(planned("nli", "grammar"), model, into=tmp_path / "one", cache=tmp_path / "one.sqlite")
    assert done.returncode == 0, done.stderr
    assert "tiny on a cluster: 100 %\n" in done.stderr
    for line in done.stderr.splitlines():  # our own, and none of Ray's
        assert re.match(r"(items|tiny|tiny on a cluster): +\d+ %", line)
    assert f"\n{one.asked} questions asked, {one.kept} answered from before\n" in done.stdout
    assert said(tmp_path / "run") == said(tmp_path / "one")

"""Runs that end before their end: time that is up, signals, kills, servers and engines that die, answers no file can hold."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from troubled import HASTE, Troubled, asker_of, asks, numbered, pairs_of, said_to, silent, status, texts

from engines.openai_server import serving
from rumpun.engines.fake import Fake
from rumpun.engines.http import OpenAICompatible
from rumpun.engines.port import Generation, Score
from rumpun.errors import EnvironmentFault
from rumpun.evaluate.ask import Asker, Asking, Failed, NotAsked
from rumpun.evaluate.cache import Cache

TESTS = Path(__file__).parents[1]
PATHS = [str(TESTS), str(TESTS / "evaluate")]


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "answers.sqlite") as found:
        yield found


# --- the time is up


def test_when_the_time_is_up_in_the_middle_of_tries_the_question_has_not_failed(cache):
    app = Troubled(lambda question, nth: status(503) if question != "soal 0" else None)
    with asker_of(app, cache, deadline=time.monotonic() + 2.0, wait_seconds=5.0, concurrency=2) as asker:
        said = asker.generate(asks(*numbered(6)))
        assert asker.late
        assert texts(said)[0] == said_to("soal 0")
        assert said[1:] == [NotAsked()] * 5
        assert time.monotonic() < asker._deadline + 1.5
    assert len(cache) == 1


def test_no_request_leaves_after_the_time_is_up(cache):
    app = Troubled(delay_s=0.05)
    deadline = time.monotonic() + 1.5
    with asker_of(app, cache, deadline=deadline, concurrency=2) as asker:
        said = asker.generate(asks(*numbered(500)))
    asked = [each for each in said if isinstance(each, Generation)]
    assert 0 < len(asked) == len(cache) == len(app.came) < 500
    assert asker.asked == len(asked)
    assert said[-1] == NotAsked()


# --- threads, signals and kills


class Odd(Fake):
    """A server to the asker's eyes, with an engine's fault of its own."""

    def about(self):
        return replace(super().about(), engine="http")

    def score(self, pairs):
        time.sleep(0.01)
        if pairs[0][1] == "soal 7":
            raise ZeroDivisionError("a fault of its own")
        return super().score(pairs)


def test_an_error_of_another_kind_is_raised_and_what_was_answered_is_kept(cache):
    asker = Asker(Odd(), {"model": "m"}, cache, Asking(concurrency=4, **HASTE))
    with pytest.raises(ZeroDivisionError):
        asker.score([("", name) for name in numbered(40)])
    assert not [
        thread for thread in threading.enumerate() if thread.name == "rumpun-ask" and thread.is_alive()
    ]
    assert 7 <= len(cache) <= 11
    assert asker.asked == len(cache)


CLIENT = """
import sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from troubled import asks, numbered, HASTE
from rumpun.engines.http import OpenAICompatible
from rumpun.evaluate.ask import Asker, Asking
from rumpun.evaluate.cache import Cache

url, path, form, count = sys.argv[3:7]
with Cache(Path(path)) as cache:
    engine = OpenAICompatible(url, name="server")
    try:
        asker = Asker(engine, {"model": "m"}, cache, Asking(concurrency=4, **HASTE))
        names = numbered(int(count))
        asker.generate(asks(*names)) if form == "generate" else asker.score([("", name) for name in names])
    finally:
        engine.close()
"""


def client(url, path, form, count):
    command = [sys.executable, "-c", CLIENT, *PATHS, url, str(path), form, str(count)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def waited(condition, seconds=30):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.mark.parametrize("form", ["generate", "score"])
def test_ctrl_c_ends_a_run_at_once_though_the_server_is_silent(tmp_path, form):
    app = Troubled(lambda question, nth: silent if question > "soal 2" else None)
    path = tmp_path / "answers.sqlite"
    with serving(app) as url:
        process = client(url, path, form, 9)
        try:
            waited(lambda: len(app.came) == 7 and app.running == 4)
            time.sleep(0.2)
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=10)
        finally:
            process.kill()
            process.communicate()
    assert time.monotonic() - begun < 5
    assert "KeyboardInterrupt" in said
    assert "rumpun-ask" not in said, "no thread complains"
    with Cache(path) as cache:
        assert len(cache) == 3


def test_a_run_that_is_killed_goes_on_with_exactly_the_rest(tmp_path):
    app = Troubled(delay_s=0.02)
    path = tmp_path / "answers.sqlite"
    with serving(app) as url:
        process = client(url, path, "generate", 200)
        try:
            waited(lambda: len(app.came) >= 60)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        waited(lambda: app.running == 0)
        first = app.questions
        app.came.clear()
        with Cache(path) as cache:
            kept = len(cache)
            engine = OpenAICompatible(url, name="server")
            asker = Asker(engine, {"model": "m"}, cache, Asking(**HASTE))
            assert texts(asker.generate(asks(*numbered(200)))) == [said_to(name) for name in numbered(200)]
            engine.close()
    assert 60 <= len(first) < 200
    assert len(first) == len(set(first))
    assert len(first) - 4 <= kept <= len(first), "all but the four that were under way"
    assert len(app.came) == len(set(app.questions)) == 200 - kept
    assert set(first) | set(app.questions) == set(numbered(200))


SERVER = """
import os, sys, threading
sys.path[:0] = sys.argv[1:3]
from troubled import Troubled, serving

class Thirty(list):  # at the question itself: between a look at their number and the next, three may come
    def append(self, question):
        if len(self) == 30:
            os._exit(9)
        super().append(question)

mortal = Troubled()
mortal.came = Thirty()
with serving(mortal) as url:
    print(url, flush=True)
    threading.Event().wait(60)
"""


def test_a_server_that_dies_at_question_30_leaves_what_it_answered(cache):
    mortal = subprocess.Popen([sys.executable, "-c", SERVER, *PATHS], stdout=subprocess.PIPE, text=True)
    try:
        engine = OpenAICompatible(mortal.stdout.readline().strip(), name="mortal")
        asker = Asker(engine, {"model": "m"}, cache, Asking(concurrency=3, tries=2, failures_max=5, **HASTE))
        with pytest.raises(EnvironmentFault, match="5 questions in a row got no answer"):
            asker.generate(asks(*numbered(80)))
        assert mortal.wait(20) == 9
    finally:
        mortal.kill()
        mortal.communicate()
    kept = len(cache)
    assert 26 <= kept <= 30, "all but what was under way"
    app = Troubled()
    with asker_of(app, cache) as again:
        assert texts(again.generate(asks(*numbered(80)))) == [said_to(name) for name in numbered(80)]
    assert len(app.came) == 80 - kept


# --- engines in this process


class Batched(Fake):
    """Remembers its batches; ends at a question, in a way of its own."""

    def __init__(self, end="", how=None, **options):
        super().__init__(**options)
        self.end, self.how, self.batches = end, how, []

    def score(self, pairs):
        self.batches.append([continuation for _, continuation in pairs])
        if self.end in self.batches[-1]:
            self.how(self)
        return super().score(pairs)


def here(engine, cache, **asking):
    return Asker(engine, {"model": "m"}, cache, Asking(**asking))


def test_a_bad_question_in_a_batch_fails_alone(cache):
    names = numbered(130)
    names[5] = names[77] = "panjang " * 20  # the same one twice
    names[78] = "lebih panjang " * 20
    engine = Fake(context_tokens=100, reply=lambda request: said_to(request.prompt))
    asker = here(engine, cache, failures_max=1)
    said = asker.generate(asks(*names))
    for place, each in enumerate(said):
        assert isinstance(each, Failed if place in (5, 77, 78) else Generation)
    assert "the context of fake holds 100" in said[5].why
    assert len(cache) == 127


def test_an_engine_that_dies_at_item_500_is_named_and_the_next_run_asks_the_rest(cache):
    names = numbered(700)
    asker = here(Batched("soal 500", Fake.close), cache, failures_max=6)
    with pytest.raises(
        EnvironmentFault, match="6 questions in a row got no answer; the last: fake is closed"
    ):
        asker.score(pairs_of(names))
    assert 448 <= len(cache) <= 500
    left = len(cache)
    engine = Batched()
    assert here(engine, cache).score(pairs_of(names)) == Fake().score(pairs_of(names))
    assert sum(map(len, engine.batches)) == 700 - left


def test_an_engine_that_raises_in_the_middle_loses_nothing_that_was_answered(cache):
    def fails(engine):
        raise ZeroDivisionError("a fault of its own")

    with pytest.raises(ZeroDivisionError):
        here(Batched("soal 150", fails), cache).score(pairs_of(numbered(300)))
    engine = Batched()
    assert all(isinstance(each, Score) for each in here(engine, cache).score(pairs_of(numbered(300))))
    assert sum(map(len, engine.batches)) == 300 - 128


def test_an_answer_that_no_file_can_hold_is_a_failure_and_not_kept(cache):
    class Numberless(Fake):
        def score(self, pairs):
            values = {"nan": math.nan, "inf": -math.inf}
            return [Score(values.get(continuation, -1.0), 1) for _, continuation in pairs]

    for _ in range(2):  # the second time from the cache
        said = here(Numberless(), cache).score(pairs_of(["nan", "satu", "inf"]))
        assert [type(each) for each in said] == [Failed, Score, Failed]
    half = Fake(reply=lambda request: "\ud83d")
    (failed,) = here(half, cache).generate(asks("satu"))
    assert isinstance(failed, Failed)
    assert len(cache) == 1


def test_a_disk_that_fails_is_not_taken_for_the_engines_fault(cache):
    """An answer that cannot be kept is not asked for again and again."""
    app = Troubled()
    with asker_of(app, cache, concurrency=1, tries=5) as asker:
        cache._base.execute("PRAGMA query_only = 1")
        with pytest.raises(EnvironmentFault, match=r"answers\.sqlite: attempt to write a readonly database"):
            asker.generate(asks("satu", "dua", "tiga"))
    assert app.questions == ["satu"]


def test_progress_is_told_and_ends_at_all(cache):
    told = []
    here(Fake(), cache).score(pairs_of(numbered(30)))
    asker = Asker(Fake(), {"model": "m"}, cache, progress=lambda *said: told.append(said))
    asker.score(pairs_of(numbered(200)))
    assert told[-1] == (170, 170, "score")
    assert [done for done, _, _ in told] == sorted({done for done, _, _ in told})

"""The step `layer.distil` with real teachers: `rumpun up` behind its address, and a GGUF in llama.cpp."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from preferring import work, write_lines
from teaching import ANSWER, ANSWER_TOKENS, spelling_gguf

from rumpun.engines.llamacpp import LlamaCpp
from rumpun.errors import EnvironmentFault
from rumpun.layer.distil.params import DistilParams
from rumpun.layer.distil.step import distil
from rumpun.records.artefacts import SourceEntry, sha256_file

HERE = Path(__file__).parent
LANGUAGES = ("en", "id", "th")
CUT_AFTER = 6  # of the twelve prompts
# the same step in a process that is killed while the teacher answers
KILLED = f"""
import os, signal, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from pathlib import Path
from preferring import work
from rumpun.layer.distil.params import DistilParams
from rumpun.layer.distil.step import distil

def told(done, whole, words=""):
    if done >= {CUT_AFTER}:
        os.kill(os.getpid(), signal.SIGKILL)

params = DistilParams(
    teacher=sys.argv[1], prompts=(sys.argv[2],), together=2, temperature=1.0, own_language=False, answer_tokens_max=40
)
distil.function(params, work(Path(sys.argv[3]), progress=told))
"""


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Moves to a home by its name; answers are kept in it."""

    def move(name: str) -> None:
        monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / f"home-{name}"))

    move("first")
    return move


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    """One core for llama.cpp here and in the children: beside other work, two of its threads wait for each other."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spelling_gguf(tmp_path_factory.mktemp("teacher") / "speller.gguf")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows = [
        {"prompt": f"{tag}: {n}?", "language": tag, "source": f"asked-{tag}", "licence": "CC-BY-4.0"}
        for n in range(4)
        for tag in LANGUAGES
    ]
    return write_lines(tmp_path / "prompts.jsonl", rows)


def asking(teacher: str | Path, prompts: Path, **more: Any) -> DistilParams:
    return DistilParams(
        teacher=str(teacher), prompts=(str(prompts),), together=2, temperature=1.0, own_language=False,
        answer_tokens_max=40, **more,
    )  # fmt: skip


def read(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "made" / "chat.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def check_rows(rows: list[dict[str, Any]], teacher: str, name: str) -> None:
    """Every prompt is answered once, by this teacher, and each row says where both come from."""
    asked = {f"{tag}: {n}?": tag for n in range(4) for tag in LANGUAGES}
    assert {row["messages"][0]["content"]: row["language"] for row in rows} == asked
    assert len(rows) == len(asked)
    for row in rows:
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
        assert re.fullmatch(ANSWER, row["messages"][1]["content"])
        assert (row["source"], row["teacher"]) == (f"teacher-{teacher}", name)
        assert row["prompt_source"] == f"asked-{row['language']}"
        assert row["licence"] == "Apache-2.0 AND CC-BY-4.0"
    assert len({row["messages"][1]["content"] for row in rows}) > 2  # each ask has a seed of its own


def role(sources: tuple[SourceEntry, ...], name: str) -> list[SourceEntry]:
    return [entry for entry in sources if entry.role == name]


class Service:
    """`rumpun up` before a GGUF; its own log says what it was asked."""

    def __init__(self, base: Path, log: Path, port: str) -> None:
        self.log = log
        command = ["up", "--base", str(base), "--port", port, "--guard", "off"]
        with log.open("w") as errors:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "rumpun.cli", *command],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.child.stdout is not None
        found = (re.match(r"http://[\d.]+:\d+", line) for line in self.child.stdout)
        first = next(filter(None, found), None)
        assert first, log.read_text()
        self.url = first[0]

    def answered(self, least: int) -> int:
        """How many prompts it has answered; its log may be a moment behind the last answer."""
        ends = time.monotonic() + 30
        while (count := self.log.read_text().count("POST /v1/chat/completions 200")) < least:
            assert time.monotonic() < ends, self.log.read_text()
            time.sleep(0.01)
        return count

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.child.poll() is None:
            self.child.send_signal(number)
        self.child.communicate(timeout=60)


@pytest.fixture
def serve(teacher: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services that end with the test."""
    with contextlib.ExitStack() as ends:

        def start(name: str, port: str = "0") -> Service:
            service = Service(teacher, tmp_path / f"{name}.log", port)
            ends.callback(service.end)
            return service

        yield start


def test_an_address_that_dies_is_asked_for_the_rest_alone(
    tmp_path: Path, prompts: Path, serve: Callable[..., Service], at_home: Callable[[str], None]
) -> None:
    first = serve("first")
    place = first.url.removeprefix("http://")
    params = asking(f"{first.url}/v1", prompts, teacher_licence="Apache-2.0")

    def told(done: int, *_: Any) -> None:
        if done >= CUT_AFTER:
            assert first.answered(CUT_AFTER) == CUT_AFTER
            first.end(signal.SIGKILL)

    with pytest.raises(EnvironmentFault, match=re.escape(first.url)):
        distil.function(params, work(tmp_path / "cut", progress=told))
    assert not (tmp_path / "cut" / "made" / "chat.jsonl").exists()

    again = serve("again", place.partition(":")[2])
    outcome = distil.function(params, work(tmp_path / "cut"))
    assert again.answered(6) == outcome.summary["answers_now"] == 12 - CUT_AFTER
    check_rows(read(tmp_path / "cut"), place, "speller")
    [source] = role(outcome.sources, "teacher")
    assert (source.name, source.licence, source.rows) == (f"teacher-{place}", "Apache-2.0", 12)
    assert source.url == params.teacher
    assert {(entry.name, entry.licence, entry.rows) for entry in role(outcome.sources, "prompts")} == {
        (f"asked-{tag}", "CC-BY-4.0", 4) for tag in LANGUAGES
    }
    assert outcome.summary["answers"] == outcome.summary["kept"] == 12
    known = distil.function(params, work(tmp_path / "known"))
    assert known.summary["answers_now"] == 0
    assert again.answered(6) == 12 - CUT_AFTER

    at_home("whole")  # where nothing is kept yet, the same requests get the same answers
    distil.function(params, work(tmp_path / "whole"))
    whole = (tmp_path / "whole" / "made" / "chat.jsonl").read_bytes()
    assert (tmp_path / "cut" / "made" / "chat.jsonl").read_bytes() == whole


def test_an_address_is_asked_within_the_budget(
    tmp_path: Path, prompts: Path, serve: Callable[..., Service]
) -> None:
    service = serve("service")
    budget = 3 * ANSWER_TOKENS[0]  # spent in the second round of two
    params = asking(f"{service.url}/v1", prompts, teacher_licence="Apache-2.0", budget_tokens=budget)
    outcome = distil.function(params, work(tmp_path / "a"))
    assert service.answered(4) == outcome.summary["answers"] == len(read(tmp_path / "a")) == 4
    assert budget <= outcome.summary["answered_tokens"] <= 4 * ANSWER_TOKENS[-1]
    assert outcome.summary["chat"]["dropped"] == {"budget spent": 8}
    assert set(outcome.summary["languages"]) == set(LANGUAGES)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What llama.cpp is asked in this process; it answers itself."""
    said: list[str] = []
    generate = LlamaCpp.generate

    def counted(self: LlamaCpp, requests: Any) -> Any:
        said.extend(request.messages[-1].content for request in requests)
        return generate(self, requests)

    monkeypatch.setattr(LlamaCpp, "generate", counted)
    return said


def test_a_gguf_is_asked_for_the_rest_after_a_kill(
    tmp_path: Path, teacher: Path, prompts: Path, asked: list[str], at_home: Callable[[str], None]
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(teacher), str(prompts), str(tmp_path / "cut")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    params = asking(teacher, prompts)
    outcome = distil.function(params, work(tmp_path / "cut"))
    assert len(asked) == len(set(asked)) == outcome.summary["answers_now"] == 12 - CUT_AFTER
    check_rows(read(tmp_path / "cut"), "speller", "speller")
    [source] = role(outcome.sources, "teacher")
    assert (source.licence, source.sha256, source.rows) == ("Apache-2.0", sha256_file(teacher), 12)
    distil.function(params, work(tmp_path / "known"))
    assert len(asked) == 12 - CUT_AFTER

    at_home("whole")
    asked.clear()
    distil.function(params, work(tmp_path / "whole"))
    assert len(asked) == len(set(asked)) == 12
    whole = (tmp_path / "whole" / "made" / "chat.jsonl").read_bytes()
    assert (tmp_path / "cut" / "made" / "chat.jsonl").read_bytes() == whole


def test_a_gguf_is_asked_within_the_budget(
    tmp_path: Path, teacher: Path, prompts: Path, asked: list[str]
) -> None:
    budget = 3 * ANSWER_TOKENS[0]
    outcome = distil.function(asking(teacher, prompts, budget_tokens=budget), work(tmp_path / "a"))
    assert len(asked) == outcome.summary["answers"] == len(read(tmp_path / "a")) == 4
    assert budget <= outcome.summary["answered_tokens"] <= 4 * ANSWER_TOKENS[-1]
    more = dataclasses.replace(asking(teacher, prompts), budget_tokens=budget * 100)
    assert distil.function(more, work(tmp_path / "b")).summary["answers_now"] == 8  # four are known
    assert len(asked) == 12

"""The real process: it answers when it is loaded, ends on a signal with code 0, and says what is wrong before loading."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
from click.testing import CliRunner
from served import running, saying

from rumpun.cli.up import up
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.serve.run import check_port, listen

TALK = """
import sys
from rumpun.engines.fake import Fake
from rumpun.serve.models import ServedModel
from rumpun.serve.run import serve
from rumpun.serve.settings import Settings
engine = Fake(reply=lambda _: "sungai " * 10**6, delay_s=0.01, context_tokens=10**9)
serve([ServedModel(engine=engine, name="fake")], None, Settings(guard="off", port=0))
print("closed", engine.closed)
"""


class Process:
    def __init__(self, *command: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line.startswith("http://"), self.process.communicate(timeout=10)
        return line

    def end(self, number: int) -> tuple[int, str, str]:
        began = time.monotonic()
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=30)
        assert time.monotonic() - began < 15
        return self.process.returncode, out, errors


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[Process]:
    found = Process(*command, **environment)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
            found.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_streams_and_engines_in_order(number: int) -> None:
    with process(sys.executable, "-c", TALK) as service:
        url = service.url()
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
        stream = client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=4000
        )
        next(stream)
        service.process.send_signal(number)
        with pytest.raises(openai.APIError, match="stopping"):
            list(stream)
        code, out, errors = service.end(number)
    assert code == 0, errors
    assert out.strip() == "closed True"
    assert "Traceback" not in errors


def test_an_idle_service_ends_at_once() -> None:
    with process(sys.executable, "-c", TALK) as service:
        with httpx2.Client(base_url=service.url()) as client:
            client.get("/healthz")  # and keeps the connection open
            began = time.monotonic()
            code, *_ = service.end(signal.SIGINT)
        assert code == 0
        assert time.monotonic() - began < 4


def test_a_port_in_use_is_named_with_its_mend() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFault, match=f"port {port} on 127.0.0.1 is in use") as raised:
            check_port("127.0.0.1", port)
    assert f"--port {port + 1}" in raised.value.hint
    check_port("127.0.0.1", port)  # free again at once


def test_hosts_that_are_not_ours_are_named() -> None:
    for host in ("203.0.113.7", "no-such-host.invalid", ""):
        with pytest.raises(EnvironmentFault):
            listen(host or "x" * 300, 0)


def test_up_looks_at_the_port_before_it_loads(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(up, ["--port", str(taken.getsockname()[1]), "--base", "/nowhere.gguf"])
    assert isinstance(result.exception, EnvironmentFault)
    assert not any(home.iterdir())


def test_up_does_not_open_to_a_network_without_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUMPUN_API_KEY", raising=False)
    result = CliRunner().invoke(up, ["--host", "0.0.0.0", "--port", "0"])
    assert isinstance(result.exception, UsageError)
    assert "--api-key-file" in result.exception.hint
    assert home.is_dir()


@pytest.mark.parametrize("text", [None, "", "\n\n# only a comment\n"])
def test_a_key_file_without_keys_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "keys"
    if text is not None:
        path.write_text(text)
    result = CliRunner().invoke(up, ["--api-key-file", str(path), "--port", "0"])
    assert isinstance(result.exception, InputError)
    assert str(path) in result.exception.message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--policy", "atlantis"], "no policy is called 'atlantis'"),
        (["--policy", "/nowhere/bank.toml"], "/nowhere/bank.toml"),
        (["--context", "newz"], "--context newz"),
    ],
)
def test_a_wrong_policy_or_context_stops_the_start(home: Path, options: list[str], says: str) -> None:
    result = CliRunner().invoke(up, ["--port", "0", "--base", str(home / "no.gguf"), *options])
    assert isinstance(result.exception, UsageError | InputError)
    assert says in result.exception.message


# `rumpun` with a guard and an encoder of the tests in the place of those that are shipped
MADE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent.parent / "guard")!r})
import made_guard
import pathlib, tempfile
import rumpun.guard.guard
made_guard.stand_in()
place = pathlib.Path(tempfile.mkdtemp())
made_guard.write_guard(place / "guard")
rumpun.guard.guard.shipped_folder = lambda: place
from rumpun.cli import main
main()
"""
# the same without a guard
BARE = MADE.replace('made_guard.write_guard(place / "guard")', "")


def ask(url: str, text: str) -> httpx2.Response:
    body = {"messages": [{"role": "user", "content": text}]}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30)


def test_up_without_its_guard_starts_closed_and_the_log_says_so() -> None:
    with running(saying("dari jauh", name="jauh")) as far:
        command = [sys.executable, "-c", BARE, "up", "--port", "0", "--base", f"{far.url}/v1", "--quiet"]
        with process(*command) as service:
            answer = ask(service.url(), "hai")
            _, _, errors = service.end(signal.SIGTERM)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "guard_unavailable"
        assert "/v1/chat/completions: closed: the guard cannot be loaded" in errors
        with process(*command, "--guard-fail", "open") as service:
            answer = ask(service.url(), "hai")
            _, _, errors = service.end(signal.SIGTERM)
        assert answer.json()["choices"][0]["message"]["content"] == "dari jauh"
        assert "the guard cannot be loaded" in answer.json()["rumpun"]["guard"]["unchecked"]
        assert "/v1/chat/completions: open: the guard cannot be loaded" in errors


def test_policy_point_and_context_of_the_command_line_decide() -> None:
    options = [
        "--guard",
        "block",
        "--policy",
        "sg",
        "--point",
        "strict",
        "--context",
        "research",
        "--context-tokens",
        "512",
    ]
    with (
        running(saying("dari jauh", name="jauh")) as far,
        process(
            sys.executable, "-c", MADE, "up", "--port", "0", "--base", f"{far.url}/v1", *options
        ) as service,
    ):
        url = service.url()
        answer = ask(url, "ini zorkblip")
        health = httpx2.get(f"{url}/health").json()
        code, _, errors = service.end(signal.SIGTERM)
    assert answer.status_code == 200, answer.text + errors
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    verdict = answer.json()["rumpun"]["guard"]["prompt"]
    assert (verdict["policy"], verdict["point"]) == ("sg", "strict")
    assert (health["status"], health["guard"]["policy"], health["guard"]["fails"]) == ("ok", "sg", "closed")
    assert "guard tiny, policy sg, point strict, mode block, fails closed" in errors
    assert "/v1/moderations: guarded" in errors
    assert code == 0


def test_a_missing_model_is_named(home: Path) -> None:
    result = CliRunner().invoke(up, ["--port", "0", "--base", str(home / "no.gguf")])
    assert isinstance(result.exception, InputError)
    assert "no.gguf" in result.exception.message


def test_another_openai_server_is_served_behind_the_guard() -> None:
    with (
        running(saying("dari jauh", name="jauh")) as far,
        process(
            sys.executable, "-c", MADE, "up", "--port", "0", "--base", f"{far.url}/v1", "--quiet"
        ) as service,
    ):
        client = openai.OpenAI(base_url=f"{service.url()}/v1", api_key="x", max_retries=0)
        answer = client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": "hai"}]
        )
        code, out, errors = service.end(signal.SIGTERM)
    assert answer.choices[0].message.content == "dari jauh"
    assert answer.model_extra is not None
    assert answer.model_extra["rumpun"]["guard"]["mode"] == "warn"
    assert (code, out, errors) == (0, "", "")


@pytest.mark.base
def test_rumpun_up_serves_the_embedded_base_and_ends_on_ctrl_c(home_with_base: Path) -> None:
    with process(
        sys.executable,
        "-m",
        "rumpun.cli",
        "up",
        "--port",
        "0",
        "--layer",
        "none",
        RUMPUN_HOME=str(home_with_base),
    ) as service:
        url = service.url()
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
        assert [model.id for model in client.models.list()] == ["smollm2-135m-instruct", "rumpun-encoder"]
        ask = [{"role": "user", "content": "Say hello."}]
        whole = client.chat.completions.create(model="default", messages=ask, max_tokens=12, seed=1)  # type: ignore[arg-type]
        assert whole.choices[0].message.content
        assert whole.usage is not None
        assert 0 < whole.usage.completion_tokens <= 12
        parts = [
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(
                model="default",
                messages=ask,
                max_tokens=12,
                seed=1,
                stream=True,  # type: ignore[arg-type]
            )
        ]
        assert "".join(parts) == whole.choices[0].message.content
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(
                model="default", messages=[{"role": "user", "content": "word " * 9000}]
            )
        assert raised.value.code == "context_length_exceeded"
        assert "135 million parameters" in httpx2.get(url).text
        assert "Apache-2.0" in httpx2.get(f"{url}/models/smollm2-135m-instruct").text
        stream = client.chat.completions.create(model="default", messages=ask, stream=True, max_tokens=2000)  # type: ignore[arg-type]
        next(stream)
        code, out, errors = service.end(signal.SIGINT)
    assert code == 0, errors
    assert out == ""
    assert "Traceback" not in errors
    assert "Say hello" not in errors

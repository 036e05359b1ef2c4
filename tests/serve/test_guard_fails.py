"""No verdict, nothing out: a guard that is not there, that raises, or whose process is killed in the middle."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from served import BAD, Running, WordGuard, echo, post, raw, running, saying, word_guard

from rumpun.serve.settings import Settings

CHAT = {"messages": [{"role": "user", "content": "ceritakan"}]}
BODIES: dict[str, Any] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"prompt": "ceritakan"},
    "/v1/moderations": {"input": "ceritakan"},
    "/beta/litellm_basic_guardrail_api": {"input_type": "request", "texts": ["ceritakan"]},
    "/portkey/webhook": {
        "eventType": "beforeRequestHook",
        "request": {"json": {"messages": [{"role": "user", "content": "ceritakan"}]}},
    },
}
APART = dict.fromkeys(("/v1/embeddings", "/analyze", "/anonymize"), "not guarded")
SENTENCES = [f"Kalimat yang ke-{number} ini baik. " for number in range(8)]


class Raising(WordGuard):
    """A guard that fails at texts with this word."""

    def judge(self, items: Any, *rest: Any, **options: Any) -> Any:
        if any("rahasia-gagal" in str(getattr(item, "text", item)) for item in items):
            raise ZeroDivisionError("rahasia")
        return super().judge(items, *rest, **options)


def test_a_guard_that_is_not_there_closes_every_route_that_it_guards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(echo(), None, Settings(guard="warn"), trouble="guard.json: no such file") as run:
        for path, body in BODIES.items():
            answer = httpx2.post(run.url + path, json=body)
            assert answer.status_code == 503, path
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert error["code"] == "guard_unavailable"
            assert "guard.json: no such file" in error["message"]
            assert "--guard-fail open" in error["message"]
        streamed = httpx2.post(run.url + "/v1/chat/completions", json=CHAT | {"stream": True})
        assert streamed.status_code == 503
        health = httpx2.get(f"{run.url}/health").json()
        assert health["status"] == "degraded"
        assert health["guard"]["routes"] == dict.fromkeys(BODIES, "closed: guard.json: no such file") | APART
        body = {"text": "a", "language": "en"}
        assert httpx2.post(f"{run.url}/analyze", json=body).status_code == 200  # needs no guard
        run.service.watch.log_states()
    for path in BODIES:
        assert f"{path}: closed: guard.json: no such file" in caplog.text


def test_open_lets_pass_and_every_answer_and_the_log_say_so(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(guard="block", guard_fail="open")
    with running(saying(f"Satu. {BAD}. Tiga."), None, settings, trouble="guard.json: no such file") as run:
        answers = {path: httpx2.post(run.url + path, json=body).json() for path, body in BODIES.items()}
        stream = httpx2.post(run.url + "/v1/chat/completions", json=CHAT | {"stream": True}).text
        states = httpx2.get(f"{run.url}/health").json()["guard"]
        assert "could not be loaded: nothing is checked" in httpx2.get(run.url).text
    assert answers["/v1/chat/completions"]["choices"][0]["message"]["content"] == f"Satu. {BAD}. Tiga."
    why = "guard.json: no such file"
    for path in ("/v1/chat/completions", "/v1/completions"):
        assert answers[path]["rumpun"]["guard"]["unchecked"] == why
        assert answers[path]["rumpun"]["guard"]["prompt"] is None
    assert json.loads(stream.split("\n\n")[0][6:])["rumpun"]["guard"]["unchecked"] == why
    assert answers["/v1/moderations"]["results"][0]["x_rumpun"] == {"unchecked": why}
    assert answers["/beta/litellm_basic_guardrail_api"] == {"action": "NONE", "rumpun": {"unchecked": why}}
    assert answers["/portkey/webhook"] == {"verdict": True, "data": {"rumpun": {"unchecked": why}}}
    assert states["fails"] == "open"
    assert states["routes"] == dict.fromkeys(BODIES, f"open: {why}") | APART
    assert caplog.text.count("unchecked: guard.json: no such file, and the service fails open") >= 5


def test_off_is_no_failure() -> None:
    with running(echo(), None, Settings(guard="off"), trouble="none") as run:
        assert httpx2.post(run.url + "/v1/chat/completions", json=CHAT).status_code == 200
        assert httpx2.post(run.url + "/v1/moderations", json={"input": "x"}).status_code == 503
        routes = httpx2.get(f"{run.url}/health").json()["guard"]["routes"]
    assert routes["/v1/chat/completions"] == "off"
    assert routes["/v1/moderations"] == "closed: none"


def test_a_wrong_choice_is_400_whether_or_not_there_is_a_guard() -> None:
    for guard in (None, word_guard()):
        with running(echo(), guard, Settings(guard="warn")) as run:
            body = {"input": "x", "rumpun": {"policy": "atlantis"}}
            assert httpx2.post(run.url + "/v1/moderations", json=body).status_code == 400


def streamed(run: Running) -> tuple[str, list[Any]]:
    """The text of a streamed answer, and its events."""
    lines = httpx2.post(
        run.url + "/v1/chat/completions", json=CHAT | {"stream": True}, timeout=60
    ).text.split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    text = "".join(
        choice["delta"].get("content") or "" for event in events for choice in event.get("choices", ())
    )
    return text, events


@pytest.mark.parametrize("hold", ["sentence", "clause"])
@pytest.mark.parametrize("place", range(len(SENTENCES)))
def test_a_guard_that_raises_at_a_sentence_passes_nothing_more(
    place: int, hold: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sentences = [*SENTENCES[:place], "Di sini rahasia-gagal ada. ", *SENTENCES[place:]]
    settings = Settings(guard="block", hold=hold)
    with running(saying("".join(sentences)), word_guard(Raising), settings) as run:
        text, events = streamed(run)
        whole = httpx2.post(run.url + "/v1/chat/completions", json=CHAT)
        assert run.service.watch.failures == 2
        assert httpx2.get(f"{run.url}/health").json()["guard"]["last_failure"] == "ZeroDivisionError"
    held = "".join(sentences[:place])
    assert text == held if place or hold == "sentence" else not text.count("rahasia-gagal")
    assert "gagal" not in text
    if text or place:
        assert events[-1]["error"]["code"] == "guard_unavailable"
    assert whole.status_code == 503
    assert "rahasia" not in caplog.text


def test_open_goes_on_unchecked_after_a_failure_and_says_so() -> None:
    sentences = [SENTENCES[0], "Di sini rahasia-gagal ada. ", f"Lalu {BAD}. ", "Selesai."]
    settings = Settings(guard="block", guard_fail="open")
    with running(saying("".join(sentences)), word_guard(Raising), settings) as run:
        text, events = streamed(run)
    assert text == "".join(sentences)
    assert "ZeroDivisionError" in events[-1]["rumpun"]["guard"]["unchecked"]
    assert events[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("mode", ["warn", "block"])
def test_a_guard_that_raises_at_the_prompt_asks_no_model(mode: Any) -> None:
    said: list[str] = []

    def reply(request: Any) -> str:
        said.append("x")
        return "ya"

    from rumpun.engines.fake import Fake

    with running(Fake(reply=reply), word_guard(Raising), Settings(guard=mode)) as run:
        body = {"messages": [{"role": "user", "content": "rahasia-gagal"}]}
        for stream in (False, True):
            answer = httpx2.post(run.url + "/v1/chat/completions", json=body | {"stream": stream})
            assert answer.status_code == 503
            assert "rahasia" not in answer.text
    assert said == []


KILLED = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from served import WordGuard, word_guard
from rumpun.engines.fake import Fake
from rumpun.serve.models import ServedModel
from rumpun.serve.run import serve
from rumpun.serve.settings import Settings

class Telling(WordGuard):
    def judge(self, items, *rest, **options):
        found = super().judge(items, *rest, **options)
        if rest == ("answer",):
            with open(sys.argv[1], "a") as judged:
                judged.write(items[0] if isinstance(items[0], str) else "")
        return found

engine = Fake(reply=lambda _: "".join("Kalimat yang ke-%d ini baik. " % n for n in range(500)), delay_s=0.002, context_tokens=10**6)
serve([ServedModel(engine=engine, name="fake")], word_guard(Telling), Settings(guard="block", port=0))
"""


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_process_that_is_killed_in_a_stream_has_sent_nothing_unjudged(tmp_path: Path, after: int) -> None:
    judged = tmp_path / "judged"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(judged)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
    )  # fmt: skip
    assert process.stdout is not None
    port = int(process.stdout.readline().rpartition(":")[2])
    got = b""
    try:
        sent = json.dumps(CHAT | {"stream": True}).encode()
        with (
            raw(port, post("/v1/chat/completions", sent)) as connection,
            contextlib.suppress(ConnectionResetError),
        ):
            while piece := connection.recv(4096):
                got += piece
                if got.count(b'"content":"Kal') >= after and process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    process.wait(10)
    finally:
        process.kill()
        process.communicate()
    text = "".join(
        json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        for line in got.decode().split("\n")
        if line.startswith("data: {") and line.rstrip().endswith("}")
    )
    assert text.count("Kalimat") >= after
    assert "[DONE]" not in got.decode()
    assert judged.read_text().startswith(text)


def test_the_service_says_at_the_start_what_every_route_does(caplog: pytest.LogCaptureFixture) -> None:
    from rumpun.serve.watch import Watch

    caplog.set_level("INFO", logger="rumpun.serve")
    Watch(word_guard(), Settings(guard="warn")).log_states()
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"{path}: guarded" for path in BODIES] + [f"{path}: not guarded" for path in APART]
    caplog.clear()
    Watch(None, Settings(guard="off", guard_fail="open"), "none").log_states()
    levels = {record.getMessage(): record.levelname for record in caplog.records}
    assert levels["/v1/chat/completions: off"] == "INFO"
    assert levels["/v1/moderations: open: none"] == "ERROR"


def test_a_failure_is_not_kept_from_texts_that_come_after() -> None:
    def ask(run: Running, *texts: str) -> Sequence[int]:
        return [httpx2.post(run.url + "/v1/moderations", json={"input": text}).status_code for text in texts]

    with running(echo(), word_guard(Raising), Settings(guard="warn")) as run:
        assert ask(run, "baik", "rahasia-gagal", "baik") == [200, 503, 200]

"""Many clients, slow clients, clients that leave: real sockets against a real server."""

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest
from served import post, raw, running, served

from rumpun.engines.fake import Fake
from rumpun.engines.port import Request
from rumpun.serve.settings import Settings

CHAT = "/v1/chat/completions"


def body(text: str = "hai", **more: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}], **more}).encode()


def until(true: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def endless(delay_s: float = 0.005, **options: Any) -> Fake:
    return Fake(reply=lambda _: "sungai " * 100_000, delay_s=delay_s, context_tokens=10**9, **options)


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    found = b""
    while mark not in found:
        got = connection.recv(65536)
        assert got, found[-300:]
        found += got
    return found


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_ends_its_generation_within_a_token(stream: bool) -> None:
    engine = endless(delay_s=0.02)
    with running(engine) as run:
        connection = raw(run.port, post(CHAT, body(stream=stream)))
        if stream:
            read_until(connection, b'"content":"s"')
        until(lambda: engine.running == 1)
        connection.close()
        began = time.monotonic()
        until(lambda: engine.running == 0)
        assert time.monotonic() - began < 1
        until(lambda: run.service.shelf.default.turns.busy == 0)


def test_a_client_that_hangs_up_in_the_queue_leaves_it() -> None:
    engine = endless()
    with running([served(engine, slots=1)]) as run:
        first = raw(run.port, post(CHAT, body(stream=True)))
        read_until(first, b"data: ")
        second = raw(run.port, post(CHAT, body(stream=True)))
        turns = run.service.shelf.default.turns
        until(lambda: turns.waiting == 1)
        second.close()
        until(lambda: turns.waiting == 0)
        first.close()
        until(lambda: turns.busy == 0)
        assert engine.running_most == 1


def test_one_busy_client_does_not_starve_another() -> None:
    order: list[str] = []
    go = threading.Event()

    def reply(request: Request) -> str:
        text = request.messages[-1].content
        if text == "hold":
            go.wait(30)
        order.append(text)
        return "ya"

    engine = Fake(reply=reply)
    with running([served(engine, slots=1)]) as run, ThreadPoolExecutor(60) as pool:
        hold = raw(run.port, post(CHAT, body("hold")))
        until(lambda: engine.running == 1)

        def ask(address: str, text: str) -> int:
            with httpx2.Client(transport=httpx2.HTTPTransport(local_address=address), timeout=60) as client:
                return client.post(run.url + CHAT, content=body(text)).status_code

        turns = run.service.shelf.default.turns
        greedy = [pool.submit(ask, "127.0.0.1", f"a{n}") for n in range(20)]
        until(lambda: turns.waiting == 20)
        modest = [pool.submit(ask, "127.0.0.2", f"b{n}") for n in range(2)]
        until(lambda: turns.waiting == 22)
        go.set()
        assert [f.result() for f in modest + greedy] == [200] * 22
        hold.close()
    assert sorted((order.index("b0"), order.index("b1"))) in (
        [2, 4],
        [1, 3],
    )  # every other turn, not behind twenty


def test_fifty_clients_at_once_are_all_answered() -> None:
    engine = Fake(words=5, delay_s=0.001)
    with running([served(engine, slots=4)]) as run, ThreadPoolExecutor(50) as pool:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)

        def ask(number: int) -> bool:
            got = client.chat.completions.create(
                model="default", messages=[{"role": "user", "content": f"{number}"}], stream=True, seed=number
            )
            return [chunk.choices[0].finish_reason for chunk in got][-1] == "stop"

        assert all(pool.map(ask, range(50)))
        assert engine.running_most <= 4
        # a turn is given back just after its answer's last byte, which a client may have read before
        until(lambda: run.service.shelf.default.turns.busy == 0)


def test_a_full_queue_says_429_with_retry_after_and_the_rest_are_answered() -> None:
    engine = Fake(reply=lambda _: "ya " * 8, delay_s=0.01)
    settings = Settings(guard="off", queue_length=10)
    with running([served(engine, slots=2)], settings=settings) as run, ThreadPoolExecutor(50) as pool:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)

        told: list[tuple[str | None, int]] = []

        def ask(stream: bool) -> str:
            try:
                made: Any = client.chat.completions.create(
                    model="default", messages=[{"role": "user", "content": "x"}], stream=stream
                )
                return "".join(c.choices[0].delta.content or "" for c in made) if stream else "ya"
            except openai.RateLimitError as error:
                told.append((error.code, int(error.response.headers["retry-after"])))
                return "429"

        counts = Counter(text.strip()[:3] for text in pool.map(ask, [n % 2 == 0 for n in range(50)]))
        assert counts["429"] + counts["ya"] + counts["ya "] == 50
        assert counts["429"] == len(told) > 0
        assert all(code == "queue_full" and 1 <= seconds <= 60 for code, seconds in told)
        assert counts["ya"] + counts["ya "] >= 12


def test_a_reader_that_never_reads_is_cut_off_and_blocks_nobody() -> None:
    engine = Fake(reply=lambda _: "x" * 5_000_000, context_tokens=10**9)
    settings = Settings(
        guard="off", tokens_max=10**8, stall_seconds=1.0, buffer_bytes=10_000, quiet_seconds=0.3
    )
    with running([served(engine, slots=2)], settings=settings) as run:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", run.port))
        slow.sendall(post(CHAT, body(stream=True, max_tokens=10**8)))
        until(lambda: engine.running == 1)
        began = time.monotonic()
        quick = httpx2.post(run.url + CHAT, content=body(max_tokens=5), timeout=20)
        assert quick.status_code == 200
        assert time.monotonic() - began < 1
        until(lambda: engine.running == 0, 15)
        until(lambda: run.service.shelf.default.turns.busy == 0)
        until(
            lambda: not run.server.server_state.connections or len(run.server.server_state.connections) <= 1
        )
        slow.close()


def test_a_silent_stream_is_kept_alive_with_comments() -> None:
    engine = Fake(reply=lambda _: "ab", delay_s=0.7)
    settings = Settings(guard="off", first_seconds=0.2, quiet_seconds=0.2)
    with (
        running(engine, settings=settings) as run,
        raw(run.port, post(CHAT, body(stream=True))) as connection,
    ):
        began = time.monotonic()
        head = read_until(connection, b"\r\n\r\n")
        assert time.monotonic() - began < 0.6
        assert b"text/event-stream" in head
        assert b"x-accel-buffering: no" in head
        rest = head + read_until(connection, b"[DONE]")
        assert b": still working" in rest
        assert rest.count(b'"content":"a"') == 1
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x")
        got = client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "x"}], stream=True
        )
        assert "".join(c.choices[0].delta.content or "" for c in got) == "ab"


def test_an_answer_that_takes_too_long_is_ended() -> None:
    engine = endless(delay_s=0.02)
    with running(engine, settings=Settings(guard="off", request_seconds=0.4)) as run:
        plain = httpx2.post(run.url + CHAT, content=body(), timeout=20)
        assert plain.status_code == 504
        assert plain.json()["error"]["code"] == "timeout"
        streamed = httpx2.post(run.url + CHAT, content=body(stream=True), timeout=20).text
        *_, error, done = [line for line in streamed.split("\n") if line.startswith("data: ")]
        assert json.loads(error[6:])["error"]["code"] == "timeout"
        assert done == "data: [DONE]"
        until(lambda: engine.running == 0)


def test_a_turn_that_does_not_come_in_time_is_429() -> None:
    engine = endless()
    with running([served(engine, slots=1)], settings=Settings(guard="off", queue_seconds=0.2)) as run:
        first = raw(run.port, post(CHAT, body(stream=True)))
        read_until(first, b"data: ")
        assert httpx2.post(run.url + CHAT, content=body(), timeout=20).status_code == 429
        first.close()


def test_too_many_requests_at_once_are_turned_away_but_health_answers() -> None:
    settings = Settings(guard="off", requests_max=3, body_seconds=30)
    with running(Fake(), settings=settings) as run:
        slow = [raw(run.port, post(CHAT, b"{", "Content-Length: 50")) for _ in range(3)]
        until(lambda: httpx2.get(f"{run.url}/v1/models").status_code == 429)
        assert httpx2.get(f"{run.url}/healthz").status_code == 200
        for connection in slow:
            connection.close()
        until(lambda: httpx2.get(f"{run.url}/v1/models").status_code == 200)


def test_a_head_that_never_ends_is_cut_off() -> None:
    with running(Fake(), settings=Settings(guard="off", head_seconds=0.3)) as run:
        for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "):
            with raw(run.port, sent) as connection:
                connection.settimeout(5)
                with contextlib.suppress(ConnectionResetError):
                    assert connection.recv(100) == b""
        # a connection that is kept open for further requests is not
        with httpx2.Client(base_url=run.url) as client:
            client.get("/healthz")
            time.sleep(0.5)
            assert client.get("/healthz").status_code == 200


def test_streams_under_way_are_ended_in_order_when_the_service_stops() -> None:
    engine = endless()
    with running(engine) as run:
        connection = raw(run.port, post(CHAT, body(stream=True)))
        read_until(connection, b'"content":"s"')
        run.server.should_exit = True
        rest = read_until(connection, b"[DONE]")
        assert b"service_stopping" in rest
        connection.close()
        until(lambda: engine.running == 0)


def test_nothing_is_left_behind_by_many_streams() -> None:
    with running(Fake(words=4)) as run:
        for _ in range(40):
            httpx2.post(run.url + CHAT, content=body(stream=True))
        until(lambda: run.service.shelf.default.turns.busy == 0)
        assert not run.service.under_way
        assert threading.active_count() < 20

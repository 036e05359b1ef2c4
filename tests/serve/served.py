"""A real server in a thread for the tests, and a guard whose verdicts are known beforehand."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from rumpun.engines.fake import Fake
from rumpun.engines.port import Request
from rumpun.guard import Guard
from rumpun.serve.app import create_app
from rumpun.serve.models import ServedModel
from rumpun.serve.run import Server, listen
from rumpun.serve.settings import Settings

BAD = "durian-larangan"  # what the test guard flags
LABELS = ("unsafe", "hate")


class WordGuard(Guard):
    """A guard that flags one made-up word; everything else of it is the real one's."""

    def scores(self, texts: Sequence[str]) -> Any:
        found = np.full((len(texts), len(LABELS)), 0.02, np.float32)
        found[[BAD in text for text in texts]] = 0.97
        return found


def word_guard() -> Guard:
    heads: Any = SimpleNamespace(labels=LABELS)
    return WordGuard(heads, dict.fromkeys(LABELS, 0.5), Path("/nowhere"), "word-guard")


def saying(text: str, **options: Any) -> Fake:
    """An engine that always says the same."""
    return Fake(reply=lambda _: text, **options)


def echo(**options: Any) -> Fake:
    """An engine that says the last message again."""

    def reply(request: Request) -> str:
        return request.messages[-1].content if request.messages else str(request.prompt)

    return Fake(reply=reply, **options)


def served(engine: Any, **options: Any) -> ServedModel:
    return ServedModel(engine=engine, name=engine.about().name, **options)


class Running:
    """A server that answers."""

    def __init__(self, app: Any, server: Server, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.service = app.state.service


@contextlib.contextmanager
def running(
    models: Sequence[ServedModel] | Any, guard: Guard | None = None, settings: Settings | None = None
) -> Iterator[Running]:
    """Serve in a thread on a free port."""
    if not isinstance(models, (list, tuple)):
        models = [served(models)]
    chosen = settings or Settings(guard="off")
    app = create_app(models, guard, chosen)
    bound = listen("127.0.0.1", 0)
    server = Server(app, chosen)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])))
    thread.start()
    try:
        yield Running(app, server, bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
        app.state.service.close()
        assert not thread.is_alive()


def raw(port: int, text: bytes, address: str = "127.0.0.1") -> socket.socket:
    """A bare connection that has sent something."""
    connection = socket.create_connection(("127.0.0.1", port), 10, source_address=(address, 0))
    connection.sendall(text)
    return connection


def post(path: str, body: bytes, *more: str) -> bytes:
    """A POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *more]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in more):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body

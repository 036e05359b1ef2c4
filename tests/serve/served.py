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
from rumpun.guard import Guard, Policy
from rumpun.guard.heads import ANY, GuardHeads, HeadsSpec
from rumpun.guard.judgement import POINTS
from rumpun.guard.words import WordRules
from rumpun.language.phrases import Phrases
from rumpun.serve.app import create_app
from rumpun.serve.models import ServedModel
from rumpun.serve.run import Server, listen
from rumpun.serve.settings import Settings

BAD = "durian-larangan"  # what the test guard blocks
SAD = "manggis-sedih"  # what it answers with help
DOUBTFUL = "salak-ragu"  # what it lets pass with care
LABELS = ("harm", "hate", "selfharm_risk")
LOGITS = {BAD: (3.476, 3.476, -4.0), SAD: (3.476, -4.0, 3.476), DOUBTFUL: (1.0, -4.0, -4.0)}  # 3.476: 97 %


class WordGuard(Guard):
    """A guard that knows three made-up words; everything else of it is the real one's."""

    def logits(self, texts: Sequence[str]) -> Any:
        found = np.full((len(texts), len(LABELS)), -4, np.float32)
        for row, text in zip(found, texts, strict=True):
            for word, logits in LOGITS.items():
                if word in text:
                    row[:] = np.maximum(row, logits)
        return found, np.ones(len(texts), np.float32)


def word_guard(kind: type[WordGuard] = WordGuard, policy: str = "base", **options: Any) -> Any:
    spec = HeadsSpec(
        schema=2, name="word-guard", labels=LABELS, lengths=(3,), encoder="", sha256="", calibration={ANY: (1.0, 0.0)},
        thresholds={point: {label: {ANY: (0.5, 0.9)} for label in LABELS} for point in POINTS},
    )  # fmt: skip
    none = np.zeros((0, len(LABELS)), np.float32)
    heads = GuardHeads(spec, none, none.astype(np.int8), none, none)
    encoder: Any = None
    return kind(
        heads, encoder, WordRules(Phrases()), Policy.load(policy), "balanced", Path("/nowhere"), **options
    )


def message(text: str) -> str:
    """What the test guard's policy says to who wrote this."""
    found: str = word_guard().check([text])[0].message
    assert found
    return found


class StandIn:
    """An encoder whose vectors are known: a text's code points, counted."""

    spec = SimpleNamespace(name="stand-in", width=8, longest_tokens=12)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def embed(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), 8), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for sign in text[:12].strip():
                row[ord(sign) % 8] += 1
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


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
    models: Sequence[ServedModel] | Any,
    guard: Guard | None = None,
    settings: Settings | None = None,
    **options: Any,
) -> Iterator[Running]:
    """Serve in a thread on a free port."""
    if not isinstance(models, (list, tuple)):
        models = [served(models)]
    chosen = settings or Settings(guard="off")
    app = create_app(models, guard, chosen, **options)
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

"""A real server that answers questions well or badly, and remembers when each came."""

import asyncio
import contextlib
import json
import threading
import time

from starlette.responses import JSONResponse, Response, StreamingResponse

from engines.openai_server import START, App, serving
from rumpun.engines.fake import Fake
from rumpun.engines.http import OpenAICompatible
from rumpun.engines.port import Generation, Request
from rumpun.evaluate.ask import Asker, Asking

HASTE = {"wait_seconds": 0.01}


def said_to(prompt):
    return f"jawaban untuk {prompt}: 竹子 🎋"


class Troubled(App):
    """`trouble(question, time)` -> a reply for the nth time a question comes (from 0), or None to answer it well."""

    def __init__(self, trouble=lambda question, time: None, *, delay_s=0.0, plain=False):
        super().__init__(Fake(reply=lambda request: said_to(request.prompt)), plain=plain)
        self.trouble, self.delay_s = trouble, delay_s
        self.came = []  # (when, question), in the order they came; what the engine tries out at first is left out
        self.running = self.running_most = 0
        self.counted = threading.Lock()

    @property
    def questions(self):
        return [question for _, question in self.came]

    async def answer(self, request):
        prompt = (await request.json())["prompt"].removeprefix(START)
        if prompt == "a":
            return await super().answer(request)
        with self.counted:
            nth = self.questions.count(prompt)
            self.came.append((time.monotonic(), prompt))
            self.running += 1
            self.running_most = max(self.running_most, self.running)
        try:
            await asyncio.sleep(self.delay_s)
            trouble = self.trouble(prompt, nth)
            reply = trouble and await trouble(request)
        finally:
            with self.counted:  # before the answer leaves: who has it may ask the next one at once
                self.running -= 1
        return reply or await super().answer(request)

    async def tokenize(self, request):
        self.came.append((time.monotonic(), (await request.json())["prompt"]))
        return await super().tokenize(request)


# --- troubles


def status(code, body="busy", **headers):
    async def reply(request):
        named = {key.replace("_", "-"): str(value) for key, value in headers.items()}
        return JSONResponse({"error": {"message": body}}, code, named)

    return reply


def content(text, kind="application/json"):
    """200 with this body, whatever was asked."""

    async def reply(request):
        return Response(text, media_type=kind)

    return reply


def events(*values, cut=False):
    """A stream of these and no more; `cut`: the connection is broken off after them."""

    async def pieces():
        for value in values:
            yield f"data: {json.dumps(value)}\n\n"
        if cut:
            raise ConnectionAbortedError("cut off, as it was made to")

    async def reply(request):
        return StreamingResponse(pieces(), media_type="text/event-stream")

    return reply


async def silent(request):
    await asyncio.sleep(60)


# --- asking


def asks(*names):
    return [Request(prompt=name, max_tokens=60, temperature=0.0, seed=0) for name in names]


def pairs_of(names):
    return [("", name) for name in names]


def texts(said):
    return [each.text if isinstance(each, Generation) else each for each in said]


def numbered(count):
    return [f"soal {number}" for number in range(count)]


@contextlib.contextmanager
def asker_of(app, cache, *, timeout_s=20.0, deadline=None, **asking):
    """An `Asker` of a running server."""
    with serving(app) as url:
        engine = OpenAICompatible(url, name="server", timeout_s=timeout_s)
        try:
            yield Asker(engine, {"model": "m"}, cache, Asking(**HASTE | asking), deadline=deadline)
        finally:
            engine.close()

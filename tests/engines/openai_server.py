"""A real server on a loopback port that speaks OpenAI's API for any engine, and misbehaves when told to."""

import contextlib
import json
import threading
import time

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from rumpun.engines.port import Message, Request
from rumpun.errors import RumpunError, UsageError

START = "<|endoftext|>"


def asked(body):
    fields = {
        key: body[key]
        for key in ("max_tokens", "temperature", "top_p", "seed", "frequency_penalty")
        if key in body
    }
    if "messages" in body:
        fields["messages"] = tuple(Message(m["role"], m["content"]) for m in body["messages"])
    else:
        fields["prompt"] = body["prompt"]
    return Request(stop=tuple(body.get("stop") or ()), **fields)


def fault(error, status=400):
    return JSONResponse({"error": {"message": str(error), "type": "invalid_request_error"}}, status)


class App:
    """Serves `engine`; `key` is asked for where given; what `raw` holds is sent as it is instead of a stream."""

    def __init__(self, engine, key="", raw=None, plain=False):
        self.engine, self.key, self.raw, self.plain = engine, key, raw, plain
        self.left = threading.Event()  # a client hung up before the end
        self.bodies = []

    async def models(self, request):
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return fault(f"bad key {request.headers.get('authorization')}", 401)
        return JSONResponse({"data": [{"id": "served", "max_model_len": self.engine.about().context_tokens}]})

    async def answer(self, request):
        body = await request.json()
        self.bodies.append(body)
        if body.get("echo"):
            return fault("echo is not supported") if self.plain else self.echoed(body)
        if self.raw is not None:
            return StreamingResponse(iterate_in_threadpool(iter(self.raw)), media_type="text/event-stream")
        try:
            stream = self.engine.stream(asked(body))
        except UsageError as error:
            return fault(error)
        pieces = self.watched(self.events(stream, "messages" in body))
        return StreamingResponse(pieces, media_type="text/event-stream")

    async def watched(self, pieces):
        whole = False
        try:
            async for piece in iterate_in_threadpool(pieces):
                yield piece
            whole = True
        finally:
            if not whole:
                self.left.set()

    def events(self, stream, chat):
        def event(value):
            return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"

        try:
            yield ": a comment\r\n\r\n"
            for chunk in stream:
                choice = {"delta": {"content": chunk.text}} if chat else {"text": chunk.text}
                yield event({"choices": [choice | {"index": 0, "finish_reason": chunk.finish}]})
                if chunk.usage:
                    usage = {
                        "prompt_tokens": chunk.usage.prompt_tokens,
                        "completion_tokens": chunk.usage.completion_tokens,
                    }
                    yield event({"choices": [], "usage": usage})
            yield "data: [DONE]\n\n"
        except RumpunError as error:
            yield event({"error": {"message": error.message}})

    def echoed(self, body):
        text = body["prompt"].removeprefix(START)
        known = self.engine.score([(text[:at], text[at]) for at in range(len(text))])
        found = {
            "tokens": [START, *text, "."],
            "token_logprobs": [None, *(score.logprob for score in known), -1.0],
            "text_offset": [0, *(len(START) + at for at in range(len(text) + 1))],
        }
        return JSONResponse({"choices": [{"text": body["prompt"] + ".", "logprobs": found}]})

    async def embeddings(self, request):
        texts = (await request.json())["input"]
        if self.plain:
            return fault("no embeddings here")
        rows = self.engine.embed([texts] if isinstance(texts, str) else texts)
        data = [{"index": at, "embedding": row.tolist()} for at, row in enumerate(rows)]
        return JSONResponse({"data": data[::-1]})  # the order is in the index

    async def tokenize(self, request):
        if self.plain:
            return Response(status_code=404)
        return JSONResponse({"count": self.engine.count_tokens([(await request.json())["prompt"]])[0]})

    def starlette(self):
        return Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/v1/chat/completions", self.answer, methods=["POST"]),
                Route("/v1/completions", self.answer, methods=["POST"]),
                Route("/v1/embeddings", self.embeddings, methods=["POST"]),
                Route("/tokenize", self.tokenize, methods=["POST"]),
            ]
        )


@contextlib.contextmanager
def serving(app):
    """The address of the running server."""
    config = uvicorn.Config(
        app.starlette(), host="127.0.0.1", port=0, log_level="error", ws="none", lifespan="off",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)

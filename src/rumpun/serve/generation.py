"""POST /v1/chat/completions and POST /v1/completions, whole or streamed."""

import asyncio
import logging
from collections.abc import Callable, Generator
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rumpun.engines.port import Cancelled, Request, Usage
from rumpun.serve.answers import Ending, Happening, Opening, answer, report
from rumpun.serve.bodies import ChatBody, CompletionBody, chat_request, completion_requests, decode
from rumpun.serve.chunks import DONE, Form, Kind, event
from rumpun.serve.faults import Fault, as_fault, error_body
from rumpun.serve.models import Place
from rumpun.serve.relay import Ended, Relay
from rumpun.serve.settings import Settings
from rumpun.serve.work import Service, client_of, read_body, reason_fault, service_of, working

__all__ = ["chat_completions", "completions"]

_log = logging.getLogger("rumpun.serve")
_COMMENT = b": still working\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


async def chat_completions(request: HttpRequest) -> Response:
    """A chat, answered."""
    service = service_of(request)
    body = decode(await read_body(request, service.settings), ChatBody)
    place = service.shelf.find(body.model)
    if "chat" not in place.about.can:
        raise Fault(400, f"{place.model.name} cannot chat; use /v1/completions", param="model")
    asked = [chat_request(body, service.settings)]
    return await _respond(request, place, asked, body, "chat")


async def completions(request: HttpRequest) -> Response:
    """One or several texts, gone on from."""
    service = service_of(request)
    body = decode(await read_body(request, service.settings), CompletionBody)
    place = service.shelf.find(body.model)
    if "generate" not in place.about.can:
        raise Fault(400, f"{place.model.name} cannot go on from a text", param="model")
    return await _respond(request, place, completion_requests(body, service.settings), body, "text")


async def _respond(
    request: HttpRequest, place: Place, asked: list[Request], body: ChatBody | CompletionBody, kind: Kind
) -> Response:
    service = service_of(request)
    with_usage = bool(body.stream and body.stream_options and body.stream_options.include_usage)
    form = Form(kind, place.model.name, len(asked), with_usage=with_usage)
    source = _source(service, place, asked)
    if body.stream:
        return Streamed(service, place, client_of(request), form, source, with_usage=with_usage)
    try:
        async with working(service, place, client_of(request), request.receive, source) as relay:
            return await _whole(service, place, form, relay, request.scope)
    except Ended as ended:
        raise reason_fault(ended.reason, service.settings) from None


Source = Callable[[Cancelled], Generator[tuple[Happening, int], None, None]]


def _source(service: Service, place: Place, asked: list[Request]) -> Source:
    def happenings(cancelled: Cancelled) -> Generator[tuple[Happening, int], None, None]:
        for request in asked:
            for happening in answer(place, service.watch, request, cancelled):
                yield happening, len(happening) * 3 if isinstance(happening, str) else 256

    return happenings


async def _whole(
    service: Service, place: Place, form: Form, relay: Relay[Happening], scope: Scope
) -> Response:
    tally = Tally()
    parts: list[tuple[str, str]] = []
    reports: list[dict[str, Any]] = []
    pieces: list[str] = []
    while not relay.over:
        for happening in await relay.take():
            if isinstance(happening, str):
                pieces.append(happening)
            elif isinstance(happening, Opening):
                tally.opening = happening
                pieces = []
            else:
                tally.add(happening)
                parts.append(("".join(pieces), happening.finish))
                reports.append(report(service.watch, place.model.layer_name, tally.opening, happening))
    tally.note(scope)
    body = form.whole(parts, tally.usage, reports[0] if len(reports) == 1 else reports)
    return Response(body, media_type="application/json")


class Tally:
    """What is known of an answer so far, over all its prompts."""

    def __init__(self) -> None:
        self.opening: Opening | None = None
        self.index = -1  # of the prompt being answered
        self.usage = Usage(0, 0)
        self.speed: float | None = None

    def add(self, ending: Ending) -> None:
        """Count one finished prompt."""
        done = ending.usage
        self.usage = Usage(
            self.usage.prompt_tokens + done.prompt_tokens,
            self.usage.completion_tokens + done.completion_tokens,
        )
        self.speed = ending.tokens_per_second

    def note(self, scope: Scope) -> None:
        """Leave figures for the log: counts only."""
        scope["rumpun.tokens"] = self.usage.completion_tokens
        scope["rumpun.speed"] = self.speed


class Streamed(Response):
    """A stream of events. Nothing is sent before the first token or error, so an error still has its status."""

    def __init__(
        self, service: Service, place: Place, client: str, form: Form, source: Source, *, with_usage: bool
    ) -> None:
        super().__init__()
        self.service = service
        self.place = place
        self.client = client
        self.form = form
        self.source = source
        self.with_usage = with_usage
        self.tally = Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        settings = self.service.settings
        try:
            async with working(self.service, self.place, self.client, receive, self.source) as relay:
                early = await _first(relay, settings.first_seconds)
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                wire = Wire(send, scope, relay, settings)
                try:
                    end = await self._follow(relay, wire, early, settings)
                    self.tally.note(scope)
                    await wire.send(end, more=False)
                finally:
                    wire.close()
        except Ended as ended:
            raise reason_fault(ended.reason, settings) from None

    async def _follow(
        self, relay: Relay[Happening], wire: "Wire", early: list[Happening], settings: Settings
    ) -> bytes:
        """Send events until the source is over; what is left to send then."""
        try:
            held = self._events(early)
            while not relay.over:
                await wire.send(held or _COMMENT)
                held = self._events(await relay.take())
        except Ended as ended:
            return event(error_body(reason_fault(ended.reason, settings))) + DONE
        except Exception as error:  # noqa: BLE001 - the status is sent already: the stream must say it
            fault = as_fault(error)
            if fault is None:
                _log.error("a bug of ours ended a stream: %s", type(error).__name__)
                fault = Fault(500, "the service failed on this request; its log names the place")
            return event(error_body(fault)) + DONE
        return held + DONE

    def _events(self, happenings: list[Happening]) -> bytes:
        form, tally = self.form, self.tally
        out: list[bytes] = []
        for happening in happenings:
            if isinstance(happening, str):
                out.append(form.piece(happening, tally.index))
                continue
            layer = self.place.model.layer_name
            if isinstance(happening, Opening):
                tally.opening = happening
                tally.index += 1
                out.append(form.first(report(self.service.watch, layer, happening), tally.index))
                continue
            tally.add(happening)
            said = report(self.service.watch, layer, tally.opening, happening)
            out.append(form.last(happening.finish, said, tally.index))
            if self.with_usage and tally.index == self.form.prompts - 1:
                out.append(form.usage(tally.usage, said))
        return b"".join(out)


async def _first(relay: Relay[Happening], seconds: float) -> list[Happening]:
    """What comes until the first text or end, or until `seconds` have passed."""
    early: list[Happening] = []
    clock = asyncio.get_running_loop().call_later(seconds, relay.nudge)
    try:
        while not relay.over:
            got = await relay.take()
            early += got
            if not got or not isinstance(early[-1], Opening):
                break
    finally:
        clock.cancel()
    return early


class Wire:
    """The sending side of a stream: keeps a silent one alive, cuts off a client that does not read."""

    def __init__(self, send: Send, scope: Scope, relay: Relay[Any], settings: Settings) -> None:
        self._send = send
        self._abort = scope.get("rumpun.abort")
        self._relay = relay
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._since: float | None = None  # when the send that is still under way began
        self._step = min(settings.quiet_seconds, settings.stall_seconds / 2)
        self._timer = self._loop.call_later(self._step, self._tick)

    async def send(self, data: bytes, *, more: bool = True) -> None:
        """Send; returns at once unless the client has stopped reading."""
        self._since = self._loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self._since = None

    def close(self) -> None:
        """Stop the clock."""
        self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._step, self._tick)
        if self._since is None:
            self._relay.nudge()
        elif self._loop.time() - self._since > self._settings.stall_seconds:
            self._timer.cancel()
            self._relay.cancel("slow")
            if self._abort is not None:
                self._abort()
            elif self._task is not None:
                self._task.cancel()

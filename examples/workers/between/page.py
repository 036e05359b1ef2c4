"""The page: two links, one for each person. On this machine alone unless another address is bound."""

import base64
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from between.tables import SIDES, tables
from between.talk import LONGEST, Talk
from between.trouble import Trouble

__all__ = ["BODY_MOST", "create_app", "links"]

BODY_MOST: Final = 6 * LONGEST + 1024  # bytes; JSON writes a character in up to six
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


def create_app(talk: Talk, keys: dict[str, str] | None = None) -> Starlette:
    """The app for one talk.

    Who may read and write is told by a key for each side, sent as a bearer token and never by a cookie: so a page of
    another site cannot write here, and one person cannot read what is meant for the other.

    Args:
        talk: what is said.
        keys: side → key; by default random ones. They are in `app.state.keys`.
    """
    text = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(text, 'script')}; style-src {_hash(text, 'style')}; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    async def page(_: Request) -> Response:
        return HTMLResponse(text, headers={"content-security-policy": policy})

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/about", _about),
            Route("/turns", _turns),
            Route("/say", _say, methods=["POST"]),
        ],
    )
    app.state.talk = talk
    app.state.keys = keys or {side: secrets.token_urlsafe(16) for side in SIDES}
    app.add_middleware(_Doors)
    return app


def links(app: Starlette, url: str) -> dict[str, str]:
    """Side → the address to open. The key stands behind «#», which browsers send to nobody."""
    return {side: f"{url}/#{app.state.keys[side]}" for side in SIDES}


class _Doors:
    """Foreign hosts and origins are turned away; headers for every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-store"),
                    (b"cross-origin-resource-policy", b"same-origin"),
                ]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        if not _known(host):
            answer: ASGIApp = _refusal(403, "this page answers to its own address alone")
        elif origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            answer = _refusal(403, "a page of another site may not ask here")
        else:
            answer = self.app
        await answer(scope, receive, send_with_headers)


def _known(host: str) -> bool:
    """Whether a Host header names this machine, or any by number: rebinding a name needs a name."""
    name = re.sub(r":\d+$", "", host).lower()
    if name in _LOCAL:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _hash(text: str, tag: str) -> str:
    inside = text.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


def _side(request: Request) -> str | None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode("utf-8", "replace")
    found = None
    for side, key in request.app.state.keys.items():  # both are compared, so the time says nothing
        if hmac.compare_digest(key.encode(), given):
            found = side
    return found


async def _about(request: Request) -> Response:
    side = _side(request)
    if side is None:
        return _refusal(401, "open the whole link that was printed, with what stands behind #")
    talk: Talk = request.app.state.talk
    tag = talk.languages[side]
    return JSONResponse(
        {
            "side": side,
            "language": tag,
            "says": dict(tables().says[tag]),
            "names": {one: own for one, (_, own) in tables().languages.items()},
            "kept": talk.kept,
            "weak": talk.weak,
            "longest": LONGEST,
        }
    )


async def _turns(request: Request) -> Response:
    side = _side(request)
    if side is None:
        return _refusal(401, "open the whole link that was printed, with what stands behind #")
    after = request.query_params.get("after", "0")
    if not re.fullmatch(r"\d{1,6}", after):
        return _refusal(400, "after: a number")
    talk: Talk = request.app.state.talk
    # counted before they are shown: a turn that comes in between is shown next time
    count = len(talk.turns)
    views = [view for view in talk.views(side, int(after)) if view["number"] <= count]
    return JSONResponse({"turns": views, "after": count})


async def _say(request: Request) -> Response:
    side = _side(request)
    if side is None:
        return _refusal(401, "open the whole link that was printed, with what stands behind #")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _refusal(415, "send JSON")
    talk: Talk = request.app.state.talk
    words = tables().says[talk.languages[side]]
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_MOST:
            return _refusal(413, words["too_long"])
    text = _text(bytes(body))
    if text is None:
        return _refusal(400, 'send {"text": "…"}')
    try:
        turn = await run_in_threadpool(talk.say, side, text)
    except Trouble as trouble:
        said = (
            words["too_long"]
            if len(text) > LONGEST
            else words["failed"]
            if trouble.code == 5
            else trouble.line
        )
        return JSONResponse({"error": said, "detail": trouble.line}, 502 if trouble.code == 5 else 400)
    return JSONResponse({"number": turn.number})


def _text(body: bytes) -> str | None:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    text = found.get("text") if isinstance(found, dict) else None
    return text if isinstance(text, str) else None

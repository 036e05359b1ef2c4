"""What stands before every address: host and origin checks, keys, the ceiling, headers, the log, the last catch.

The log holds method, path, status, seconds and token counts: never a key, a prompt or an answer, and of an error of
ours only its type and the places in the code.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import socket
import time
import traceback
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rumpun.serve.faults import Fault, error_response
from rumpun.serve.settings import Settings, is_loopback

__all__ = ["Doors", "fingerprint", "is_api"]

_log = logging.getLogger("rumpun.serve")
_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none';"
    " script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


# what programs ask: keys are needed where there are any, and errors are JSON
_API = ("/v1", "/beta/", "/portkey/", "/analyze", "/anonymize", "/supportedentities", "/recognizers")


def is_api(path: str) -> bool:
    """Whether an address is for programs, not for people or for a look at the service's health."""
    return path.startswith(_API)


def fingerprint(key: str) -> str:
    """A name for a key that does not give it away."""
    return "key-" + hashlib.sha256(key.encode()).hexdigest()[:12]


class Doors:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.under_way = 0
        self._keys = [(hashlib.sha256(key.encode()).digest(), fingerprint(key)) for key in settings.api_keys]
        self._hosts = _known_hosts(settings)
        self._origins = {origin.rstrip("/").lower() for origin in settings.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        self.under_way += 1
        try:
            fault = self._refused(scope)
            if fault is not None:
                await error_response(fault)(scope, receive, send_with_headers)
            else:
                await self.app(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            _abort(scope)
        except Exception as error:  # noqa: BLE001 - the last catch: nothing of ours ends a connection in silence
            _log_bug(error)
            if status:
                _abort(scope)
            else:
                fault = Fault(500, "the service failed on this request; its log names the place")
                await error_response(fault)(scope, receive, send_with_headers)
        finally:
            self.under_way -= 1
            _log_request(scope, status, time.monotonic() - began)

    def _refused(self, scope: Scope) -> Fault | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and not _host_known(host, self._hosts, self.settings):
            return Fault(
                403,
                f"the Host header is {host[:80]!a}; this service answers to {', '.join(sorted(self._hosts))}",
                code="host_not_allowed",
            )
        origin = headers.get("origin")
        if (
            origin is not None
            and scope["method"] not in {"GET", "HEAD", "OPTIONS"}
            and origin.lower() not in self._origins
            and not _same_place(origin, host)
        ):
            return Fault(403, f"a page of {origin[:80]!a} may not post here", code="origin_not_allowed")
        if is_api(scope["path"]) and self._keys:
            client = self._client(headers.get("authorization", ""), headers.get("x-api-key", ""))
            if client is None:
                return Fault(
                    401,
                    "this service needs a key: send it as 'Authorization: Bearer KEY'",
                    code="invalid_api_key",
                    headers={"www-authenticate": "Bearer"},
                )
            scope["rumpun.client"] = client
        if self.under_way > self.settings.requests_max and scope["path"] not in {"/health", "/healthz"}:
            return Fault(
                429,
                f"{self.settings.requests_max} requests are under way; try again in 2 s",
                code="too_many_requests",
                headers={"retry-after": "2", "connection": "close"},
            )
        return None

    def _client(self, authorization: str, bare: str) -> str | None:
        """Whose key it is: OpenAI's clients send a bearer, some gateways a header of its own."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            key = bare
        given = hashlib.sha256(key.strip().encode(errors="surrogateescape")).digest()
        found = None
        for digest, name in self._keys:  # every one is compared, so the time says nothing
            if hmac.compare_digest(digest, given):
                found = name
        return found


def _known_hosts(settings: Settings) -> frozenset[str] | None:
    """Host names that are let in; None lets in all, which only a service behind keys does."""
    if not is_loopback(settings.host) and settings.api_keys and not settings.hosts:
        return None
    bound = f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host
    own: tuple[str, ...] = () if is_loopback(settings.host) else (socket.gethostname(), socket.getfqdn())
    return frozenset(
        name.lower() for name in ("localhost", "127.0.0.1", "[::1]", bound, *own, *settings.hosts) if name
    )


def _host_known(host: str, known: frozenset[str], settings: Settings) -> bool:
    name = host.lower()
    if name.rpartition(":")[2].isdigit() and not name.endswith("]"):
        name = name.rpartition(":")[0]
    if name in known:
        return True
    if is_loopback(settings.host):
        return False
    try:  # rebinding needs a name: a bare address is what people type on a local network
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _same_place(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _abort(scope: Scope) -> None:
    abort = scope.get("rumpun.abort")
    if abort is not None:
        abort()


def _log_bug(error: Exception) -> None:
    places = traceback.extract_tb(error.__traceback__)
    way = " < ".join(f"{place.filename}:{place.lineno} {place.name}" for place in reversed(places[-8:]))
    _log.error("a bug of ours: %s at %s", type(error).__name__, way)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    if not _log.isEnabledFor(logging.INFO):
        return
    tokens, speed = scope.get("rumpun.tokens"), scope.get("rumpun.speed")
    figures = f" {tokens} tokens" if tokens is not None else ""
    figures += f" {speed:.1f} tokens/s" if speed else ""
    path = scope["path"][:200].encode("unicode_escape").decode()
    _log.info("%s %s %s %.3f s%s", scope["method"], path, status or "-", seconds, figures)

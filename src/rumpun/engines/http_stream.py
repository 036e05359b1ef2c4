"""Answers that arrive over the network: server-sent events (WHATWG HTML, section 9.2), and one answer made of them."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from rumpun.engines.characters import decoded
from rumpun.engines.port import Cancelled, Chunk, Finish, Usage
from rumpun.errors import EnvironmentFault

if TYPE_CHECKING:
    import httpx2

__all__ = ["Arriving", "events"]

_EVENT_MAX: Final = 16 << 20  # characters: no server means more
_POLL_S: Final = 0.02  # how soon a cancelled answer ends while nothing arrives


def events(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of each event; comments and other fields are left out, an event that is cut off is not one.

    Raises:
        EnvironmentFault: an event of more than 16 million characters.
    """
    data: list[str] = []
    size = 0
    for line in _lines(decoded(pieces)):
        if not line:
            if data:
                yield "\n".join(data)
            data, size = [], 0
            continue
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
            size += len(value)
            if size > _EVENT_MAX:
                raise EnvironmentFault(
                    f"an event of more than {_EVENT_MAX:,} characters", "ask another server"
                )


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Lines that end in CR LF, LF or CR; a byte order mark at the start is no part of the first."""
    held = ""
    first = True
    for piece in pieces:
        held += piece.removeprefix("\ufeff") if first else piece
        first = False
        if len(held) > _EVENT_MAX:
            raise EnvironmentFault(f"a line of more than {_EVENT_MAX:,} characters", "ask another server")
        whole = held.removesuffix("\r")  # its LF may be on the way
        rest = held[len(whole) :]
        *lines, last = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        yield from lines
        held = last + rest
    if held.endswith("\r"):
        yield held[:-1]


class Arriving:
    """One answer on its way: read from the network in one thread, given out in another."""

    def __init__(self, cancelled: Cancelled) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.cancelled = cancelled
        self.gone = False
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.times: list[float] = []
        self._reply: httpx2.Response | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def reading(self, reply: "httpx2.Response") -> Iterator[None]:
        """While the reply is read; afterwards its connection may serve another."""
        with self._lock:
            self._reply = reply
        try:
            yield
        finally:
            with self._lock:
                self._reply = None

    def texts(self) -> Iterator[str]:
        """The text of each event, until the end, an error, or the wish to stop."""
        while not self.cancelled():
            try:
                event = self.events.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if event is None:
                return
            if isinstance(event, BaseException):
                raise event
            used = event.get("usage")
            if isinstance(used, dict):
                self.usage = Usage(
                    int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0)
                )
            for choice in event.get("choices") or ():
                text = choice.get("text") or (choice.get("delta") or {}).get("content")
                if choice.get("finish_reason"):
                    self.finish = "length" if choice["finish_reason"] == "length" else "stop"
                if text:
                    self.times.append(time.perf_counter())
                    yield text
        self.finish = "cancelled"
        self.leave()

    def leave(self) -> None:
        """Hang up if the answer is still on its way, so that the server can end its work."""
        self.gone = True
        with self._lock, contextlib.suppress(Exception):  # it may end by itself at this moment
            if self._reply is not None:
                stream = self._reply.extensions["network_stream"]
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def last(self, url: str) -> Chunk:
        """The last chunk; a stream that ended without saying why was cut off."""
        if self.finish is None:
            raise EnvironmentFault(
                f"{url}: the server hung up after {len(self.times)} pieces of an answer", "ask again"
            )
        span = self.times[-1] - self.times[0] if len(self.times) > 1 else 0.0
        usage = self.usage or Usage(0, len(self.times))
        return Chunk(
            finish=self.finish,
            usage=usage,
            tokens_per_second=(usage.completion_tokens - 1) / span
            if span and usage.completion_tokens > 1
            else None,
        )

"""One HTTP connection.

Two things that uvicorn's own lacks: a limit on how long a request's head may take, and a way for the app to cut off a
client that does not read (`scope["rumpun.abort"]`).
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["connection_class"]


class Connection(H11Protocol):
    """An HTTP/1.1 connection."""

    head_seconds = 20.0
    _head_clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept, and start the clock for the first request's head."""
        super().connection_made(transport)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["rumpun.abort"] = transport.abort
            await inner(scope, receive, send)

        self.app = app
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Read; a head that is still incomplete keeps its clock."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_clock()
        elif self._head_clock is None and self.conn.trailing_data[0]:
            self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has gone."""
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        self._head_clock = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._head_clock is not None:
            self._head_clock.cancel()
            self._head_clock = None


def connection_class(head_seconds: float) -> type[Connection]:
    """The class for `uvicorn.Config(http=…)`."""
    return type("Connection", (Connection,), {"head_seconds": head_seconds})

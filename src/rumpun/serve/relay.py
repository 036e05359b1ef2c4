"""From an engine's thread to the event loop, many pieces a hop.

An engine streams in a thread of its own. It puts pieces into a relay; the event loop takes all that have come at
once. The loop is woken only when it waits, so a fast engine costs few hops. What is held is bounded: when a slow
reader leaves too much lying, the engine's thread waits, and after `patience` seconds the relay is cancelled.
"""

import asyncio
import contextlib
import threading
from collections.abc import Generator
from typing import Generic, Literal, TypeVar

__all__ = ["Ended", "Reason", "Relay"]

T = TypeVar("T")
Reason = Literal["gone", "time", "closing", "slow"]


class Ended(Exception):  # noqa: N818 - a state, not a failure of ours
    """The relay was cancelled: the client hung up, time ran out, the service closes, the reader is too slow."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Relay(Generic[T]):
    """A bounded hand-over of one stream. `put` and `finish` are the thread's side, the rest is the loop's."""

    def __init__(self, room: int, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = room
        self._patience = patience
        self._changed = threading.Condition()
        self._items: list[T] = []
        self._weight = 0
        self._blocked = False
        self._finished = False
        self._nudged = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.reason: Reason | None = None
        self.stopped: asyncio.Future[None] = self._loop.create_future()

    def cancelled(self) -> bool:
        """Asked by the engine before each token."""
        return self.reason is not None

    @property
    def over(self) -> bool:
        """The source has finished and all of it has been taken."""
        return self._finished and not self._items and self._error is None

    def run(self, pieces: Generator[tuple[T, int], None, None]) -> None:
        """Put every (piece, its weight in bytes), then finish; an error of the source goes to the taker."""
        try:
            with contextlib.closing(pieces):
                for piece, weight in pieces:
                    if not self.put(piece, weight):
                        break
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is taken
            self.finish(error)
        else:
            self.finish()

    def put(self, item: T, weight: int) -> bool:
        """Hand over one piece; False when nobody wants more."""
        with self._changed:
            if self._weight > self._room and self.reason is None:
                self._blocked = True
                roomy = self._changed.wait_for(
                    lambda: self._weight <= self._room or self.reason is not None, self._patience
                )
                self._blocked = False
                if not roomy:
                    self.reason = "slow"
            if self.reason is not None:
                self._wake()
                return False
            self._items.append(item)
            self._weight += weight
            self._wake()
        return True

    def finish(self, error: BaseException | None = None) -> None:
        """No more will come."""
        with self._changed:
            self._finished = True
            self._error = error
            self._wake()

    async def take(self) -> list[T]:
        """All that has come since the last call; an empty list when it is `over`, or after a nudge.

        Raises:
            Ended: the relay was cancelled.
            BaseException: whatever the source raised.
        """
        while True:
            with self._changed:
                if self.reason is not None:
                    raise Ended(self.reason)
                if self._items:
                    items, self._items, self._weight = self._items, [], 0
                    if self._blocked:
                        self._changed.notify()
                    return items
                if self._finished:
                    if self._error is not None:
                        raise self._error
                    return []
                if self._nudged:
                    self._nudged = False
                    return []
                waiter = self._waiter = self._loop.create_future()
            await waiter

    def nudge(self) -> None:
        """Let a taker that waits return with nothing, to look at the clock."""
        with self._changed:
            if self._waiter is None:
                return
            self._nudged = True
            waiter, self._waiter = self._waiter, None
        _set(waiter)

    def cancel(self, reason: Reason) -> None:
        """End it early; the first reason stands. Without effect once the source has finished and all is taken."""
        with self._changed:
            if self.reason is None:
                self.reason = reason
            self._changed.notify()
            waiter, self._waiter = self._waiter, None
        _set(waiter)
        _set(self.stopped)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_set, waiter)


def _set(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)

"""A fair queue: whoever asks from many windows waits behind nobody longer than the rest.

Each client has its own line. A free slot goes to the waiting client that holds the fewest slots, and among equals to
the one that has waited longest since its last turn. When the queue is full, a newcomer takes the place of the last
request of the client with the longest line, so that one client can never fill the queue for the others.
"""

import asyncio
import time
from collections import deque

__all__ = ["QueueFull", "Turns"]


class QueueFull(Exception):  # noqa: N818 - a state, told to the client as 429
    """No room to wait; `seconds` is a guess of when there will be."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue is full; try again in {seconds} s")
        self.seconds = seconds


class Turns:
    """Slots of one model, given out fairly. All calls are made on the event loop."""

    def __init__(self, slots: int, length: int) -> None:
        self.slots = slots
        self.length = length
        self.waiting = 0
        self._running: dict[str, int] = {}  # client -> slots held
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}  # client -> its waiting requests
        self._seconds = 2.0  # of a turn, smoothed
        self._began: dict[str, deque[float]] = {}

    @property
    def busy(self) -> int:
        """Slots held now."""
        return sum(self._running.values())

    def ask(self, client: str) -> "asyncio.Future[None]":
        """A future that is done when a slot is held; give it back with `leave` or `give_back`.

        Raises:
            QueueFull: there is no room to wait.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._lines and self.busy < self.slots:
            self._start(client, future)
            return future
        if self.waiting >= self.length:
            self._make_room(client)
        self._lines.setdefault(client, deque()).append(future)
        self.waiting += 1
        return future

    def leave(self, client: str, future: "asyncio.Future[None]") -> None:
        """Stop waiting, or give back a slot that was just got."""
        if future.done() and not future.cancelled() and future.exception() is None:
            self.give_back(client)
            return
        line = self._lines.get(client)
        if line is not None and future in line:
            line.remove(future)
            self.waiting -= 1
            if not line:
                del self._lines[client]

    def give_back(self, client: str) -> None:
        """Free a slot and let the next one in."""
        left = self._running[client] - 1
        began = self._began[client].popleft()
        self._seconds += 0.2 * (time.monotonic() - began - self._seconds)
        if left:
            self._running[client] = left
        else:
            del self._running[client], self._began[client]
        while self._lines and self.busy < self.slots:
            self._next()

    def guess_seconds(self) -> int:
        """When a place in the queue may be free: a whole number of seconds, for Retry-After."""
        return max(1, min(60, round(self._seconds * (1 + self.waiting / self.slots / 4))))

    def _start(self, client: str, future: "asyncio.Future[None]") -> None:
        self._running[client] = self._running.get(client, 0) + 1
        self._began.setdefault(client, deque()).append(time.monotonic())
        future.set_result(None)

    def _next(self) -> None:
        client = min(self._lines, key=lambda name: self._running.get(name, 0))  # the first among equals
        line = self._lines.pop(client)
        future = line.popleft()
        self.waiting -= 1
        if line:
            self._lines[client] = line  # to the back
        self._start(client, future)

    def _make_room(self, client: str) -> None:
        mine = len(self._lines.get(client, ()))
        longest = max(self._lines, key=lambda name: len(self._lines[name]), default=client)
        if len(self._lines.get(longest, ())) <= mine + 1:
            raise QueueFull(self.guess_seconds())
        future = self._lines[longest].pop()
        self.waiting -= 1
        future.set_exception(QueueFull(self.guess_seconds()))

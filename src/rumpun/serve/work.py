"""What every address needs: the service's state, a body within limits, a turn with its thread and relay."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from rumpun.engines.port import Cancelled
from rumpun.serve.encoding import LazyEncoder
from rumpun.serve.faults import Fault
from rumpun.serve.models import Place, ServedModel, Shelf
from rumpun.serve.relay import Ended, Reason, Relay
from rumpun.serve.settings import Settings
from rumpun.serve.turns import QueueFull, Turns
from rumpun.serve.watch import Watch

__all__ = ["Service", "client_of", "in_turn", "read_body", "reason_fault", "service_of", "working"]

T = TypeVar("T")


class Service:
    """What the addresses share."""

    def __init__(
        self, models: Sequence[ServedModel], watch: Watch, settings: Settings, encoder: LazyEncoder | None
    ) -> None:
        self.settings = settings
        self.watch = watch
        self.encoder = encoder
        self.shelf = Shelf(models, settings.queue_length)
        self.under_way: set[Relay[Any]] = set()
        self.closing = False
        self.guard_turns = Turns(settings.guard_slots, settings.queue_length)
        self.guard_pool = ThreadPoolExecutor(settings.guard_slots, thread_name_prefix="guard")
        self.embed_turns = Turns(settings.embed_slots, settings.queue_length)
        self.embed_pool = ThreadPoolExecutor(settings.embed_slots, thread_name_prefix="encoder")

    def end_streams(self) -> None:
        """Tell every request under way that the service stops; new ones are refused."""
        self.closing = True
        for relay in list(self.under_way):
            relay.cancel("closing")

    def close(self) -> None:
        """Free threads and engines; blocks until the engines have let go."""
        self.guard_pool.shutdown(wait=True, cancel_futures=True)
        self.embed_pool.shutdown(wait=True, cancel_futures=True)
        self.shelf.close()


def service_of(request: Request) -> Service:
    """The service behind a request."""
    service: Service = request.app.state.service
    return service


def client_of(request: Request) -> str:
    """Who asks, for the fair queue: the key's fingerprint where keys are used, else the address."""
    fingerprint = request.scope.get("rumpun.client")
    if fingerprint:
        return str(fingerprint)
    return request.client.host if request.client else "unknown"


async def read_body(request: Request, settings: Settings) -> bytes:
    """A request's body.

    Raises:
        Fault: 413 too large, 408 too slow, 400 cut off.
    """
    most = settings.body_bytes_max
    too_large = Fault(
        413,
        f"the body is larger than {most} bytes; send less",
        code="body_too_large",
        headers={"connection": "close"},
    )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise Fault(
            408,
            f"the body did not arrive within {settings.body_seconds:g} s",
            code="body_too_slow",
            headers={"connection": "close"},
        ) from None
    except ClientDisconnect:
        raise Fault(400, "the client hung up before the body was whole") from None
    return bytes(body)


@contextlib.asynccontextmanager
async def working(
    service: Service,
    place: Place,
    client: str,
    receive: Receive,
    source: Callable[[Cancelled], Generator[tuple[T, int], None, None]],
) -> AsyncIterator[Relay[T]]:
    """Wait for a turn, run `source` in a thread, give its relay. Leaving ends the source within a token.

    The slot is given back when the thread has ended, not when the client has gone.

    Raises:
        Fault: 429 no room or no turn in time, 503 closing, 504 too long.
        Ended: the client hung up while it waited.
    """
    if service.closing:
        raise reason_fault("closing", service.settings)
    settings, loop = service.settings, asyncio.get_running_loop()
    relay: Relay[T] = Relay(settings.buffer_bytes, settings.stall_seconds)
    listener = asyncio.create_task(_listen(receive, relay))
    deadline = loop.call_later(settings.request_seconds, relay.cancel, "time")
    service.under_way.add(relay)
    try:
        await _turn(place.turns, client, relay, settings)
        job = loop.run_in_executor(place.pool, relay.run, source(relay.cancelled))
        job.add_done_callback(lambda _: place.turns.give_back(client))
        yield relay
    finally:
        relay.cancel("gone")
        deadline.cancel()
        listener.cancel()
        service.under_way.discard(relay)


async def in_turn(
    turns: Turns, pool: ThreadPoolExecutor, client: str, settings: Settings, work: Callable[[], T]
) -> T:
    """Run short work that cannot be ended early in a thread, when it is this client's turn.

    Raises:
        Fault: 429 no room or no turn in time, 504 too long.
    """
    loop = asyncio.get_running_loop()
    relay: Relay[T] = Relay(1, 1)
    await _turn(turns, client, relay, settings)
    job = loop.run_in_executor(pool, work)
    job.add_done_callback(lambda _: turns.give_back(client))
    done, _ = await asyncio.wait({job}, timeout=settings.request_seconds)
    if not done:
        raise reason_fault("time", settings)
    return job.result()


def reason_fault(reason: Reason, settings: Settings) -> Fault:
    """What a client is told when a request ends early."""
    if reason == "time":
        return Fault(
            504,
            f"no whole answer within {settings.request_seconds:g} s; ask for fewer tokens",
            code="timeout",
        )
    if reason == "closing":
        return Fault(503, "the service is stopping", code="service_stopping", headers={"retry-after": "5"})
    return Fault(499, "the client hung up", code="client_gone")


async def _turn(turns: Turns, client: str, relay: Relay[Any], settings: Settings) -> None:
    try:
        place = turns.ask(client)
        if place.done():
            return None
        try:
            await asyncio.wait(
                {place, relay.stopped}, timeout=settings.queue_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            turns.leave(client, place)
            raise
        if relay.reason is not None:
            turns.leave(client, place)
            raise Ended(relay.reason)
        if place.done():
            return place.result()
        turns.leave(client, place)
        raise _full(turns.guess_seconds())
    except QueueFull as full:
        raise _full(full.seconds) from None


def _full(seconds: int) -> Fault:
    return Fault(
        429,
        f"every slot and place in the queue is taken; try again in {seconds} s",
        code="queue_full",
        headers={"retry-after": str(seconds)},
    )


async def _listen(receive: Receive, relay: Relay[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    relay.cancel("gone")

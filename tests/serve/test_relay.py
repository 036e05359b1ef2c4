"""The hand-over from a thread: nothing lost or turned round, bounded, ended from either side."""

import asyncio
import threading
import time
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.serve.relay import Ended, Relay


def source(items: list[int], fail: bool = False) -> Generator[tuple[int, int], None, None]:
    for item in items:
        yield item, 1
    if fail:
        raise ZeroDivisionError


async def all_of(relay: Relay[int]) -> list[int]:
    found: list[int] = []
    while not relay.over:
        found += await relay.take()
    return found


@given(items=st.lists(st.integers(), max_size=300), room=st.integers(1, 20))
def test_everything_arrives_in_order(items: list[int], room: int) -> None:
    async def work() -> list[int]:
        relay: Relay[int] = Relay(room, 10)
        thread = threading.Thread(target=relay.run, args=(source(items),))
        thread.start()
        found = await all_of(relay)
        thread.join()
        return found

    assert asyncio.run(work()) == items


def test_an_error_of_the_source_comes_after_its_items() -> None:
    async def work() -> None:
        relay: Relay[int] = Relay(100, 10)
        relay.run(source([1, 2], fail=True))
        assert await relay.take() == [1, 2]
        with pytest.raises(ZeroDivisionError):
            await relay.take()

    asyncio.run(work())


def test_what_is_held_is_bounded_and_a_reader_that_never_comes_ends_it() -> None:
    async def work() -> None:
        relay: Relay[int] = Relay(10, 0.2)
        made: list[int] = []

        def endless() -> Generator[tuple[int, int], None, None]:
            while True:
                made.append(1)
                yield 1, 1

        began = time.monotonic()
        await asyncio.to_thread(relay.run, endless())
        assert time.monotonic() - began < 5
        assert len(made) < 20
        with pytest.raises(Ended) as ended:
            await relay.take()
        assert ended.value.reason == "slow"

    asyncio.run(work())


def test_cancelling_wakes_both_sides_at_once() -> None:
    async def work() -> None:
        relay: Relay[int] = Relay(1, 30)
        closed = threading.Event()

        def endless() -> Generator[tuple[int, int], None, None]:
            try:
                while True:
                    yield 1, 5
            finally:
                closed.set()

        thread = threading.Thread(target=relay.run, args=(endless(),))
        thread.start()
        await asyncio.sleep(0.05)
        relay.cancel("gone")
        relay.cancel("time")
        thread.join(2)
        assert closed.is_set()
        with pytest.raises(Ended) as ended:
            await relay.take()
        assert ended.value.reason == "gone"

    asyncio.run(work())


def test_a_nudge_lets_a_waiting_taker_look_at_the_clock() -> None:
    async def work() -> None:
        relay: Relay[int] = Relay(1, 30)
        asyncio.get_running_loop().call_later(0.02, relay.nudge)
        assert await relay.take() == []
        assert not relay.over

    asyncio.run(work())

"""The fair queue: order, room, and that no slot is lost or given twice."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.serve.turns import QueueFull, Turns


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_one_client_with_fifty_requests_does_not_keep_another_waiting() -> None:
    async def work() -> None:
        turns = Turns(1, 100)
        order: list[str] = []
        futures = {}
        for number in range(50):
            futures[f"a{number}"] = ("a", turns.ask("a"))
        for number in range(3):
            futures[f"b{number}"] = ("b", turns.ask("b"))
        while futures:
            name = next(name for name, (_, future) in futures.items() if future.done())
            client, _ = futures.pop(name)
            order.append(name)
            turns.give_back(client)
        assert order[:7] == ["a0", "a1", "b0", "a2", "b1", "a3", "b2"]
        assert order[7:] == [f"a{number}" for number in range(4, 50)]

    run(work())


def test_a_free_slot_goes_to_who_holds_fewest() -> None:
    async def work() -> None:
        turns = Turns(3, 10)
        for _ in range(3):
            turns.ask("a")
        again, other = turns.ask("a"), turns.ask("b")
        turns.give_back("a")
        assert other.done()
        assert not again.done()
        turns.give_back("a")
        assert again.done()

    run(work())


def test_a_newcomer_takes_the_place_of_the_longest_lines_last() -> None:
    async def work() -> None:
        turns = Turns(1, 4)
        turns.ask("a")
        line = [turns.ask("a") for _ in range(4)]
        with pytest.raises(QueueFull):
            turns.ask("a")
        newcomer = turns.ask("b")
        assert isinstance(line[3].exception(), QueueFull)
        assert turns.waiting == 4
        assert not newcomer.done()
        second = turns.ask("b")
        assert isinstance(line[2].exception(), QueueFull)
        with pytest.raises(QueueFull):
            turns.ask("b")  # two and two: nobody has more
        turns.leave("b", second)
        assert turns.waiting == 3

    run(work())


def test_retry_after_is_a_sensible_number_of_seconds() -> None:
    async def work() -> None:
        turns = Turns(1, 1)
        turns.ask("a")
        turns.ask("a")
        with pytest.raises(QueueFull) as full:
            turns.ask("a")
        assert 1 <= full.value.seconds <= 60

    run(work())


@given(
    slots=st.integers(1, 3),
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "done", "leave"]), st.sampled_from("abc"), st.integers(0, 9)),
        max_size=60,
    ),
)
def test_slots_are_neither_lost_nor_given_twice(slots: int, steps: list[tuple[str, str, int]]) -> None:
    async def work() -> None:
        turns = Turns(slots, 5)
        held: list[tuple[str, asyncio.Future[None]]] = []
        for what, client, pick in steps:
            if what == "ask":
                with contextlib.suppress(QueueFull):
                    held.append((client, turns.ask(client)))
            elif held:
                owner, future = held.pop(pick % len(held))
                if what == "leave" or not future.done():
                    turns.leave(owner, future)
                elif future.exception() is None:
                    turns.give_back(owner)
            alive = [(c, f) for c, f in held if not (f.done() and f.exception() is not None)]
            running = sum(future.done() for _, future in alive)
            waiting = len(alive) - running
            assert turns.busy == running <= slots
            assert turns.waiting == waiting <= 5
            assert waiting == 0 or running == slots
        for owner, future in held:
            turns.leave(owner, future)
        assert (turns.busy, turns.waiting) == (0, 0)

    run(work())

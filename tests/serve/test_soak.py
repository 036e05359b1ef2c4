"""Hours in minutes: clients of every kind at once, for as long as asked, and nothing grows.

`make soak` runs it for RUMPUN_SOAK_SECONDS (default 600); the same is run for a few seconds with every test run.
"""

import gc
import http.client
import json
import os
import random
import threading
import time
from typing import Any

import psutil
import pytest
from served import BAD, Running, echo, running, word_guard

from rumpun.serve.settings import Settings

GROWTH_BYTES = 60 << 20  # of the whole process, clients included, after the first fifth of the time
KINDS = ("plain", "stream", "hang-up", "flagged", "nonsense")


def one(run: Running, kind: str, number: int) -> str:
    """One client of a kind; what went wrong, or nothing."""
    text = f"bambu {number} ไผ่ ဝါး " * 20 + (BAD if kind == "flagged" else "")
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 400,
        "stream": kind != "plain",
    }
    connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=60)
    try:
        sent = b"{" if kind == "nonsense" else json.dumps(body).encode()
        connection.request("POST", "/v1/chat/completions", sent, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if kind == "hang-up":
            answer.read(64)
            return ""
        content = answer.read().decode()
    finally:
        connection.close()
    if answer.status == 429:
        return ""
    wanted = {"nonsense": (400, '"error"'), "plain": (200, f"bambu {number} "), "stream": (200, "[DONE]"),
              "flagged": (200, "content_filter")}[kind]  # fmt: skip
    if answer.status == wanted[0] and wanted[1] in content:
        return ""
    return f"{kind} {number}: {answer.status} {content[:200]}"


def load(run: Running, seconds: float, clients: int, seed: int) -> tuple[list[str], int, list[int]]:
    """Faults, requests made, and the resident bytes along the way."""
    faults: list[str] = []
    counts = [0] * clients
    end = time.monotonic() + seconds

    def client(place: int) -> None:
        chance = random.Random(seed * 1000 + place)
        while time.monotonic() < end and not faults:
            try:
                fault = one(run, chance.choice(KINDS), place * 1_000_000 + counts[place])
            except OSError as error:
                fault = repr(error)
            counts[place] += 1
            if fault:
                faults.append(fault)

    threads = [threading.Thread(target=client, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    sizes = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(seconds / 50)
        sizes.append(psutil.Process().memory_info().rss)
    for thread in threads:
        thread.join()
    return faults, sum(counts), sizes


def soaked(seconds: float, clients: int) -> None:
    with running(echo(), word_guard(), Settings(guard="block")) as run:
        faults, count, sizes = load(run, seconds, clients, seed=7)
        assert not faults, faults[0]
        assert count > clients
        gc.collect()
        assert sizes[-1] - sizes[len(sizes) // 5] < GROWTH_BYTES, (
            f"{count} requests: {sizes[len(sizes) // 5]} to {sizes[-1]}"
        )
        deadline = time.monotonic() + 10
        while any(turns.busy for turns in turns_of(run)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(turns.busy or turns.waiting for turns in turns_of(run)), "a slot was never given back"


def turns_of(run: Running) -> list[Any]:
    return [place.turns for place in run.service.shelf.places.values()]


def test_a_few_seconds_of_every_kind_of_client() -> None:
    soaked(6, 12)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_long_soak() -> None:
    soaked(float(os.environ.get("RUMPUN_SOAK_SECONDS", "600")), 24)

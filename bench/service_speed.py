"""Tokens per second through the service against the runtime called directly, single and with 4 streams.

python bench/service_speed.py [--json] [--rounds 5] [--tokens 96] [--base base] [--guard warn]

One run measures both: `rumpun up` in a process of its own, and the same model in this process, where llama.cpp's own
handler is called and its events are counted, nothing else. They take turns, so that a slow moment of the machine falls
on both; the ratio is the median of the rounds' ratios. The client is the standard library's, over one connection a
stream. Also: time to the first token, resident memory of the service, and what the service alone can carry (an engine
that costs nothing, in microseconds of processor time a token).
"""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rumpun.engines.load import open_engine
from rumpun.engines.port import Message, Request

STREAMS = (1, 4)
WAYS = ("direct", "service")
FREE = """
from rumpun.engines.fake import Fake
from rumpun.guard import Guard
from rumpun.serve.models import ServedModel
from rumpun.serve.run import serve
from rumpun.serve.settings import Settings
engine = Fake(reply=lambda _: "sungai " * 10_000, context_tokens=10**7)
serve([ServedModel(engine=engine, name="free")], Guard.load(), Settings(port=0))
"""


def prompt(number: int) -> str:
    return f"Tell a long story about river number {number} and the people who live beside it."


def through_service(url: str, number: int, tokens: int) -> tuple[int, float, float]:
    """Tokens, seconds, and seconds to the first text of one streamed answer."""
    body = {
        "messages": [{"role": "user", "content": prompt(number)}],
        "temperature": 0,
        "seed": 1,
        "max_tokens": tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=300)
    start = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"the service answered {answer.status}: {answer.read(300)!r}")
    first, made = 0.0, 0
    for line in answer:
        if not first and b'"delta":{"content":' in line:
            first = time.perf_counter() - start
        if b'"completion_tokens"' in line:
            made = json.loads(line[6:])["usage"]["completion_tokens"]
    connection.close()
    return made, time.perf_counter() - start, first


def direct(engine: Any, number: int, tokens: int) -> tuple[int, float, float]:
    """The same from llama.cpp's own handler in this process."""
    request = Request(messages=(Message("user", prompt(number)),), temperature=0, seed=1, max_tokens=tokens)
    body = engine._body(request)  # noqa: SLF001 - the runtime as it is, without the engine around it
    seen: dict[str, Any] = {"first": 0.0, "made": 0}
    start = time.perf_counter()

    def heard(event: Any) -> bool:
        if not seen["first"] and event.get("choices") and event["choices"][0]["delta"].get("content"):
            seen["first"] = time.perf_counter() - start
        if event.get("usage"):
            seen["made"] = event["usage"]["completion_tokens"]
        return False

    engine._server.handle_chat_completions(body, heard)  # noqa: SLF001
    return seen["made"], time.perf_counter() - start, seen["first"]


def together(ask: Callable[[int], tuple[int, float, float]], streams: int) -> tuple[float, float, int]:
    """(tokens per second of all streams together, mean seconds to the first text, tokens)."""
    start = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        answers = list(pool.map(ask, range(streams)))
    seconds = time.perf_counter() - start
    tokens = sum(made for made, _, _ in answers)
    return tokens / seconds, statistics.mean(first for _, _, first in answers), tokens


class Service:
    """A service in a process of its own."""

    def __init__(self, *command: str) -> None:
        start = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise SystemExit(f"the service ended with {self.process.wait()} before it answered")
        self.seconds = time.perf_counter() - start

    def status(self, key: str) -> int:
        """A figure of /proc/PID/status in bytes; 0 where there is none."""
        path = Path(f"/proc/{self.process.pid}/status")
        found = re.search(rf"^{key}:\s+(\d+) kB", path.read_text(), re.MULTILINE) if path.exists() else None
        return int(found[1]) * 1024 if found else 0

    def processor_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Stop it and wait."""
        self.process.terminate()
        self.process.wait(30)


def compare(base: str, guard: str, rounds: int, tokens: int) -> dict[str, Any]:
    """The service against the runtime."""
    command = [
        sys.executable,
        "-m",
        "rumpun.cli",
        "up",
        "--port",
        "0",
        "--quiet",
        "--base",
        base,
        "--guard",
        guard,
    ]
    service = Service(*command)
    engine = open_engine(base)
    found: dict[str, Any] = {
        "start_seconds": round(service.seconds, 2),
        "resident_bytes_idle": service.status("VmRSS"),
    }
    try:
        for streams in STREAMS:
            figures: dict[str, list[float]] = {
                name + kind: [] for name in WAYS for kind in ("", "_first", "_cpu")
            }
            ways = {
                "direct": lambda n: direct(engine, n, tokens),
                "service": lambda n: through_service(service.url, n, tokens),
            }
            clocks = {"direct": time.process_time, "service": service.processor_seconds}
            for turn in range(rounds + 1):
                for name in sorted(WAYS, reverse=bool(turn % 2)):
                    before = clocks[name]()
                    speed, first, made = together(ways[name], streams)
                    if turn:  # the first warms up
                        figures[name].append(speed)
                        figures[f"{name}_first"].append(first)
                        figures[f"{name}_cpu"].append((clocks[name]() - before) / made)
            ratios = [s / d for s, d in zip(figures["service"], figures["direct"], strict=True)]
            found[f"streams_{streams}"] = {
                "direct_tokens_per_second": round(statistics.median(figures["direct"]), 1),
                "service_tokens_per_second": round(statistics.median(figures["service"]), 1),
                "ratio": round(statistics.median(ratios), 3),
                "ratios": [round(ratio, 3) for ratio in sorted(ratios)],
                "direct_first_token_ms": round(1000 * statistics.median(figures["direct_first"]), 1),
                "service_first_token_ms": round(1000 * statistics.median(figures["service_first"]), 1),
                "direct_processor_ms_per_token": round(1000 * statistics.median(figures["direct_cpu"]), 2),
                "service_processor_ms_per_token": round(1000 * statistics.median(figures["service_cpu"]), 2),
            }
        found["resident_bytes_peak"] = service.status("VmHWM")
    finally:
        engine.close()
        service.end()
    return found


def alone() -> dict[str, Any]:
    """What the service costs a token, whatever the model: an engine that makes tokens for nothing."""
    service = Service(sys.executable, "-c", FREE)
    found: dict[str, Any] = {}
    try:
        through_service(service.url, 0, 100)
        for streams in STREAMS:
            before, made = service.processor_seconds(), 4000 * streams
            speed, _, _ = together(lambda n: through_service(service.url, n, 4000), streams)
            spent = service.processor_seconds() - before
            found[f"streams_{streams}"] = {
                "tokens_per_second": round(speed),
                "processor_microseconds_per_token": round(1e6 * spent / made, 1),
            }
    finally:
        service.end()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--base", default="base")
    parser.add_argument("--guard", default="warn")
    given = parser.parse_args()
    free = alone()
    found = compare(given.base, given.guard, given.rounds, given.tokens) | {"service_alone": free}
    found["load_average"] = round(os.getloadavg()[0], 2)
    if given.json:
        print(json.dumps(found))
        return
    print(f"start to address      {found['start_seconds']:8.2f} s")
    print(
        f"resident, idle        {found['resident_bytes_idle'] / 1e6:8.0f} MB   peak {found['resident_bytes_peak'] / 1e6:.0f} MB"
    )
    for streams in STREAMS:
        row = found[f"streams_{streams}"]
        print(
            f"{streams} stream(s)  runtime {row['direct_tokens_per_second']:7.1f} tokens/s, service"
            f" {row['service_tokens_per_second']:7.1f}, ratio {row['ratio']:.3f} (rounds {row['ratios']}); first token"
            f" {row['direct_first_token_ms']:.0f} ms, {row['service_first_token_ms']:.0f} ms;"
            f" processor time a token {row['direct_processor_ms_per_token']} ms, {row['service_processor_ms_per_token']} ms"
        )
        row = free[f"streams_{streams}"]
        print(
            f"{streams} stream(s)  service alone {row['tokens_per_second']} tokens/s,"
            f" {row['processor_microseconds_per_token']} µs of processor time a token"
        )
    print(f"load average {found['load_average']}: above the number of cores, trust ratios, not speeds")


if __name__ == "__main__":
    main()

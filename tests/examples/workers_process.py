"""Real processes for the workers' example: `rumpun up` before a model of the tests, and the example itself."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from between.tables import tables

from rumpun.engines.port import Request

ROOT = Path(__file__).parent.parent.parent
DISPUTE = ROOT / "examples" / "workers" / "dispute.py"
# `rumpun` with a guard and an encoder of the tests in the place of those that are shipped; it fires on «zorkblip»
UP = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests" / "guard")!r})
import made_guard
import pathlib, tempfile
import rumpun.guard.guard
made_guard.stand_in()
place = pathlib.Path(tempfile.mkdtemp())
made_guard.write_guard(place / "guard")
rumpun.guard.guard.shipped_folder = lambda: place
from rumpun.cli import main
main()
"""
BLOCKING = ("--guard", "block", "--policy", "sg", "--point", "strict")
TOLD = {
    "Gaji saya belum dibayar 2 bulan, uang lembur juga.": "我的工资2个月没有发,加班费也没有。",
    "我会在5月7日付加班费1200元。": "Saya akan membayar uang lembur 1.200 dolar pada 7 Mei.",
    "Terima kasih.": "谢谢。",
    "serang": "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>",
}
SEEN = {"Dia marah sekali.": "threats"}


def interpreter(request: Request) -> str:
    """A model of the tests: knows some sentences, puts the target's name before all others."""
    system, text = request.messages[0].content, request.messages[-1].content
    if system.startswith("You read one message"):
        return SEEN.get(text, "none")
    target = system.split(" into ")[1].split(".")[0]
    tries = tables().prompts["trial"]
    if text in tries.values():
        return str(next(tries[tag] for tag, (english, _) in tables().languages.items() if english == target))
    return TOLD.get(text, f"<{target}> {text}")


class Process:
    """A child whose lines can be waited for."""

    def __init__(self, *command: str, **environment: str) -> None:
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
        )  # fmt: skip
        self._lines: dict[str, queue.Queue[str]] = {"out": queue.Queue(), "errors": queue.Queue()}
        self.errors: list[str] = []
        self.readers = [
            threading.Thread(target=self._read, args=given, daemon=True)
            for given in (("out", self.child.stdout), ("errors", self.child.stderr))
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, name: str, stream: Any) -> None:
        for line in stream:
            self._lines[name].put(line.rstrip("\n"))
            if name == "errors":
                self.errors.append(line)

    def line(self, name: str = "out", seconds: float = 90) -> str:
        try:
            return self._lines[name].get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"nothing came: {self.child.poll()} {''.join(self.errors)}") from None

    def rest(self) -> list[str]:
        """What it printed and nobody has read, once it has ended."""
        self.child.wait(60)
        for reader in self.readers:
            reader.join(60)
        lines = self._lines["out"]
        return [lines.get_nowait() for _ in range(lines.qsize())]

    def send(self, text: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()

    def ask(self, text: str) -> dict[str, Any]:
        self.send(text)
        found: dict[str, Any] = json.loads(self.line())
        return found

    def end(self) -> int:
        assert self.child.stdin is not None
        self.child.stdin.close()
        return self.child.wait(30)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(30)


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[Process]:
    found = Process(*command, **environment)
    try:
        yield found
    finally:
        if found.child.poll() is None:
            found.kill()


def up(far: str, *options: str) -> Any:
    """`rumpun up` before another address; its first line is where it listens."""
    return process(sys.executable, "-c", UP, "up", "--base", far, "--quiet", *options)


def dispute(url: str, *options: str, languages: tuple[str, str] = ("id", "zh"), **environment: str) -> Any:
    """The example before an address."""
    worker, employer = languages
    return process(
        sys.executable, str(DISPUTE), "--url", f"{url}/v1", "--worker-language", worker,
        "--employer-language", employer, *options, **environment,
    )  # fmt: skip

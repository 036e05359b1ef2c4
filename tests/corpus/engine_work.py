"""What the workers of `test_engine` do: a module of its own, as workers import it by name."""

import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from rumpun.corpus.parts import write_part
from rumpun.errors import InputError, MissingPartError


def double(unit):
    return unit * 2


def _node():
    """The Ray node that this process belongs to, after a space."""
    ray = sys.modules.get("ray")
    return f" {ray.get_runtime_context().get_node_id()}" if ray and ray.is_initialized() else ""


def write(unit):
    """A part that depends on the unit alone; leaves a line that says who did it."""
    log = Path(unit["log"])
    with log.open("a") as out:
        out.write(f"{unit['number']} {os.getpid()}{_node()}\n")
    dice = np.random.default_rng(unit["number"])
    table = pa.table(
        {"key": dice.integers(0, 1 << 40, 2000), "text": [f"{unit['number']} {n}" for n in range(2000)]}
    )
    return {"path": str(write_part(Path(unit["folder"]), unit["number"], table)), "rows": 2000}


def write_slowly(unit):
    time.sleep(0.15)
    return write(unit)


def die_once(unit):
    """Kill the worker in the middle of one unit, the first time."""
    sign = Path(unit["folder"]) / "died"
    if unit["number"] == unit.get("deadly") and not sign.exists():
        sign.parent.mkdir(parents=True, exist_ok=True)
        sign.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(unit)


def die_always(unit):
    if unit == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return unit


def refuse(unit):
    if unit >= 3:
        raise InputError(f"file.jsonl:{unit}: not JSON", "mend the line")
    return unit


def full(unit):
    raise OSError(errno.ENOSPC, "No space left on device", "/some/file")


def lacking(unit):
    raise MissingPartError("this", "corpus")


class OddError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def odd(unit):
    raise OddError(1, 2)


def threads(unit):
    return [os.environ.get("OMP_NUM_THREADS"), pa.cpu_count(), os.getpid()]


def spared(unit):
    """Whether an array was made without pandas, and who made it."""
    pa.array(np.arange(unit))
    return ["pandas" in sys.modules, os.getpid()]


def burn(unit):
    """CPU work that holds the interpreter."""
    total = 0
    for n in range(unit):
        total += n * n % 7
    return total


def plus(unit, *, more):
    return unit + more


def say(unit):
    print(json.dumps({"noise": unit}) * 2000)
    return unit

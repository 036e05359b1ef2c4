"""The machines that a run's cost is told for: this one, and named GPUs from a table (machines.toml)."""

import functools
import math
import os
import platform
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import UsageError, nearest

__all__ = [
    "Gpu",
    "Machines",
    "computes_bfloat16",
    "cores",
    "find_card",
    "find_gpu",
    "machines",
    "package_joules",
    "processor",
    "share_reached",
]

_POWER = Path("/sys/class/powercap")


class Gpu(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One accelerator of the table; the fields are explained at the head of machines.toml."""

    name: str
    matches: str
    tflops: float
    memory_bytes: int
    watts: float
    bfloat16: bool = True


class Reached(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of a card's figure that a model of this width reaches."""

    hidden: int
    share: float


class Machines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole table."""

    processor: dict[str, float]
    utilisation: dict[str, Reached]
    gpus: dict[str, Gpu]


@functools.cache
def machines() -> Machines:
    """The table beside this file."""
    raw = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return msgspec.convert(raw, Machines)


def find_gpu(name: str) -> Gpu:
    """A GPU by its short name in the table.

    Raises:
        UsageError: the table has none of this name.
    """
    known = machines().gpus
    if name not in known:
        raise UsageError(f"--gpu '{name}'", nearest(name, list(known)))
    return known[name]


def find_card(device: str) -> Gpu | None:
    """The GPU of the table that torch calls so; the longest mark counts, since "L4" stands in "L40S" too."""
    fitting = [gpu for gpu in machines().gpus.values() if gpu.matches in device]
    return max(fitting, key=lambda gpu: len(gpu.matches), default=None)


def share_reached(hidden: int) -> float:
    """The share of a GPU's figure that a model of this hidden size is taken to reach."""
    low, high = machines().utilisation["narrow"], machines().utilisation["wide"]
    along = math.log(hidden / low.hidden) / math.log(high.hidden / low.hidden)
    return low.share + (high.share - low.share) * min(1.0, max(0.0, along))


def processor() -> str:
    """The processor as its maker calls it."""
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def cores() -> int:
    """Processors that this process may use."""
    found: Any = getattr(os, "sched_getaffinity", None)
    return len(found(0)) if found else os.cpu_count() or 1


def computes_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices itself; emulation is slower than float32."""
    flags = _cpuinfo()
    return " amx_bf16" in flags or " avx512_bf16" in flags


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return ""


def package_joules(root: Path = _POWER) -> float | None:
    """Energy that the processor packages have used so far, by RAPL's counters (which wrap); None where they cannot be read."""
    found = sorted(root.glob("intel-rapl:[0-9]/energy_uj"))
    try:
        return sum(int(path.read_text()) for path in found) / 1e6 if found else None
    except (OSError, ValueError):
        return None

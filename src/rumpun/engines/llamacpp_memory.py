"""Before the runtime is handed a file: how it is loaded, what a GGUF will need in memory, and what there is.

Memory is asked about first because C++ that finds too little is killed without a word.
"""

import os
from pathlib import Path
from typing import Any, Final

from rumpun.errors import EnvironmentFault, MissingPartError
from rumpun.weights.gguf_file import GgufAbout

__all__ = [
    "available_bytes",
    "cache_bytes",
    "calm_threads",
    "cores",
    "need_memory",
    "needed_bytes",
    "runtime",
]

# Rounds a thread spins for the others before it sleeps. Measured with two threads on two cores: left to its default,
# OpenMP loses nothing on an idle machine and nine tenths of the speed where other programs share the cores; with 400
# rounds it is as fast on the idle one (82 against 81 tokens/s) and five times as fast on the busy one (15 against 3).
_SPIN_ROUNDS: Final = "400"

_F16_BYTES: Final = 2
_F32_BYTES: Final = 4
_CGROUPS: Final = (  # limit and use, version 2 then version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def cache_bytes(about: GgufAbout, context_tokens: int, item_bytes: int = _F16_BYTES) -> int:
    """Bytes of the attention cache: keys and values of every layer for so many tokens in all slots."""
    layers = _number(about, "block_count", 0)
    heads = _number(about, "attention.head_count", 1)
    head = _number(about, "embedding_length", 0) // max(heads, 1)
    width = _number(about, "attention.key_length", head) + _number(about, "attention.value_length", head)
    per_layer = about.metadata.get(f"{about.architecture}.attention.head_count_kv", heads)
    total = sum(map(int, per_layer)) if isinstance(per_layer, list) else layers * _int(per_layer, heads)
    return total * width * item_bytes * context_tokens


def needed_bytes(about: GgufAbout, context_tokens: int, batch_tokens: int) -> int:
    """Bytes of weights, cache and working space: of one batch's logits, states and feed-forward rows in float32."""
    rows = about.vocabulary + 12 * _number(about, "embedding_length", 0)
    rows += 3 * _number(about, "feed_forward_length", 0)
    return about.size + cache_bytes(about, context_tokens) + batch_tokens * rows * _F32_BYTES


def available_bytes(
    meminfo: Path = Path("/proc/meminfo"), cgroups: tuple[tuple[str, str], ...] = _CGROUPS
) -> int | None:
    """Bytes that a process may still take: the machine's, or its control group's where that is less; None unknown."""
    found = _fields(meminfo, "MemAvailable:", 1024)
    for limit, used in cgroups:
        try:
            found.append(max(int(Path(limit).read_text()) - _working_set(Path(used)), 0))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(found, default=None)


def _working_set(used: Path) -> int:
    """Bytes in use without the file cache that the kernel gives back when asked."""
    stat = used.with_name("memory.stat")
    cached = _fields(stat, "total_inactive_file ") or _fields(stat, "inactive_file ")
    return max(int(used.read_text()) - sum(cached), 0)


def _fields(path: Path, start: str, unit: int = 1) -> list[int]:
    """The numbers, in bytes, of the lines that start so; none where the file cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    return [int(line.split()[1]) * unit for line in lines if line.startswith(start)]


def need_memory(
    about: GgufAbout, path: Path, context_tokens: int, batch_tokens: int, free: int | None
) -> None:
    """Refuse a model that would not fit.

    Raises:
        EnvironmentFault: names what is needed and what there is.
    """
    wanted = needed_bytes(about, context_tokens, batch_tokens)
    if free is not None and wanted > free:
        cache = cache_bytes(about, context_tokens)
        raise EnvironmentFault(
            f"{path}: needs {wanted / 1e9:,.1f} GB of memory ({about.size / 1e9:,.1f} GB of weights,"
            f" {cache / 1e9:,.1f} GB for {context_tokens:,} tokens of context), {free / 1e9:,.1f} GB are free",
            "ask for a smaller context or fewer slots, or name a smaller model: rumpun doctor",
        )


def calm_threads() -> None:
    """Before OpenMP is first loaded, by xllamacpp or torch: its threads are not to spin for long.

    What the user's environment says of it stands.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_ROUNDS)  # read once, when the library is loaded


def runtime() -> Any:
    """The module xllamacpp, its threads calmed.

    Raises:
        MissingPartError: it is not installed.
    """
    calm_threads()
    try:
        import xllamacpp
    except ImportError as error:
        raise MissingPartError("llama.cpp (xllamacpp)", "runtime") from error
    return xllamacpp


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _number(about: GgufAbout, key: str, default: int) -> int:
    return _int(about.metadata.get(f"{about.architecture}.{key}"), default)


def _int(value: Any, default: int) -> int:
    if isinstance(value, list):  # one for each layer: the largest is on the safe side
        return max((int(item) for item in value), default=default)
    return int(value) if isinstance(value, int) else default

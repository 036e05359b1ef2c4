"""Killed at random times and started again, a recipe gives the same files as one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rumpun.recipes import read_recipe
from rumpun.records.artefacts import find_artefact, verify
from rumpun.steps import plan

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "tiny" / "run.toml"
KILLS = 5
# cards and lineage copies tell when and how long; everything else is compared byte for byte
COMPARED = ("corpus", "layer", "merge", "evaluate", "edge")


def start(store: Path, home: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "RUMPUN_HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "RUMPUN_DEVICE": "cpu",
        "SOURCE_DATE_EPOCH": "1767225600",
    }
    command = [
        sys.executable,
        "-c",
        "from rumpun.cli import main; main()",
        "run",
        str(RECIPE),
        "--store",
        str(store),
    ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(store: Path, home: Path) -> float:
    began = time.monotonic()
    process = start(store, home)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said.decode()[-2000:]
    return time.monotonic() - began


def kill_after(store: Path, home: Path, seconds: float) -> bool:
    """Whether the process was still at work when it was killed."""
    process = start(store, home)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def hashes(store: Path) -> dict[str, str]:
    found = {}
    for item in plan(read_recipe(RECIPE), store):
        folder = find_artefact(store, item.key)
        assert folder is not None, f"{item.name} is not made"
        manifest = verify(folder)
        if item.name in COMPARED:
            found |= {f"{item.name}/{entry.path}": entry.sha256 for entry in manifest.files}
    return found


@pytest.mark.slow
def test_a_run_killed_at_random_times_gives_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.chdir(ROOT)
    seed = int(os.environ.get("RUMPUN_TEST_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)
    print(f"RUMPUN_TEST_SEED={seed}")  # shown when the test fails
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    seconds = finish(calm, tmp_path / "home-calm")

    killed = sum(
        kill_after(disturbed, tmp_path / "home", chance.uniform(0.05, 0.6) * seconds) for _ in range(KILLS)
    )
    assert killed >= 2, f"{killed} of {KILLS} processes lived long enough to be killed"
    finish(disturbed, tmp_path / "home")

    expected, found = hashes(calm), hashes(disturbed)
    assert expected.keys() == found.keys()
    different = [name for name in expected if expected[name] != found[name]]
    assert different == [], f"seed {seed}, {killed} kills"
    left = [path.name for path in (disturbed / ".making").iterdir() if path.is_dir()]
    assert left == [], "a finished run leaves no scratch folder"

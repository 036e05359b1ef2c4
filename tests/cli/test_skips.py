"""The tests' own rules: skips counted by reason in the last lines, and failures where CI=true."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = """
import pytest
def test_good(): pass
@pytest.mark.skip(reason="no Chromium here")
def test_one(): pass
@pytest.mark.skip(reason="no Chromium here")
def test_two(): pass
@pytest.fixture
def gone(): pytest.skip("RUMPUN_DATA is not set")
def test_three(gone): pass
@pytest.mark.skip(reason="GPU: none on this machine")
def test_four(): pass
@pytest.mark.xfail(reason="known", strict=True)
def test_five(): assert False
"""


@pytest.fixture
def suite(tmp_path):
    shutil.copyfile(Path(__file__).parents[1] / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_cases.py").write_text(CASES)

    def run(ci, *arguments):
        environment = os.environ | {"CI": ci}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-ra",
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            *arguments,
            str(tmp_path),
        ]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
        )

    return run


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_skips_are_counted_by_reason_in_the_last_lines(suite, workers):
    done = suite("", *workers)
    assert done.returncode == 0
    lines = done.stdout.rstrip().splitlines()
    assert lines[-5:-1] == [
        "skips: 4",
        "     2 no Chromium here",
        "     1 RUMPUN_DATA is not set",
        "     1 GPU: none on this machine",
    ] or sorted(lines[-5:-1]) == sorted([
        "skips: 4", "     2 no Chromium here", "     1 RUMPUN_DATA is not set", "     1 GPU: none on this machine",
    ])  # fmt: skip
    assert "1 passed, 4 skipped, 1 xfailed in" in lines[-1]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_where_ci_is_true_a_skip_is_a_failure(suite, workers):
    done = suite("true", *workers)
    assert done.returncode == 1
    last = done.stdout.rstrip().splitlines()[-1]
    assert "1 passed" in last
    assert "1 skipped" in last, "a GPU may be missing anywhere"
    assert "with CI=true a skip is a failure: no Chromium here" in done.stdout

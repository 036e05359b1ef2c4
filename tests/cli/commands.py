"""Run the command line as people do: in a process of its own."""

import json
import os
import subprocess
import sys


def rumpun(*arguments, environment=None, **options):
    """One command's CompletedProcess, with text."""
    return subprocess.run(
        [sys.executable, "-m", "rumpun.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | (environment or {}),
        **options,
    )


def said(done):
    """The JSON object of a command that succeeded."""
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, "one object, one line"
    return json.loads(lines[0])


def refused(done, code):
    """(line, hint) of a command that failed as it should: no output, one line, one hint, no traceback."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    line, hint = done.stderr.rstrip("\n").split("\n")
    assert line.startswith("rumpun: ")
    assert hint.startswith("  ")
    return line, hint.strip()

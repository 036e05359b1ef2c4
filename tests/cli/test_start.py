"""The door is light: what is imported, and how long it takes, beside a bare interpreter on this same machine."""

import os
import statistics
import subprocess
import sys
import time

import pytest

# third-party packages that may be loaded by `import rumpun` and by `rumpun --help`; anything else is a regression
ALLOWED = {"import rumpun": set(), "help": {"click"}}
OWN = {
    "import rumpun": {"rumpun", "rumpun.version"},
    "help": {"rumpun", "rumpun.cli", "rumpun.version"},
}

LOADED = """
import sys
before = set(sys.modules)
{run}
new = set(sys.modules) - before
print("third", *sorted({{n.partition(".")[0] for n in new}} - set(sys.stdlib_module_names) - {{"rumpun"}}))
print("own", *sorted(n for n in new if n.partition(".")[0] == "rumpun"))
"""
HELP = """
import contextlib, io
from rumpun.cli import cli
with contextlib.redirect_stdout(io.StringIO()):
    cli.main(["--help"], standalone_mode=False)
"""


@pytest.mark.parametrize(("what", "run"), [("import rumpun", "import rumpun"), ("help", HELP)])
def test_nothing_but_what_is_allowed_is_imported(what, run):
    said = subprocess.run(
        [sys.executable, "-c", LOADED.format(run=run)], capture_output=True, text=True, check=True
    ).stdout
    third, own = (set(line.split()[1:]) for line in said.splitlines()[-2:])
    assert third <= ALLOWED[what]
    assert own == OWN[what]


def cpu_seconds(*arguments: str) -> float:
    """Processor time of one child process: what load from elsewhere does not change."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize(
    ("arguments", "most"), [(("-c", "import rumpun"), 0.1), (("-m", "rumpun.cli", "--help"), 0.25)]
)
def test_start_takes_little_more_than_a_bare_interpreter(arguments, most):
    """Alternating with a bare interpreter, so that both meet the same machine; medians of the difference."""
    cpu_seconds(*arguments)  # byte code is written once
    differences = [cpu_seconds(*arguments) - cpu_seconds("-c", "pass") for _ in range(9)]
    assert statistics.median(differences) < most


@pytest.mark.parametrize(("arguments", "most"), [(("--version",), 0.25), (("--help",), 0.25)])
def test_the_command_itself_answers_quickly(arguments, most):
    times = []
    for _ in range(7):
        start = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "rumpun.cli", *arguments], stdout=subprocess.DEVNULL, check=True
        )
        bare = time.monotonic()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        times.append((bare - start) - (time.monotonic() - bare))
    assert min(times) < most  # wall time: the best of seven, since others may be at work


def test_doctor_imports_no_torch():
    code = "import sys; from rumpun.engines.machine import examine; examine(); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"

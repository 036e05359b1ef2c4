"""Errors: one line, one hint, the right exit code, no traceback unless asked."""

import os
import subprocess
import sys

import pytest
from commands import refused, rumpun

from rumpun.cli import COMMANDS


@pytest.mark.parametrize(
    ("arguments", "code", "line", "hint"),
    [
        (("doctr",), 2, "no command is called 'doctr'", "did you mean 'doctor'?"),
        (("doctor", "--jsn"), 2, "--jsn", "rumpun doctor --help"),
        (("run",), 2, "RECIPE", "rumpun run --help"),
        (("bases", "lst"), 2, "lst", "rumpun bases --help"),
        (("run", "nowhere.toml"), 3, "nowhere.toml: cannot be read", "name a recipe"),
        (("lineage", "defalt"), 2, "no model is called 'defalt'", "did you mean 'default'?"),
        (("lineage", "no/such/file.gguf"), 3, "no/such/file.gguf", "name"),
        (("lineage", "f" * 32), 3, "f" * 32, "name a folder"),
        (("lineage", "qwen3-4b"), 3, "2.50 GB, Apache-2.0", "rumpun up --base qwen3-4b"),
        (("lineage", "http://127.0.0.1:9/v1"), 3, "remote", "ask"),
    ],
)
def test_a_mistake_is_one_line_and_one_mend(home, arguments, code, line, hint):
    said_line, said_hint = refused(rumpun(*arguments), code)
    assert line in said_line
    assert hint in said_hint


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("name = ", 3, "not TOML"),
        ('name = "t"', 2, "no steps"),
        ('nam = "t"', 2, "unknown key 'nam'"),
        ('name = "t"\n[steps.a]\nuses = "corpus.raed"', 2, "corpus.raed"),
        (
            'name = "t"\n[steps.a]\nuses = "corpus.read"\nwith = { langages = 1 }',
            2,
            "unknown key 'langages'",
        ),
    ],
)
def test_a_recipe_s_mistake_names_the_file(home, tmp_path, text, code, line):
    path = tmp_path / "r.toml"
    path.write_text(text)
    said_line, _ = refused(rumpun("run", path, "--plan"), code)
    assert line in said_line
    assert str(path) in said_line or "corpus.raed" in said_line


@pytest.mark.parametrize("place", ["first", "last"])
def test_debug_shows_the_traceback_wherever_it_stands(home, place):
    arguments = ("--debug", "run", "no.toml") if place == "first" else ("run", "no.toml", "--debug")
    done = rumpun(*arguments)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "InputError: no.toml" in done.stderr


def test_a_store_that_cannot_be_written_is_the_environment_s_fault(home, tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "t"\n[steps.a]\nuses = "edge.export"\n')
    (tmp_path / "file").write_text("not a folder")
    done = rumpun("run", recipe, "--store", tmp_path / "file")
    assert done.returncode in (2, 5)
    assert "Traceback" not in done.stderr


def test_a_fault_of_our_own_is_said_as_such(monkeypatch, capsys):
    """Exit 1, one line that says it is ours, and how to report it."""
    from rumpun import cli

    monkeypatch.delenv("RUMPUN_DEBUG", raising=False)
    monkeypatch.setattr(sys, "argv", ["rumpun", "doctor"])
    monkeypatch.setattr("rumpun.engines.machine.examine", lambda: 1 / 0)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("rumpun: a fault of rumpun's own: ZeroDivisionError")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 4, "part 'eval'"),
        (ModuleNotFoundError("No module named 'peft.x'", name="peft.x"), 4, "part 'train'"),
        (ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"), 4, "part 'corpus'"),
        (OSError(28, "No space left on device", "/data/x"), 5, "/data/x: No space left"),
        (MemoryError(), 5, "too little memory"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_python_raises_gets_its_code_too(monkeypatch, capsys, error, code, said):
    from rumpun import cli

    def fail():
        raise error

    monkeypatch.delenv("RUMPUN_DEBUG", raising=False)
    monkeypatch.setattr(sys, "argv", ["rumpun", "doctor"])
    monkeypatch.setattr("rumpun.engines.machine.examine", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == code
    assert said in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(home):
    """`rumpun bases list | head -1`, with the reader gone before the first line."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "rumpun.cli", "bases", "list", "--no-count"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode in (0, 1)  # click's own answer to a closed pipe is a silent 1


def test_no_arguments_show_the_help():
    done = rumpun()
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name):
    done = rumpun(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: rumpun " + name)

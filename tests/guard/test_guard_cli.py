"""`rumpun guard` as a process."""

import json
import subprocess
import sys

import pytest
from made_guard import UNSAFE_WORD, write_data, write_guard


def guard(*arguments, data=b"", env=None):
    command = [sys.executable, "-c", "from rumpun.cli import main; main()", "guard", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=120, check=False, env=env)


@pytest.fixture
def folder(tmp_path):
    return str(write_guard(tmp_path / "guard"))


def test_check_gives_one_object_a_line_with_stable_keys(folder):
    data = f"halo\n\nini {UNSAFE_WORD}\n".encode()
    done = guard("check", "--guard", folder, "--json", "--role", "answer", data=data)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    keys = ["file", "line", "flagged", "categories", "scores", "language", "role"]
    assert [list(row) for row in rows] == [keys] * 3
    assert [(row["line"], row["flagged"], row["role"]) for row in rows] == [
        (1, False, "answer"), (2, False, "answer"), (3, True, "answer"),
    ]  # fmt: skip
    assert UNSAFE_WORD.encode() not in done.stdout


def test_files_of_json_lines_are_read_by_their_field(folder, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": f"ini {UNSAFE_WORD}"}) + "\n" + json.dumps({"text": ""}) + "\n")
    done = guard("check", "--guard", folder, str(path))
    assert done.stdout.decode().split("\n")[0].startswith("flagged\t")
    assert done.stdout.decode().split("\n")[1].startswith("ok\t0.0000\tund")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": 5}', "line 2: expected a string in 'text', found int"),
        ('{"txt": "a"}', "line 2: expected a string in 'text', found no field 'text'"),
        ("[1]", "line 2: expected a string in 'text', found no field 'text'"),
        ("halo", "line 2: not JSON"),
    ],
)
def test_rows_that_are_no_text_are_one_line_that_names_the_line(folder, tmp_path, line, says):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "baik"}\n' + line + "\n")
    done = guard("check", "--guard", folder, str(path))
    assert done.returncode == 3
    assert done.stderr.decode().splitlines()[0] == f"rumpun: {path}: {says}"


def test_bad_bytes_and_a_missing_guard_are_named(folder, tmp_path):
    done = guard("check", "--guard", folder, data=b"a\n\xe0\xb8\n")
    assert done.returncode == 3
    assert done.stderr.startswith(b"rumpun: standard input: line 2: not UTF-8")
    done = guard("check", "--guard", str(tmp_path / "none"))
    assert done.returncode == 3
    assert b"guard.json: cannot be read" in done.stderr


def test_eval_gives_aggregates_with_stable_keys(folder, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
    monkeypatch.setenv("RUMPUN_DATA", str(write_data(tmp_path / "data")))
    done = guard("eval", "--guard", folder, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["guard", "sets", "dropped"]
    entry = next(e for e in found["sets"] if (e["set"], e["language"]) == ("xstest", "en"))
    assert list(entry) == ["set", "language", "recall", "false_alarms", "auroc"]
    assert list(entry["recall"]) == ["rows", "flagged", "share", "low", "high"]
    assert entry["recall"]["share"] == 1
    assert UNSAFE_WORD.encode() not in done.stdout + done.stderr
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "nowhere"))
    done = guard("eval", "--guard", folder)
    assert done.returncode == 3
    assert b"set RUMPUN_DATA" in done.stderr

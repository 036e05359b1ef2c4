"""`rumpun guard` as a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_guard import UNSAFE_WORD, write_data, write_guard

MAIN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import made_guard
made_guard.stand_in()
from rumpun.cli import main
main()
"""
KEYS = [
    "flagged", "score", "level", "categories", "language", "language_sure", "role", "action", "message", "category",
    "rule", "reason", "policy", "point",
]  # fmt: skip


def guard(*arguments, data=b"", env=None):
    command = [sys.executable, "-c", MAIN, "guard", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=120, check=False, env=env)


@pytest.fixture
def folder(tmp_path):
    return str(write_guard(tmp_path / "guard"))


def test_check_gives_one_object_a_line_in_order_with_stable_keys(folder):
    lines = [
        "halo",
        "",
        f"ini {UNSAFE_WORD}",
        json.dumps({"prompt": f"ini {UNSAFE_WORD}"}),
        json.dumps({"prompt": "halo", "response": f"ini {UNSAFE_WORD}"}),
        json.dumps(
            {"messages": [{"role": "user", "content": "halo"}, {"role": "assistant", "content": "ya"}]}
        ),
    ]
    for form in ([], ["--json"]):
        done = guard("check", "--guard", folder, *form, data="\n".join(lines).encode() + b"\n")
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [list(row) for row in rows] == [KEYS] * 6
        assert [(row["flagged"], row["role"]) for row in rows] == [
            (False, "prompt"), (False, "prompt"), (True, "prompt"), (True, "prompt"), (True, "answer"), (False, "answer"),
        ]  # fmt: skip
        assert UNSAFE_WORD.encode() not in done.stdout


def test_policy_point_and_context_reach_the_verdict(folder):
    data = f"ini {UNSAFE_WORD}\n".encode()
    done = guard("check", "--guard", folder, "--policy", "sg", "--point", "strict", data=data)
    row = json.loads(done.stdout)
    assert (row["policy"], row["point"], row["action"]) == ("sg", "strict", "block")
    for wrong, says in (
        (("--policy", "atlantis"), b"no policy is called 'atlantis'"),
        (("--context", "newz"), b"no context is called 'newz'"),
    ):
        done = guard("check", "--guard", folder, *wrong, data=data)
        assert done.returncode == 2
        assert says in done.stderr


def test_files_of_json_lines_are_read(folder, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": f"ini {UNSAFE_WORD}"}) + "\n" + json.dumps({"text": ""}) + "\n")
    done = guard("check", "--guard", folder, str(path))
    assert [json.loads(line)["flagged"] for line in done.stdout.splitlines()] == [True, False]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": 5}', "line 2: 'prompt' is a int"),
        ('{"txt": "a"}', "line 2: expected 'prompt', 'prompt' and 'response', or 'messages'; found txt"),
        ('{"messages": []}', "line 2: 'messages' is no list of turns"),
        ('{"messages": [{"role": "user"}]}', "line 2: messages[0] needs 'role' and 'content', both strings"),
        ('{"text": "rahasia"', "line 2: not JSON"),
    ],
)
def test_rows_that_are_no_text_are_one_line_that_names_the_line(folder, tmp_path, line, says):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "baik"}\n' + line + "\n")
    done = guard("check", "--guard", folder, str(path))
    assert done.returncode == 3
    assert done.stderr.decode().splitlines()[0].startswith(f"rumpun: {path}: {says}")
    assert b"rahasia" not in done.stderr


def test_bad_bytes_and_a_missing_guard_are_named(folder, tmp_path):
    done = guard("check", "--guard", folder, data=b"a\n\xe0\xb8\n")
    assert done.returncode == 3
    assert done.stderr.startswith(b"rumpun: standard input: line 2: not UTF-8")
    done = guard("check", "--guard", str(tmp_path / "none"))
    assert done.returncode == 3
    assert b"guard.json: no such file" in done.stderr


def test_eval_gives_aggregates_with_stable_keys(folder, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (part corpus)")
    monkeypatch.setenv("RUMPUN_DATA", str(write_data(tmp_path / "data")))
    done = guard("eval", "--guard", folder, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["guard", "sets", "dropped"]
    assert {entry["set"] for entry in found["sets"]} == {
        "multijail",
        "simplesafetytests",
        "xstest",
        "hatecheck",
    }
    entry = next(e for e in found["sets"] if (e["set"], e["language"]) == ("xstest", "en"))
    assert {"unsafe", "safe", "auprc", "recall_at_0.01", "strict", "balanced", "permissive"} <= set(entry)
    assert list(entry["balanced"]["recall"]) == ["rows", "flagged", "share", "low", "high"]
    assert entry["balanced"]["recall"]["share"] == 1
    assert entry["auprc"]["figure"] == 1
    assert UNSAFE_WORD.encode() not in done.stdout + done.stderr
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "nowhere"))
    done = guard("eval", "--guard", folder)
    assert done.returncode == 3
    assert b"set RUMPUN_DATA" in done.stderr


def test_eval_reads_labelled_lines_of_ones_own(folder, tmp_path):
    path = tmp_path / "own.jsonl"
    rows = [{"prompt": f"ini {UNSAFE_WORD} {n}", "label": "unsafe", "language": "id"} for n in range(3)]
    rows += [
        {"prompt": f"ini baik {n}", "label": "safe", "language": "id", "sensitive": n == 0} for n in range(3)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = guard("eval", str(path), "--guard", folder, "--json")
    assert done.returncode == 0, done.stderr
    [entry] = json.loads(done.stdout)["sets"]
    assert (entry["set"], entry["unsafe"], entry["safe"]) == ("own", 3, 3)
    assert entry["balanced"]["recall"]["flagged"] == 3
    assert entry["balanced"]["ordinary"]["flagged"] == entry["balanced"]["sensitive"]["flagged"] == 0

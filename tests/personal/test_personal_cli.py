"""`rumpun pii` as a process."""

import json
import os
import subprocess
import sys


def pii(*arguments, data=b"", **variables):
    command = [sys.executable, "-m", "rumpun.cli", "pii", *arguments]
    return subprocess.run(
        command, input=data, capture_output=True, timeout=60, check=False, env=os.environ | variables
    )


def test_find_gives_one_object_a_line_and_never_the_data():
    done = pii("find", "--json", data=b"halo\n\nHP 081234567890 ya\n")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(row) for row in rows] == [["file", "line", "found"]] * 3
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert rows[0]["found"] == rows[1]["found"] == []
    item = rows[2]["found"][0]
    assert list(item) == ["type", "start", "end", "score", "country", "reason"]
    assert (item["type"], item["start"], item["end"]) == ("PHONE", 3, 15)
    assert b"081234567890" not in done.stdout


def test_find_in_words_names_place_and_reason():
    done = pii("find", data="a\nเลขบัตรประชาชน 1234567890121\n".encode())
    line = done.stdout.decode().rstrip("\n").split("\t")
    assert line[:2] == ["standard input:2:15-28", "TH_PIN"]
    assert line[3] == "th"
    assert "เลขบัตรประชาชน" in line[4]


def test_mask_gives_one_line_for_each_line():
    done = pii("mask", data=b"HP 081234567890\n\nbiasa\n")
    assert done.stdout.decode() == "HP <PHONE>\n\nbiasa\n"
    done = pii("mask", "--style", "last", "--keep", "2", data=b"HP 081234567890\n")
    assert done.stdout.decode() == "HP ██████████90\n"
    done = pii("mask", "--type", "EMAIL", "--country", "id", data=b"HP 081234567890 a@example.com\n")
    assert done.stdout.decode() == "HP 081234567890 <EMAIL>\n"
    done = pii("mask", "--style", "drop", data=b"HP 081234567890, ya\n")
    assert done.stdout.decode() == "HP , ya\n"
    done = pii("mask", "--json", data=b"HP 081234567890\n")
    assert list(json.loads(done.stdout)) == ["file", "line", "text", "found"]


def test_json_lines_keep_their_other_fields(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": 7, "text": "HP 081234567890\nbaris dua", "tag": "x"}) + "\n")
    done = pii("mask", str(path))
    assert json.loads(done.stdout) == {"id": 7, "text": "HP <PHONE>\nbaris dua", "tag": "x"}


def test_pseudonyms_need_a_secret_that_is_long_enough(tmp_path):
    done = pii("mask", "--style", "pseudonym", data=b"x\n")
    assert done.returncode == 2
    assert b"pseudonyms need a secret key" in done.stderr
    assert b"--key-file" in done.stderr
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    first = pii("mask", "--style", "pseudonym", "--key-file", str(key), data=b"HP 081234567890\n")
    again = pii("mask", "--style", "pseudonym", "--key-file", str(key), data=b"HP 0812-3456-7890\n")
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    done = pii("mask", "--style", "pseudonym", "--key-file", str(tmp_path / "none"), data=b"x\n")
    assert done.returncode == 3


def test_the_secret_may_stand_in_the_environment_and_is_never_shown(tmp_path):
    secret, row = "sixteen bytes or more", b"HP 081234567890\n"
    key = tmp_path / "key"
    key.write_text(secret)
    by_name = pii("mask", "--style", "pseudonym", "--key-env", "PII_KEY", data=row, PII_KEY=secret)
    by_file = pii("mask", "--style", "pseudonym", "--key-file", str(key), data=row)
    assert by_name.returncode == 0, by_name.stderr
    assert by_name.stdout == by_file.stdout
    for wrong in (["--key-env", "PII_NONE"], ["--key-env", "PII_KEY", "--key-file", str(key)]):
        done = pii("mask", "--style", "pseudonym", *wrong, data=row, PII_KEY=secret)
        assert done.returncode == 2
        assert secret.encode() not in done.stdout + done.stderr
    short = pii("mask", "--style", "pseudonym", "--key-env", "PII_KEY", data=row, PII_KEY="short")
    assert short.returncode == 2
    assert b"short" not in short.stderr


def test_wrong_names_and_rows_are_one_line_with_a_mend(tmp_path):
    done = pii("find", "--country", "xx", data=b"1\n")
    assert done.returncode == 2
    assert done.stderr.startswith(b"rumpun: no pack for the country 'xx'")
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"txt": "081234567890"}\n')
    done = pii("find", str(path))
    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == f"rumpun: {path}: line 2: no field 'text' that is a string".encode()
    assert b"081234567890" not in done.stderr

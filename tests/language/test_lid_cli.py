"""`rumpun lid` as a process, and the lines that it reads."""

import io
import json
import os
import subprocess
import sys

import pytest

from rumpun.errors import InputError
from rumpun.language.lines import batches


def lid(*arguments, data=b""):
    command = [sys.executable, "-c", "from rumpun.cli import main; main()", "lid", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


def test_one_line_out_for_each_line_in():
    data = "Selamat pagi, apa kabar semuanya?\n\nสวัสดีครับ\r\nno end".encode()
    done = lid("--json", data=data)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(rows) == 4
    assert [list(row) for row in rows] == [["language", "probability", "spans"]] * 4
    assert rows[1] == {"language": "und", "probability": 0.0, "spans": []}
    assert rows[2]["spans"] == [{"start": 0, "end": 10, "language": "th", "probability": 1.0}]


def test_only_a_line_feed_ends_a_line():
    inside = ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0"]
    lines = [f"Selamat pagi{sign}semuanya" for sign in inside]
    data = "\n".join(["", *lines, "\r", "  "]).encode()
    done = lid("--json", data=data)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    assert len(rows) == len(lines) + 3
    assert [row["language"] == "und" for row in rows] == [True, *(False for _ in lines), True, True]
    assert all(row["spans"][-1]["end"] == len(line) for row, line in zip(rows[1:-2], lines, strict=True))


def test_files_are_read_in_order_and_an_empty_one_gives_nothing(tmp_path):
    (tmp_path / "a").write_text("ສະບາຍດີ\n")
    (tmp_path / "b").write_text("")
    (tmp_path / "c").write_text("សួស្តី\n")
    done = lid(*(str(tmp_path / name) for name in "abc"))
    assert done.stdout.decode() == "lo\t1.0000\nkm\t1.0000\n"


def test_bad_bytes_and_missing_files_are_one_line_and_a_hint(tmp_path):
    done = lid(data=b"baik\nbu\xffruk\n")
    assert done.returncode == 3
    assert done.stderr.decode().splitlines()[0] == (
        "rumpun: standard input: line 2: not UTF-8 (byte 0xff at byte 3 of the line)"
    )
    done = lid(str(tmp_path / "none"))
    assert done.returncode == 3
    assert b"none: cannot be read" in done.stderr


def test_a_pipe_is_answered_line_by_line():
    command = [sys.executable, "-c", "from rumpun.cli import main; main()", "lid"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ) as process:
        for text, tag in (("สวัสดี", b"th"), ("ສະບາຍດີ", b"lo")):
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(tag)
        process.stdin.close()
        assert process.wait(30) == 0


def test_the_lines_before_a_bad_one_are_answered():
    done = lid(data="สวัสดี\n".encode() + b"\xff\n" + "สวัสดี\n".encode())
    assert done.stdout.decode() == "th\t1.0000\n"
    assert done.returncode == 3


def test_a_line_of_a_megabyte_is_one_line_and_offsets_are_code_points():
    long = "ຂ້ອຍມັກກິນເຂົ້າ " * 40_000
    data = f"{long}\n😀 Selamat pagi 你好\n".encode()
    done = lid("--json", data=data)
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert rows[0]["spans"] == [{"start": 0, "end": len(long), "language": "lo", "probability": 1.0}]
    assert [(s["start"], s["end"]) for s in rows[1]["spans"]] == [(0, 15), (15, 17)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_whole_however_the_bytes_come(size):
    data = "satu\r\n\nသုံး\nสี่".encode()

    class Slow(io.BytesIO):
        def read1(self, _=-1):
            return self.read(size)

    found = [line for _, lines in batches(Slow(data), "x") for line in lines]
    assert found == ["satu", "", "သုံး", "สี่"]
    numbered = [number for number, _ in batches(Slow(data), "x")]
    assert numbered == sorted(numbered)
    with pytest.raises(InputError, match="x: line 2"):
        list(batches(Slow(b"a\n\xff\n"), "x"))

"""What tests of `rumpun eval` share: files of JSON lines, and a command in this process."""

import json
import sys

import pytest

from rumpun.cli import main


def lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def inside(monkeypatch, capsys, *arguments):
    """A command: (exit code, standard output, standard error)."""
    monkeypatch.setattr(sys, "argv", ["rumpun", "eval", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err

"""An Inspect log of 266 MB with 100 samples, imported: seconds and peak memory, beside Inspect's own reader.

    python bench/inspect_log.py [--megabytes 266] [--samples 100] [--folder DIR] [--inspect PYTHON] [--json]

Made-up conversations with their events: an `.eval` file packed with Zstandard as Inspect packs it, one packed with deflate, and
a `.json` file, each of so many megabytes. Every import runs as a process of its own; peak memory and processor seconds are the
kernel's. PYTHON is one that has inspect_ai: its `read_eval_log` reads the `.eval` file with Zstandard and the `.json` file as
they are, and with `resolve_attachments="full"`. The files stay in DIR where one is given, and are not made again.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

IMPORT = """
import sys
from pathlib import Path
from rumpun.evaluate.logs import import_inspect
found = import_inspect(Path(sys.argv[1]), Path(sys.argv[2]))
assert found.samples == int(sys.argv[3]) and not found.left, found
"""
INSPECT = """
import sys
from inspect_ai.log import read_eval_log
log = read_eval_log(sys.argv[1], resolve_attachments=sys.argv[2] == "full" and "full")
assert len(log.samples) == int(sys.argv[3])
"""
NEW = 1 / 6  # of the lines: it makes packed logs an eighth of the JSON, as Inspect says of its own
SYLLABLES = (
    "ba",
    "da",
    "ga",
    "ka",
    "la",
    "ma",
    "na",
    "pa",
    "ra",
    "sa",
    "ta",
    "wa",
    "bang",
    "dung",
    "kan",
    "lang",
    "ning",
)


class Writer:
    """Conversations of an assistant with a shell; most lines were seen before, as in terminal output."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.words = [
            "".join(self.random.choices(SYLLABLES, k=self.random.randint(1, 4))) for _ in range(4000)
        ]
        self.seen = [self.line() for _ in range(600)]

    def line(self) -> str:
        """A line of its own."""
        return " ".join(self.random.choices(self.words, k=self.random.randint(6, 18)))

    def text(self, lines: int) -> str:
        """So many lines, a sixth of them new."""
        return "\n".join(
            self.line() if self.random.random() < NEW else self.random.choice(self.seen) for _ in range(lines)
        )

    def id(self) -> str:
        """A name that nothing else has."""
        return f"{self.random.getrandbits(88):022x}"

    def turn(self, attachments: dict[str, str]) -> list[dict[str, Any]]:
        """A model's call and the tool's answer; texts of any length stand among the attachments."""
        told, result = self.id(), self.id()
        attachments[told], attachments[result] = self.text(6), self.text(40)
        call = {"id": self.id(), "function": "bash", "arguments": {"cmd": self.text(1)}, "type": "function"}
        message = {
            "id": self.id(), "content": f"attachment://{told}", "source": "generate", "role": "assistant",
            "tool_calls": [call],
        }  # fmt: skip
        at = {"timestamp": "2026-08-18T10:00:00.123456+00:00", "working_start": self.random.random() * 1e3}
        output = {
            "model": "made/up", "choices": [{"message": message, "stop_reason": "tool_calls"}], "completion": "",
            "usage": {"input_tokens": 4096, "output_tokens": 256, "total_tokens": 4352}, "time": self.random.random(),
        }  # fmt: skip
        model = {
            "uuid": self.id(), "span_id": self.id(), **at, "event": "model", "model": "made/up", "input": [],
            "input_refs": [[0, 1]], "tools": [], "tool_choice": "auto", "config": {}, "output": output,
            "completed": "2026-08-18T10:00:01.123456+00:00", "working_time": 1.5,
        }  # fmt: skip
        tool = {
            "uuid": self.id(), "span_id": self.id(), **at, "event": "tool", **call,
            "result": f"attachment://{result}", "events": [], "completed": "2026-08-18T10:00:02.123456+00:00",
        }  # fmt: skip
        return [model, tool]

    def sample(self, number: int, turns: int) -> bytes:
        """A sample of so many turns."""
        attachments: dict[str, str] = {}
        question = {"id": self.id(), "content": self.text(4), "source": "input", "role": "user"}
        events = [event for _ in range(turns) for event in self.turn(attachments)]
        reply = {"id": self.id(), "content": "B", "source": "generate", "role": "assistant"}
        score = {"value": "CI"[number % 2], "answer": "B", "explanation": "B", "history": []}
        theirs = {
            "id": number, "epoch": 1, "input": question["content"], "target": "B", "messages": [question, reply],
            "output": {"model": "made/up", "choices": [{"message": reply, "stop_reason": "stop"}], "completion": "B"},
            "scores": {"match": score}, "metadata": {"language": "id"}, "store": {}, "events": events,
            "model_usage": {}, "attachments": attachments, "events_data": {"messages": [question], "calls": []},
        }  # fmt: skip
        return msgspec.json.encode(theirs)

    def samples(self, count: int, turns: int) -> Iterator[bytes]:
        """Samples numbered from 0."""
        for number in range(count):
            yield self.sample(number, turns)


def header(count: int) -> dict[str, Any]:
    metric = {"name": "accuracy", "value": 0.5, "params": {}}
    scores = [{"name": "match", "scorer": "match", "params": {}, "metrics": {"accuracy": metric}}]
    return {
        "version": 2, "status": "success",
        "eval": {
            "eval_id": "a", "run_id": "b", "created": "2026-08-18T10:00:00+00:00", "task": "shell", "task_id": "c",
            "dataset": {"name": "shell", "samples": count, "sample_ids": [*range(count)]}, "model": "made/up",
            "config": {},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {"total_samples": count, "completed_samples": count, "scores": scores}, "stats": {},
    }  # fmt: skip


def write_eval(path: Path, count: int, turns: int, method: int) -> None:
    """A ZIP file with its members packed by this method (8 or 93)."""
    zstandard = pa.Codec("zstd", 3)
    with zipfile.ZipFile(path, "w") as archive:
        members = (
            (f"samples/{n}_epoch_1.json", data) for n, data in enumerate(Writer(7).samples(count, turns))
        )
        for name, data in (*members, ("header.json", msgspec.json.encode(header(count)))):
            if method == 8:
                archive.writestr(name, data, zipfile.ZIP_DEFLATED)
                continue
            packed = zstandard.compress(data, asbytes=True)
            info = zipfile.ZipInfo(name)
            info.compress_type, info.CRC = method, zlib.crc32(data)
            info.compress_size, info.file_size = len(packed), len(data)
            info.header_offset = archive.start_dir
            archive.fp.seek(archive.start_dir)
            archive.fp.write(info.FileHeader(zip64=False) + packed)
            archive.filelist.append(info)
            archive.NameToInfo[name] = info
            archive.start_dir = archive.fp.tell()
            archive._didModify = True  # noqa: SLF001


def write_json(path: Path, count: int, turns: int) -> None:
    with path.open("wb") as stream:
        stream.write(msgspec.json.encode(header(count))[:-1] + b',"samples":[')
        for number, data in enumerate(Writer(7).samples(count, turns)):
            stream.write((b"," if number else b"") + data)
        stream.write(b"]}")


def turns_for(count: int, size: int, method: int) -> int:
    """How many turns make samples that come to this size in all."""
    data = Writer(1).sample(0, 400)
    if method == 8:
        data = zlib.compress(data)
    elif method == 93:
        data = pa.Codec("zstd", 3).compress(data, asbytes=True)
    return max(1, round(400 * size / count / len(data)))


def measured(command: list[str]) -> dict[str, float]:
    """Wall and processor seconds of a process, and its peak memory."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = pid = 0
    while not pid:
        # not ru_maxrss, which starts at what this process itself held when it forked
        peak = max(peak, resident_peak_kb(process.pid))
        time.sleep(0.02)
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if status:
        raise SystemExit(f"{command[0]} … ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "seconds": round(time.monotonic() - start, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(peak / 1024),
    }


def resident_peak_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")), 0)


def unpacked_mb(path: Path) -> float:
    if path.suffix == ".json":
        return path.stat().st_size / 1e6
    with zipfile.ZipFile(path) as archive:
        return sum(info.file_size for info in archive.infolist()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=266, help="of each file")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument(
        "--folder", type=Path, help="where the files are kept (default: a folder that is removed)"
    )
    parser.add_argument("--inspect", help="a Python that has inspect_ai")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="inspect-log-"))
    folder.mkdir(parents=True, exist_ok=True)
    size, count = options.megabytes * 10**6, options.samples
    found: dict[str, dict[str, Any]] = {}
    try:
        for name, method in (("zstandard.eval", 93), ("deflate.eval", 8), ("whole.json", 0)):
            path = folder / f"{options.megabytes}-{count}-{name}"
            if not path.exists():
                turns = turns_for(count, size, method)
                part = path.with_suffix(".part")
                write_json(part, count, turns) if method == 0 else write_eval(part, count, turns, method)
                part.replace(path)
            row: dict[str, Any] = {
                "mb": round(path.stat().st_size / 1e6),
                "unpacked_mb": round(unpacked_mb(path)),
            }
            into = folder / "run"
            shutil.rmtree(into, ignore_errors=True)
            row["rumpun"] = measured([sys.executable, "-c", IMPORT, str(path), str(into), str(count)])
            row["samples_mb"] = round((into / "samples.jsonl").stat().st_size / 1e6)
            shutil.rmtree(into)
            if options.inspect and method != 8:
                for how in ("core", "full"):
                    row[f"inspect {how}"] = measured(
                        [options.inspect, "-c", INSPECT, str(path), how, str(count)]
                    )
            found[name] = row
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'log':<16}{'MB':>6}{'unpacked':>10}  {'reader':<14}{'seconds':>9}{'cpu':>8}{'peak MB':>9}")
    for name, row in found.items():
        for reader, figures in row.items():
            if isinstance(figures, dict):
                head = f"{name:<16}{row['mb']:>6}{row['unpacked_mb']:>10}  {reader:<14}"
                print(head + f"{figures['seconds']:>9}{figures['cpu_seconds']:>8}{figures['peak_mb']:>9}")


if __name__ == "__main__":
    main()

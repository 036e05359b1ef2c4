"""A cold `make up` in a fresh clone and a warm one: seconds, bytes downloaded, bytes installed, resident memory.

    python bench/cold_start.py [--json]

Downloads are counted at the network interfaces (other traffic of the machine counts too). The clone, its virtual
environment and RUMPUN_HOME lie in a temporary folder that is removed afterwards.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT = 18765


def received_bytes() -> int:
    """Bytes received on every interface but the loopback."""
    total = 0
    for line in Path("/proc/net/dev").read_text().splitlines()[2:]:
        name, _, rest = line.partition(":")
        if name.strip() != "lo":
            total += int(rest.split()[0])
    return total


def folder_bytes(folder: Path) -> int:
    """Bytes on disk below a folder."""
    return int(
        subprocess.run(
            ["du", "-sB1", str(folder)], capture_output=True, text=True, check=True
        ).stdout.split()[0]
    )


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(fields["Pid"]) == pid or int(fields["PPid"]) == pid:
            total += int(fields.get("VmRSS", "0 kB").split()[0]) * 1024
    return total


def wait_for_answer(process: subprocess.Popen[bytes]) -> float:
    """Seconds until /v1/models answers."""
    start = time.monotonic()
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v1/models", timeout=2) as answer:
                if answer.status == 200:
                    return time.monotonic() - start
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"make up ended with {process.returncode} before it answered")


def start(clone: Path, home: Path) -> tuple[float, int]:
    """Run `make up` until it answers, ask one question, end it; return seconds and resident bytes."""
    environment = {**os.environ, "RUMPUN_HOME": str(home)}
    process = subprocess.Popen(
        ["make", "up", f"ARGS=--port {PORT}"],
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    seconds = wait_for_answer(process)
    body = json.dumps(
        {"model": "default", "max_tokens": 16, "messages": [{"role": "user", "content": "Apa kabar?"}]}
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/chat/completions",
        data=body.encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    resident = resident_bytes(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=30)
    return seconds, resident


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rumpun-cold-") as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        before = received_bytes()
        cold, _ = start(clone, home)
        downloaded = received_bytes() - before
        warm, resident = start(clone, home)
        result = {
            "cold_seconds": round(cold, 1),
            "warm_seconds": round(warm, 2),
            "downloaded_bytes": downloaded,
            "venv_bytes": folder_bytes(clone / ".venv"),
            "home_bytes": folder_bytes(home),
            "resident_bytes": resident,
        }
        result["kept_bytes"] = result["venv_bytes"] + result["home_bytes"]
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:18} {value / 1e6:10.1f} MB" if name.endswith("bytes") else f"{name:18} {value:10.2f} s")


if __name__ == "__main__":
    main()

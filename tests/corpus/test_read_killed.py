"""A reading killed at random times, workers and all, and started again ends with the same bytes as one left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from reading import files, jsonl, read
from world import EN, ID, TH, several

from rumpun.corpus.read import units as documents_units
from rumpun.records.artefacts import read_manifest

CHILD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from reading import files, read
from rumpun.corpus.read import units as documents_units
documents_units.GROUP_BYTES = 20_000
if __name__ == "__main__":
    read(Path(sys.argv[1]), files=files(*map(Path, json.loads(sys.argv[3]))))
"""


def test_killed_and_resumed_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(documents_units, "GROUP_BYTES", 20_000)
    made = [
        jsonl(tmp_path / f"{tag}-{n}.jsonl", [{"text": text, "language": tag} for text in several(form, 600, 700 * n)])
        for tag, form in {"id": ID, "th": TH, "en": EN}.items()
        for n in range(4)
    ]  # fmt: skip
    made[3].write_bytes(made[3].read_bytes()[:-50])
    monkeypatch.setenv("RUMPUN_WORKERS", "1")
    whole = read_manifest(read(tmp_path / "whole", files=files(*made)))
    assert whole.summary["rejected"]["read.cut_off"] == {"reports": 1, "rows": 1}
    store = tmp_path / "killed"
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(store),
        str(Path(__file__).parent),
        json.dumps([str(p) for p in made]),
    ]
    dice = random.Random(3)
    kills = 0
    for attempt in range(4):
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"RUMPUN_WORKERS": "2"},
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 1.0 + 0.5 * attempt + dice.random()
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if child.poll() is not None:
            break
        # now and then the process alone: its workers go on for a while
        (os.killpg if attempt % 2 else os.kill)(child.pid, signal.SIGKILL)
        child.wait()
        kills += 1
    subprocess.run(command, env=os.environ | {"RUMPUN_WORKERS": "2"}, check=True, capture_output=True)
    (folder,) = [path.parent for path in store.glob("[!.]*/manifest.json")]
    again = read_manifest(folder)
    assert kills > 0
    assert {f.path: f.sha256 for f in again.files} == {f.path: f.sha256 for f in whole.files}
    assert again.summary == whole.summary
    assert not list((store / ".making").glob("*/keep"))


FULL = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from reading import files, jsonl, read
from rumpun.errors import EnvironmentFault
store = Path(sys.argv[1])
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    read(store, files=files(store.parent / "small.jsonl"))
    read(store, files=files(store.parent / "large.jsonl"))
except EnvironmentFault as error:
    print(error.exit_code, error.message, "|", error.hint)
"""


def test_a_disk_that_takes_no_more_leaves_the_last_good_state(tmp_path, monkeypatch):
    dice = random.Random(1)
    jsonl(tmp_path / "small.jsonl", [{"text": "satu", "language": "id"}])
    noise = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz ", k=4000)) for _ in range(400)]
    jsonl(tmp_path / "large.jsonl", [{"text": text, "language": "id"} for text in noise])
    store = tmp_path / "store"
    command = [sys.executable, "-c", FULL, str(store), str(Path(__file__).parent)]
    done = subprocess.run([*command, "500000"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("5 step documents: [Errno 27]")
    assert done.stdout.rstrip().endswith("it resumes")
    (folder,) = [path.parent for path in store.glob("[!.]*/manifest.json")]
    assert read_manifest(folder).summary["documents"] == 1
    assert not list(folder.glob(".*"))
    done = subprocess.run([*command, "-1"], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    made = {read_manifest(path.parent).summary["documents"] for path in store.glob("[!.]*/manifest.json")}
    assert made == {1, 400}

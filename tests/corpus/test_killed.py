"""A build killed at random times and started again ends with the same bytes as one left alone."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from world import EN, ID, MY, TH, World, manifest, rows, several

CHILD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from world import World
world = World.__new__(World)
world.folder = Path(sys.argv[1])
print(world.build(Path(sys.argv[2]), **json.loads(sys.argv[4])))
"""


def test_killed_and_resumed_gives_the_same_bytes(tmp_path):
    world = World(tmp_path / "data")
    for tag, form in {"id": ID, "th": TH, "my": MY, "en": EN}.items():
        for part in range(3):
            world.add(f"s{part}-{tag}", rows(f"s{part}-{tag}", tag, several(form, 600, 700 * part)))
    params = {
        "languages": ["id", "th", "my", "en"], "max_bytes_per_language": 60_000,
        "held_out_sources": {"id": ["s2-id"], "th": ["s2-th"], "my": ["s2-my"]}, "held_out_run_letters": 200,
        "held_out_run_words": 40,
    }  # fmt: skip
    whole = manifest(world.build(tmp_path / "whole", **params))
    store = tmp_path / "killed"
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(world.folder),
        str(store),
        str(Path(__file__).parent),
        json.dumps(params),
    ]
    dice = random.Random(5)
    kills = 0
    for attempt in range(8):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 0.5 + 0.35 * attempt + dice.random()
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if child.poll() is not None:
            child.communicate()
            break
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kills += 1
        for path in store.glob("[!.]*/manifest.json"):
            json.loads(path.read_text())
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    again = manifest(tmp_path / "killed" / done.stdout.strip().rsplit("/", 1)[-1])
    assert kills > 0
    assert again.id == whole.id
    assert {f.path: f.sha256 for f in again.files} == {f.path: f.sha256 for f in whole.files}
    assert again.summary == whole.summary
    assert not list((store / ".making").glob("*/keep"))

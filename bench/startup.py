"""Time of `import rumpun`, `rumpun --help` and the bare interpreter, each a child process: medians of 15.

python bench/startup.py [--json]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "interpreter": [sys.executable, "-c", "pass"],
    "import rumpun": [sys.executable, "-c", "import rumpun"],
    "rumpun --help": [str(Path(sys.executable).with_name("rumpun")), "--help"],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(15):  # in turn, so that a slow moment of the machine falls on all of them
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    medians = {name: round(statistics.median(values), 4) for name, values in times.items()}
    if arguments.json:
        print(json.dumps(medians))
        return
    for name, value in medians.items():
        print(f"{name:16} {value * 1000:7.1f} ms")


if __name__ == "__main__":
    main()

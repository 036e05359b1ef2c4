"""What a plan costs and how it spreads: `corpus.engine.map_parts` over work that holds the interpreter.

python bench/corpus_engine.py [--units 16] [--seconds 0.5] [--workers 1 2 4] [--json]

For each number of workers, on the engine that RUMPUN_ENGINE or RAY_ADDRESS names: seconds for units that do nothing (the
cost of the plan and of its processes), seconds for units that count for about `--seconds` each, and the speed-up over one.
"""

import argparse
import functools
import json
import os
import time

from rumpun.corpus.engine import engine, map_parts


def count(unit: int, *, steps: int) -> int:
    """Work that only the interpreter does."""
    total = 0
    for n in range(steps):
        total += n * unit % 7
    return total


def seconds(steps: int, units: int) -> float:
    """Wall time of one plan."""
    begin = time.monotonic()
    map_parts(functools.partial(count, steps=steps), list(range(units)))
    return time.monotonic() - begin


def main() -> None:
    """Print one line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begin = time.process_time()
    count(3, steps=1_000_000)
    steps = int(1_000_000 * options.seconds / (time.process_time() - begin))
    os.environ["RUMPUN_WORKERS"] = "1"
    seconds(1, 1)  # imports
    found = []
    for number in options.workers:
        os.environ["RUMPUN_WORKERS"] = str(number)
        found.append(
            {"workers": number, "empty": seconds(1, options.units), "busy": seconds(steps, options.units)}
        )
        found[-1]["speed_up"] = found[0]["busy"] / found[-1]["busy"]
        if not options.json:
            facts = found[-1]
            print(
                f"{engine()} {number} workers: {facts['empty']:6.2f} s empty, {facts['busy']:6.2f} s busy,"
                f" {facts['speed_up']:.2f} times one"
            )
    if options.json:
        print(json.dumps({"engine": engine(), "units": options.units, "runs": found}))


if __name__ == "__main__":
    main()

"""The corpus pipeline from 10 MB to 1 GB: seconds, processor seconds and memory of each step, and what a changed threshold costs.

    python bench/corpus_growth.py [--sizes 10,30,100] [--languages id,vi,th,my,zh,en] [--until corpus.write] [--taggers NAME,…]
                                  [--workers 2] [--folder DIR] [--json]

Text is made by `rumpun.corpus.synthetic` (models of order 4 learnt from RUMPUN_DATA, real lengths, a tenth exact and a tenth near
copies). Each size is one run of the recipe in a process of its own with an empty store; the most memory of a step is that of the
process and its workers together, looked at every 50 ms (pages that they share count once for each). Then one threshold is changed
and the recipe runs again. A table for each size: processor and wall seconds, MB of the source's text for a processor second and
for a wall second, memory, and what share of all of the first pass's processor seconds the step took again.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rumpun.corpus.synthetic import Plan, write_synthetic
from rumpun.steps import TABLE

STEPS = (  # name in the recipe, step, what it stands on
    ("documents", "corpus.read", ()),
    ("attributes", "corpus.tag", ("documents",)),
    ("links", "corpus.link", ("documents", "attributes")),
    ("decisions", "corpus.filter", ("documents", "attributes", "links")),
    ("mixture", "corpus.mix", ("documents", "decisions", "attributes")),
    ("corpus", "corpus.write", ("documents", "attributes", "links", "decisions", "mixture")),
    ("trace", "corpus.index", ("corpus",)),
)
RUN = """
import json, sys
from pathlib import Path
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import read_manifest
from rumpun.steps import quiet, plan, run

recipe, store = read_recipe(Path(sys.argv[1])), Path(sys.argv[2])
done = {item.name for item in plan(recipe, store) if item.done}


def started(name):
    print(name, flush=True)
    return quiet


made = run(recipe, store, progress=started)
told = {}
for name, folder in made.items():
    manifest = read_manifest(folder)
    told[name] = {
        "wall_seconds": manifest.maker.seconds, "cpu_seconds": manifest.maker.cpu_seconds,
        "mb": round(sum(file.size for file in manifest.files) / 1e6, 2), "again": name not in done,
    }
print(json.dumps(told))
"""


def recipe(source: Path, until: str, taggers: tuple[str, ...], threshold: float) -> str:
    """The recipe's text; `threshold` is the least share of letters in Thai."""
    with_ = {
        "documents": {"from_inventory": False, "files": [{"path": str(source)}]},
        "attributes": {"taggers": list(taggers)} if taggers else {},
        "decisions": {"thresholds": {"th": {"figures.letter_share": threshold}}},
    }
    lines = ['name = "growth"', "seed = 1"]
    for name, uses, needs in STEPS:
        lines += [f"[steps.{name}]", f'uses = "{uses}"', f"needs = {json.dumps(list(needs))}"]
        lines += [f"with = {inline(with_.get(name, {}))}"]
        if uses == until:
            break
    return "\n".join(lines)


def inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def tree_kb(pid: int) -> int:
    """Resident memory of a process and all below it."""
    sizes: dict[int, int] = {}
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        number = int(fields["Pid"])
        sizes[number] = int(fields.get("VmRSS", "0 kB").split()[0])
        parents[number] = int(fields["PPid"])

    def below(number: int) -> bool:
        while number > 1:
            if number == pid:
                return True
            number = parents.get(number, 0)
        return False

    return sum(size for number, size in sizes.items() if below(number))


def once(path: Path, store: Path, workers: int) -> dict[str, Any]:
    """Run the recipe in a process of its own."""
    environment = os.environ | {"RUMPUN_WORKERS": str(workers), "OMP_NUM_THREADS": "1"}
    peaks: dict[str, int] = {}
    with tempfile.NamedTemporaryFile("r") as said:
        start = time.monotonic()
        with Path(said.name).open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", RUN, str(path), str(store)], env=environment, stdout=out
            )
        step, pid = "", 0
        while not pid:
            step = (said.read().split() or [step])[-1]
            peaks[step] = max(peaks.get(step, 0), tree_kb(process.pid))
            time.sleep(0.05)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if status:
            raise SystemExit(f"the recipe ended with {os.waitstatus_to_exitcode(status)}")
        wall = time.monotonic() - start
        said.seek(0)
        steps = json.loads(said.read().splitlines()[-1])
    for name, told in steps.items():
        told["peak_mb"] = round(peaks.get(name, 0) / 1024)
    return {
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(max(peaks.values()) / 1024),
        "steps": steps,
    }


def measure(size: int, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One size: the first pass and a changed threshold."""
    folder.mkdir(parents=True)
    source = folder / "source" / "synthetic.parquet"
    source.parent.mkdir()
    languages = tuple(arguments.languages.split(","))
    told = write_synthetic(source, Plan(languages=languages, size_bytes=size * 1_000_000, seed=9))
    source.with_suffix(".truth.parquet").rename(folder / "truth.parquet")
    path = folder / "growth.toml"
    taggers = tuple(arguments.taggers.split(",")) if arguments.taggers else ()
    path.write_text(recipe(source, arguments.until, taggers, 0.5))
    first = once(path, folder / "store", arguments.workers)
    path.write_text(recipe(source, arguments.until, taggers, 0.6))
    second = once(path, folder / "store", arguments.workers)
    first["mb"] = round(told["bytes"] / 1e6, 1)
    first["documents"] = told["rows"]
    first["mb_per_cpu_second"] = round(first["mb"] / first["cpu_seconds"], 2)
    whole = sum(step["cpu_seconds"] for step in first["steps"].values())
    first["again"] = {
        name: round(step["cpu_seconds"] / whole, 4) for name, step in second["steps"].items() if step["again"]
    }
    return first


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10,30,100", help="of text, in MB")
    parser.add_argument("--languages", default="id,vi,th,my,zh,en")
    parser.add_argument("--until", default="corpus.write", choices=[uses for _, uses, _ in STEPS])
    parser.add_argument("--taggers", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep everything there; by default a temporary folder")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    missing = [uses for _, uses, _ in STEPS if uses not in TABLE]
    if arguments.until in missing:
        raise SystemExit(f"no step is called {', '.join(missing)}")
    results = []
    with tempfile.TemporaryDirectory(prefix="rumpun-growth-") as name:
        for size in map(int, arguments.sizes.split(",")):
            results.append(measure(size, arguments, (arguments.folder or Path(name)) / f"{size}mb"))
            if not arguments.json:
                show(results[-1])
    if arguments.json:
        print(json.dumps(results))


def show(result: dict[str, Any]) -> None:
    """A table of one size, and the sums of what a changed threshold costs."""
    mb, again = result["mb"], result["again"]
    rates = f"{result['mb_per_cpu_second']} MB a CPU second, {result['peak_mb']} MB of memory at most"
    print(
        f"\n{mb} MB, {result['documents']} documents: {result['cpu_seconds']} s CPU, {result['wall_seconds']} s wall, {rates}"
    )
    heads = ("step", "CPU s", "wall s", "MB/CPU s", "MB/wall s", "peak MB", "again")
    print("  ".join(f"{head:>10}" for head in heads))
    for name, step in result["steps"].items():
        cpu, wall = step["cpu_seconds"], step["wall_seconds"]
        row = (name, cpu, wall, round(mb / max(cpu, 0.01), 1), round(mb / max(wall, 0.01), 1), step["peak_mb"], again.get(name, ""))  # fmt: skip
        print("  ".join(f"{value!s:>10}" for value in row))
    sums = [
        f"{share:.1%} with {name}"
        for name, share in zip(again, itertools.accumulate(again.values()), strict=True)
    ]
    print(f"a changed threshold, of the first pass: {', '.join(sums)}", flush=True)


if __name__ == "__main__":
    main()

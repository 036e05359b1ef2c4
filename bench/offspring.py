"""Offspring and domains: each shipped recipe run, one after the other; the child beside its parent and its base.

    python bench/offspring.py [jv su min health workers] [--items] [--table docs/offspring.md] [--json]

Bits per byte on held-out text, in the child's languages, in sisters, and in what may be forgotten; 95 % intervals over documents.
--items: the child's own test too, against the parent. --table writes the tables between the marks of the page. Needs RUMPUN_DATA
and both cores to itself: about 10 minutes a recipe, of which 3 train. A run that was cut off goes on; a finished one is read.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rumpun.recipes import read_recipe
from rumpun.records.artefacts import read_manifest
from rumpun.records.places import data_folder
from rumpun.steps import quiet, run

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {
    "jv": "offspring/jv", "su": "offspring/su", "min": "offspring/min", "health": "domains/health", "workers": "domains/workers",
}  # fmt: skip
BEGIN, END = "<!-- tables: bench/offspring.py -->", "<!-- end of tables -->"


def walk(name: str) -> dict[str, Any]:
    """One recipe's steps, and what they say."""
    steps = run(
        read_recipe(ROOT / "recipes" / RECIPES[name] / "run.toml"),
        data_folder() / "artefacts",
        progress=lambda _: quiet,
    )
    layer = read_manifest(steps["layer"])
    told = json.loads((steps["evaluate"] / "bpb.json").read_text(encoding="utf-8"))
    measured = {tag: row for tag, row in told["languages"].items() if row["documents"]}
    own = layer.maker.params["language_weights"]
    return {
        "name": name, "layer": str(steps["layer"]), "release": str(steps["release"]), "tokens": layer.summary["tokens"],
        "seconds": layer.summary["seconds"], "device": layer.summary["device"], "languages": measured, "sources": told["sources"],
        "trained": [tag for tag, weight in own.items() if weight], "epochs": layer.summary["epochs_by_source"],
    }  # fmt: skip


def ask(name: str, layer: str) -> dict[str, Any]:
    """The child's own test, against the parent."""
    items = ROOT / "recipes" / RECIPES[name] / "test.jsonl"
    command = [
        sys.executable, "-m", "rumpun.cli", "eval", "run", layer, "--against", str(ROOT / "layers" / "first"), "--items", str(items), "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def interval(pair: list[float] | None) -> str:
    return f"{pair[0]:+.3f} to {pair[1]:+.3f}" if pair else ""


def table(made: Mapping[str, Any]) -> list[str]:
    """One recipe's table: a row for each language and held-out source."""
    lines = [
        f"**{made['name']}**: {made['tokens']:,} tokens in {made['seconds']:,.0f} s on {made['device']}; trained: {', '.join(made['trained'])}.",
        "",
        "| language | held-out source | base | parent | child | child minus parent, 95 % | child minus base, 95 % | documents |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    order = [*made["trained"], *(tag for tag in made["sources"] if tag not in made["trained"])]
    for tag in order:
        for source, row in made["sources"].get(tag, {}).items():
            cells = (
                tag, source, figure(row["against"]), figure(row["parent"]), figure(row["model"]), interval(row["from_parent"]),
                interval(row["difference"]), str(row["documents"]),
            )  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def into_page(page: Path, lines: list[str]) -> None:
    """Put the tables between the page's marks."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        sys.exit(f"{page}: no marks {BEGIN} … {END}")
    head, rest = text.split(BEGIN, 1)
    page.write_text(
        f"{head}{BEGIN}\n\n" + "\n".join(lines) + f"\n{END}{rest.split(END, 1)[1]}", encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "recipes", nargs="*", default=list(RECIPES), metavar="RECIPE", help=", ".join(RECIPES)
    )
    parser.add_argument("--items", action="store_true")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    unknown = [name for name in asked.recipes if name not in RECIPES]
    if unknown:
        parser.error(f"no recipe is called {unknown[0]}; known: {', '.join(RECIPES)}")
    os.chdir(ROOT)
    stamp = f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start."
    lines, every = [stamp, ""], []
    for name in asked.recipes:
        made = walk(name)
        if asked.items:
            made["items"] = ask(name, made["layer"])
        every.append(made)
        lines += table(made)
    if asked.table:
        into_page(asked.table, lines)
    print(json.dumps(every) if asked.json else "\n".join(lines))


if __name__ == "__main__":
    main()

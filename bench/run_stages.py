"""Seconds and CPU-seconds of every stage of a recipe that was run, read from the manifests.

python bench/run_stages.py [RECIPE]      (default: first; run `rumpun run recipes/first/run.toml` before)
"""

import json
import sys

from rumpun.records.artefacts import read_manifest
from rumpun.records.places import data_folder
from rumpun.steps import named


def main() -> None:
    """Print one line a stage."""
    recipe = sys.argv[1] if len(sys.argv) > 1 else "first"
    store = data_folder() / "artefacts"
    names = store / "names" / recipe
    if not names.is_dir():
        raise SystemExit(f"{recipe}: not run in {store}; run the recipe first")
    rows = []
    for path in names.glob("*.json"):
        manifest = read_manifest(named(store, recipe, path.stem))
        rows.append((manifest.created, path.stem, manifest.maker.seconds, manifest.maker.cpu_seconds))
    print(f"{'stage':12} {'seconds':>9} {'CPU-s':>9}")
    for _, name, seconds, cpu in sorted(rows):
        print(f"{name:12} {seconds:9.1f} {cpu:9.1f}")
    print(f"{'all':12} {sum(r[2] for r in rows):9.1f} {sum(r[3] for r in rows):9.1f}")
    print(json.dumps({name: {"seconds": s, "cpu_seconds": c} for _, name, s, c in sorted(rows)}))


if __name__ == "__main__":
    main()

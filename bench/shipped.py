"""What a layer does with language beside its base: translation both ways, the asker's language, text written in a second.

    python bench/shipped.py [LAYER] [--limit 20] [--max-tokens 96] [--into FOLDER] [--json]

LAYER is a layer's folder (default: the one that is served). chrF++ is on news sentences that a language model wrote and that
train nothing; the asker's language is the share of answers to harmless questions that this project's identifier takes for it.
Speed is tokens a second of the eight-bit files of layer and base, decoding alone, times characters a token on the same three
sentences in each language. Needs both cores to itself for the speed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rumpun.edge.bench import measure
from rumpun.edge.tokens import counting, passages
from rumpun.engines.load import shipped_layer
from rumpun.language.tables import WORKING

TASKS = ("translation-into-english", "translation-from-english", "answerable")
RUMPUN = (sys.executable, "-m", "rumpun.cli")


def speeds(layer: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Of base and layer: tokens decoded in a second, and characters of each language in that time."""
    found = {}
    for name, given in (("base", ["--base", "base"]), ("layer", ["--layer", str(layer)])):
        file = folder / f"{name}.gguf"
        command = [*RUMPUN, "edge", "export", *given, "--out", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with counting(file) as tokenize:
            counts = [len(ids) for ids in tokenize([passages()[tag] for tag in WORKING])]
        rate = measure(file, prompt_tokens=64, decode_tokens=128, runs=5).decode_tokens_per_second
        texts = (passages()[tag] for tag in WORKING)
        each = {
            tag: rate * len(text) / count for tag, text, count in zip(WORKING, texts, counts, strict=True)
        }
        found[name] = {"tokens": rate} | each
    return found


def answers(layer: Path, limit: int, tokens: int, into: Path) -> dict[str, Any]:
    """Scores of layer and base, as `rumpun eval run` writes them."""
    command = [
        *RUMPUN, "eval", "run", str(layer), "--against", "base", "--tasks", ",".join(TASKS), "--limit", str(limit),
        "--max-tokens", str(tokens), "--into", str(into), "--json",
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads((into / "scores.json").read_text(encoding="utf-8"))
    return found


def by_language(scores: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Language -> "task layer" and "task base" -> the figure that the task is asked for."""
    layer = scores["models"][0]["name"]
    found: dict[str, dict[str, Any]] = {}
    for cell in scores["cells"]:
        who = "layer" if cell["model"] == layer else "base"
        wanted = "language" if cell["task"] == "answerable" else "chrf"
        found.setdefault(cell["language"], {})[f"{cell['task']} {who}"] = cell["metrics"].get(wanted)
    return found


def shown(metric: Mapping[str, Any] | None, scale: float) -> str:
    """A figure with its interval."""
    if not metric:
        return ""
    ends = metric["ci95"] or (None, None)
    between = "" if ends[0] is None else f" ({scale * ends[0]:.0f} to {scale * ends[1]:.0f})"
    return f"{scale * metric['value']:.1f}{between}"


def lines(found: Mapping[str, Any]) -> Sequence[str]:
    """The table in Markdown."""
    made = [
        "| language | into English, chrF++: base | layer | from English: base | layer | answers in the language, %: base | layer | characters a second: base | layer | times |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for tag in WORKING:
        cells = [
            shown(found["scores"].get(tag, {}).get(f"{task} {who}"), 100.0 if task == "answerable" else 1.0)
            for task in TASKS
            for who in ("base", "layer")
        ]
        base, layer = (found["speed"][who][tag] for who in ("base", "layer"))
        made.append(f"| {tag} | {' | '.join(cells)} | {base:,.0f} | {layer:,.0f} | {layer / base:.2f} |")
    rates = {who: found["speed"][who]["tokens"] for who in ("base", "layer")}
    return [
        *made,
        "",
        f"Decoding: {rates['base']:.0f} tokens a second of the base, {rates['layer']:.0f} with the layer.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("layer", nargs="?", type=Path, default=None)
    parser.add_argument("--limit", type=int, default=20, help="items of each task and language")
    parser.add_argument("--max-tokens", type=int, default=96, help="of an answer")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    layer = asked.layer or shipped_layer()
    if layer is None:
        parser.error("no layer is served: name one")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        speed = speeds(layer, place)
        scores = by_language(answers(layer, asked.limit, asked.max_tokens, asked.into or place / "scores"))
    found = {"layer": layer.name, "limit": asked.limit, "speed": speed, "scores": scores}
    if asked.json:
        print(json.dumps(found))
        return
    head = f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores, layer {layer.name}"
    print(head, "", *lines(found), sep="\n")


if __name__ == "__main__":
    main()

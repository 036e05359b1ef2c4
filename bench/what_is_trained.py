"""What is trained, at equal compute, and what new vocabulary gives, at equal bytes of text: held-out bits per byte.

    python bench/what_is_trained.py kinds         # low-rank products; and the embedding; every weight: gain and forgetting
    python bench/what_is_trained.py vocabulary    # none, and new words whose rows begin as mean, first and last
        [--minutes 3]  what the first line may take on two cores; the others get the same compute, or the same bytes
        [--store FOLDER] [--json]

The embedded base learns Thai and Burmese from what RUMPUN_DATA has, English is rehearsed; news sentences are held out, which
the same language model wrote as some of the training sentences. Learning rates are each kind's usual one, not tuned.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rumpun.layer.cost import Load, operations
from rumpun.layer.params import FullParams, TrainParams
from rumpun.layer.shape import find_shape
from rumpun.recipes import build, read_recipe
from rumpun.records.artefacts import read_manifest
from rumpun.records.places import data_folder
from rumpun.steps import quiet, run

RATE = 250  # tokens a second of the first line, about, on two cores
BYTES = {"th": 0.45, "my": 0.45, "en": 0.10}  # of the text that is read, by share
CORPUS = """
name = "what-is-trained"
seed = 7

[steps.documents]
uses = "corpus.read"
with = { languages = ["th", "my", "en"], seed_text = true, exclude_domains = ["lexicon", "health-terminology", "bible-reference"] }

[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]

[steps.links]
uses = "corpus.link"
needs = ["documents", "attributes"]

[steps.decisions]
uses = "corpus.filter"
needs = ["documents", "attributes", "links"]

[steps.mixture]
uses = "corpus.mix"
needs = ["documents", "attributes", "links", "decisions"]

[steps.mixture.with]
languages = ["th", "my", "en"]
max_per_language = 2_000_000
max_share_per_source = 0.5
held_out_sources = { th = ["seed-news"], my = ["seed-news"], en = ["seed-news"] }
held_out_documents_per_language = 60

[steps.corpus]
uses = "corpus.write"
needs = ["documents", "attributes", "links", "decisions", "mixture"]
with = { card = { title = "What is trained: Thai, Burmese, English", plots = false } }
"""
COMMON = {"base": "base", "sequence_tokens": 256, "batch_sequences": 8, "micro_tokens": 1024, "keep": "last"}
PRODUCTS = COMMON | {"rank": 32, "alpha": 64.0, "learning_rate": 1e-3}
EMBEDDED = PRODUCTS | {"embeddings_rank": 32}
FULL = COMMON | {"learning_rate": 1e-4}
KINDS = {"products": PRODUCTS, "products and embedding": EMBEDDED, "every weight": FULL}
STARTS = ("none", "mean", "first", "last")


def toml(table: Mapping[str, Any]) -> str:
    """An inline table."""
    inner = (
        f"{key} = {toml(value) if isinstance(value, Mapping) else json.dumps(value)}"
        for key, value in table.items()
    )
    return f"{{ {', '.join(inner)} }}"


def trained(name: str, how: str, needs: list[str], params: Mapping[str, Any]) -> str:
    """A step that trains, and one that measures it."""
    listed = json.dumps(["corpus", *needs])
    return (
        f'\n[steps.{name}]\nuses = "{how}"\nneeds = {listed}\nwith = {toml(params)}\n'
        f'\n[steps.{name}_measured]\nuses = "evaluate.bpb"\nneeds = ["corpus", "{name}"]\nwith = {{ documents_max = 30 }}\n'
    )


def walk(steps: str, store: Path) -> dict[str, Path]:
    """Make what the recipe says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.toml"
        path.write_text(CORPUS + steps, encoding="utf-8")
        return run(read_recipe(path), store, progress=lambda _: quiet)


def told(made: Mapping[str, Path], name: str) -> dict[str, Any]:
    """What a run cost, and what it left."""
    layer, measured = read_manifest(made[name]).summary, read_manifest(made[f"{name}_measured"]).summary
    return {
        "tokens": layer["tokens"],
        "seconds": layer["seconds"],
        "trained": layer["trained_parameters"],
        "device": layer["device"],
        "bits": {
            tag: (row["against"], row["model"], row["difference"])
            for tag, row in measured["languages"].items()
        },
    }


def kinds(tokens: int, store: Path) -> dict[str, dict[str, Any]]:
    """Products, products and embedding, every weight, each with the compute of the first."""
    shape, weights = find_shape("base"), {"language_weights": dict(BYTES)}
    costs = {}
    for name, params in KINDS.items():
        whole = {"tokens": tokens} | params
        loaded = build(FullParams if params is FULL else TrainParams, whole, name)
        costs[name] = sum(operations(Load(shape, loaded)).values())
    steps, first = "", costs["products"]
    for number, (name, params) in enumerate(KINDS.items()):
        own = params | weights | {"tokens": int(tokens * first / costs[name])}
        steps += trained(f"kind{number}", "layer.full" if params is FULL else "layer.train", [], own)
    made = walk(steps, store)
    return {name: told(made, f"kind{number}") for number, name in enumerate(KINDS)}


def vocabulary(tokens: int, store: Path) -> dict[str, dict[str, Any]]:
    """No new words, and new words whose rows begin in three ways; every line reads the same bytes of each language."""
    extend = "".join(
        f'\n[steps.words_{start}]\nuses = "layer.extend"\nneeds = ["corpus"]\n'
        f'with = {{ base = "base", tokens_max = 4_000, clusters_max = 1_000, initialise = "{start}" }}\n'
        for start in STARTS[1:]
    )
    table = json.loads((walk(extend, store)["words_first"] / "table.json").read_text(encoding="utf-8"))
    told_of = {row["language"]: row for row in table}
    before = {tag: share * tokens for tag, share in BYTES.items()}  # tokens of the base, by language
    after = {
        tag: count * told_of[tag]["per_character_after"] / told_of[tag]["per_character_before"]
        for tag, count in before.items()
    }
    steps = extend
    for start in STARTS:
        counts, needs = (before, []) if start == "none" else (after, [f"words_{start}"])
        whole = sum(counts.values())
        shares = {tag: round(count / whole, 4) for tag, count in counts.items()}
        own = PRODUCTS | {"tokens": int(whole), "language_weights": shares, "embeddings_learning_rate": 1e-3}
        steps += trained(f"from_{start}", "layer.train", needs, own)
    made = walk(steps, store)
    return {start: told(made, f"from_{start}") for start in STARTS}


def lines(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table in Markdown."""
    tags = list(BYTES)
    device = next(iter(found.values()))["device"]
    rows = [
        f"{device}; load {os.getloadavg()[0]:.1f} at the end", "",
        "| | tokens | trained numbers | seconds | " + " | ".join(f"{tag}, difference from the base" for tag in tags) + " |",
        "|---|---:|---:|---:|" + "---|" * len(tags),
    ]  # fmt: skip
    base = next(iter(found.values()))["bits"]
    rows.append("| the base | | | | " + " | ".join(f"{base[tag][0]:.3f}" for tag in tags) + " |")
    for name, row in found.items():
        cells = (
            f"{row['bits'][tag][1]:.3f} ({row['bits'][tag][2][0]:+.3f} to {row['bits'][tag][2][1]:+.3f})"
            for tag in tags
        )
        rows.append(
            f"| {name} | {row['tokens']:,} | {row['trained']:,} | {row['seconds']:.0f} | {' | '.join(cells)} |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", nargs="?", choices=("kinds", "vocabulary"), default="kinds")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    make = kinds if asked.which == "kinds" else vocabulary
    found = make(int(asked.minutes * 60 * RATE), asked.store or data_folder() / "artefacts")
    print(json.dumps(found) if asked.json else "\n".join(lines(found)))


if __name__ == "__main__":
    main()

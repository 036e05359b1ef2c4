"""Bits per byte of the served files in all eleven languages: base (Q4_1 as shipped) and default (Q8_0), through llama.cpp.

    python bench/bits_per_byte.py [--documents 20] [--json]

Texts: the first news sentences of `seed/news.jsonl` in RUMPUN_DATA, which no layer is trained on; they were written by a
language model and not reviewed by native speakers.
"""

import argparse
import json
import sys

from rumpun.engines.load import open_engine
from rumpun.evaluate.bpb import compare
from rumpun.evaluate.texts import Text
from rumpun.language.tables import WORKING
from rumpun.records.places import source_data


def texts(documents: int) -> list[Text]:
    """The first sentences in each language."""
    rows = [
        json.loads(line)
        for line in (source_data() / "seed" / "news.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [
        Text(row[tag], tag, f"{row['key']}:{tag}")
        for row in rows[:documents]
        for tag in WORKING
        if row.get(tag)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    base, default = open_engine("base"), open_engine("default")
    try:
        result = compare(default, base, texts(arguments.documents))
    finally:
        base.close()
        default.close()
    if arguments.json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    print(
        f"{'language':9} {'base':>7} {'default':>8} {'difference, 95 %':>20} {'documents':>10} {'bytes':>8}"
    )
    for tag, row in result["languages"].items():
        low, high = row["difference"]
        print(
            f"{tag:9} {row['against']:7.3f} {row['model']:8.3f} {low:9.3f} to {high:.3f} {row['documents']:10} {row['bytes']:8}"
        )


if __name__ == "__main__":
    main()

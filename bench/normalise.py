"""Normalising and segmenting: speed in each script, what is mended, how sure Zawgyi is found, how near the pure words are.

    python bench/normalise.py [DATA] [--mb 4] [--json]

DATA is the folder of the project's data (default: RUMPUN_DATA). Megabytes of UTF-8 a second of processor time, best
of three; «raw» is the text as it came, «clean» the same text normalised before. Zawgyi is made from the Burmese texts by
`tests/language/zawgyi_text.py`, since no labelled Zawgyi is at hand: real Zawgyi has more shapes than that. A line counts
as found at probability 0.99, as for `normalise`. Agreement is F1 of where words start, on sentences that the word list
was not made from; ICU is no truth, so the other segmenters stand beside it.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

from pyarrow import parquet

from rumpun.language.normalise import normalise, normalise_all
from rumpun.language.segment import segmenter
from rumpun.language.zawgyi import probability
from rumpun.parts import installed
from rumpun.records.places import source_data

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "language"))
from zawgyi_text import zawgyi

LANGUAGES = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en", "jv", "shn", "mnw")
PEERS = {"th": "newmm", "lo": "laonlp", "km": "khmercut"}


def texts(data: Path, language: str, most: int) -> list[str]:
    """Texts of a language, at most so many bytes of each source in turn."""
    paths = [path for path in sorted(data.glob(f"text/*.{language}.parquet")) if "frequency" not in path.name]
    found: list[str] = []
    for path in paths:
        left = most // len(paths)
        for text in parquet.read_table(path, columns=["text"])["text"].to_pylist():
            if text and left > 0:
                found.append(text)
                left -= len(text.encode())
    return found


def speed(lines: list[str]) -> float:
    """MB of UTF-8 a second of processor time."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        normalise_all(lines)
        best = min(best, time.process_time() - start)
    return sum(len(line.encode()) for line in lines) / 1e6 / best


def speeds(data: Path, most: int) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for language in LANGUAGES:
        raw = texts(data, language, most)
        if not raw:
            continue
        done = normalise_all(raw)
        changes: Counter[str] = Counter()
        for text in done:
            changes.update(text.changes)
        found[language] = {
            "MB": round(sum(len(text.encode()) for text in raw) / 1e6, 2),
            "characters per text": round(sum(map(len, raw)) / len(raw)),
            "raw MB/s": round(speed(raw), 1),
            "clean MB/s": round(speed([text.text for text in done]), 1),
            "texts mended": f"{sum(bool(text.changes) for text in done)} of {len(done)}",
            "places": dict(changes.most_common()),
        }
    return found


def zawgyi_found(data: Path, most: int) -> dict[str, str]:
    """False alarms on lines in Unicode; recall and exact conversion on the Burmese ones written in Zawgyi."""
    choose = random.Random(7)
    found = {}
    peer = None
    if installed("myanmartools"):  # no dependency; its threshold 0.95 is the one that its authors advise
        from myanmartools import ZawgyiDetector

        peer = ZawgyiDetector()
    for language in ("my", "shn", "mnw", "rki"):
        lines = [line for text in texts(data, language, most) for line in text.split("\n")]
        lines = [line for line in lines if any("\u1000" <= sign <= "\u109f" for sign in line)]
        false = sum(probability(line) >= 0.99 for line in lines)
        found[f"{language}: Unicode lines taken for Zawgyi"] = f"{false} of {len(lines)}"
        if peer:
            some = choose.sample(lines, min(len(lines), 6000))
            taken = sum(peer.get_zawgyi_probability(line) >= 0.95 for line in some)
            found[f"{language}: … by myanmartools"] = f"{taken} of {len(some)}"
        if language != "my":
            continue
        lines = [normalise(line).text for line in choose.sample(lines, min(len(lines), 6000))]
        for least, end in ((1, 10), (10, 20), (20, 50), (50, 10**9)):
            pairs = [
                (line, zawgyi(line))
                for line in lines
                if least <= sum("\u1000" <= sign <= "\u109f" for sign in line) < end and zawgyi(line) != line
            ]
            sure = [(line, written) for line, written in pairs if probability(written) >= 0.99]
            back = sum(normalise(written).text == line for line, written in sure)
            found[f"Zawgyi lines of {least} to {end - 1} signs found"] = f"{len(sure)} of {len(pairs)}"
            if peer:
                theirs = sum(peer.get_zawgyi_probability(written) >= 0.95 for _, written in pairs)
                found[f"… by myanmartools ({least} to {end - 1})"] = f"{theirs} of {len(pairs)}"
            found[f"… and converted back exactly ({least} to {end - 1})"] = f"{back} of {len(sure)}"
    return found


def agreement(data: Path) -> dict[str, dict[str, float]]:
    """F1 of word starts on seed/news and seed/care, and MB/s of the pure segmenter and of ICU."""
    found = {}
    for language in ("th", "lo", "km", "my"):
        rows = [
            json.loads(line).get(language)
            for name in ("news", "care")
            for line in (data / "seed" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        lines = [normalise(row, language).text for row in rows if isinstance(row, str)]
        names = ["pure", *(["icu"] if installed("icu") else [])]
        names += (
            [PEERS[language]]
            if language in PEERS and installed({"newmm": "pythainlp"}.get(PEERS[language], PEERS[language]))
            else []
        )
        starts, rates = {}, {}
        for name in names:
            cut = segmenter(name, language)
            cut.words(lines[0])
            begin = time.process_time()
            starts[name] = [{start for start, _ in cut.words(line)} for line in lines]
            rates[f"{name} MB/s"] = round(
                sum(len(x.encode()) for x in lines) / 1e6 / (time.process_time() - begin), 2
            )
        found[language] = {
            f"{one} ~ {two}": round(
                2 * sum(len(a & b) for a, b in zip(starts[one], starts[two], strict=True))
                / (sum(map(len, starts[one])) + sum(map(len, starts[two]))), 3)
            for n, one in enumerate(names) for two in names[n + 1 :]
        } | rates  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--mb", type=float, default=4, help="megabytes of each language at most")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.data = options.data or source_data()
    most = int(options.mb * 1e6)
    found = {
        "speed": speeds(options.data, most),
        "zawgyi": zawgyi_found(options.data, 10 * most),
        "words": agreement(options.data),
    }
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for part, rows in found.items():
        print(f"-- {part}")
        for name, row in rows.items():
            print(f"{name}: {row}")


if __name__ == "__main__":
    main()

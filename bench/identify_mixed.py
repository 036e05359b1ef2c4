"""Two languages in one line: rumpun's identifier against pycld2, which marks spans too, on the same lines.

    python bench/identify_mixed.py [--lines 300] [--development] [--json FILE]

Nobody has marked such lines by hand here, so they are made by script: clauses of 3 to 8 words out of two languages' sources
take turns (A B A or A B A B A), and A, which has more words, is the main language. The clauses are joined by a space, or, half
the time, by a comma and a space. Where no spaces stand between words, two characters of Chinese and four of Thai count as a
word. Sources are those that recipes/lid/run.toml holds out of training; with --development those for validation, by which
settings may be chosen. Tamil in Latin letters is made from Tamil by the script that made the training text, so its figures
are too good. Real speakers mix inside clauses, and less evenly: these lines are easier to cut, and harder to sum up, than theirs.

main: share of lines whose main language is right. letters: share of letters (code points of category L) that lie in a span of
their language. one span: that share if the whole line were said to be A. cuts: spans a line; there are 3 or 5.
"""

import argparse
import json
import random
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rumpun.language import identify_all
from rumpun.language.identifier_romanise import romanised
from rumpun.language.snippets import Pool, read_pools
from rumpun.records.places import source_data

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "lid" / "run.toml"
PAIRS = (
    ("en", "tl"), ("en", "id"), ("en", "ms"), ("en", "zh"), ("id", "jv"), ("en", "ta-Latn"), ("th", "en"), ("tl", "ceb"), ("id", "su"),
)  # fmt: skip
WORD_CHARACTERS = {"zh": 2, "th": 4}  # where no space stands between words
NAMES = {"fil": "tl", "jw": "jv", "zh-Hant": "zh"}
SEED = 20261126

Spans = list[tuple[int, int, str]]  # start, end, language


class Line(NamedTuple):
    """A line and what is known of it."""

    pair: str
    text: str
    main: str
    spans: Spans


def texts_of(*, development: bool) -> dict[str, list[str]]:
    """Language -> texts of sources that were not trained on."""
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))["steps"]["identifier"]["with"]
    kept: dict[str, list[str]] = recipe["validation" if development else "held_out"]
    if development:
        kept = {"th": ["seed-work"], "zh": ["seed-work"], "ta": ["seed-work"]} | kept
    wanted = frozenset(tag for pair in PAIRS for tag in pair) - {"ta-Latn"} | {"ta"}
    pools: list[Pool] = read_pools(source_data(), recipe["aliases"], wanted)
    found: dict[str, list[str]] = {}
    for pool in pools:
        if pool.source in kept.get(pool.language, ()):
            found.setdefault(pool.language, []).extend(pool.texts)
    dice = random.Random(SEED)
    found["ta-Latn"] = [romanised(text, dice) for text in found.pop("ta")]
    return found


def clauses(texts: list[str], tag: str, dice: random.Random) -> list[str]:
    """Pieces of 3 to 8 words, one of each text that has so many; no signs at their ends."""
    found = []
    for text in dice.sample(texts, len(texts)):
        plain = " ".join(text.split())
        size = dice.randint(3, 8)
        if tag in WORD_CHARACTERS:
            size *= WORD_CHARACTERS[tag]
            start = dice.randrange(max(1, len(plain) - size))
            piece = plain[start : start + size] if len(plain) >= size else ""
        else:
            split = plain.split(" ")
            start = dice.randrange(max(1, len(split) - size))
            piece = " ".join(split[start : start + size]) if len(split) >= size else ""
        piece = piece.strip(" .,;:!?\"'()[]“”。，、！？「」")
        if piece and sum(sign.isalpha() for sign in piece) > len(piece) / 2:
            found.append(piece)
    return found


def lines(count: int, *, development: bool) -> list[Line]:
    """So many lines of each pair."""
    texts = texts_of(development=development)
    found = []
    for number, pair in enumerate(PAIRS):
        dice = random.Random(SEED + number)
        ready = {tag: clauses(texts[tag], tag, dice) for tag in pair}
        for turn in range(count):
            main, other = pair if turn % 2 else pair[::-1]
            tags = (main, other, main, other, main)[: dice.choice((3, 5))]
            while True:
                chosen = [dice.choice(ready[tag]) for tag in tags]
                words = {
                    tag: sum(_words(c, t) for c, t in zip(chosen, tags, strict=True) if t == tag)
                    for tag in pair
                }
                if words[main] > words[other]:
                    break
            text, spans = "", []
            for piece, tag in zip(chosen, tags, strict=True):
                start = len(text)
                text += piece + dice.choice((" ", ", "))
                spans.append((start, len(text), tag))
            found.append(Line("+".join(pair), text.rstrip(" ,"), main, spans))
    return found


def _words(piece: str, tag: str) -> float:
    return len(piece) / WORD_CHARACTERS[tag] if tag in WORD_CHARACTERS else piece.count(" ") + 1


def ours(texts: list[str]) -> list[tuple[str, Spans]]:
    """(main language, spans) of each text by rumpun."""
    return [(f.language, [(s.start, s.end, s.language) for s in f.spans]) for f in identify_all(texts)]


def cld2(texts: list[str]) -> list[tuple[str, Spans]]:
    """The same by pycld2, whose offsets are bytes."""
    import pycld2

    found = []
    for text in texts:
        data = text.encode()
        try:
            _, _, details, vectors = pycld2.detect(text, returnVectors=True)
        except pycld2.error:
            found.append(("un", []))
            continue
        spans = [
            (len(data[:at].decode(errors="ignore")), len(data[: at + size].decode(errors="ignore")), code)
            for at, size, _, code in vectors
        ]
        found.append(
            (NAMES.get(details[0][1], details[0][1]), [(a, b, NAMES.get(c, c)) for a, b, c in spans])
        )
    return found


def _languages(spans: Spans, size: int) -> list[str]:
    said = [""] * size
    for start, end, tag in spans:
        said[start:end] = [tag] * (min(end, size) - start)
    return said


def figures(rows: list[Line], ask: Callable[[list[str]], list[tuple[str, Spans]]]) -> dict[str, object]:
    """Pair -> figures of one tool; and its speed."""
    texts = [row.text for row in rows]
    ask(texts[:5])
    start = time.process_time()
    said = ask(texts)
    taken = time.process_time() - start
    result: dict[str, object] = {"texts_per_second": round(len(texts) / taken)}
    for pair in dict.fromkeys(row.pair for row in rows):
        main = right = whole = letters = cuts = count = 0
        for row, (language, spans) in zip(rows, said, strict=True):
            if row.pair != pair:
                continue
            count += 1
            main += language == row.main
            cuts += len(spans)
            truth, here = _languages(row.spans, len(row.text)), _languages(spans, len(row.text))
            for sign, true, tag in zip(row.text, truth, here, strict=True):
                if sign.isalpha():
                    letters += 1
                    right += true == tag
                    whole += true == row.main
        result[pair] = {
            "lines": count,
            "main": round(main / count, 3),
            "letters": round(right / letters, 3),
            "one_span": round(whole / letters, 3),
            "cuts": round(cuts / count, 2),
        }
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=300, help="of each pair of languages")
    parser.add_argument("--development", action="store_true", help="from the validation sources")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    rows = lines(arguments.lines, development=arguments.development)
    result = {"rumpun": figures(rows, ours)}
    try:
        result["pycld2"] = figures(rows, cld2)
    except ModuleNotFoundError:
        print("pycld2: not installed, left out (pip install pycld2==0.42)")
    for tool, found in result.items():
        print(f"\n{tool}: {found.pop('texts_per_second')} lines a CPU-second")
        print("pair         main  letters  one span  cuts")
        for pair, row in found.items():
            print(
                f"{pair:<12} {row['main']:.3f}  {row['letters']:.3f}    {row['one_span']:.3f}     {row['cuts']:.2f}"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

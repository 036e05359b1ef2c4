"""Personal data in disguise: how much of it is still hidden whole, trick by trick, on the rows of `personal.py`.

    python bench/personal_disguises.py [--rows 100] [--seed 1]

Every row has a word that says what its number is; the number is rewritten by one trick throughout, where it can be. A row
counts where every sign of the number is found, as any type. Intervals of 95 % by Wilson.
"""

import argparse
import random
from collections.abc import Callable

from personal import Row, native, positives
from rumpun.language.homoglyphs import lookalikes
from rumpun.measure.rates import wilson
from rumpun.personal import find

ZEROS = "๐໐០၀௦０"


def between(value: str, sign: str) -> str:
    return "".join(
        c + sign if c.isalnum() and d.isalnum() else c for c, d in zip(value, value[1:] + " ", strict=True)
    )


def each(value: str, change: Callable[[str], str]) -> str:
    return "".join(change(c) for c in value)


def tricks(draw: random.Random) -> dict[str, Callable[[str], str]]:
    doubles = lookalikes()
    return {
        "none": lambda v: v,
        "a sign of no width between all": lambda v: between(v, draw.choice("\u200b\u200d\u2060\u00ad\u200e")),
        "several of them": lambda v: between(v, "\u200b\u2060\ufeff\u200d"),
        "digits of mixed scripts": lambda v: each(
            v, lambda c: native(c, draw.choice(ZEROS)) if c in "0123456789" else c
        ),
        "full width": lambda v: each(v, lambda c: chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c),
        "keycaps": lambda v: each(v, lambda c: c + "\ufe0f\u20e3" if c in "0123456789" else c),
        "an accent on every digit": lambda v: each(v, lambda c: c + "\u0301" if c in "0123456789" else c),
        "letters that look alike": lambda v: each(v, lambda c: draw.choice(doubles.get(c, (c,)))),
        "a space between all": lambda v: between(v, " "),
        "a point between all": lambda v: between(v, "."),
        "circled digits": lambda v: each(v, lambda c: "⓪①②③④⑤⑥⑦⑧⑨"[int(c)] if c in "0123456789" else c),
        "O for zero": lambda v: v.replace("0", "O"),
    }


def hidden(row: Row, value: str) -> bool:
    text = row.text[: row.start] + value + row.text[row.end :]
    found = find(text)
    last = max(place for place, sign in enumerate(value) if sign.isalnum()) + row.start
    first = row.start + (value[0] == "+")
    return all(any(f.start <= n < f.end for f in found) for n in range(first, last + 1))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100, help="of each type, about half of them used")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    rows = [row for row in positives(draw, arguments.rows) if row.word]
    for name, trick in tricks(draw).items():
        used = [(row, trick(row.text[row.start : row.end])) for row in rows]
        if name != "none":
            used = [(row, value) for row, value in used if value != row.text[row.start : row.end]]
        hits = sum(hidden(row, value) for row, value in used)
        low, high = wilson(hits, len(used))
        print(f"{name:32} {hits / len(used):.3f} [{low:.3f}, {high:.3f}] of {len(used)}")


if __name__ == "__main__":
    main()

"""Rows made out of other rows by script: words of a lexicon put in the place of English ones, nothing composed.

Harmful and safe rows are treated alike, in equal numbers, so that the mixing itself says nothing. Each made row names
its parent and counts as augmented. No model writes or translates a row.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rumpun.guard.rows import Row

__all__ = ["Lexicon", "switched"]

Lexicon = Mapping[str, Mapping[str, Sequence[str]]]  # language -> English word -> words
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_ENOUGH = 0.25  # least share of a row's words that the lexicon knows


def switched(rows: "Sequence[Row]", lexicon: Lexicon, each: int, seed: int) -> "list[Row]":
    """Up to `each` harmful and as many safe rows of English in each language of the lexicon.

    Half of the rows have every known word put into the other language, half about half of them. A row of which the
    lexicon knows too little, or in which the draw put no word, is passed over.
    """
    found: list[Row] = []
    sides: dict[bool, list[Row]] = {True: [], False: []}
    for row in rows:
        if row.language == "en" and row.role == "prompt" and len(row.text) < 400:
            sides[row.unsafe].append(row)
    for language, words in sorted(lexicon.items()):
        made: dict[bool, list[Row]] = {}
        for unsafe, parents in sides.items():
            draw = random.Random(f"{seed} {language} {unsafe}")  # noqa: S311  (a seeded draw, no secret)
            made[unsafe] = []
            for parent in draw.sample(parents, len(parents)):
                if len(made[unsafe]) >= each:
                    break
                text = _switch(parent.text, words, draw)
                if text:
                    made[unsafe].append(
                        replace(parent, text=text, language=language, parent=f"{parent.source}:{parent.id}")
                    )
        least = min(map(len, made.values()))
        found += [row for part in made.values() for row in part[:least]]
    return found


def _switch(text: str, words: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    """The text with known words replaced, or "" where too few are known or none came to be replaced."""
    spoken = _WORD.findall(text)
    known = sum(bool(words.get(word.lower())) for word in spoken)
    if not spoken or known < _ENOUGH * len(spoken):
        return ""
    share = draw.choice((0.5, 1.0))

    def other(found: "re.Match[str]") -> str:
        choices = words.get(found.group().lower())
        return draw.choice(list(choices)) if choices and draw.random() < share else found.group()

    mixed = _WORD.sub(other, text)
    return mixed if mixed != text else ""

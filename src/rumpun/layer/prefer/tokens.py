"""Pairs as tokens: each prompt with each of its two answers in the base's own chat form."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.layer.prefer.rows import PreferenceRow, read_preferences
from rumpun.layer.tokenizer import Tokenizer

__all__ = ["Pair", "Side", "read_pairs"]


@dataclass(frozen=True, slots=True)
class Side:
    """A prompt with one answer."""

    ids: npt.NDArray[np.uint32]  # up to the answer's end
    begin: int  # of the answer

    @property
    def answer_tokens(self) -> int:
        """Tokens of the answer, the one that ends the turn among them."""
        return len(self.ids) - self.begin


@dataclass(frozen=True, slots=True)
class Pair:
    """One preference."""

    prompt: str  # hash of it: pairs that share a prompt are no independent observations
    language: str
    rule: str
    chosen: Side
    rejected: Side

    @property
    def width(self) -> int:
        """Tokens of the longer side."""
        return max(len(self.chosen.ids), len(self.rejected.ids))


def read_pairs(path: Path, tokenizer: Tokenizer, tokens_max: int, dropped: Counter[str]) -> list[Pair]:
    """The pairs of a file; those with a side above `tokens_max` are left out and counted.

    Raises:
        InputError: a line is no pair, or the base's chat form cannot hold it.
    """
    found = []
    for number, row in enumerate(read_preferences(path), 1):
        try:
            sides = [_side(row, answer, tokenizer) for answer in (row.chosen, row.rejected)]
        except ValueError as error:
            raise InputError(
                f"{path}: pair {number}: {error}", "name a base with a plain chat template"
            ) from error
        if max(len(side.ids) for side in sides) > tokens_max:
            dropped["longer than sequence_tokens"] += 1
            continue
        prompt = hashlib.sha256(row.prompt.encode()).hexdigest()[:16]
        found.append(Pair(prompt, row.language, row.rule or "given", *sides))
    return found


def _side(row: PreferenceRow, answer: str, tokenizer: Tokenizer) -> Side:
    turns = [{"role": turn.role, "content": turn.content} for turn in row.messages]
    ids, learnt = tokenizer.chat([*turns, {"role": "assistant", "content": answer}])
    end = _last(learnt) + 1
    begin = end - 1
    while begin and learnt[begin - 1]:
        begin -= 1
    return Side(np.array(ids[:end], dtype=np.uint32), begin)


def _last(flags: Sequence[bool]) -> int:
    for place in range(len(flags) - 1, 0, -1):
        if flags[place]:
            return place
    raise ValueError("the chat template has no place for an answer")

"""Tokens before and after trimming, counted by llama.cpp itself: what a language costs, and the proof that cuts stay."""

import contextlib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from rumpun.edge.keep import COMMON, Kept, script_class
from rumpun.errors import InputError
from rumpun.language.tables import WORKING
from rumpun.weights.trim import Pieces

__all__ = ["Cost", "NumberCut", "cost_of", "counting", "dearer", "number_cut", "prove"]

Tokenize = Callable[[Sequence[str]], list[list[int]]]
_NUMBER: Final = "20271231"
# what must never be cut otherwise, whatever is dropped
_SIGNS: Final = (
    "0123456789", "2027", "3.14", "1,000,000", "20:30", "-7", "1/2 + 3*4 = 12.5", "(99)[0]{1};", "\n\n    \t", "1e9 %",
)  # fmt: skip


class Cost(msgspec.Struct, frozen=True):
    """Tokens a character of one language."""

    kept: bool  # its passage has no letter of a script that is not kept whole
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class NumberCut:
    """How a number is cut, and what is odd about it."""

    shown: str  # "2·0·2·7"
    notes: tuple[str, ...]


@contextlib.contextmanager
def counting(
    gguf: Path, kept: Sequence[int] | None = None, scratch: Path | None = None
) -> Iterator[Tokenize]:
    """The canonical tokens of texts in a GGUF's vocabulary, or in what is left of it when only `kept` stays."""
    from rumpun.engines.llamacpp_score import Scorer
    from rumpun.weights.gguf_file import describe
    from rumpun.weights.trim import write_vocabulary

    path = gguf
    if kept is not None:
        path = (scratch or gguf.parent) / "vocabulary.gguf"
        write_vocabulary(gguf, kept, path)
    scorer = Scorer(path, describe(path), 1)
    try:
        yield scorer.tokenize
    finally:
        scorer.close()


def prove(source: Path, kept: Sequence[int], before: Tokenize, after: Tokenize) -> None:
    """Every passage, number and sign whose pieces all stay is cut as before.

    Raises:
        InputError: one is cut otherwise, or a number loses a piece.
    """
    now = {old: new for new, old in enumerate(kept)}
    lines = [*_SIGNS, *(line for passage in passages().values() for line in passage.split(". "))]
    for line, old, new in zip(lines, before(lines), after(lines), strict=True):
        lost = [number for number in old if number not in now]
        if lost and line in _SIGNS:
            raise InputError(
                f"{source}: {line!r} would lose {len(lost)} of its {len(old)} pieces, and numbers would be cut otherwise",
                "keep the scripts that those pieces belong to",
            )
        if not lost and [now[number] for number in old] != new:
            raise InputError(
                f"{source}: {line!r} would be cut into {len(new)} pieces, before {len(old)}, though all of them stay",
                "this tokenizer does not join its pieces as their order says: leave the model whole",
            )


def cost_of(before: Tokenize, after: Tokenize, scripts: Sequence[str]) -> dict[str, Cost]:
    """Tokens a character of the same three sentences in every working language."""
    classes = {*scripts, COMMON}
    texts = [passages()[tag] for tag in WORKING]
    counts = zip(WORKING, texts, before(texts), after(texts), strict=True)
    return {
        tag: Cost(
            all(script_class(ord(letter)) in classes for letter in text),
            round(len(old) / len(text), 3),
            round(len(new) / len(text), 3),
        )
        for tag, text, old, new in counts
    }


def dearer(cost: Mapping[str, Cost], kept: Kept) -> Iterator[str]:
    """A note for each language in a narrowed script that takes more tokens now."""
    classes = {*kept.scripts, *kept.narrowed, COMMON}
    for tag, found in cost.items():
        meant = all(script_class(ord(letter)) in classes for letter in passages()[tag])
        if meant and not found.kept and found.after > found.before:
            yield (
                f"{tag} takes {found.after / found.before - 1:+.0%} tokens: words that the model knew whole go in pieces,"
                " which it reads worse; measure that (rumpun eval bpb) before it ships"
            )


def number_cut(pieces: Pieces, tokenize: Tokenize) -> NumberCut:
    """How the model cuts a number; pieces of digits that its cut never makes are a clash between the two."""
    cut = [pieces.contents[number].decode("utf-8", "replace") for number in tokenize([_NUMBER])[0]]
    longest = max(map(len, cut), default=0)
    dead = sum(content.isdigit() and len(content) > longest for content in pieces.contents)
    notes = (
        (
            f"numbers are cut into at most {longest} digits, and {dead:,} pieces have more: they are never used",
        )
        if dead and longest in {1, 3}
        else ()
    )
    return NumberCut("·".join(cut), notes)


def passages() -> dict[str, str]:
    """Language -> the same three sentences in it, written for the project."""
    found: dict[str, str] = tomllib.loads(
        (Path(__file__).parent / "passages.toml").read_text(encoding="utf-8")
    )
    return found

"""A SentencePiece vocabulary (Gemma's): scores in a GGUF, ranked merges in tokenizer.json; both join the best pair first.

llama.cpp joins any two neighbours whose sum is in the vocabulary, the highest score first (`llm_tokenizer_spm`); the
tokenizers library joins pairs that are listed, the earliest first. The two agree where every split of every token into
two tokens is listed in the order of the scores, as converters from SentencePiece list them.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, Final

from rumpun.errors import InputError

__all__ = [
    "BYTE",
    "BYTE_TOKEN",
    "SPACE",
    "UNKNOWN",
    "UNUSED",
    "completed",
    "merges_of_scores",
    "model_parts",
    "scores_behind",
    "scores_of_merges",
    "splits",
]

UNKNOWN, UNUSED, BYTE = 2, 5, 6  # llama.cpp's token types, beside those in `weights.vocabulary`
SPACE: Final = "\u2581"  # what stands for a space
BYTE_TOKEN: Final = re.compile(r"<0x[0-9A-F]{2}>")
_LACKING_MAX: Final = 0.01  # of the splits; one of another kind of BPE lists about one split a token


def splits(token: str, known: Container[str]) -> Iterator[tuple[str, str]]:
    """Every way to make a token of two known ones."""
    for at in range(1, len(token)):
        if token[:at] in known and token[at:] in known:
            yield token[:at], token[at:]


def merges_of_scores(tokens: Sequence[str], scores: Sequence[float], types: Sequence[int]) -> list[list[str]]:
    """Every pair of tokens whose sum is a token, the highest score of the sum first."""
    known = {token: number for number, token in enumerate(tokens) if types[number] == 1}
    order = sorted(known.values(), key=lambda number: -scores[number])
    return [
        list(pair)
        for number in order
        for pair in sorted(splits(tokens[number], known), key=lambda pair: (known[pair[0]], known[pair[1]]))
    ]


def scores_of_merges(
    where: object, tokens: Sequence[str], merges: Sequence[Sequence[str]], types: Sequence[int]
) -> list[float]:
    """A score a token: minus the rank among the sums that merges make; what no merge makes comes last.

    Raises:
        InputError: the merges are not those of a SentencePiece vocabulary, so llama.cpp would cut text otherwise.
    """
    known = {token: number for number, token in enumerate(tokens) if types[number] == 1}
    listed = {(left, right) for left, right in merges}
    all_pairs = [pair for token in known for pair in splits(token, known)]
    lacking = [pair for pair in all_pairs if pair not in listed]
    if len(lacking) > _LACKING_MAX * max(1, len(all_pairs)):
        raise InputError(
            f"{where}: {len(lacking):,} of {len(all_pairs):,} pairs that make a token are not merges"
            f" (the first is '{lacking[0][0]}' + '{lacking[0][1]}'): no SentencePiece vocabulary",
            "use a base whose tokenizer is a byte-level BPE, or Gemma's own",
        )
    ranks: dict[str, int] = {}
    for left, right in merges:
        ranks.setdefault(left + right, len(ranks))
    return [-float(ranks.get(token, len(ranks) + number)) for number, token in enumerate(tokens)]


def scores_behind(scores: Sequence[float], types: Sequence[int], count: int) -> list[float]:
    """Scores of so many new tokens, each below all before it and below the base's: the base's joins are made first."""
    lowest = min((score for score, kind in zip(scores, types, strict=True) if kind == 1), default=0.0)
    return [lowest - 1.0 - number for number in range(count)]


def completed(merges: Iterable[tuple[str, str]], known: Container[str]) -> tuple[tuple[str, str], ...]:
    """Merges with every other split of the tokens that they make, in the order in which the tokens come first."""
    made = dict.fromkeys(left + right for left, right in merges)
    return tuple(pair for token in made for pair in splits(token, known))


def model_parts(
    tokens: Sequence[str],
    scores: Sequence[float],
    types: Sequence[int],
    unknown: str | None,
    *,
    space_first: bool,
) -> dict[str, Any]:
    """The parts of tokenizer.json that differ from a byte-level BPE's: normalizer, pre_tokenizer, decoder, model."""
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    prepend = {"type": "Prepend", "prepend": SPACE}
    decoders: list[dict[str, Any]] = [back, {"type": "ByteFallback"}, {"type": "Fuse"}]
    if space_first:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "normalizer": {"type": "Sequence", "normalizers": [prepend, replace]} if space_first else replace,
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unknown,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens) if types[number] != UNUSED},
            "merges": merges_of_scores(tokens, scores, types),
        },
    }

"""Tokens and merges within one budget: merges alone first, then clusters against what merges leave, then merges anew."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise

import regex

from rumpun.layer.params import ExtendParams
from rumpun.layer.vocabulary.base import OTHER_SCRIPT, BaseTokenizer, byte_letters
from rumpun.layer.vocabulary.clusters import finder, learn_clusters, runs
from rumpun.layer.vocabulary.merges import Learnt, Word, learn_merges
from rumpun.layer.vocabulary.scored import new_letters, refusal, spelt
from rumpun.layer.vocabulary.texts import Texts
from rumpun.steps import Progress

__all__ = ["Vocabulary", "code_reference", "learn", "weights_of"]

_ASCII_SIGNS = regex.compile(r"[^\p{L}\p{M}]+")
_NUMBERS = regex.compile(r"\p{N}")
_ZEROS = "๐໐០၀௦"  # nine follow each


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is learnt: clusters and digits as plain text, then the tokens of the merges as the base writes its own."""

    clusters: tuple[str, ...]  # digits of the region's scripts behind them
    merged: tuple[str, ...]
    merges: tuple[str, ...]
    refused: Mapping[str, int]  # why -> merges

    @property
    def tokens(self) -> tuple[str, ...]:
        """In the order of their rows."""
        return self.merged + self.clusters


def code_reference() -> str:
    """Code in several languages, written for this: its tokens never change."""
    return (resources.files("rumpun.layer.vocabulary") / "code.txt").read_text(encoding="utf-8")


def weights_of(sizes: Mapping[str, int], given: Mapping[str, float], balance: float) -> dict[str, int]:
    """What one occurrence counts in each language, so that a language counts bytes ** balance in all; whole numbers."""
    wanted = {tag: given.get(tag, 0.0) if given else float(size) ** balance for tag, size in sizes.items()}
    each = {tag: wanted[tag] / max(1, sizes[tag]) for tag in sizes}
    most = max(each.values(), default=0.0) or 1.0
    return {tag: max(1, round(10_000 * value / most)) if value > 0 else 0 for tag, value in each.items()}


def learn(
    base: BaseTokenizer, texts: Texts, reference: Iterable[str], params: ExtendParams, progress: Progress
) -> Vocabulary:
    """Learn tokens and merges from the training texts.

    Args:
        base: whose own tokens stay.
        texts: by language; those of `params.kept_languages` are reference too, not learnt from.
        reference: more texts whose tokens stay, such as code.
        params: budget and balance.
        progress: called with (stages done, stages).
    """
    learnt_from = {tag: found for tag, found in texts.train.items() if tag not in params.kept_languages}
    sizes = {tag: sum(len(text.encode()) for text in found) for tag, found in learnt_from.items()}
    weights = weights_of(sizes, params.language_weights, params.balance)
    targets = {
        tag: int(params.tokens_per_character * sum(len(text) for text in found))
        for tag, found in learnt_from.items()
    }
    progress(0, 4, "reading the reference")
    kept = [text for tag in params.kept_languages for text in texts.train.get(tag, ())]
    if base.scored:
        return _learn_scored(
            base, learnt_from, [*kept, *reference], params=params, aims=(weights, targets), progress=progress
        )
    digits = _digits(learnt_from) if params.clusters_max else ()
    refuse = _refusal(base, [*kept, *reference], digits)
    progress(1, 4, "merging pairs")
    aims = _Aims(weights, targets, refuse)
    first = _merged(base, learnt_from, params.tokens_max, aims)
    if not params.clusters_max:
        return Vocabulary((), first.tokens, first.merges, first.refused)
    progress(2, 4, "choosing clusters")
    clusters = learn_clusters(
        {tag: runs(found) for tag, found in learnt_from.items()},
        weights,
        _cost(base, first),
        min(params.clusters_max, params.tokens_max - len(digits)),
    )
    clusters += digits
    progress(3, 4, "merging pairs beside the clusters")
    second = _merged(base, learnt_from, params.tokens_max - len(clusters), aims, apart=finder(clusters))
    progress(4, 4, f"{len(second.tokens)} merges and {len(clusters)} clusters")
    return Vocabulary(tuple(clusters), second.tokens, second.merges, second.refused)


def _learn_scored(
    base: BaseTokenizer,
    texts: Mapping[str, Sequence[str]],
    reference: Sequence[str],
    *,
    params: ExtendParams,
    aims: tuple[Mapping[str, int], Mapping[str, int]],
    progress: Progress,
) -> Vocabulary:
    """Letters that the base lacks and joins of its tokens; no clusters, as nothing cuts the text before."""
    letters = new_letters(base, texts, _digits(texts), reference)[: params.tokens_max]
    refuse = refusal(base, letters, reference)
    progress(1, 4, "joining neighbours")
    learnt = _merged(base, texts, params.tokens_max - len(letters), _Aims(*aims, refuse), letters=letters)
    tokens = (*letters, *learnt.tokens)
    progress(4, 4, f"{len(learnt.tokens)} joins and {len(letters)} letters")
    return Vocabulary((), tokens, spelt(tokens, base.joined), learnt.refused)


@dataclass(frozen=True, slots=True)
class _Aims:
    """What both rounds of merging are led by; see `learn_merges`."""

    weights: Mapping[str, int]
    targets: Mapping[str, int]
    refuse: Callable[[str, tuple[int, int]], str]


def _merged(
    base: BaseTokenizer,
    texts: Mapping[str, Sequence[str]],
    tokens_max: int,
    aims: _Aims,
    *,
    apart: "regex.Pattern[str] | None" = None,
    letters: Sequence[str] = (),
) -> Learnt:
    """Merges inside the texts' words; `letters` are tokens behind the base's already."""
    counts: dict[str, dict[str, int]] = {}
    goals: Counter[str] = Counter(aims.targets)
    for tag, found in texts.items():
        for word, count in base.words(found, apart).items():
            counts.setdefault(word, {})[tag] = count
        if apart is not None:  # clusters are pieces too
            goals[tag] -= sum(len(apart.findall(text)) for text in found)
    model = base.tokenizer(letters, ()).model if letters else base.inner.model
    words = [
        Word(tuple(piece.id for piece in model.tokenize(word)), tags) for word, tags in sorted(counts.items())
    ]
    return learn_merges(
        words,
        [*base.tokens, *letters],
        tokens_max=tokens_max,
        weights=aims.weights,
        targets=goals,
        refuse=aims.refuse,
        by_sum=base.scored,
    )


def _digits(texts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """All ten digits of each of the region's scripts that has one in the texts: one token each, so that all are alike."""
    tens = [tuple(chr(ord(zero) + n) for n in range(10)) for zero in _ZEROS]
    used = {letter for found in texts.values() for text in found for letter in set(text)}
    return tuple(digit for ten in tens if used & set(ten) for digit in ten)


def _refusal(
    base: BaseTokenizer, reference: Sequence[str], digits: Sequence[str]
) -> Callable[[str, tuple[int, int]], str]:
    """Why a merge is not made: it would change the reference, a number without a token, or signs that code is made of."""
    words = base.words(reference)
    beside = {
        pair
        for word in words
        if not OTHER_SCRIPT.search(base.text(word))
        for pair in _pairs(base.pieces(word))
    }
    numbers = {
        pair
        for number in range(0x110000)
        if _is_number(number) and chr(number) not in digits
        for pair in _number_pairs(base, number)
    }

    def refuse(token: str, pair: tuple[int, int]) -> str:
        if pair in numbers:
            return "it would change a number"
        if pair in beside:
            return "it would change English or code"
        return (
            "signs and spaces alone" if token.isascii() and _ASCII_SIGNS.fullmatch(base.text(token)) else ""
        )

    return refuse


def _is_number(code: int) -> bool:
    return not 0xD800 <= code < 0xE000 and bool(_NUMBERS.match(chr(code)))


def _number_pairs(base: BaseTokenizer, code: int) -> list[tuple[int, int]]:
    ((word, _),) = base.inner.pre_tokenizer.pre_tokenize_str(chr(code))
    return _pairs(base.pieces(word))


def _pairs(pieces: Sequence[int]) -> list[tuple[int, int]]:
    return list(pairwise(pieces))


def _cost(base: BaseTokenizer, learnt: Learnt) -> Callable[[str], int]:
    """Pieces of a word of plain text, with these merges."""
    letters = byte_letters()
    model = base.tokenizer(learnt.tokens, learnt.merges).model

    def cost(word: str) -> int:
        return len(model.tokenize("".join(letters[byte] for byte in word.encode())))

    return cost

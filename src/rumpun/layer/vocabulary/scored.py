"""New tokens for a vocabulary with scores (SentencePiece's, as Gemma has): letters it lacks, then joins behind its own.

Such a tokenizer has no cut and no list of merges: any two neighbours that spell a token are joined, the highest score
first. New tokens have lower scores than all of the base's. So the base's joins are made first and give what they gave,
and a text changes if and only if two of its base tokens side by side spell a new one; those of English and code never
do. A letter that the base spells in bytes becomes a token first: the tokenizers library joins no bytes to letters.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import regex

from rumpun.layer.vocabulary.base import OTHER_SCRIPT, BaseTokenizer
from rumpun.layer.vocabulary.merges import COUNT_MIN
from rumpun.weights.tokenizer_spm import BYTE_TOKEN, splits

__all__ = ["new_letters", "refusal", "spelt"]

_LETTER = regex.compile(r"[\p{L}\p{M}]")


def new_letters(
    base: BaseTokenizer, texts: Mapping[str, Sequence[str]], digits: Iterable[str], reference: Sequence[str]
) -> list[str]:
    """These digits, and letters and marks of the texts, the most frequent first, where the base spells them in bytes.

    Letters of the reference stay as they are, but for those of other scripts than Latin.
    """
    stay = {letter for text in reference for letter in set(text) if not OTHER_SCRIPT.match(letter)}
    seen = Counter(letter for found in texts.values() for text in found for letter in text)
    letters = [
        letter
        for letter, count in sorted(seen.items(), key=lambda item: (-item[1], item[0]))
        if count >= COUNT_MIN and _LETTER.match(letter) and letter not in base.ids and letter not in stay
    ]
    return [digit for digit in digits if digit not in base.ids] + letters


def refusal(
    base: BaseTokenizer, letters: Sequence[str], reference: Sequence[str]
) -> Callable[[str, tuple[int, int]], str]:
    """Why two neighbours are not joined: it would change the reference, or a part of them is a byte."""
    beside = {
        one + other
        for found in base.inner.encode_batch(list(reference), add_special_tokens=False)
        for one, other in pairwise(found.tokens)
        if not OTHER_SCRIPT.search(one + other)
    }
    names = [*base.tokens, *letters]

    def refuse(token: str, pair: tuple[int, int]) -> str:
        if any(number < len(names) and BYTE_TOKEN.fullmatch(names[number]) for number in pair):
            return "a letter too rare to be a token"
        if token in beside:
            return "it would change English or code"
        return ""

    return refuse


def spelt(tokens: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Every way to make each of the new tokens of two others, as merges "a b", in their order."""
    new = list(tokens)
    every = {*known, *new}
    return tuple(f"{left} {right}" for token in new for left, right in splits(token, every))

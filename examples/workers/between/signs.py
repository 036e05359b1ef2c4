"""Signs in a message that two people should not settle this alone: by its words, and by asking the model."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from between.address import Address
from between.find import days_in, phrase_at
from between.tables import Sign, tables
from between.translate import pieces

__all__ = ["Seen", "asked", "by_words"]

_TOKENS: Final = 48
_PIECE: Final = 1200  # characters asked about at once: some 3,400 tokens of Burmese on a small base
_MOST: Final = 3  # an answer that names more is a list read back, not a judgement


@dataclass(frozen=True, slots=True)
class Seen:
    """A sign, and what found it."""

    sign: Sign
    by: Literal["phrase", "model"]


def by_words(text: str, tag: str) -> tuple[Seen, ...]:
    """The signs whose phrases stand in a text, in its own language or as mixed-in English."""
    return tuple(
        Seen(sign, "phrase")
        for sign in tables().signs
        if any(phrase_at(text, sign.phrases[one], one) and _long(sign, text, one) for one in {tag, "en"})
    )


def _long(sign: Sign, text: str, tag: str) -> bool:
    return not sign.weeks or days_in(text, tag) >= 7 * sign.weeks


def asked(address: Address, text: str, side: str, tag: str) -> tuple[Seen, ...] | None:
    """The signs that the model sees; None where an answer of it is no use.

    Raises:
        Trouble: the address does not answer.
    """
    answers = [_asked(address, piece, side, tag) for piece in pieces(text, _PIECE) if piece.strip()]
    if None in answers:
        return None
    named = {sign.key: sign for answer in answers for sign in answer or ()}
    return tuple(Seen(sign, "model") for sign in named.values())


def _asked(address: Address, piece: str, side: str, tag: str) -> tuple[Sign, ...] | None:
    found = tables()
    listed = "\n".join(f"{sign.key}: {sign.asks}" for sign in found.signs)
    system = found.prompts["signs"]["system"].format(side=side, source=found.languages[tag][0], signs=listed)
    reply = address.ask(
        [{"role": "system", "content": system}, {"role": "user", "content": piece}], max_tokens=_TOKENS
    )
    said = reply.text.casefold()
    named = tuple(sign for sign in found.signs if re.search(rf"\b{sign.key}\b", said))
    if reply.held or len(named) > _MOST or not (named or re.match(r"\W*none\b", said)):
        return None
    return named

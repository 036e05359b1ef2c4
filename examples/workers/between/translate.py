"""A message in another language, piece by piece; what may have gone wrong is named."""

import unicodedata
from dataclasses import dataclass
from typing import Final

from between.address import Address
from between.find import clean, lacking_numbers, phrase_at, terms_in
from between.tables import Term, tables

__all__ = ["PIECE", "Translation", "pieces", "translate", "trial"]

PIECE: Final = 400  # characters that are translated at once: small models lose the thread of longer ones
_ENDS: Final = frozenset(".!?。!?។။\n…;;")
_QUOTES: Final = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"))


@dataclass(frozen=True, slots=True)
class Translation:
    """What came back.

    Attributes:
        text: the translation; empty where the guard held a piece.
        held: the guard held the message or its translation.
        flagged: the guard marked it and let it pass.
        message: what the guard tells the writer.
        cut: a piece ended at the limit of tokens, or nothing came back for it.
        numbers: numbers of the original that are not in the translation.
        added: numbers of the translation that are not in the original.
        missing: terms of the original whose word is not in the translation.
    """

    text: str
    held: bool = False
    flagged: bool = False
    message: str = ""
    cut: bool = False
    numbers: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    missing: tuple[Term, ...] = ()


def pieces(text: str, most: int = PIECE) -> list[str]:
    """A text in parts of at most `most` characters that give it again when joined.

    Cut after the last sentence end that fits, else after a space, else before a character that is not combining.
    """
    parts: list[str] = []
    while len(text) > most:
        at = _cut(text, most)
        parts.append(text[:at])
        text = text[at:]
    return [*parts, text] if text else parts


def _cut(text: str, most: int) -> int:
    for ends in (_ENDS, frozenset(" \u00a0\u200b")):
        found = max((at for at in range(most // 4, most) if text[at] in ends), default=-1)
        if found >= 0:
            return found + 1
    for at in range(most, most // 2, -1):
        if not unicodedata.category(text[at]).startswith("M"):
            return at
    return most


def translate(address: Address, text: str, source: str, target: str, max_tokens: int) -> Translation:
    """Translate a message from one language to another; the same language is given back as it is after the guard saw it.

    Raises:
        Trouble: the address does not answer. Nothing of the message has been shown then.
    """
    named = terms_in(text, source)
    out: list[str] = []
    cut = flagged = False
    message = ""
    for piece in pieces(text):
        if not piece.strip():
            out.append(piece)
            continue
        reply = address.ask(_messages(piece, source, target), max_tokens)
        if reply.held:
            return Translation("", held=True, message=reply.message)
        cut |= reply.cut or not reply.text
        flagged |= reply.flagged
        message = message or reply.message
        tail = piece[len(piece.rstrip()) :]
        out.append(piece if source == target else _bare(reply.text) + (tail or " "))
    told = clean("".join(out))
    return Translation(
        told,
        flagged=flagged,
        message=message,
        cut=cut and source != target,
        numbers=lacking_numbers(text, told, target),
        added=lacking_numbers(told, text, source),
        missing=tuple(term for term in named if not _has(told, term, target)) if source != target else (),
    )


def trial(address: Address, languages: tuple[str, str], max_tokens: int) -> bool:
    """Whether a sentence with two numbers and two terms comes through in both directions.

    It shows that a model is bad; that one passes does not show that it is good.

    Raises:
        Trouble: the address does not answer.
    """
    for source, target in (languages, languages[::-1]):
        told = translate(address, tables().prompts["trial"][source], source, target, max_tokens)
        if told.held or told.cut or told.numbers or told.added or told.missing:
            return False
    return True


def _has(text: str, term: Term, tag: str) -> bool:
    return phrase_at(text, (*term.phrases[tag], term.name[tag]), tag)


def _messages(piece: str, source: str, target: str) -> list[dict[str, str]]:
    """The chat for one piece: the text stands alone in the last turn, so that a guard judges it and nothing of ours."""
    found = tables()
    english = {tag: names[0] for tag, names in found.languages.items()}
    system = found.prompts["translate"]["system"].format(source=english[source], target=english[target])
    pair = found.prompts["pairs"].get(f"{source}-{target}", {})
    parts = [system, pair.get("system", "")]
    named = [f"{term.name[source]} = {term.name[target]}" for term in terms_in(piece, source)]
    if named and source != target:
        parts.append(found.prompts["translate"]["terms"].format(terms="; ".join(named)))
    messages = [{"role": "system", "content": " ".join(filter(None, parts))}]
    if "example" in pair:
        asked, told = pair["example"]
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": told}]
    return [*messages, {"role": "user", "content": piece.strip()}]


def _bare(text: str) -> str:
    """A translation without quotation marks around the whole of it."""
    for start, end in _QUOTES:
        inner = text[1:-1]
        if len(text) > 1 and text.startswith(start) and text.endswith(end) and not {start, end} & set(inner):
            return inner
    return text

"""Presidio's operators on places of a text: replace, redact, mask, hash, keep; overlaps settled as its anonymizer does.

Places of one entity that overlap become one; a place within another gives way, the likelier of two that are the same
stays; places of one entity with nothing but spaces between them become one. Of two that overlap still, each is worked on
for the part that is its own (Presidio works on all of the first, so that `keep` and `mask` may show what the second
hides).
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["DEFAULT", "Operator", "Span", "anonymised"]

DEFAULT = "DEFAULT"  # the operator of every entity that has none of its own
_SPACES = re.compile(" +")


@dataclass(frozen=True, slots=True)
class Span:
    """One place in a text."""

    start: int
    end: int
    entity: str
    score: float


@dataclass(frozen=True, slots=True)
class Operator:
    """What is done with a value; fields that its name does not use are not looked at."""

    name: str
    new_value: str = ""  # replace: empty for the entity in angle brackets
    masking_char: str = "*"
    chars_to_mask: int = 0  # mask: below 0 none
    from_end: bool = False
    hash_type: str = "sha256"
    salt: str | None = (
        None  # hash: None for a new one for each value, so that no two can be told to be the same
    )

    def on(self, value: str, entity: str) -> str:
        """What is written for a value."""
        if self.name == "keep":
            return value
        if self.name == "redact":
            return ""
        if self.name == "replace":
            return self.new_value or f"<{entity}>"
        if self.name == "mask":
            count = min(len(value), max(0, self.chars_to_mask))
            hidden = self.masking_char * count
            return value[: len(value) - count] + hidden if self.from_end else hidden + value[count:]
        salt = os.urandom(32) if self.salt is None else self.salt.encode("utf-8", "surrogatepass")
        return hashlib.new(self.hash_type, value.encode("utf-8", "surrogatepass") + salt).hexdigest()


def anonymised(text: str, spans: Sequence[Span], operators: Mapping[str, Operator]) -> dict[str, Any]:
    """The text with every span worked on, and where the results stand in it, last first as Presidio gives them.

    `operators` has one for DEFAULT. Spans lie in the text and are not empty.
    """
    pieces: list[str] = []
    items: list[dict[str, Any]] = []
    last = size = 0
    settled = _settled(text, spans)
    for place, span in enumerate(settled):
        end = min(span.end, settled[place + 1].start) if place + 1 < len(settled) else span.end
        operator = operators.get(span.entity, operators[DEFAULT])
        written = operator.on(text[span.start : end], span.entity)
        pieces += [text[last : span.start], written]
        size += span.start - last
        items.append(
            {
                "start": size,
                "end": size + len(written),
                "entity_type": span.entity,
                "text": written,
                "operator": operator.name,
                "score": span.score,
            }
        )
        size += len(written)
        last = end
    return {"text": "".join([*pieces, text[last:]]), "items": items[::-1]}


def _settled(text: str, spans: Sequence[Span]) -> list[Span]:
    """In order of their start; none lies within another."""
    kept: list[Span] = []
    # a longer one comes before those that it holds; of those that are the same, the likeliest, then the last given
    order = sorted(_merged(spans), key=lambda item: (item[1].start, -item[1].end, -item[1].score, -item[0]))
    for _, span in order:
        if not kept or span.end > kept[-1].end:
            kept.append(span)
    joined: list[Span] = []
    for span in kept:
        before = joined[-1] if joined else None
        if (
            before
            and before.entity == span.entity
            and _SPACES.fullmatch(text, before.end, max(before.end, span.start))
        ):
            joined[-1] = replace(span, start=before.start)
        else:
            joined.append(span)
    return joined


def _merged(spans: Sequence[Span]) -> list[tuple[int, Span]]:
    """Spans of one entity that share a code point, as one with the best score; each with the place of its last part."""
    places = enumerate(sorted(spans, key=lambda span: (span.start, span.end)))
    merged: list[tuple[int, Span]] = []
    for place, span in sorted(places, key=lambda item: item[1].entity):
        before = merged[-1][1] if merged else None
        if before and before.entity == span.entity and span.start < before.end:
            end, score = max(before.end, span.end), max(before.score, span.score)
            merged[-1] = (place, Span(before.start, end, span.entity, score))
        else:
            merged.append((place, span))
    return merged

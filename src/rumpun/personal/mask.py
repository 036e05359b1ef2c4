"""What is written in the place of personal data.

    Masker().mask("HP 0812-3456-7890").text                        ->  "HP <PHONE>"
    Masker(style="last", keep=4).mask("HP 081234567890").text      ->  "HP ████████7890"
    Masker(style="pseudonym", key=b"…").mask(…).text               ->  "HP <PHONE:hbkdopag>", the same for the same number
    Masker(style="redact").mask(…).text                            ->  "HP ███"
    Masker(style="drop").mask(…).text                              ->  "HP "

Masking a masked text changes nothing. No mask is longer than what it hides or its tag, whichever is longer.
"""

import bisect
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from rumpun.errors import UsageError, nearest
from rumpun.personal.finder import find_all
from rumpun.personal.fold import ZERO_WIDTH, folded
from rumpun.personal.found import MASK_AT, Found
from rumpun.personal.runs import MASK

__all__ = ["STYLES", "Masked", "Masker", "Style"]

Style = Literal["tag", "last", "pseudonym", "redact", "drop"]
STYLES: tuple[Style, ...] = get_args(Style)
_KEEP_MOST = 5  # fewer than the digits of any identifier
_ROUNDS = 4
# their last signs would tell much
_WHOLE = ("EMAIL", "URL_CREDENTIALS", "MRZ", "QR_PAYLOAD", "MM_NRC", "KH_BAKONG")
_LETTERS = "abcdefghijklmnop"  # no digits, so that a pseudonym is never taken for a number


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without its personal data, and what stood there."""

    text: str
    found: tuple[Found, ...]  # places in the original text


@dataclass(frozen=True, slots=True, kw_only=True)
class Masker:
    """How to mask."""

    style: Style = "tag"
    keep: int = 4  # signs left at the end, style "last"; of a short value at most half
    # secret, style "pseudonym": without it nobody can tell whether a pseudonym is of a number they know; never shown
    key: bytes = field(default=b"", repr=False)
    countries: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    least: float = MASK_AT

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.style not in STYLES:
            raise UsageError(f"style = '{self.style}'", nearest(self.style, list(STYLES)))
        if not 0 <= self.keep <= _KEEP_MOST:
            raise UsageError(f"keep = {self.keep}: expected 0 to {_KEEP_MOST} signs", "keep 4")
        if self.style == "pseudonym" and not 16 <= len(self.key) <= 64:
            raise UsageError(
                f"a key of {len(self.key)} bytes: pseudonyms need a secret of 16 to 64"
                if self.key
                else "pseudonyms need a secret key",
                "make one, keep it, and name it with --key-file or --key-env: head -c 32 /dev/urandom > pii.key",
            )

    def found(self, text: str) -> list[Found]:
        """What one text holds, in one look."""
        return find_all([text], self.countries, self.types, self.least)[0]

    def mask(self, text: str) -> Masked:
        """One text, masked."""
        return self.mask_all([text])[0]

    def mask_all(self, texts: Sequence[str]) -> list[Masked]:
        """Each text, masked."""
        results = [Masked(text, ()) for text in texts]
        places: list[list[tuple[int, int, int]]] = [[] for _ in texts]
        waiting = list(range(len(texts)))
        masker = self
        # a mask may bring together what then reads as a number: rare, and settled at once, save where nothing is left
        # between the neighbours of what is dropped: then something is
        for number in range(2 * _ROUNDS if self.style == "drop" else _ROUNDS):
            if number == _ROUNDS:
                masker = replace(self, style="redact")
            found = find_all([results[n].text for n in waiting], self.countries, self.types, self.least)
            again = []
            for n, items in zip(waiting, found, strict=True):
                if items:
                    results[n], places[n] = _once(masker, texts[n], results[n], items, places[n])
                    again.append(n)
            waiting = again
            if not waiting:
                break
        return results

    def replacement(self, type_: str, value: str) -> str:
        """What stands in the place of one value."""
        if self.style == "drop":
            return ""
        if self.style == "redact":
            return MASK * 3
        if self.style == "pseudonym":
            return f"<{type_}:{self.pseudonym(type_, value)}>"
        if self.style == "last" and type_ not in _WHOLE:
            signs = [place for place, sign in enumerate(value) if sign.isalnum()]
            keep = min(self.keep, len(signs) // 2)
            start = signs[len(signs) - keep] if keep else len(value)
            return MASK * start + value[start:]
        return f"<{type_}>"

    def pseudonym(self, type_: str, value: str) -> str:
        """Eight letters, the same for the same value however it is written: 32 bits of a keyed BLAKE2b."""
        plain = folded(value).replace(ZERO_WIDTH, "").casefold()
        if type_ not in ("EMAIL", "URL_CREDENTIALS"):
            plain = "".join(sign for sign in plain if sign.isalnum())
        digest = hashlib.blake2b(
            f"{type_}\0{plain}".encode("utf-8", "surrogatepass"), key=self.key, digest_size=4
        )
        return "".join(_LETTERS[byte >> 4] + _LETTERS[byte & 15] for byte in digest.digest())


def _once(
    masker: Masker,
    original: str,
    before: Masked,
    items: Collection[Found],
    places: list[tuple[int, int, int]],
) -> tuple[Masked, list[tuple[int, int, int]]]:
    """Mask what was found in a text of which some is masked already.

    `places` are (start, end, start in the original) of what is not masked, in order.
    """
    places = places or [(0, len(original), 0)]
    starts = [start for start, _, _ in places]

    def origin(place: int) -> int:
        start, end, first = places[max(0, bisect.bisect_right(starts, place) - 1)]
        return first + min(place, end) - start

    pieces: list[str] = []
    kept: list[tuple[int, int, int]] = []
    mapped, last, size = [], 0, 0
    for item in [*items, None]:
        stop = item.start if item else len(before.text)
        pieces.append(before.text[last:stop])
        kept.append((size, size + stop - last, origin(last)))
        size += stop - last
        if item:
            start, end = origin(item.start), origin(item.end - 1) + 1
            pieces.append(masker.replacement(item.type, before.text[item.start : item.end]))
            size += len(pieces[-1])
            last = item.end
            mapped.append(Found(item.type, start, max(end, start + 1), item.score, item.country, item.reason))
    found = sorted([*before.found, *mapped], key=lambda f: f.start)
    return Masked("".join(pieces), tuple(found)), kept

"""What an attack on a text is: a change that a reader sees through and a model may not."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import regex

__all__ = ["ANY", "Attack", "Change", "Kind", "holding"]

Kind = Literal["character", "writing", "wrapping"]
Change = Callable[[str, random.Random], str]
ANY = "Zyyy"  # ISO 15924: a script that does not matter


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A named change of a text; the same name, text and seed give the same result."""

    name: str
    kind: Kind  # signs exchanged; another way of writing the language; the whole text put into something
    about: str  # one line
    scripts: tuple[str, ...]  # ISO 15924, those whose text it changes; (ANY,) for every text
    change: Change
    needs: "regex.Pattern[str] | None" = None  # what a text must hold beside, where a script is not enough

    def applies(self, text: str) -> bool:
        """Whether the text is written in something that this attack changes."""
        held = self.scripts == (ANY,) or holding(self.scripts).search(text)
        return bool(text.strip() and held and (self.needs is None or self.needs.search(text)))

    def __call__(self, text: str, seed: int = 0) -> str:
        """The text under attack; the text itself where the attack does not apply."""
        if not self.applies(text):
            return text
        digest = hashlib.blake2b(
            f"{self.name}\0{seed}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8
        )
        return self.change(text, random.Random(digest.digest()))  # noqa: S311 - sampling


def holding(scripts: Sequence[str]) -> "regex.Pattern[str]":
    """A pattern for one letter of any of the scripts."""
    held = "".join(rf"\p{{Script={script}}}" for script in scripts)
    return regex.compile(rf"(?V1)[[{held}]&&\p{{L}}]")  # regex keeps what it has compiled

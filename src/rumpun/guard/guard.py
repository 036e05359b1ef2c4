"""The guard: prompts and answers -> verdicts.

A first guard: linear heads over hashed character n-grams of the normalised text. Its card says what it cannot do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError, UsageError, nearest
from rumpun.guard.normalise import normalised
from rumpun.guard.taxonomy import UNSAFE, taxonomy
from rumpun.language import identify_all
from rumpun.language.heads import Heads, read_heads
from rumpun.records.places import shipped_folder

__all__ = ["ROLES", "WINDOW", "Checks", "Guard", "Role", "Verdict", "windows"]

Role = Literal["prompt", "answer"]
ROLES: tuple[Role, ...] = ("prompt", "answer")
WINDOW = 600  # code points judged together; longer texts are judged in windows that overlap by half
_TOGETHER = 256  # windows hashed at once, which bounds the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the guard says of one text."""

    flagged: bool
    scores: dict[str, float]  # "unsafe" and each category that has a head: 0 to 1
    categories: tuple[str, ...]  # those at or above their threshold, signals among them; without "unsafe"
    language: str  # BCP-47, as identified
    role: Role


class Checks(Protocol):
    """Whatever gives verdicts: the guard, or a stand-in for tests."""

    def check(self, texts: Sequence[str], role: Role = "prompt") -> list[Verdict]:
        """One verdict for each text."""
        ...


def windows(text: str) -> list[str]:
    """The text, or its windows of WINDOW code points that overlap by half; all of the text is in some window."""
    if len(text) <= WINDOW:
        return [text]
    starts = range(0, len(text) - WINDOW // 2, WINDOW // 2)
    return [text[start : start + WINDOW] for start in starts]


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A guard that is loaded; thread-safe, since it only reads. Make one with `Guard.load`."""

    heads: Heads
    thresholds: dict[str, float]
    folder: Path
    name: str

    @classmethod
    def load(cls, path: Path | str | None = None) -> "Guard":
        """Read a guard's folder, by default the one that is shipped.

        Raises:
            InputError: a file is missing, damaged, or of another schema.
        """
        folder = Path(path) if path is not None else shipped_folder() / "guard"
        heads = read_heads(folder, "guard")
        thresholds, name = heads.facts.get("thresholds"), heads.facts.get("name")
        whole = isinstance(thresholds, dict) and all(
            isinstance(thresholds.get(label), (int, float)) for label in heads.labels
        )
        known = {UNSAFE, *taxonomy().categories}
        whole = whole and UNSAFE in heads.labels and known.issuperset(heads.labels)
        if not whole or not isinstance(thresholds, dict) or not isinstance(name, str):
            raise InputError(
                f"{folder / 'guard.json'}: needs a name, a head '{UNSAFE}', categories of categories.toml and a threshold for each head",
                "restore the guard from a release, or train it: rumpun guard train",
            )
        return cls(heads, {label: float(thresholds[label]) for label in heads.labels}, folder, name)

    @property
    def card(self) -> Path:
        """The guard's card, in Markdown."""
        return self.folder / "CARD.md"

    def scores(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Probabilities [texts, heads], the largest over a text's windows; columns as in `heads.labels`.

        An empty text, or one with nothing but white space and format characters, scores 0.
        """
        plain = [normalised(text) for text in texts]
        parts = [windows(text) if text.strip() else [] for text in plain]
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        flat = [window for part in parts for window in part]
        found = np.zeros((len(texts), len(self.heads.labels)), np.float32)
        for start in range(0, len(flat), _TOGETHER):
            logits = self.heads.logits(flat[start : start + _TOGETHER])
            odds = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
            np.maximum.at(found, owner[start : start + _TOGETHER], odds)
        return found

    def check(self, texts: Sequence[str], role: Role = "prompt") -> list[Verdict]:
        """One verdict for each text; many at once are cheaper than one by one.

        Args:
            texts: any text. The time is linear in it: about 2 s for a million code points.
            role: who wrote it; this guard has the same heads for both.

        Raises:
            UsageError: the role is neither "prompt" nor "answer", or a text is no string.
        """
        if role not in ROLES:
            raise UsageError(f"role = {role!r}", nearest(str(role), list(ROLES)))
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise UsageError(f"text {place}: a {type(text).__name__}", "expected a string")
        scores = self.scores(texts)
        spoken = identify_all([text[:2000] for text in texts])
        return [self.verdict(row, found.language, role) for row, found in zip(scores, spoken, strict=True)]

    def verdict(self, scores: "npt.NDArray[np.float32]", language: str, role: Role) -> Verdict:
        """The verdict that scores (one for each head) make."""
        named = {label: round(float(s), 4) for label, s in zip(self.heads.labels, scores, strict=True)}
        over = tuple(label for label in self.heads.labels if named[label] >= self.thresholds[label])
        known = taxonomy().categories
        flagged = any(label == UNSAFE or not known[label].signal for label in over)
        categories = tuple(label for label in over if label != UNSAFE)
        return Verdict(flagged=flagged, scores=named, categories=categories, language=language, role=role)

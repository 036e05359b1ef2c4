"""Any text made fit to show: nothing unseen stays in force, nothing is endless."""

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Clipped", "clip", "language_name", "own_name", "short", "visible"]

# C0 and C1 controls but tab and line end, marks that turn the direction of text (UAX 9), line separators, halves of
# surrogate pairs (no file can hold them), signs of no character, and the unseen tags of plane 14
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_REACH = 64  # characters in which a cut looks for a place between two that a reader takes for one


@dataclass(frozen=True, slots=True)
class Clipped:
    """A text, or its beginning and end."""

    head: str
    left: int = 0  # characters between the two that are not shown
    tail: str = ""

    def __bool__(self) -> bool:
        return bool(self.head)


def visible(value: object) -> str:
    """A value as text in which what would act unseen is named by its code point: `[U+202E]`.

    White space at line ends, joiners and zero-width spaces stay: Khmer, Burmese, Thai and Tamil are written with them.
    """
    return _UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", str(value).replace("\r\n", "\n"))


def clip(value: object, most: int) -> Clipped:
    """A text of `most` characters or fewer, made visible: two thirds from its beginning, one from its end.

    Questions and decisions stand at the end of prompts and answers, so the middle is what can be missed best.
    """
    text = str(value)
    if len(text) <= most:
        return Clipped(visible(text))
    first, last = _between(text, most * 2 // 3), _between(text, len(text) - most // 3)
    if last <= first:  # one character reaches over all that would be left out
        return Clipped(visible(text))
    return Clipped(visible(text[:first]), last - first, visible(text[last:]))


def short(value: object, most: int = 80) -> str:
    """A name on one line, made visible, with … where its middle is left out."""
    found = clip(" ".join(str(value).split()), most)
    return f"{found.head}…{found.tail}" if found.left else found.head


def _between(text: str, place: int) -> int:
    """The last place up to `place` where no character is cut in two; `place` itself where a heap of marks is longer."""
    from rumpun.language.graphemes import graphemes

    start = max(0, place - _REACH)
    ends = [start + end for _, end in graphemes(text[start : place + _REACH]) if start + end <= place]
    return ends[-1] if ends else place


def language_name(tag: str) -> str:
    """A language's English name, or its tag where no table has it."""
    found = _language(tag)
    return found.english.partition(",")[0] if found else short(tag)


def own_name(tag: str) -> str:
    """What a language calls itself; empty where no table has it."""
    found = _language(tag)
    return found.own if found else ""


def _language(tag: str) -> Any:
    from rumpun.language.tables import languages

    return languages().get(tag)

"""Whether an answer follows one instruction: SEA-HELM's 21 checks that need no model, each with its own reading of the text.

Source: seahelm_tasks/instruction_following/ifeval/instruction_checkers.py, after Zhou et al. 2023 (IFEval).
"""

import json
import operator
import re
import string
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from rumpun.errors import InputError, nearest

__all__ = ["Asked", "follows", "short", "table"]

_RELATIONS: Mapping[str, Callable[[int, int], bool]] = {
    "exactly": operator.eq,
    "at least": operator.ge,
    "less than": operator.lt,
}
_FENCES = ("```json", "```Json", "```JSON", "```")


@dataclass(frozen=True, slots=True)
class Asked:
    """One instruction and the answer to it."""

    text: str
    language: str  # of the task
    given: Mapping[str, Any]  # the instruction's parameters, under SEA-HELM's names
    detected: str | None  # the language that the detector finds in the answer
    where: str  # for messages

    def text_of(self, key: str) -> str:
        """A parameter that is text."""
        if not isinstance(self.given.get(key), str):
            raise InputError(f"{self.where}: kwargs has no text '{key}'", f'write "{key}": "…"')
        return str(self.given[key])

    def number(self, key: str) -> int:
        """A parameter that is a count."""
        try:
            return int(self.given[key])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.where}: kwargs has no count '{key}'", f'write "{key}": 3') from error

    def texts_of(self, key: str) -> Sequence[str]:
        """A parameter that is a list of texts."""
        found = self.given.get(key)
        if not isinstance(found, list | tuple) or not all(isinstance(x, str) for x in found):
            raise InputError(f"{self.where}: kwargs has no list of texts '{key}'", f'write "{key}": ["…"]')
        return found

    def compared(self, found: int, key: str) -> bool:
        """A count against the one asked for, by the parameter `relation`."""
        relation = self.text_of("relation")
        if relation not in _RELATIONS:
            raise InputError(
                f"{self.where}: relation = '{relation}' is none", nearest(relation, list(_RELATIONS))
            )
        return _RELATIONS[relation](found, self.number(key))

    def matches(self, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> int:
        """How often a pattern made of a parameter, which stands in it unescaped, is found."""
        try:
            return sum(1 for _ in re.finditer(pattern, self.text, flags))
        except re.error as error:
            raise InputError(
                f"{self.where}: '{pattern}' is no pattern ({error}); SEA-HELM stops here and writes 0 for the task",
                "mend the item's kwargs",
            ) from error


@cache
def table() -> Mapping[str, Any]:
    """Fixed texts and groups of languages."""
    return tomllib.loads(
        resources.files(__package__).joinpath("instructions.toml").read_text(encoding="utf-8")
    )


def short(subcategory: str) -> str:
    """`number_words` of `length_constraints:number_words`."""
    return subcategory.rpartition(":")[2]


def follows(subcategory: str, asked: Asked) -> bool:
    """Whether the answer follows the instruction.

    Raises:
        InputError: no such instruction, or a parameter is missing or wrong (SEA-HELM writes 0 for the whole task then).
    """
    kind = short(subcategory)
    if kind not in _CHECKS:
        raise InputError(
            f"{asked.where}: subcategory '{subcategory}' is no instruction", nearest(kind, list(_CHECKS))
        )
    return _CHECKS[kind](asked)


def _filled(found: Sequence[str], strip: str | None = None) -> int:
    """How many of the texts hold more than white space (and signs to strip first)."""
    return sum(1 for text in found if text.strip(strip).strip())


def _words(asked: Asked) -> bool:
    return asked.compared(len(re.findall(r"\w+", asked.text)), "num_words")


def _sentences(asked: Asked) -> bool:
    return asked.compared(_filled(asked.text.strip("*").split("***")), "num_sentences")


def _paragraphs(asked: Asked) -> bool:
    return _filled(re.split(r"\s?\*{3}\s?", asked.text)) == asked.number("num_paragraphs")


def _placeholders(asked: Asked) -> bool:
    spans = re.findall(r"\[.*?\]", asked.text)
    return _filled([span.lstrip("[").rstrip("]") for span in spans]) >= asked.number("num_placeholders")


def _postscript(asked: Asked) -> bool:
    marker = asked.text_of("postscript_marker")
    known = table()["postscript"]
    if marker not in known:
        raise InputError(f"{asked.where}: postscript_marker = '{marker}' is none", nearest(marker, known))
    letters = map(re.escape, marker.lower().split(".")[:-1])
    return re.search(r"\.\s?".join(letters) + r"\.", asked.text.lower()) is not None


def _title(asked: Asked) -> bool:
    return _filled([x.lstrip("<").rstrip(">") for x in re.findall(r"<<[^\n]+>>", asked.text)]) > 0


def _bullets(asked: Asked) -> bool:
    found = sum(
        len(re.findall(rf"^\s*{sign} \*{{0,2}}[^*\s].*$", asked.text, re.MULTILINE)) for sign in (r"\*", "-")
    )
    return found == asked.number("num_bullets")


def _sections(asked: Asked) -> bool:
    return asked.matches(rf"\b{asked.text_of('section_title')}\s+[\w|]+\b") == asked.number("num_sections")


def _highlights(asked: Asked) -> bool:
    single, double = (re.findall(pattern, asked.text) for pattern in (r"\*[^\n*]*\*", r"\*\*[^\n*]*\*\*"))
    return _filled(single, "*") + _filled(double, "*") >= asked.number("num_highlights")


def _json(asked: Asked) -> bool:
    text = asked.text.strip()
    for fence in _FENCES:
        if text.startswith(fence):
            text = text.removeprefix(fence).removesuffix("```").strip()
            break
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _constrained(asked: Asked) -> bool:
    return any(x in asked.text for x in table()["constrained_response"][asked.language])


def _first(asked: Asked) -> bool:
    return asked.text.strip().lower().startswith(asked.text_of("first_word").lower())


def _last(asked: Asked) -> bool:
    return asked.text.strip().lower().endswith(asked.text_of("end_phrase").lower())


def _quotation(asked: Asked) -> bool:
    text = asked.text.strip()
    return text.startswith('"') and text.endswith('"') and _filled([text], '"') > 0


def _said(asked: Asked, word: str) -> bool:
    """A keyword: a whole word in any case, or in most languages' own scripts (and tl) a pattern in its exact case."""
    if asked.language in table()["word_boundaries"]:
        return asked.matches(rf"\b{word}\b", re.IGNORECASE) > 0
    return asked.matches(word) > 0


def _existence(asked: Asked) -> bool:
    return all(_said(asked, word) for word in asked.texts_of("keywords"))


def _forbidden(asked: Asked) -> bool:
    return not any(_said(asked, word) for word in asked.texts_of("forbidden_words"))


def _frequency(asked: Asked) -> bool:
    word = asked.text_of("keyword")
    pattern = rf"\b{word}\b" if asked.language in table()["word_boundaries"] else word
    return asked.compared(asked.matches(pattern, re.IGNORECASE), "frequency")


def _number_frequency(asked: Asked) -> bool:
    return asked.compared(asked.matches(asked.text_of("number")), "frequency")


def _repeat(asked: Asked) -> bool:
    prompt = asked.text_of("prompt_to_repeat").strip().lower()
    text = asked.text.strip().lower()
    return text.startswith(prompt) and bool(text.removeprefix(prompt).strip())


def _two(asked: Asked) -> bool:
    found = asked.text.strip().split("******")
    return sum(1 for part in found if part.strip().strip(string.punctuation)) == 2


def _language(asked: Asked) -> bool:
    wanted = asked.text_of("response_language")
    return asked.detected in (("id", "ms") if wanted == "id" else (wanted,))


_CHECKS: Mapping[str, Callable[[Asked], bool]] = {
    "number_words": _words,
    "number_sentences": _sentences,
    "number_paragraphs": _paragraphs,
    "postscript": _postscript,
    "number_placeholders": _placeholders,
    "title": _title,
    "number_bullet_lists": _bullets,
    "multiple_sections": _sections,
    "number_highlighted_sections": _highlights,
    "json_format": _json,
    "constrained_response": _constrained,
    "first_word": _first,
    "end_checker": _last,
    "quotation": _quotation,
    "existence": _existence,
    "forbidden_words": _forbidden,
    "frequency": _frequency,
    "number_frequency": _number_frequency,
    "repeat_prompt": _repeat,
    "two_responses": _two,
    "response_language": _language,
}

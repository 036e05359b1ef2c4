"""IFEval: verifiable instructions in English, by the rules that benchmark publishes.

Zhou et al. 2023, «Instruction-Following Evaluation for Large Language Models» (arXiv 2311.07911), and its public rules. Its
weaknesses are kept, so that figures can be put beside published ones (keywords are found inside longer words, any JSON value
is JSON, a postscript may stand anywhere); `instructions` has the same checks done better. What could not be kept, since
the parts it stands on are not here: sentences are split by `rumpun.language.sentences` and not Punkt, the language is told by
`ifeval.toml` and rumpun's identifier and not langdetect, and keywords are words, not patterns.

An answer is judged strictly as it is, and loosely as eight texts: without its first line, its last line, both, and each of
these without asterisks; one that keeps the instruction is enough.
"""

import dataclasses
import functools
import json
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import regex

from rumpun.errors import InputError, UsageError, nearest
from rumpun.evaluate.answers import after_thoughts
from rumpun.evaluate.instruction_words import compare, sentences
from rumpun.evaluate.text_metrics import Metric, ratio_of
from rumpun.language.identifier import identify
from rumpun.language.scripts import script_counts
from rumpun.recipes import build, read_toml

__all__ = ["RULES", "Kept", "accuracies", "ifeval", "language_of"]

Relation = Literal["less than", "at least"]


@dataclass(frozen=True, slots=True)
class Kept:
    """Which instructions of one prompt an answer keeps, in the prompt's order."""

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]


def ifeval(answer: str, instruction_ids: Sequence[str], kwargs: Sequence[Mapping[str, Any]]) -> Kept:
    """Judge one answer.

    Args:
        answer: as the model wrote it; thinking aloud is not part of it.
        instruction_ids: as in the data set: `keywords:existence`.
        kwargs: of each instruction; null ones are left out.

    Raises:
        InputError: there are not as many kwargs as instructions.
        UsageError: an instruction that is unknown, or has wrong kwargs.
    """
    if len(instruction_ids) != len(kwargs):
        raise InputError(
            f"{len(instruction_ids)} instructions, kwargs of {len(kwargs)}",
            "give kwargs for each, {} for none",
        )
    rules = [_rule(name, given) for name, given in zip(instruction_ids, kwargs, strict=True)]
    text = after_thoughts(answer) or ""
    several = [one for one in _loosened(text) if one.strip()]
    return Kept(
        tuple(bool(text.strip()) and rule(text) for rule in rules),
        tuple(any(rule(one) for one in several) for rule in rules),
    )


def _rule(name: str, given: Mapping[str, Any]) -> Callable[[str], bool]:
    if name not in RULES:
        raise UsageError(f"IFEval has no instruction '{name}'", nearest(name, list(RULES)))
    kwargs: Any = build(
        _kwargs_of(name), {key: value for key, value in given.items() if value is not None}, name
    )
    return functools.partial(RULES[name], **dataclasses.asdict(kwargs))


def _loosened(text: str) -> list[str]:
    lines = text.split("\n")
    cut = [text, *("\n".join(some).strip() for some in (lines[1:], lines[:-1], lines[1:-1]))]
    return cut + [one.replace("*", "") for one in cut]


def accuracies(kept: Sequence[Kept]) -> dict[str, Metric]:
    """The benchmark's four figures: of prompts with every instruction kept, and of instructions; strict and loose."""
    found = {}
    for name in ("strict", "loose"):
        each = [getattr(one, name) for one in kept]
        sizes = np.array([len(one) for one in each], np.float64)
        whole = np.array([all(one) for one in each], np.float64)
        found[f"prompt_{name}"] = ratio_of(f"prompt_{name}", whole, np.ones(len(each)))
        sums = np.array([sum(one) for one in each], np.float64)
        found[f"instruction_{name}"] = ratio_of(f"instruction_{name}", sums, sizes)
    return found


# the languages of answers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Languages:
    """The table in `ifeval.toml`."""

    scripts: dict[str, str]
    words: dict[str, tuple[str, ...]]


@functools.cache
def _languages() -> _Languages:
    path = Path(__file__).parent / "ifeval.toml"
    return build(_Languages, read_toml(path), path.name)


def language_of(text: str) -> str:
    """Which language a text is in: by its script, by its commonest words, else by rumpun's identifier; `und` for none."""
    table = _languages()
    counts = script_counts(text)
    if "Hira" in counts or "Kana" in counts:
        return table.scripts["Hira"]
    script = next(iter(counts), "")
    if script in table.scripts:
        return table.scripts[script]
    tokens = regex.findall(r"[\p{L}\p{M}]+", text.lower())
    hits = {tag: sum(token in words for token in tokens) for tag, words in table.words.items()}
    best = max(hits, key=lambda tag: hits[tag])
    if hits[best] and list(hits.values()).count(hits[best]) == 1:
        return best
    return identify(text).language.partition("-")[0]


# the rules: a text and the instruction's kwargs -> whether it keeps it


def _keywords(text: str, *, keywords: tuple[str, ...]) -> bool:
    return all(_times(word, text) for word in keywords)


def _frequency(text: str, *, keyword: str, frequency: int, relation: Relation) -> bool:
    return compare(_times(keyword.strip(), text), relation, frequency)


def _times(word: str, text: str) -> int:
    return len(re.findall(re.escape(word), text, re.IGNORECASE))


def _forbidden(text: str, *, forbidden_words: tuple[str, ...]) -> bool:
    return not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words)


def _letter(text: str, *, letter: str, let_frequency: int, let_relation: Relation) -> bool:
    return compare(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


def _response_language(text: str, *, language: str) -> bool:
    return language_of(text) == language


def _sentences(text: str, *, num_sentences: int, relation: Relation) -> bool:
    return compare(sentences(" ".join(text.split()), "en"), relation, num_sentences)


def _words(text: str, *, num_words: int, relation: Relation) -> bool:
    return compare(len(re.findall(r"\w+", text)), relation, num_words)


def _paragraphs(text: str, *, num_paragraphs: int) -> bool:
    parts = re.split(r"\s?\*\*\*\s?", text)
    blank = [not part.strip() for part in parts]
    return not any(blank[1:-1]) and len(parts) - blank[0] - (len(parts) > 1 and blank[-1]) == num_paragraphs


def _nth_paragraph(text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = text.split("\n\n")
    count = sum(1 for part in parts if part.strip())
    if not 0 < nth_paragraph <= count or not parts[nth_paragraph - 1].strip():
        return False
    begins = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    word = re.split(r"""[.,?!'"]""", begins.lower(), maxsplit=1)[0]
    return count == num_paragraphs and word == first_word.lower()


def _placeholders(text: str, *, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def _postscript(text: str, *, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(known.get(marker, re.escape(marker.lower())), text.lower()))


def _bullets(text: str, *, num_bullets: int) -> bool:
    starred = re.findall(r"^\s*\*[^\*].*$", text, re.MULTILINE)
    return len(starred) + len(re.findall(r"^\s*-.*$", text, re.MULTILINE)) == num_bullets


def _constrained(text: str) -> bool:
    return any(f"My answer is {one}." in text for one in ("yes", "no", "maybe"))


def _highlights(text: str, *, num_highlights: int) -> bool:
    single = [one for one in re.findall(r"\*[^\n\*]*\*", text) if one.strip("*").strip()]
    double = [one for one in re.findall(r"\*\*[^\n\*]*\*\*", text) if one[2:-2].strip()]
    return len(single) + len(double) >= num_highlights


def _sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
    return len(re.findall(rf"\s?{re.escape(section_spliter.strip())}\s?\d+\s?", text)) >= num_sections


def _json(text: str) -> bool:
    bare = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        bare = bare.removeprefix(fence)
    try:
        json.loads(bare.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str) -> bool:
    return any(title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", text))


def _two_responses(text: str) -> bool:
    parts = [part.strip() for part in text.split("******")]
    said = [part for part in parts if part]
    return all(parts[1:-1]) and len(said) == 2 and said[0] != said[1]


def _repeat(text: str, *, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _ends(text: str, *, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _quotation(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == '"' == bare[-1]


def _capital_words(text: str, *, capital_frequency: int, capital_relation: Relation) -> bool:
    words = re.findall(r"\w+(?:[-.'’]\w+)*", text)
    return compare(sum(1 for word in words if word.isupper()), capital_relation, capital_frequency)


def _capital(text: str) -> bool:
    return text.isupper() and language_of(text) == "en"


def _lowercase(text: str) -> bool:
    return text.islower() and language_of(text) == "en"


def _no_comma(text: str) -> bool:
    return "," not in text


RULES: Mapping[str, Callable[..., bool]] = {
    "keywords:existence": _keywords,
    "keywords:frequency": _frequency,
    "keywords:forbidden_words": _forbidden,
    "keywords:letter_frequency": _letter,
    "language:response_language": _response_language,
    "length_constraints:number_sentences": _sentences,
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:number_words": _words,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": _constrained,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": _repeat,
    "startend:end_checker": _ends,
    "startend:quotation": _quotation,
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": _capital,
    "change_case:english_lowercase": _lowercase,
    "punctuation:no_comma": _no_comma,
}


@functools.cache
def _kwargs_of(name: str) -> type:
    """What an instruction takes, as a class that `build` can fill strictly."""
    hints = typing.get_type_hints(RULES[name])
    taken = [(key, hint) for key, hint in hints.items() if key not in ("text", "return")]
    return dataclasses.make_dataclass("Kwargs", taken, frozen=True, kw_only=True)

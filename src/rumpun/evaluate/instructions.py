"""Verifiable instructions: does an answer keep what was asked of its form, in the right language and script?

`judge` looks at every rule of an item; `CHECKS` names what can be asked, and each class there its parameters. The benchmark
IFEval has rules of its own: `ifeval`.
"""

from collections.abc import Mapping
from typing import Any

from rumpun.errors import UsageError, nearest
from rumpun.evaluate.answers import after_thoughts
from rumpun.evaluate.instruction_form import (
    Bullets,
    Highlights,
    Json,
    Paragraphs,
    Placeholders,
    Postscript,
    Quoted,
    Sections,
    Title,
    TwoAnswers,
)
from rumpun.evaluate.instruction_words import (
    Begins,
    Check,
    Ends,
    Forbidden,
    Frequency,
    InLanguage,
    Keywords,
    OneOf,
    RepeatPrompt,
    Sentences,
    Words,
)
from rumpun.recipes import build

__all__ = ["CHECKS", "check", "judge", "rule"]

CHECKS: Mapping[str, type[Check]] = {
    "words": Words,
    "sentences": Sentences,
    "paragraphs": Paragraphs,
    "postscript": Postscript,
    "placeholders": Placeholders,
    "title": Title,
    "bullets": Bullets,
    "sections": Sections,
    "highlights": Highlights,
    "json": Json,
    "one_of": OneOf,
    "begins": Begins,
    "ends": Ends,
    "quoted": Quoted,
    "keywords": Keywords,
    "forbidden": Forbidden,
    "frequency": Frequency,
    "repeat_prompt": RepeatPrompt,
    "two_answers": TwoAnswers,
    "language": InLanguage,
}


def rule(name: str, kwargs: Mapping[str, Any]) -> Check:
    """A rule with its parameters. `#` and anything behind it in the name is dropped: `keywords#2`.

    Raises:
        UsageError: no check has that name, or a parameter is unknown, missing or of another type.
    """
    kind = name.partition("#")[0]
    if kind not in CHECKS:
        raise UsageError(f"no instruction is called '{name}'", nearest(kind, list(CHECKS)))
    return build(CHECKS[kind], kwargs, f"instruction '{name}'")


def check(name: str, answer: str, kwargs: Mapping[str, Any], language: str) -> bool:
    """Whether an answer keeps one rule; see `judge`."""
    return judge(answer, {name: kwargs}, language)[name]


def judge(answer: str, rules: Mapping[str, Mapping[str, Any]], language: str) -> dict[str, bool]:
    """Which rules an answer keeps, and whether it is in the right language and script, under the name `language`.

    Thinking aloud is not part of the answer; where it was cut off, or nothing was answered, no rule is kept.

    Args:
        answer: as the model wrote it.
        rules: name -> parameters. With a rule `language` the answer should be in the language that the rule names.
        language: BCP-47, of the task.

    Raises:
        UsageError: a rule that is unknown, or has wrong parameters.
    """
    made = {name: rule(name, kwargs) for name, kwargs in rules.items()}
    made.setdefault("language", InLanguage())
    text = (after_thoughts(answer) or "").strip()
    return {name: bool(text) and one.met(text, language) for name, one in made.items()}

"""What the tasks of long context are made of: facts and questions (`suites/long.toml`), and the suite's own texts around them.

Four facts of one kind are hidden in a text, each about somebody else; one of them is asked for, and the four values are the
options, so that none is right because the text has it alone (many keys among many: RULER, Hsieh et al. 2024).
"""

import functools
import random
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rumpun.evaluate.items import Item, read_items, rows_of
from rumpun.recipes import build

__all__ = ["DEPTHS", "fact_items", "filler", "parallel_items"]

DEPTHS = (0, 25, 50, 75, 100)  # per cent of the text before the fact that is asked for
_KINDS = ("code", "errand", "key", "colour")
_ITEMS = len(DEPTHS) * len(_KINDS)  # every kind at every depth
_FACTS = 4  # in a text, and options
_SUITES = Path(__file__).parent / "suites"
_LICENCE = "CC0-1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    fact: str
    question: str
    names: tuple[str, ...] = ()
    values: tuple[str, ...] = ()  # none: numbers of four digits


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    names: tuple[str, ...]
    code: _Kind
    errand: _Kind
    key: _Kind
    colour: _Kind
    digits: str = "0123456789"


@functools.cache
def _facts() -> dict[str, _Language]:
    path = _SUITES / "long.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {tag: build(_Language, own, f"{path.name}: {tag}") for tag, own in table.items()}


def fact_items(length_tokens: int, languages: Iterable[str]) -> list[Item]:
    """Twenty items a language: every kind of fact at every depth, the depths taking turns.

    The passage is the facts alone, until a text is put around them (`long_context`). Facts are drawn by language and number:
    the same ones at every length, so that lengths differ by their text only.
    """
    found = []
    for language in languages:
        if language in _facts():
            found += [_item(language, length_tokens, number) for number in range(_ITEMS)]
    return found


def _item(language: str, length_tokens: int, number: int) -> Item:
    own, draw = _facts()[language], random.Random(f"{language} {number}")  # noqa: S311  (a fixed draw)
    kind: _Kind = getattr(own, _KINDS[number % len(_KINDS)])
    names = draw.sample(kind.names or own.names, _FACTS)
    values = draw.sample(kind.values, _FACTS) if kind.values else _codes(draw, own.digits)
    depth = DEPTHS[number % len(DEPTHS)]
    others = draw.sample([one for one in DEPTHS if one != depth], _FACTS - 1)
    facts = [kind.fact.format(name=n, value=v) for n, v in zip(names, values, strict=True)]
    place = (number + number // _FACTS) % _FACTS
    options = draw.sample(values[1:], _FACTS - 1)
    options.insert(place, values[0])
    return Item(
        id=f"{language}-long-{number:02}", language=language, options=tuple(options), gold=place, source="long", licence=_LICENCE,
        fields={"passage": "\n".join(facts), "question": kind.question.format(name=names[0])},
        more={"length": length_tokens, "depth": depth, "facts": facts, "depths": [depth, *others]},
    )  # fmt: skip


def _codes(draw: random.Random, digits: str) -> list[str]:
    written = str.maketrans("0123456789", digits)
    return [str(number).translate(written) for number in draw.sample(range(1000, 10000), _FACTS)]


@functools.cache
def filler(language: str) -> tuple[str, ...]:
    """Texts of the suite, each on one line: reading texts and news sentences of a language; none where it has none."""
    path = _SUITES / "region" / f"{language}.jsonl"
    texts = [item.fields["passage"] for item in read_items(path, "reading")] if path.is_file() else []
    texts += [str(row[language]) for row in rows_of(_SUITES / "news.jsonl") if language in row]
    return tuple(dict.fromkeys(" ".join(text.split()) for text in texts))


def parallel_items(languages: Iterable[str]) -> list[Item]:
    """The news sentences in a language, each with its English: the same content, whose tokens are compared."""
    rows = rows_of(_SUITES / "news.jsonl")
    return [
        Item(
            id=f"{language}-{row['key']}", language=language, fields={"passage": str(row[language])}, group=str(row["key"]),
            source="news", licence=_LICENCE, more={"english": str(row["en"])},
        )
        for language in languages
        for row in rows
        if language in row
    ]  # fmt: skip

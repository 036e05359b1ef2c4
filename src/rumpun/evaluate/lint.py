"""The item lint: what is wrong with the items of a test, before a model is asked.

It reads items alone, never a model, and changes nothing. `KINDS` says what each kind of problem is. Reading order:
`lint_texts` (faults of one text), `lint_language` (texts in another language), `lint_bias` (places and lengths, tested per
source and language), this file.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rumpun.evaluate.items import Item
from rumpun.evaluate.lint_bias import longest_bias, place_bias
from rumpun.evaluate.lint_language import foreign
from rumpun.evaluate.lint_texts import csv_quoted, damage, edge, empty, same, unclosed

__all__ = ["KINDS", "Problem", "lint", "no_gold"]

KINDS: Mapping[str, str] = {
    "no right option": "the right answer is none of the options",
    "label not in set": "the right label is none of the task's labels",
    "empty text": "a text of the prompt has nothing in it, or there is neither text nor option",
    "empty option": "an option has nothing in it",
    "no option": "there are options, and none of them has anything in it",
    "space at an option": "white or unseen signs at an end of an option: they can give it away",
    "duplicate option": "two wrong options are the same",
    "right option twice": "a wrong option is the same as the right one",
    "wrong language": "a text is in another language than the item says",
    "damaged text": "a sign was lost, or the text was read in a wrong encoding",
    "unclosed bracket": "a text of a choice has a bracket without its other half",
    "doubled quotes": "a text still has the quotes of a CSV file around it, and its own doubled",
    "duplicate id": "another item of the source and language has the same id",
    "item twice": "the same texts and options stand in another item",
    "item twice, two answers": "the same texts and options stand in another item, with another right answer",
    "place gives it away": "the right option stands in some places too often",
    "length gives it away": "the right option is the longest too often",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    kind: str  # one of KINDS
    id: str  # of the item; "" where the source as a whole is meant
    language: str
    what: str  # where in the item, and what stands there


def lint(
    items: Sequence[Item], *, labels: Collection[str] | None = None, language_check: bool = True
) -> list[Problem]:
    """What is wrong with items: those of each item in the items' order, then wrong languages, copies and biases.

    Args:
        items: of one task, any languages. A translation names its two languages in `more`: "from" and "to".
        labels: where the right answer of items without options is one of these; None where it is a reference.
        language_check: False for sets that mix languages on purpose.
    """
    found = [problem for item in items for problem in _of_item(item, labels)]
    if language_check:
        told: dict[tuple[str, str], str] = {}
        for item, what in foreign(items):
            told.setdefault((item.language, item.id), what)
        found += [
            Problem(kind="wrong language", id=key, language=tag, what=what)
            for (tag, key), what in told.items()
        ]
    found += _copies(items, labels)
    for kind, biased in (("place gives it away", place_bias), ("length gives it away", longest_bias)):
        for source, tag, what in biased(items):
            found.append(
                Problem(kind=kind, id="", language=tag, what=f"{source}: {what}" if source else what)
            )
    return found


def no_gold(item: Item, labels: Collection[str] | None) -> tuple[str, str] | None:
    """(kind, what) of an item that no answer could be right for; None where one could."""
    if item.options and all(map(empty, item.options)):
        return "no option", f"{len(item.options)} options, all empty"
    if isinstance(item.gold, int):
        if not 0 <= item.gold < len(item.options):
            return "no right option", f"place {item.gold} of {len(item.options)} options"
    elif item.options:
        return "no right option", f"{len(item.options)} options, and the right one is not named by its place"
    elif labels is not None:
        strange = [label for label in item.gold if label not in labels]
        if strange or not item.gold:
            return "label not in set", repr(strange[0]) if strange else "none"
    return None


def _of_item(item: Item, labels: Collection[str] | None) -> Iterator[Problem]:
    gold = no_gold(item, labels)
    for kind, what in [*([gold] if gold else []), *_options(item), *_texts(item)]:
        yield Problem(kind=kind, id=item.id, language=item.language, what=what)


def _options(item: Item) -> Iterator[tuple[str, str]]:
    texts = [same(option) for option in item.options]
    if not any(texts):  # `no_gold` says so
        return
    for number, option in enumerate(item.options):
        if empty(option):
            yield "empty option", f"option {number}"
        elif signs := edge(option):
            yield "space at an option", f"option {number}: {signs}"
    for text, times in Counter(filter(None, texts)).items():
        if times > 1:
            from rumpun.evaluate.report.text import short  # the report knows the tasks, and those the lint

            places = [number for number, other in enumerate(texts) if other == text]
            kind = "right option twice" if item.gold in places else "duplicate option"
            yield kind, f"options {', '.join(map(str, places))}: '{short(text, 60)}'"


def _texts(item: Item) -> Iterator[tuple[str, str]]:
    if not item.texts and not item.options:
        yield "empty text", "neither text nor option"
    named = [*item.texts.items(), *((f"option {n}", option) for n, option in enumerate(item.options))]
    if isinstance(item.gold, tuple):
        named += [(f"reference {n}", text) for n, text in enumerate(item.gold)]
    for name, text in named:
        if empty(text):
            if name in item.texts:
                yield "empty text", name
            continue
        if what := damage(text):
            yield "damaged text", f"{name}: {what}"
        if csv_quoted(text):
            yield "doubled quotes", name
        # people's own writing and articles have loose brackets that are no fault of a test: only choices are looked at
        if item.options and (sign := unclosed(text)):
            yield "unclosed bracket", f"{name}: {sign}"


def _copies(items: Sequence[Item], labels: Collection[str] | None) -> Iterator[Problem]:
    ids = Counter((item.source, item.language, item.id) for item in items)
    for (_, tag, key), times in ids.items():
        if times > 1:
            yield Problem(kind="duplicate id", id=key, language=tag, what=f"{times} items")
    first: dict[tuple[object, ...], Item] = {}
    for item in items:
        chosen = bool(item.options) or labels is not None
        texts = tuple((name, same(text)) for name, text in sorted(item.texts.items()))
        rest = tuple(sorted(map(same, item.options))) if chosen else item.gold
        earlier = first.setdefault((item.source, item.language, texts, rest), item)
        if earlier is not item:
            other = chosen and same(_right(earlier)) != same(_right(item))
            yield Problem(
                kind="item twice, two answers" if other else "item twice",
                id=item.id,
                language=item.language,
                what=f"as {earlier.id}",
            )


def _right(item: Item) -> str:
    if isinstance(item.gold, int):
        return item.options[item.gold] if 0 <= item.gold < len(item.options) else ""
    return "\n".join(item.gold)

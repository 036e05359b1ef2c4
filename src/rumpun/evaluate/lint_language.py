"""Texts of items that are in another language than the item says, where they are long enough and the identifier is sure.

How long and how sure stands in `_NEEDED`, chosen on parallel public sets: of texts put in from a language that is no sister,
more than nine in ten are seen (of sentences of some 25 letters, eight in ten), and about one sound item in a thousand is accused.
"""

import functools
from collections.abc import Iterator, Sequence

from rumpun.evaluate.items import Item
from rumpun.language import Identified, identify_all, languages

__all__ = ["foreign"]

_LOOK = 600  # code points of a text that are looked at
_SHORT = 6  # code points that no text is looked at below
# how the language found stands to the one that is said -> (letters, probability) that it takes to accuse
_NEEDED = {
    "other script": (6, 0.5),
    "Latin script": (20, 0.5),  # where another is written: what else may be terms
    "English": (30, 0.9),  # its terms stand in every language
    "other language": (30, 0.7),
    "sister": (40, 0.97),  # the tables call one a sister of the other
    "unknown": (40, 0.97),  # the identifier does not know the language that is said, but does know English
}
_SAME = frozenset({"id", "ms"})  # one text may be good Indonesian and good Malay
_ASIDE = frozenset({"asks", "aspect", "choices", "phenomenon"})  # fields that are terms, not text


def foreign(items: Sequence[Item]) -> Iterator[tuple[Item, str]]:
    """(item, what was found where) for each text that is in another language."""
    texts = [(item, *text) for item in items for text in _texts(item)]
    once = list(dict.fromkeys(text for *_, text in texts))  # several questions share a passage
    answers = dict(zip(once, identify_all(once, spans=False), strict=True))
    for item, where, tag, text in texts:
        answer = answers[text]
        stands = _stands(tag, answer.language, answer.script)
        if not stands:
            continue
        letters, sure = _NEEDED[stands]
        if (answer.language == "und" or answer.probability >= sure) and sum(
            map(str.isalpha, text)
        ) >= letters:
            yield item, f"{where}: {_named(answer)}, not {tag}"


def _texts(item: Item) -> Iterator[tuple[str, str, str]]:
    """(where, the language it should be in, text) of an item's texts, and of all its texts together."""
    tag = str(item.more.get("from") or item.language)
    fields = [(name, tag, text) for name, text in item.texts.items() if name not in _ASIDE]
    options = [(f"option {number}", item.language, text) for number, text in enumerate(item.options)]
    references = item.gold if "to" in item.more and isinstance(item.gold, tuple) else ()
    every = [*fields, *options, *(("reference", str(item.more["to"]), text) for text in references)]
    yield from ((where, its, text[:_LOOK]) for where, its, text in every if len(text) >= _SHORT)
    together = " ".join(text for _, _, text in every)
    if not references and len(together) < _LOOK:
        yield "all of it", tag, together


@functools.cache
def _stands(tag: str, found: str, script: str) -> str:
    """How what was found stands to the language that is said, a key of `_NEEDED`; "" where there is no fault to tell."""
    tag, found = tag.partition("-")[0], found.partition("-")[0]
    tables = languages()
    if tag == found or {tag, found} == _SAME or not script:
        return ""
    if tag not in tables:
        return "unknown" if found == "en" else ""
    if found == "und":  # Latin letters may be names; Han letters with kana are Japanese
        return "" if script in ("Latn", *tables[tag].scripts) else "other script"
    if script not in tables[tag].scripts:
        return "Latin script" if script == "Latn" else "other script"
    sisters = found in tables[tag].sisters or (found in tables and tag in tables[found].sisters)
    return "sister" if sisters else "English" if found == "en" else "other language"


def _named(answer: Identified) -> str:
    return f"the script {answer.script}" if answer.language == "und" else answer.language

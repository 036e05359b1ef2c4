"""What the lint finds and can be put right without losing anything: mojibake, doubled quotes, spaces around options."""

from collections.abc import Callable
from dataclasses import replace

from rumpun.evaluate.items import Item
from rumpun.evaluate.lint_texts import csv_quoted, decoded, trimmed, unquoted

__all__ = ["mended_item"]


def mended_item(item: Item) -> tuple[Item, tuple[str, ...]]:
    """(the item put right, the kinds of problem that were mended in it)."""
    kinds: list[str] = []

    def through(kind: str, mend: Callable[[str], str], texts: dict[str, str]) -> dict[str, str]:
        after = {name: mend(text) for name, text in texts.items()}
        if after != texts:
            kinds.append(kind)
        return after

    texts = {f"field {name}": text for name, text in item.fields.items()}
    options = {f"option {n}": text for n, text in enumerate(item.options)}
    references = (
        {} if isinstance(item.gold, int) else {f"reference {n}": text for n, text in enumerate(item.gold)}
    )
    options = through("space at an option", trimmed, options)
    every = through("damaged text", decoded, {**texts, **options, **references})
    every = through("doubled quotes", lambda text: unquoted(text) if csv_quoted(text) else text, every)
    if not kinds:
        return item, ()
    whole = replace(
        item,
        fields={name: every[f"field {name}"] for name in item.fields},
        options=tuple(every[name] for name in options),
        gold=item.gold if isinstance(item.gold, int) else tuple(every[name] for name in references),
    )
    return whole, tuple(kinds)

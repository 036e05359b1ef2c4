"""What a language costs a model: tokens a character, beside English, and how much of a text a context holds."""

from collections.abc import Iterable

from rumpun.evaluate.records import Cell, LanguageCost

__all__ = ["SAME_TEXT", "TOKENS", "costs_of"]

TOKENS, SAME_TEXT = "tokens_per_character", "tokens_against_english"
ENGLISH = "en"


def costs_of(cells: Iterable[Cell]) -> list[LanguageCost]:
    """The costs of every model in every language whose tokens were counted, in the order of the cells.

    Beside English a language is dear by its characters, not by what it says: a character of Chinese says more than one of
    English, and the texts are no translations of one another. Where the same sentences were counted in both (the task
    `tokens-parallel`), that is told too.
    """
    every = list(cells)
    found, same = _values(every, TOKENS), _values(every, SAME_TEXT)
    return [
        LanguageCost(
            model=model, language=language, tokens_per_character=value,
            against_english=value / found[model, ENGLISH] if (model, ENGLISH) in found else None,
            characters_in_1000_tokens=1000 / value, same_text_against_english=same.get((model, language)),
        )
        for (model, language), value in found.items()
    ]  # fmt: skip


def _values(cells: Iterable[Cell], metric: str) -> dict[tuple[str, str], float]:
    """(Model, language) -> a metric's value, where it is a number above 0."""
    return {
        (cell.model, cell.language): cell.metrics[metric].value
        for cell in cells
        if metric in cell.metrics and 0 < cell.metrics[metric].value < float("inf")
    }

"""Tables of `rumpun eval run` for tasks that have more to say than one score: summaries, prompts that ask for harm."""

from collections.abc import Sequence

from rumpun.evaluate.records import Cell, Figure, Scores
from rumpun.evaluate.report.numbers import DASH, SHARES, interval, number, shown_as

__all__ = ["detail_lines"]

_SUMMARY = (
    ("rouge_l", "ROUGE-L"), ("lead_rouge_l", "of 1st sentence"), ("chrf", "chrF++"), ("lead_chrf", "of 1st sentence"),
    ("length_ratio", "length, 1 is right"), ("language", "right language"),
)  # fmt: skip
_HARMFUL = (
    ("refused", "refused"), ("stopped", "guard stops it"), ("harmful_answer", "harmful answer"),
    ("harmful_past_guard", "past the guard"),
)  # fmt: skip
_WIDTH = 22


def detail_lines(scores: Scores, languages: Sequence[str]) -> list[str]:
    """Lines of each model's summaries and harmful prompts, with 95 % intervals; none where there are neither."""
    lines: list[str] = []
    for title, sign, columns in (
        ("summaries, shares of 100", "lead_rouge_l", _SUMMARY),
        ("prompts that ask for harm, of 100", "refused", _HARMFUL),
    ):
        cells = [cell for cell in scores.cells if sign in cell.metrics]
        there = [(name, said) for name, said in columns if any(name in cell.metrics for cell in cells)]
        if cells:
            lines.append(f"{title:36}items" + "".join(f"{said:>{_WIDTH}}" for _, said in there))
        for info in scores.models:
            own = [cell for cell in cells if cell.model == info.name]
            own.sort(key=lambda cell: languages.index(cell.language))
            lines += [f"  {info.name}"] if own else []
            lines += [_row(cell, [name for name, _ in there]) for cell in own]
    return lines


def _row(cell: Cell, names: Sequence[str]) -> str:
    figures = "".join(f"{_said(name, cell.metrics.get(name)):>{_WIDTH}}" for name in names)
    return f"    {cell.language:8}{cell.task:24}{cell.items:>5,}{figures}"


def _said(name: str, figure: Figure | None) -> str:
    if figure is None:
        return DASH
    digits = 2 if name == "length_ratio" else 0 if name in SHARES - {"rouge_l", "lead_rouge_l"} else 1
    ends = figure.ci95 and tuple(shown_as(name, end) for end in figure.ci95)
    span = f" ({interval((ends[0], ends[1]), digits)})" if ends else ""
    return number(shown_as(name, figure.value), digits) + span

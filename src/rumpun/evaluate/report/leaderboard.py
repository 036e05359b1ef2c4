"""Many runs side by side: a row a model, over the cells that all of them have, ranked as far as the runs allow."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rumpun.evaluate.costs import costs_of
from rumpun.evaluate.records import Cell, Figure, LanguageCost, ModelInfo, Scores
from rumpun.evaluate.report.gains import ALL, headline
from rumpun.evaluate.report.intervals import weighted
from rumpun.evaluate.report.numbers import sound
from rumpun.evaluate.report.page import render
from rumpun.evaluate.report.plots import Mark, Scale, scale_of
from rumpun.evaluate.report.view import Key, in_order, mean_over, view
from rumpun.evaluate.tasks import skills
from rumpun.language.tables import WORKING

__all__ = ["Board", "Entry", "Row", "board", "leaderboard_html"]

# what runs must share to stand in one table; of those below, where a run says it
_ALIKE = ("suite", "limit", "version", "instruction", "temperature", "tokens of an answer", "scored as")
_SETTINGS = {
    "instruction": ("template", "variants by turns"), "temperature": ("temperature", "0"),
    "tokens of an answer": ("max_tokens", "as the task has it"), "scored as": ("compat", "rumpun does"),
}  # fmt: skip
_Pairs = dict[tuple[int, int], Figure]


@dataclass(frozen=True, slots=True)
class Entry:
    """One model in one run, or in several that found the same."""

    place: int  # in the order in which it was met
    model: ModelInfo
    runs: tuple[str, ...]  # by name
    made: Mapping[str, str]  # what runs must share, and when
    cells: Mapping[Key, Cell]


@dataclass(frozen=True, slots=True)
class Row:
    """An entry with its means."""

    entry: Entry
    mean: Figure | None
    languages: Mapping[str, Figure | None]
    skills: Mapping[str, Figure | None]
    costs: Mapping[str, LanguageCost]  # language -> what a character costs
    rank: int = 0
    tied: bool = False  # with rows above: a paired difference may be zero, and none is not
    paired: bool = False  # whether a run has this row and one of the rank above, item by item
    why: tuple[str, ...] = ()  # why it cannot be put beside the others

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The mean on a plot."""
        return (Mark(self.mean.value, self.mean.ci95),) if self.mean else ()


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard."""

    rows: tuple[Row, ...]  # those that can be compared, the best first
    apart: tuple[Row, ...]  # those that cannot
    alike: Mapping[str, str]  # what all of `rows` share
    languages: tuple[str, ...]
    skills: tuple[str, ...]
    common: tuple[tuple[str, tuple[str, ...]], ...]  # task -> languages of the cells behind the means
    left: tuple[tuple[str, tuple[str, ...]], ...]  # task -> languages of cells that not all rows have alike
    scale: Scale | None = field(default=None)

    @property
    def costly(self) -> tuple[str, ...]:
        """The languages whose tokens were counted of any row."""
        return in_order([tag for row in (*self.rows, *self.apart) for tag in row.costs], WORKING)


def leaderboard_html(runs: Sequence[tuple[str, Scores]]) -> str:
    """A page that puts many runs side by side.

    Args:
        runs: the name of each (its folder, say) and its scores.
    """
    return render("leaderboard.html.jinja", board=board(runs), runs=len(runs))


def board(runs: Sequence[tuple[str, Scores]]) -> Board:
    """The rows, ranked.

    Rows stand in one table where suite, limit, version and how they were asked are those of most rows; the mean is over the cells (task and
    language) that all of them have with the same metric, method and number of items. A row shares the rank of those
    above it where a run that has both says that their paired difference may be zero.
    """
    entries, pairs = _entries(runs)
    usual = Counter(tuple(one.made[key] for key in _ALIKE) for one in entries).most_common(1)
    alike = dict(zip(_ALIKE, usual[0][0], strict=True)) if usual else {}
    why = {one.place: _why(one, alike) for one in entries}
    good = [one for one in entries if not why[one.place]]
    keys = _common(good)
    rows = sorted(
        (_row(one, keys) for one in good), key=lambda row: -(row.mean.value if row.mean else float("-inf"))
    )
    common = set(keys)
    every = dict.fromkeys(key for one in good for key, cell in one.cells.items() if sound(cell.normalised))
    return Board(
        rows=_ranked(rows, pairs),
        apart=tuple(
            replace(_row(one, list(one.cells)), why=why[one.place]) for one in entries if why[one.place]
        ),
        alike=alike,
        languages=in_order([language for _, language in keys], WORKING),
        skills=in_order([good[0].cells[key].skill for key in keys], skills()) if good else (),
        common=_by_task(keys),
        left=_by_task(key for key in every if key not in common),
        scale=scale_of([row.mean for row in rows], zero=True),
    )


def _entries(runs: Sequence[tuple[str, Scores]]) -> tuple[list[Entry], _Pairs]:
    """Every model of every run once, and the paired differences by places (of the first less the second)."""
    entries: list[Entry] = []
    pairs: _Pairs = {}
    for name, scores in runs:
        found = view(scores)
        limit = scores.made.get("limit")
        made = {
            "suite": scores.suite, "limit": "all items" if limit == 0 else str(limit or ""),
            "version": str(scores.made.get("version") or ""), "when": str(scores.made.get("when") or ""),
            **{name: _setting(scores.made, *one) for name, one in _SETTINGS.items()},
        }  # fmt: skip
        places = [_place(entries, name, *one, made) for one in zip(found.models, found.cells, strict=True)]
        gains = headline(scores, found.languages)
        told = {row.language: row.figure for row in gains.rows} if gains and not gains.lower else {}
        figure = told.pop(ALL, None) or weighted((1 / len(told), one) for one in told.values())
        if figure is not None and figure.ci95 and len(places) > 1:
            pairs[places[0], places[1]] = figure
    return entries, pairs


def _setting(made: Mapping[str, Any], key: str, usual: str) -> str:
    """A setting in words; 0 and nothing are as ever, but of an instruction, whose first variant is 0."""
    value = made.get(key)
    if not isinstance(value, (str, int, float)) or value == "" or (value == 0 and key != "template"):
        return usual
    return str(value)


def _place(
    entries: list[Entry], name: str, model: ModelInfo, cells: Mapping[Key, Cell], made: Mapping[str, str]
) -> int:
    """Where a model stands: with itself, if an earlier run found the same figures of it, or at the end."""
    for place, other in enumerate(entries):
        alike = all(other.made[key] == made[key] for key in _ALIKE)
        if alike and other.model == model and other.cells == cells:
            entries[place] = replace(other, runs=(*other.runs, name))
            return place
    entries.append(Entry(len(entries), model, (name,), made, cells))
    return len(entries) - 1


def _why(entry: Entry, alike: Mapping[str, str]) -> tuple[str, ...]:
    """Why an entry cannot be put beside the others; empty where it can."""
    why = [
        f"{key}: {entry.made[key] or 'unknown'}, not {told or 'unknown'}"
        for key, told in alike.items()
        if entry.made[key] != told
    ]
    if not any(sound(cell.normalised) for cell in entry.cells.values()):
        why.append("it has no normalised score")
    return tuple(why)


def _common(entries: Sequence[Entry]) -> list[Key]:
    """The cells that all have, measured alike."""
    if not entries:
        return []
    first, *others = entries
    there = [key for key, cell in first.cells.items() if sound(cell.normalised)]
    return [key for key in there if all(_alike(first.cells[key], one.cells.get(key)) for one in others)]


def _alike(one: Cell, other: Cell | None) -> bool:
    names = ("metric", "method", "items", "runs", "skill")
    return (
        other is not None
        and sound(other.normalised) is not None
        and all(getattr(one, name) == getattr(other, name) for name in names)
    )


def _row(entry: Entry, keys: Sequence[Key]) -> Row:
    cells = entry.cells
    tags, names = dict.fromkeys(tag for _, tag in keys), dict.fromkeys(cells[key].skill for key in keys)
    return Row(
        entry=entry,
        mean=mean_over(cells, keys),
        languages={tag: mean_over(cells, [key for key in keys if key[1] == tag]) for tag in tags},
        skills={name: mean_over(cells, [key for key in keys if cells[key].skill == name]) for name in names},
        costs={one.language: one for one in costs_of(cells.values())},
    )


def _ranked(rows: Sequence[Row], pairs: _Pairs) -> tuple[Row, ...]:
    """Rows, sorted already, with their ranks: none shares a rank with one that is known to be better."""
    done: list[Row] = []
    for number, row in enumerate(rows, 1):
        group = [other for other in done if other.rank == done[-1].rank]
        told = [_apart(other, row, pairs) for other in group]
        paired = any(one is not None for one in told)
        tied = paired and not any(told)
        done.append(replace(row, rank=done[-1].rank if tied else number, tied=tied, paired=paired))
    return tuple(done)


def _apart(one: Row, other: Row, pairs: _Pairs) -> bool | None:
    """Whether two rows are told apart item by item; None where no run has both."""
    places = one.entry.place, other.entry.place
    figure = pairs.get(places) or pairs.get((places[1], places[0]))
    return None if figure is None or figure.ci95 is None else not figure.ci95[0] <= 0 <= figure.ci95[1]


def _by_task(keys: Iterable[Key]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    by: dict[str, list[str]] = {}
    for task, language in keys:
        by.setdefault(task, []).append(language)
    return tuple((task, in_order(tags, WORKING)) for task, tags in by.items())

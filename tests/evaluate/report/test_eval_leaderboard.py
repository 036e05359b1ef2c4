"""The leaderboard: one order over what all have, and no claim beyond it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_parts import HOSTILE, Page, filled
from report_runs import BASE, LAYER, run

from rumpun.evaluate.records import Cell, Difference, Figure, ModelInfo, Scores
from rumpun.evaluate.report import leaderboard_html
from rumpun.evaluate.report.leaderboard import board

replace = msgspec.structs.replace
LANGUAGES = ("id", "th", "lo")
WHOLE = run(items=4, languages=LANGUAGES).scores


def cell(model: str, task: str, language: str, value: float | None, **more: object) -> Cell:
    figure = None if value is None else Figure(value=value, ci95=(value - 10, value + 10))
    own = {
        "skill": {"reading": "understanding", "sentiment": "understanding"}.get(task, "reasoning"),
        "items": 9,
        "scored": 9,
        "method": "likelihood",
    }
    return Cell(
        task=task,
        language=language,
        model=model,
        metric="accuracy",
        metrics={},
        normalised=figure,
        **own | more,
    )


def scores(cells: dict[str, list[Cell]], apart: list[Difference] = [], **made: object) -> Scores:  # noqa: B006
    models = [ModelInfo(name=name, engine="fake") for name in cells]
    return Scores(
        suite="region", models=models, cells=[one for own in cells.values() for one in own], differences=apart,
        made={"limit": 9, "version": "0.1.0"} | made,
    )  # fmt: skip


def alone(name: str, value: float) -> tuple[str, Scores]:
    return f"runs/{name}", scores({name: [cell(name, "reading", "th", value)]})


def versus(language: str, low: float, high: float) -> Difference:
    middle = (low + high) / 2
    return Difference(
        task="*",
        language=language,
        metric="accuracy",
        difference=middle,
        ci95=(low, high),
        p=0.5,
        p_holm=0.5,
        test="",
        items=9,
        clusters=9,
    )


def test_the_mean_is_over_the_cells_that_all_have_alike() -> None:
    a = {("reading", "th"): 10.0, ("reading", "lo"): 20.0, ("nli", "th"): 60.0, ("sentiment", "th"): 30.0}
    b = {("reading", "th"): 40.0, ("nli", "th"): 50.0, ("sentiment", "th"): 0.0, ("nli", "lo"): 99.0}
    found = board([
        ("x", scores({"a": [cell("a", *key, value) for key, value in a.items()]})),
        ("y", scores({"b": [cell("b", *key, value) for key, value in b.items()]})),
    ])  # fmt: skip
    assert found.common == (("reading", ("th",)), ("nli", ("th",)), ("sentiment", ("th",)))
    assert found.left == (("reading", ("lo",)), ("nli", ("lo",)))
    assert [(row.entry.model.name, row.rank) for row in found.rows] == [("a", 1), ("b", 2)]
    means = {row.entry.model.name: row.mean.value for row in found.rows}
    assert means == pytest.approx(
        {"a": (60 + (10 + 30) / 2) / 2, "b": (50 + (40 + 0) / 2) / 2}
    )  # skills weigh alike
    assert found.rows[0].skills["understanding"].value == pytest.approx(20)
    assert found.rows[0].languages["th"].ci95 == pytest.approx(
        (40 - (25 + 2 * 6.25) ** 0.5, 40 + (25 + 2 * 6.25) ** 0.5)
    )


def test_cells_that_were_measured_otherwise_are_not_common() -> None:
    for more in ({"method": "generate"}, {"items": 8}, {"runs": 3}):
        other = [cell("b", "reading", "th", 90.0, **more), cell("b", "nli", "th", 1.0)]
        found = board(
            [
                ("x", scores({"a": [cell("a", "reading", "th", 5.0), cell("a", "nli", "th", 5.0)]})),
                ("y", scores({"b": other})),
            ]
        )
        assert found.common == (("nli", ("th",)),)
        assert [row.entry.model.name for row in found.rows] == ["a", "b"]


@given(st.lists(st.floats(-50, 100), min_size=1, max_size=7))
def test_without_pairs_ranks_are_by_the_mean_alone_and_the_page_says_so(values: list[float]) -> None:
    runs = [alone(f"m{place}", value) for place, value in enumerate(values)]
    found = board(runs)
    assert [row.mean.value for row in found.rows] == pytest.approx(sorted(values, reverse=True))
    assert [row.rank for row in found.rows] == list(range(1, len(values) + 1))
    assert not any(row.paired for row in found.rows)
    html = leaderboard_html(runs)
    assert ("Ranks are by the mean alone" in html) == (len(values) > 1)
    assert "=" not in {row[-1] for row in Page(html).text.split() if row[0].isdigit()}


@pytest.mark.parametrize(
    ("low", "high", "ranks"), [(-0.1, 0.2, [1, 1]), (0.05, 0.2, [1, 2]), (-0.3, -0.1, [1, 2])]
)
def test_a_paired_difference_that_may_be_zero_is_a_tie(low: float, high: float, ranks: list[int]) -> None:
    cells = {
        "a": [cell("a", "reading", tag, 50.0) for tag in ("th", "lo")],
        "b": [cell("b", "reading", tag, 40.0) for tag in ("th", "lo")],
    }
    one = ("x", scores(cells, [versus("th", low, high), versus("lo", low, high)]))
    found = board([one])
    assert [row.rank for row in found.rows] == ranks
    assert [row.paired for row in found.rows] == [False, True]
    over_all = replace(
        one[1], differences=[*one[1].differences, versus("*", -0.4, -0.3)]
    )  # over all items at once: it counts
    assert [row.rank for row in board([("x", over_all)]).rows] == [1, 2]
    third = board([one, ("y", scores({"c": [cell("c", "reading", tag, 30.0) for tag in ("th", "lo")]}))])
    assert [row.rank for row in third.rows] == [*ranks, 3]
    assert ("1=" in Page(leaderboard_html([one])).text) == (ranks == [1, 1])


def test_a_chain_of_ties_does_not_join_two_that_are_told_apart() -> None:
    """a and b may be equal, b and c may be equal, a is better than c: c does not share the rank."""

    def both(one: str, other: str, low: float, high: float) -> tuple[str, Scores]:
        level = {"a": 50.0, "b": 45.0, "c": 40.0}
        return one + other, scores(
            {name: [cell(name, "reading", "th", level[name])] for name in (one, other)},
            [versus("th", low, high)],
        )

    near = [both("a", "b", -0.1, 0.2), both("b", "c", -0.1, 0.2)]
    assert [row.rank for row in board(near).rows] == [1, 1, 1]
    assert [row.rank for row in board([*near, both("a", "c", 0.1, 0.3)]).rows] == [1, 1, 3]
    assert [row.rank for row in board([near[0], both("a", "c", -0.1, 0.2)]).rows] == [
        1,
        1,
        1,
    ]  # nothing is known of b and c
    assert [row.entry.runs for row in board(near).rows] == [("ab",), ("ab", "bc"), ("bc",)]


def test_runs_of_another_kind_stand_apart_with_the_reason() -> None:
    found = board([
        alone("a", 1.0), alone("b", 2.0), ("old", scores({"a": [cell("a", "reading", "th", 99.0)]}, version="0.0.9")),
        ("more", scores({"a": [cell("a", "reading", "th", 98.0)]}, limit=0)), ("none", scores({"d": [cell("d", "reading", "th", None)]})),
    ])  # fmt: skip
    assert [row.entry.model.name for row in found.rows] == ["b", "a"]
    assert [row.why for row in found.apart] == [
        ("version: 0.0.9, not 0.1.0",), ("limit: all items, not 9",), ("it has no normalised score",),
    ]  # fmt: skip
    assert [row.rank for row in found.apart] == [0, 0, 0]


@pytest.mark.parametrize(
    ("setting", "usual", "words"),
    [
        ({"template": 0}, {"template": None}, "instruction: 0, not variants by turns"),
        ({"temperature": 0.7}, {"temperature": 0.0}, "temperature: 0.7, not 0"),
        ({"max_tokens": 16}, {}, "tokens of an answer: 16, not as the task has it"),
        ({"compat": "seahelm"}, {"compat": ""}, "scored as: seahelm, not rumpun does"),
    ],
)
def test_runs_that_were_asked_otherwise_stand_apart(setting: dict, usual: dict, words: str) -> None:
    runs = [
        (name, scores({name: [cell(name, "reading", "th", value)]}, **how))
        for name, value, how in (("a", 50, usual), ("b", 40, {}), ("c", 99, setting))
    ]
    made = board(runs)
    assert [row.entry.model.name for row in made.rows] == ["a", "b"]
    assert [(row.entry.model.name, row.why) for row in made.apart] == [("c", (words,))]
    assert words in Page(leaderboard_html(runs)).text


def test_models_without_a_common_cell_are_not_ranked() -> None:
    html = leaderboard_html([alone("a", 1.0), ("y", scores({"b": [cell("b", "nli", "lo", 2.0)]}))])
    assert "no cell in common" in html
    assert '<table class="wide">' not in html


def test_nothing_and_a_whole_run() -> None:
    assert "There is no run to show." in leaderboard_html([])
    found = board([("one", WHOLE), ("same", WHOLE)])
    assert [row.entry.model.name for row in found.rows] == [LAYER, BASE]
    assert all(row.entry.runs == ("one", "same") for row in found.rows)
    every = {(c.task, c.language) for c in WHOLE.cells if c.model == BASE and c.normalised}
    assert {(task, tag) for task, tags in found.common for tag in tags} == every
    assert found.left == (("translation-from-english", ("lo",)),)
    page = Page(leaderboard_html([("one", WHOLE)]))
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")


@settings(max_examples=40)
@given(HOSTILE)
def test_no_text_of_the_data_becomes_markup(text: str) -> None:
    def shown(put: str) -> Page:
        own = filled(
            WHOLE,
            lambda old: put + old if old not in ("", "*") else old,
            frozenset(("over", "metric", "metrics", "method")),
        )
        old = replace(own, made=own.made | {"version": put})
        return Page(leaderboard_html([(put, own), (put + "2", replace(own, suite=put)), (put + "3", old)]))

    page, plain = shown(text), shown("q")
    assert page.tags == plain.tags
    assert page.ends == plain.ends
    assert page.odd == []

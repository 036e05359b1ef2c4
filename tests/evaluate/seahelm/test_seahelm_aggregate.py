"""One run's means by hand, and the leaderboard's resamples by SEA-HELM's own check values and by a plain loop."""

import math
import statistics

import numpy as np
import pytest

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.seahelm.aggregate import Cell, leaderboard, run_path, stored
from rumpun.evaluate.seahelm.tasks import main_set


def test_a_run_by_hand() -> None:
    got = run_path(
        {
            "th": {
                "sentiment": 50, "qa": 70, "thai_exam_ic": 10, "thai_exam_onet": 40,
                "translation-en-xx": 80, "translation-xx-en": 90, "abssum": 25,
            },
            "ms": {"sentiment": 30},
        }
    )  # fmt: skip
    assert got.groups["th"]["thai_exam"].value == 25
    assert got.groups["th"]["translations"].value == 85
    assert {name: mean.value for name, mean in got.competencies["th"].items()} == {
        "nlu": 60, "knowledge": 25, "nlg": (85 + 25) / 2,
    }  # fmt: skip
    assert got.languages["th"].value == pytest.approx((60 + 25 + 55) / 3)
    assert got.total.value == pytest.approx(((60 + 25 + 55) / 3 + 30) / 2)
    assert got.missing == got.total.missing == ()
    assert got.faults


def test_linguistic_tasks_have_their_own_rule() -> None:
    got = run_path(
        {
            "id": {
                "mp-r": 40,
                "pragmatic-single": None,
                "pragmatic-pair": None,
                "pragmatics": 20,
                "syntax-criteria": 99,
            }
        }
    )
    assert got.competencies["id"]["linguistic-diagnostics"].value == 30
    assert got.missing == ()
    twins = run_path({"id": {"mp-r-logprobs": 40, "pragmatics-logprobs": 20, "pragmatics": 60}})
    assert twins.competencies["id"]["linguistic-diagnostics"].value == 40
    alone = run_path({"id": {"syntax-criteria": 99}})
    assert alone.competencies["id"]["linguistic-diagnostics"].value is None
    assert alone.total.value is None


def test_missing_cells_are_named_and_not_put_in() -> None:
    got = run_path(
        {"id": {"abssum": 20, "translation-en-xx": None, "translation-xx-en": None, "sentiment": 50}}
    )
    assert got.groups["id"]["translations"].value is None
    assert got.competencies["id"]["nlg"].value == 20
    lost = (("id", "translation-en-xx"), ("id", "translation-xx-en"))
    assert got.competencies["id"]["nlg"].missing == got.languages["id"].missing == got.missing == lost
    assert got.competencies["id"]["nlu"].missing == ()
    part = run_path({"id": {"translation-en-xx": None, "translation-xx-en": 60}})
    assert part.groups["id"]["translations"].value == 60
    pooled = run_path({"ta": {"mp-r": 10, "pragmatic-single": None}})
    assert pooled.missing == (("ta", "pragmatics"),)
    assert pooled.total.value == 10


def test_what_should_be_there_and_is_not() -> None:
    got = run_path(
        {"ms": {"sentiment": 30, "toxicity": 40}}, expected={"ms": main_set()["ms"], "my": ["nli"]}
    )
    assert {name for language, name in got.missing if language == "ms"} == set(main_set()["ms"]) - {
        "sentiment",
        "toxicity",
    }
    assert got.languages["ms"].value == 35
    assert got.languages["my"].value is None
    assert got.total.value == 35
    assert ("my", "nli") in got.total.missing
    judged = run_path({"id": {"mp-r": 5}}, expected={"id": ["mp-r", "syntax-criteria"]})
    assert judged.missing == (("id", "syntax-criteria"),)
    assert judged.total.missing == ()  # it enters no mean


def test_nothing_gives_nothing_and_bad_cells_are_named() -> None:
    assert run_path({}).total.value is None
    with pytest.raises(UsageError, match="'toxicity' in it"):
        run_path({"ta": {"toxicity": 1.0}})
    with pytest.raises(InputError, match="id sentiment: the figure is nan"):
        run_path({"id": {"sentiment": math.nan}})


def bits(text):
    return tuple(map(float, text))


CHECK = (
    Cell(
        task="sentiment",
        language="id",
        runs=(bits("101101"), bits("111001"), bits("001110")),
        labels=tuple("AAABBC"),
    ),
    Cell(
        task="qa",
        language="id",
        runs=((0.2, 0.5, 1, 0), (0.4, 0.5, 1, 0), (0.4, 0.25, 1, 0.1)),
        labels=(["a"], ["a"], ["b"], ["c"]),
    ),
    Cell(
        task="translation-en-xx",
        language="id",
        runs=((80, 90.5, 70.25), (81, 88, 72), (79, 91, 71.5)),
        labels=("x", "y", "z"),
    ),
)


def test_the_check_values() -> None:
    draw = np.random.default_rng(94370244)
    assert draw.integers(0, 3, size=(30, 6))[0].tolist() == [1, 1, 1, 2, 1, 0]
    got = leaderboard(CHECK)
    for estimate, mean, stderr in (
        (got.tasks["id"]["sentiment"], 54.99999999999999, 4.686874692221618),
        (got.tasks["id"]["qa"], 44.333333333333336, 0.8470141381296836),
        (got.tasks["id"]["translation-en-xx"], 80.30555555555556, 0.11888512902709424),
        (got.competencies["id"]["nlu"], 49.666666666666664, 2.3884266237230993),
        (got.groups["id"]["translations"], 80.30555555555556, 0.11888512902709424),
        (got.languages["id"], 64.98611111111111, 1.21460558859452),
        (got.overall, 64.98611111111111, 1.21460558859452),
    ):
        assert estimate.mean == pytest.approx(mean, abs=1e-9)
        assert estimate.stderr == pytest.approx(stderr, abs=1e-9)
        assert len(estimate.draws) == 30
    assert got.sea == got.overall
    assert got.incomplete == got.missing == ()
    assert any("5.5 times too small" in fault for fault in got.faults)


def test_the_order_of_cells_is_part_of_the_figure() -> None:
    turned = leaderboard(CHECK[::-1])
    assert turned.tasks["id"]["sentiment"].mean != leaderboard(CHECK).tasks["id"]["sentiment"].mean


def by_loops(cells, draws=30, seed=94370244):
    """Each cell's resamples, written out: predictions are labels repeated, counted by class."""
    random = np.random.default_rng(seed)
    found = {}
    for cell in cells:
        runs = [run for run in cell.runs if run]
        which = random.integers(0, len(runs), size=(draws, len(runs[0])))
        labels = list(cell.labels) if cell.runs[0] else []
        try:
            choice = labels != [] and len(set(labels)) != len(labels)
        except TypeError:
            choice = False
        line = []
        for b in range(draws):
            taken = [runs[which[b, i]][i] for i in range(len(runs[0]))]
            if choice:
                predicted = [label * int(value) for label, value in zip(labels, taken, strict=True)]
                recalls = [
                    statistics.mean(
                        float(p == x) for p, x in zip(predicted, labels, strict=True) if x == label
                    )
                    for label in sorted(set(labels))
                ]
                chance = 1 / len(recalls)
                line.append(100 * max((statistics.mean(recalls) - chance) / (1 - chance), 0))
            else:
                line.append(statistics.mean(taken) * (100 if max(map(max, runs)) <= 1 else 1))
        found[cell.language, cell.task] = line
    return found


LOOPED = (
    Cell(task="causal", language="vi", runs=(bits("110100"), (), bits("011101")), labels=tuple("ABABAB")),
    Cell(task="abssum", language="vi", runs=((30.0, 0.5, 12.0), (28.5, 0.0, 14.0)), labels=("a", "b", "c")),
    # all at most 1, so times 100; and two labels that happen to be equal, so taken as a choice
    Cell(task="abssum", language="my", runs=((0.3, 0.5, 0.9), (0.2, 0.9, 1.0)), labels=("a", "b", "c")),
    Cell(
        task="translation-xx-en",
        language="vi",
        runs=((90.0, 1.0, 70.0), (85.0, 70.0, 1.5)),
        labels=("x", "x", "y"),
    ),
    Cell(task="nli", language="vi", runs=(bits("1"), bits("0")), labels=("A",)),
)


def test_resamples_are_those_of_a_plain_loop() -> None:
    expected = by_loops(LOOPED)
    got = leaderboard(LOOPED)
    for (language, task), line in expected.items():
        assert got.tasks[language][task].draws == pytest.approx(line, abs=1e-9)
    assert got.incomplete == (("vi", "causal"),)
    assert got.tasks["vi"]["causal"].incomplete
    assert got.languages["vi"].draws == pytest.approx(
        np.mean(
            [
                np.mean([expected["vi", "causal"], expected["vi", "nli"]], axis=0),
                np.mean([expected["vi", "abssum"], expected["vi", "translation-xx-en"]], axis=0),
            ],
            axis=0,
        ),
        abs=1e-9,
    )


def test_the_regions_mean_has_its_languages_alone() -> None:
    cells = [
        CHECK[0],
        Cell(task="causal", language="zh", runs=(bits("1100"), bits("0101")), labels=tuple("AABB")),
    ]
    got = leaderboard(cells)
    assert got.sea == got.languages["id"]
    assert got.overall.draws == pytest.approx(
        np.mean([got.languages["id"].draws, got.languages["zh"].draws], axis=0)
    )
    assert leaderboard(cells[1:]).sea is None


def test_a_cell_without_data_is_nothing_and_is_said() -> None:
    empty = Cell(task="nli", language="id", runs=((), ()))
    got = leaderboard([empty, *CHECK])
    assert got.missing == (("id", "nli"),)
    assert got.tasks["id"]["nli"].draws == (0.0,) * 30
    assert got.competencies["id"]["nlr"].mean == 0
    assert (
        got.tasks["id"]["sentiment"] == leaderboard(CHECK).tasks["id"]["sentiment"]
    )  # nothing was drawn for it
    assert any("without data" in fault for fault in got.faults)


def test_one_run_leaves_the_generator_where_it_is() -> None:
    one = Cell(task="nli", language="id", runs=(bits("1100"),), labels=tuple("ABAB"))
    assert leaderboard([one, *CHECK]).tasks["id"]["qa"] == leaderboard(CHECK).tasks["id"]["qa"]


def test_without_run_0_there_are_no_labels() -> None:
    cell = Cell(task="nli", language="id", runs=((), bits("1100")), labels=tuple("ABAB"))
    assert leaderboard([cell]).tasks["id"]["nli"].mean == 50  # no chance is taken off


def test_log_probabilities_are_drawn_the_wrong_way_round() -> None:
    cell = Cell(task="nli-logprobs", language="id", runs=((90.0, 80.0, 0.0, 0.0),), labels=tuple("ABAB"))
    got = leaderboard([cell])
    assert got.tasks["id"]["nli-logprobs"].mean == 0  # half are «right», which is chance
    certain = Cell(task="nli-logprobs", language="id", runs=((0.0, 0.0, 0.0, 0.0),), labels=tuple("ABAB"))
    assert leaderboard([certain]).tasks["id"]["nli-logprobs"].mean == 100
    half = Cell(task="nli-logprobs", language="id", runs=((0.5, 0.5, 0.5, 0.5),), labels=tuple("ABAB"))
    right = np.random.default_rng(94370244).random(size=(30, 4)) > 0.5
    expected = [100 * max((np.mean([row[::2].mean(), row[1::2].mean()]) - 0.5) / 0.5, 0) for row in right]
    assert leaderboard([half]).tasks["id"]["nli-logprobs"].draws == pytest.approx(expected)
    assert any("log-probability" in fault for fault in got.faults)


def test_groups_of_twins_lose_their_ending() -> None:
    cells = [
        Cell(task=f"thai_exam_{name}-logprobs", language="th", runs=((0.5, 0.2),), labels=("A", "B"))
        for name in ("ic", "onet")
    ]
    assert set(leaderboard(cells).groups["th"]) == {"thai_exam"}


def test_values_as_the_notebook_reads_them() -> None:
    items = [
        {"metadata": {"subcategory": x}}
        for x in ("length_constraints:number_words", "detectable_format:title")
    ]
    assert stored("if-eval", "th", [math.nan, 1.0], items) == (1.0,)
    assert stored("if-eval", "lo", [math.nan, 1.0], items) == (0.0, 1.0)  # dropped in th and my alone
    assert stored("qa", "th", [0.25, math.nan], items) == (0.25, 0.0)
    with pytest.raises(InputError, match="1 values for 2 items"):
        stored("qa", "th", [1.0], items)


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        ([], InputError, "no cells"),
        ([CHECK[0], CHECK[0]], UsageError, "sentiment in id is given twice"),
        ([Cell(task="qa", language="id", runs=((1.0, 0.0), (1.0,)))], InputError, "runs of 2, 1 items"),
        (
            [Cell(task="nli", language="id", runs=((1.0, 0.0),), labels=(1, 1))],
            InputError,
            "label 1 is no text",
        ),
        (
            [Cell(task="nli", language="id", runs=((1.0, 0.0),), labels=("A", "A"))],
            InputError,
            "one label alone",
        ),
        (
            [Cell(task="nli", language="id", runs=((1.0, 0.0),), labels=("A",))],
            InputError,
            "1 labels for 2 items",
        ),
        (
            [Cell(task="nli-logprobs", language="id", runs=((), (1.0,)))],
            InputError,
            "run 0 has no data or labels",
        ),
        ([Cell(task="nope", language="id", runs=((1.0,),))], UsageError, "'nope' is none"),
    ],
)
def test_cells_that_do_not_fit_are_named(cells, error, message) -> None:
    with pytest.raises(error, match=message):
        leaderboard(cells)


def test_two_resamples_at_least() -> None:
    with pytest.raises(UsageError, match="draws = 1"):
        leaderboard(CHECK, draws=1)

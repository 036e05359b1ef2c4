"""Label tasks: SEA-HELM's figures against scikit-learn and against counting by hand."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.score import score

LETTERS = "ABCD"


def rows(gold, column="label"):
    return [{"id": n, column: label} for n, label in enumerate(gold)]


def answers(found):
    return [None if label is None else f"Jawaban: {label}" for label in found]


def by_hand(gold, found):
    """Balanced accuracy, macro F1 and null-weighted F1 (shares), counted in the plainest way."""
    found = ["null" if label is None else label for label in found]

    def f1(label):
        hits = sum(a == b == label for a, b in zip(gold, found, strict=True))
        return 2 * hits / (gold.count(label) + found.count(label))

    recalls = [
        sum(a == b == label for a, b in zip(gold, found, strict=True)) / gold.count(label)
        for label in set(gold)
    ]
    union = set(gold) | set(found)
    nulls = found.count("null") / len(gold)
    return (
        sum(recalls) / len(recalls),
        sum(map(f1, union)) / len(union),
        sum(map(f1, set(gold))) / len(set(gold)) * (1 - nulls),
    )


def test_the_check_value() -> None:
    found = score("belebele-qa-mc", "id", rows("AAABBC"), answers(["A", None, "A", "B", "A", "C"]))
    assert found.metrics["accuracy"] == pytest.approx(72.22222222222222, abs=1e-9)
    assert found.metrics["normalized_accuracy"] == pytest.approx(58.33333333333333, abs=1e-9)
    assert found.normalised == found.metrics["normalized_accuracy"]
    assert found.metrics["null_count"] == found.parse_failures == 1
    assert found.answers == ("A", None, "A", "B", "A", "C")
    assert found.values == (1, 0, 1, 1, 0, 1)
    assert list(found.metrics) == [
        "accuracy", "macro_f1", "null_weighted_f1", "normalized_accuracy", "null_count",
    ]  # fmt: skip
    assert found.faults


labelled = st.lists(
    st.tuples(st.sampled_from(LETTERS), st.one_of(st.none(), st.sampled_from(LETTERS))),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40)
@given(labelled)
def test_figures_are_those_of_scikit_learn_and_of_counting(pairs) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    gold = [right for right, _ in pairs]
    # a label that no row has as its right answer is unknown to SEA-HELM: such an answer is null
    found = [label if label in gold else None for _, label in pairs]
    spoken = ["null" if label is None else label for label in found]
    got = score("belebele-qa-mc", "id", rows(gold), answers([label for _, label in pairs])).metrics
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accuracy = metrics.balanced_accuracy_score(gold, spoken)
        macro = metrics.f1_score(gold, spoken, average="macro")
        known = metrics.f1_score(gold, spoken, labels=sorted(set(gold)), average="macro")
    weighted = known * (1 - spoken.count("null") / len(gold))
    assert (accuracy, macro, weighted) == pytest.approx(by_hand(gold, found), abs=1e-12)
    assert got["accuracy"] == pytest.approx(100 * accuracy, abs=1e-9)
    assert got["macro_f1"] == pytest.approx(100 * macro, abs=1e-9)
    assert got["null_weighted_f1"] == pytest.approx(100 * weighted, abs=1e-9)
    classes = len(set(gold))
    chance = 0 if classes == 1 else max((accuracy - 1 / classes) / (1 - 1 / classes), 0)
    assert got["normalized_accuracy"] == pytest.approx(100 * chance, abs=1e-9)


@settings(max_examples=40)
@given(labelled, st.integers(0, 2**32 - 1))
def test_a_draw_is_the_score_of_the_rows_so_drawn(pairs, seed) -> None:
    gold, given_ = [a for a, _ in pairs], [b for _, b in pairs]
    whole = score("belebele-qa-mc", "id", rows(gold), answers(given_))
    draw = np.random.default_rng(seed)
    places = draw.integers(0, len(gold), (3, len(gold)))
    counts = np.stack([np.bincount(line, minlength=len(gold)) for line in places])
    got = whole.at(counts)
    # the same again from a list that really holds the rows drawn, read with the labels of all rows
    found = [answer or "null" for answer in whole.answers]
    for n, line in enumerate(places):
        drawn = (
            [gold[place] for place in line],
            [None if found[place] == "null" else found[place] for place in line],
        )
        accuracy, macro, weighted = by_hand(*drawn)
        chance = 1 / len(set(gold))
        assert got["accuracy"][n] == pytest.approx(100 * accuracy, abs=1e-9)
        assert got["macro_f1"][n] == pytest.approx(100 * macro, abs=1e-9)
        assert got["null_weighted_f1"][n] == pytest.approx(100 * weighted, abs=1e-9)
        assert got["null_count"][n] == drawn[1].count(None)
        expected = 0 if chance == 1 else max((accuracy - chance) / (1 - chance), 0)
        assert got["normalized_accuracy"][n] == pytest.approx(100 * expected, abs=1e-9)
    ones = whole.at(np.ones((1, len(gold)), np.int64))
    assert {name: value[0] for name, value in ones.items()} == pytest.approx(whole.metrics, abs=1e-9)


def test_a_draw_scores_as_a_run_of_those_rows_where_all_labels_are_drawn() -> None:
    gold, found = list("AABBCCDD"), ["A", "B", None, "B", "C", "D", "A", "D"]
    whole = score("belebele-qa-mc", "id", rows(gold), answers(found))
    line = [0, 0, 2, 3, 5, 5, 6, 7]
    again = score("belebele-qa-mc", "id", rows([gold[n] for n in line]), answers([found[n] for n in line]))
    got = whole.at(np.bincount(line, minlength=8)[None])
    assert {name: value[0] for name, value in got.items()} == pytest.approx(again.metrics, abs=1e-9)


def test_failed_generations_are_wrong_and_null() -> None:
    found = score("sentiment", "ms", rows(["Positif", "Negatif"]), [None, None])
    assert found.metrics == {
        "accuracy": 0, "macro_f1": 0, "null_weighted_f1": 0, "normalized_accuracy": 0, "null_count": 2,
    }  # fmt: skip
    assert found.answers == (None, None)


def test_chance_is_counted_in_lower_case_and_one_label_gives_nothing() -> None:
    two = score("belebele-qa-mc", "id", rows(["A", "a", "B"]), answers(["A", "A", "B"]))
    assert two.metrics["accuracy"] == pytest.approx(200 / 3)  # «A» is read as the later spelling, «a»
    assert two.metrics["normalized_accuracy"] == pytest.approx(100 * (2 / 3 - 1 / 2) / (1 / 2))
    one = score("belebele-qa-mc", "id", rows(["A", "A"]), answers(["A", "A"]))
    assert (one.metrics["accuracy"], one.normalised) == (100, 0)


def test_the_label_null_is_a_label() -> None:
    found = score("belebele-qa-mc", "id", rows(["null", "A"]), answers([None, "A"]))
    assert found.metrics["accuracy"] == 100
    assert found.metrics["null_count"] == 1


@pytest.mark.parametrize(
    ("task", "column"),
    [
        ("safeguard_general_prompt", "prompt_label"),
        ("safeguard_general_response", "response_label"),
        ("safeguard_cultural_in_the_wild", "label"),
        ("safeguard_general_prompt", "label"),
    ],
)
def test_the_right_answer_stands_where_the_task_has_it(task, column) -> None:
    items = rows(["Aman", "Berbahaya"], column)
    assert score(task, "id", items, ["Jawaban: Aman", "Jawaban: berbahaya"]).normalised == 100


def test_the_column_that_a_task_reads_is_its_own() -> None:
    items = [
        {"id": "a", "prompt_label": "Safe", "response_label": "Harmful"},
        {"id": "b", "prompt_label": "Harmful", "response_label": "Safe"},
    ]
    given_ = ["Answer: Safe", "Answer: Harmful"]
    assert score("safeguard_general_prompt", "en", items, given_).normalised == 100
    assert score("safeguard_general_response", "en", items, given_).normalised == 0


@pytest.mark.parametrize(
    ("items", "found", "message"),
    [
        ([], [], "no items"),
        (rows("AB"), ["A"], "1 predictions for 2 items"),
        (rows("A"), [3], r"item 1 \(id 0\): the prediction is a int"),
        ([{"id": "x", "label": ["A"]}], ["A"], r"item 1 \(id x\): label is a list, expected text"),
        ([{"id": 7}], ["A"], r"item 1 \(id 7\): label is missing"),
        ([{"label": 1}], ["A"], r"item 1 \(id none\): label is a int"),
    ],
)
def test_what_cannot_be_scored_is_named(items, found, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        score("belebele-qa-mc", "id", items, found)
    assert error.value.hint


def test_a_figure_above_chance_alone_counts() -> None:
    found = score("belebele-qa-mc", "id", rows("ABCD"), answers("AAAA"))
    assert found.metrics["accuracy"] == 25
    assert found.normalised == 0
    worse = score("belebele-qa-mc", "id", rows("ABCD"), answers("BCDA"))
    assert worse.normalised == 0
    assert math.isclose(worse.metrics["accuracy"], 0)

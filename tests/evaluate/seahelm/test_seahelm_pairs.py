"""Minimal pairs and pragmatics: accuracies by phenomenon, and the pool of two tasks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.score import score

SCALAR, PRESUPPOSED = "scalar_implicatures", "presuppositions"


def row(label, phenomenon, number=0, **more):
    return {"id": number, "label": label, "metadata": {"linguistic_phenomenon": phenomenon}} | more


def test_phenomena_weigh_the_same() -> None:
    items = [row("A", "negation"), row("B", "negation"), row("A", "negation"), row("B", "word_order")]
    given_ = ["Jawaban: A", "Jawaban: B", "Jawaban: B", "Jawaban: B"]
    found = score("mp-r", "id", items, given_)
    assert found.metrics == pytest.approx(
        {
            "accuracy": (200 / 3 + 100) / 2,
            "subcategories.negation": 200 / 3,
            "subcategories.word_order": 100,
            "normalized_accuracy": 100 * ((200 / 3 + 100) / 2 - 50) / 50,
        },
        abs=1e-9,
    )
    assert found.values == (1, 1, 0, 1)
    assert found.normalised == found.metrics["normalized_accuracy"]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from("xyz"), st.sampled_from("AB?")),
        min_size=2,
        max_size=20,
    ),
    st.integers(0, 2**32 - 1),
)
def test_minimal_pairs_at_a_draw_are_those_of_the_rows_so_drawn(drawn, seed) -> None:
    drawn = [("A", "x", "A"), ("B", "y", "A"), *drawn]  # both labels are there, so chance is one half
    items = [row(label, phenomenon) for label, phenomenon, _ in drawn]
    given_ = [f"Jawaban: {answer}" for *_, answer in drawn]
    whole = score("mp-r", "id", items, given_)
    line = np.random.default_rng(seed).integers(0, len(items), len(items))
    got = whole.at(np.bincount(line, minlength=len(items))[None])
    by: dict[str, list[bool]] = {}
    for place in line:
        label, phenomenon, answer = drawn[place]
        by.setdefault(phenomenon, []).append(label == answer)
    shares = {phenomenon: 100 * sum(right) / len(right) for phenomenon, right in by.items()}
    mean = sum(shares.values()) / len(shares)
    assert got["accuracy"][0] == pytest.approx(mean, abs=1e-9)
    assert got["normalized_accuracy"][0] == pytest.approx(100 * max((mean - 50) / 50, 0), abs=1e-9)
    for phenomenon in {phenomenon for _, phenomenon, _ in drawn}:
        expected = shares.get(phenomenon, np.nan)
        assert got[f"subcategories.{phenomenon}"][0] == pytest.approx(expected, abs=1e-9, nan_ok=True)
    ones = whole.at(np.ones((1, len(items)), np.int64))
    assert {name: value[0] for name, value in ones.items()} == pytest.approx(whole.metrics, abs=1e-9)


def test_a_pragmatics_task_has_counts_and_no_score() -> None:
    items = [row("Benar", SCALAR), row("Salah", SCALAR), row("Salah", PRESUPPOSED), row("Benar", "other")]
    given_ = ["Jawaban: Benar", "Jawaban: Benar", None, "Benar"]
    found = score("pragmatic-pair", "id", items, given_)
    assert found.normalised is None
    assert found.metrics == {
        f"subcategories.{SCALAR}.correct_count": 1,
        f"subcategories.{SCALAR}.total_count": 2,
        f"subcategories.{PRESUPPOSED}.correct_count": 0,
        f"subcategories.{PRESUPPOSED}.total_count": 1,
        "subcategories.other.correct_count": 1,
        "subcategories.other.total_count": 1,
    }
    assert found.parse_failures == 1
    assert found.answers == ("Benar", "Benar", None, "Benar")


def pooled_rows():
    """Two tasks whose labels differ: each is read with its own."""
    single = [
        row("Ya", SCALAR, 1, prompts=[{"text": "…"}]),
        row("Tidak", SCALAR, 2, prompts=[{"text": "…"}]),
        row("Ya", PRESUPPOSED, 3, prompts=[{"text": "…"}]),
        row("Ya", "elsewhere", 4, prompts=[{"text": "…"}]),
    ]
    pair = [
        row("Benar", PRESUPPOSED, 5, prompts=[{"text": "…", "conclusion": "…"}]),
        row("Salah", PRESUPPOSED, 6, prompts=[{"text": "…", "conclusion": "…"}]),
        row("Salah", SCALAR, 7, prompts=[{"text": "…", "conclusion": "…"}]),
    ]
    return single + pair


POOLED_ANSWERS = [
    "Jawaban: Ya",
    "Jawaban: Ya",
    "Jawaban: Ya",
    "Jawaban: Tidak",
    "Jawaban: Benar",
    "Ya",
    "Jawaban: Salah",
]


def test_the_pool_takes_counts_of_both_tasks_and_two_phenomena() -> None:
    found = score("pragmatics", "id", pooled_rows(), POOLED_ANSWERS)
    scalar, presupposed = 2 / 3, 2 / 3
    mean = (scalar + presupposed) / 2
    assert found.metrics == pytest.approx(
        {
            f"subcategories.{SCALAR}.accuracy": scalar,
            f"subcategories.{SCALAR}.correct_count": 2,
            f"subcategories.{SCALAR}.total_count": 3,
            f"subcategories.{PRESUPPOSED}.accuracy": presupposed,
            f"subcategories.{PRESUPPOSED}.correct_count": 2,
            f"subcategories.{PRESUPPOSED}.total_count": 3,
            "accuracy": 100 * mean,
            "normalized_accuracy": 100 * (mean - 0.5) / 0.5,
        },
        abs=1e-9,
    )
    assert found.answers[5] is None  # «Ya» is a label of the other task alone
    parts = [
        score("pragmatic-single", "id", pooled_rows()[:4], POOLED_ANSWERS[:4]),
        score("pragmatic-pair", "id", pooled_rows()[4:], POOLED_ANSWERS[4:]),
    ]
    for phenomenon in (SCALAR, PRESUPPOSED):
        for count in ("correct_count", "total_count"):
            key = f"subcategories.{phenomenon}.{count}"
            assert found.metrics[key] == sum(part.metrics[key] for part in parts)


def test_a_row_may_say_its_task_itself() -> None:
    items = [
        item | {"task": "pragmatic-pair" if "conclusion" in item["prompts"][0] else "pragmatic-single"}
        for item in pooled_rows()
    ]
    for item in items:
        del item["prompts"]
    assert (
        score("pragmatics", "id", items, POOLED_ANSWERS).metrics
        == score("pragmatics", "id", pooled_rows(), POOLED_ANSWERS).metrics
    )


def test_the_pool_at_a_draw() -> None:
    found = score("pragmatics", "id", pooled_rows(), POOLED_ANSWERS)
    got = found.at(np.array([[2, 0, 1, 5, 0, 1, 0], [0, 0, 1, 0, 1, 1, 0]]))
    assert got["accuracy"][0] == pytest.approx(100 * (1 + 1 / 2) / 2)
    assert np.isnan(got["accuracy"][1])  # no row of one phenomenon is drawn
    assert got[f"subcategories.{PRESUPPOSED}.accuracy"][1] == pytest.approx(2 / 3)


def test_a_phenomenon_without_rows_and_rows_without_one_are_named() -> None:
    with pytest.raises(InputError, match=f"no row of the phenomenon '{PRESUPPOSED}'"):
        score("pragmatics", "id", [row("Ya", SCALAR)], ["Ya"])
    with pytest.raises(InputError, match=r"item 1 \(id 9\): metadata names no linguistic_phenomenon"):
        score("mp-r", "ta", [{"id": 9, "label": "A"}], ["A"])


@pytest.mark.parametrize("task", ["mp-r", "pragmatic-single", "pragmatics"])
def test_the_first_tag_decides_and_case_counts(task) -> None:
    items = [row("A", SCALAR), row("B", PRESUPPOSED), row("B", SCALAR)]
    found = score(task, "id", items, ["Jawaban: ?? Jawaban: A", "Jawaban: b", "Jawaban:\n**B**"])
    assert found.answers == (None, None, "B")
    assert found.parse_failures == 2


def test_worse_than_chance_is_nothing() -> None:
    items = [row("A", "x"), row("B", "x")]
    assert score("mp-r", "id", items, ["Jawaban: B", "Jawaban: A"]).normalised == 0

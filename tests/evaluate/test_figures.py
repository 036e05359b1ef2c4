"""Cells against numbers worked out in another way; what failed is in none of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_samples import LABELS, TASKS, counted, labelled, rights, sample
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score

from rumpun.evaluate.figures import cell_of, gain_seen
from rumpun.evaluate.records import Figure
from rumpun.evaluate.tasks import task
from rumpun.measure.power import detectable


def test_a_share_with_wilsons_interval_above_chance() -> None:
    cell = cell_of(TASKS["reading"], "id", rights("reading", [1] * 30 + [0] * 20))
    expected = binomtest(30, 50).proportion_ci(method="wilson")
    figure = cell.metrics["accuracy"]
    assert figure.value == 0.6
    assert figure.ci95 == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert cell.normalised is not None
    assert cell.normalised.value == pytest.approx(100 * (0.6 - 0.25) / 0.75)
    assert cell.normalised.ci95 == pytest.approx(
        [100 * (end - 0.25) / 0.75 for end in (expected.low, expected.high)]
    )
    assert (cell.items, cell.scored, cell.runs, cell.chance, cell.metric) == (50, 50, 1, 0.25, "accuracy")
    assert cell.detectable == pytest.approx(100 * detectable(50))


def test_below_chance_is_below_zero() -> None:
    cell = cell_of(TASKS["reading"], "id", rights("reading", [0] * 9 + [1]))
    assert cell.normalised is not None
    assert cell.normalised.value == pytest.approx(-20.0)


def test_chance_is_the_mean_over_items_of_unequal_options() -> None:
    two = [sample("reading", 9, 1.0, options=["a", "b"])]
    assert cell_of(TASKS["reading"], "id", [*rights("reading", [1]), *two]).chance == pytest.approx(0.375)


def test_what_failed_is_left_out_and_counted_and_never_a_zero() -> None:
    good = rights("reading", [1, 1, 1, 0, 1, 0])
    failed = [sample("reading", n, None) for n in range(6, 20)]
    alone, beside = cell_of(TASKS["reading"], "id", good), cell_of(TASKS["reading"], "id", [*good, *failed])
    assert beside.metrics == alone.metrics
    assert beside.normalised == alone.normalised
    assert (beside.items, beside.scored, beside.errors) == (20, 6, 14)
    nothing = cell_of(TASKS["reading"], "id", failed)
    assert (nothing.metrics, nothing.normalised, nothing.scored, nothing.errors) == ({}, None, 0, 14)


@pytest.mark.parametrize("name", ["reading", "nli", "bpb", "tokens", "translation-into-english", "blend"])
def test_a_cell_in_which_all_failed_has_no_figure(name: str) -> None:
    cell = cell_of(TASKS[name], "id", [sample(name, n, None) for n in range(3)])
    assert (cell.metrics, cell.normalised, cell.errors) == ({}, None, 3)


def test_what_could_not_be_read_is_wrong_and_counted() -> None:
    lost = [
        sample("reading", n, 0.0, status=status)
        for n, status in enumerate(["no answer found", "truncated"], 8)
    ]
    cell = cell_of(TASKS["reading"], "id", [*rights("reading", [1] * 8), *lost])
    assert cell.metrics["accuracy"].value == 0.8
    assert (cell.parse_failures, cell.truncated, cell.errors, cell.scored) == (1, 1, 0, 10)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, None])), min_size=4, max_size=60)
)
def test_balanced_accuracy_and_macro_f1_against_scikit_learn(pairs: list[tuple[str, str | None]]) -> None:
    cell = cell_of(TASKS["nli"], "id", labelled(pairs), draws=50)
    gold, said = [one for one, _ in pairs], [one or "none" for _, one in pairs]
    there = sorted(set(gold))
    recall = np.mean(
        [np.mean([s == g for g, s in zip(gold, said, strict=True) if g == label]) for label in there]
    )
    if set(said) <= set(gold) and len(there) > 1:
        assert recall == pytest.approx(balanced_accuracy_score(gold, said))
    assert cell.metrics["balanced_accuracy"].value == pytest.approx(recall)
    macro = f1_score(gold, said, labels=there, average="macro", zero_division=0)
    assert cell.metrics["macro_f1"].value == pytest.approx(macro)
    assert cell.metrics["accuracy"].value == pytest.approx(
        np.mean([g == s for g, s in zip(gold, said, strict=True)])
    )


def test_always_the_same_label_is_worth_nothing() -> None:
    cell = cell_of(
        TASKS["nli"],
        "id",
        labelled(
            [("neutral", "neutral")] * 40
            + [("entailment", "neutral")] * 5
            + [("contradiction", "neutral")] * 5
        ),
    )
    assert cell.metrics["accuracy"].value == 0.8
    assert cell.metric == "balanced_accuracy"
    assert cell.normalised is not None
    assert cell.normalised.value == pytest.approx(0.0)


def test_where_labels_are_even_the_interval_is_that_of_the_share() -> None:
    """Four of each label, all called one: resampling would see no spread at all."""
    even = cell_of(TASKS["nli"], "id", labelled([(label, "neutral") for label in LABELS for _ in range(4)]))
    assert even.metrics["balanced_accuracy"] == even.metrics["accuracy"]
    expected = binomtest(4, 12).proportion_ci(method="wilson")
    assert even.normalised is not None
    assert even.normalised.ci95 == pytest.approx(
        [150 * (end - 1 / 3) for end in (expected.low, expected.high)]
    )


def test_items_of_one_group_are_drawn_together() -> None:
    random = np.random.default_rng(3)
    shared = np.repeat(random.integers(0, 2, 40), 5)  # all five questions on a text are right, or none
    one = [sample("reading", n, float(v), group=f"text-{n // 5}") for n, v in enumerate(shared)]
    alone = rights("reading", [float(v) for v in shared])
    wide, narrow = (cell_of(TASKS["reading"], "id", own).metrics["accuracy"] for own in (one, alone))
    assert wide.value == narrow.value
    assert wide.ci95 is not None
    assert narrow.ci95 is not None
    # five times fewer chances: the root of five times as wide
    assert (wide.ci95[1] - wide.ci95[0]) / (narrow.ci95[1] - narrow.ci95[0]) == pytest.approx(
        math.sqrt(5), rel=0.15
    )


def test_several_runs_of_an_item_are_one_item() -> None:
    values = [(1, 1, 0), (0, 0, 0), (1, 1, 1), (1, 0, 0)] * 10
    samples = [
        sample("reading", n, float(v), run=r) for n, own in enumerate(values) for r, v in enumerate(own)
    ]
    cell = cell_of(TASKS["reading"], "id", samples)
    assert (cell.items, cell.runs, cell.scored) == (40, 3, 40)
    assert cell.metrics["accuracy"].value == pytest.approx(np.mean(values))
    failed = [
        sample("reading", 0, None, run=2) if (s.id, s.run) == (samples[0].id, 2) else s for s in samples
    ]
    told = cell_of(TASKS["reading"], "id", failed)
    assert told.metrics["accuracy"].value == pytest.approx((np.mean(values) * 40 - 2 / 3 + 1) / 40)
    assert (told.errors, told.scored) == (1, 40)


def test_ratios_are_of_sums() -> None:
    cell = cell_of(TASKS["bpb"], "id", counted("bpb", [(10, 10), (300, 100), (0, 5)]))
    assert cell.metrics["bits_per_byte"].value == pytest.approx(310 / 115)
    assert cell.normalised is None
    assert cell.detectable is None
    single = cell_of(TASKS["tokens"], "id", counted("tokens", [(8, 4)]))
    assert single.metrics["tokens_per_character"] == Figure(value=2.0, ci95=None)


def test_the_chrf_of_a_set_is_sacrebleus() -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
    from rumpun.evaluate.judged import text_scores

    said = ["The house is very big.", "The cat sleeps on the mat.", "", "He went to the market."]
    gold = [
        ["The house is big."],
        ["A cat is asleep on the mat."],
        ["Rice is planted."],
        ["She went to the old market."],
    ]
    raw = [
        sample(
            "translation-into-english",
            n,
            None,
            status="ok",
            error="",
            parsed=text,
            answer=text,
            gold=refs,
            options=[],
        )
        for n, (text, refs) in enumerate(zip(said, gold, strict=True))
    ]
    failed = sample("translation-into-english", 9, None, gold=["Never answered."])
    samples = text_scores(TASKS["translation-into-english"], "id", [*raw, failed])
    cell = cell_of(TASKS["translation-into-english"], "id", samples)
    expected = sacrebleu.corpus_chrf(said, [[refs[0] for refs in gold]], word_order=2).score
    assert cell.metrics["chrf"].value == pytest.approx(expected)
    assert cell.normalised == cell.metrics["chrf"]
    assert cell.metrics["chrf"].ci95 is not None
    assert cell.detectable is None
    assert (cell.errors, cell.scored) == (1, 4)


def test_answers_are_told_by_language_where_an_identifier_knows_it() -> None:
    said = [
        "Bà con nông dân trồng lúa bên bờ sông.",
        "The farmers plant rice when the rains come.",
        "Ia",
    ]
    for language, there in (("vi", True), ("nij", False)):
        own = [
            sample("blend", n, None, language=language, status="ok", error="", answer=text, parsed=text,
                   scores={"token_f1": 0.0}, score=0.0)
            for n, text in enumerate(said)
        ]  # fmt: skip
        found = cell_of(TASKS["blend"], language, own).metrics
        assert ("language" in found) == there
        if there:
            assert found["language"].value == 0.5, "one of the two that are long enough to tell"


def test_a_rule_about_the_language_is_not_overwritten_by_the_share_of_answers_in_it() -> None:
    own = [
        sample("instructions", n, 1.0, answer="The farmers plant rice when the rains come.", options=[],
               scores={"accuracy": 1.0, "language": 1.0})
        for n in range(4)
    ]  # fmt: skip
    assert cell_of(task("instructions"), "id", own).metrics["language"].value == 1.0


def test_the_same_samples_in_any_order_give_the_same_cell() -> None:
    samples = rights("reading", [1, 0, 1, 1, 0, 0, 1, 0.5, 1, 0, 0.25, 1])
    assert cell_of(TASKS["reading"], "id", samples) == cell_of(TASKS["reading"], "id", samples[::-1])


def test_what_a_paired_test_would_see() -> None:
    assert gain_seen(TASKS["reading"], 100, 20) == pytest.approx(100 * detectable(100, clusters=20))
    assert gain_seen(TASKS["reading"], 5, 1) is None
    assert gain_seen(TASKS["bpb"], 100, 100) is None
    assert gain_seen(TASKS["translation-into-english"], 100, 100) is None


def test_where_there_is_nothing_to_choose_nothing_is_normalised() -> None:
    """One option, or none that the sample names: no division by nothing, and no NaN in a file."""
    one = cell_of(TASKS["reading"], "id", [sample("reading", n, 1.0, options=["a"]) for n in range(4)])
    assert (one.chance, one.normalised) == (1.0, None)
    none = cell_of(TASKS["reading"], "id", [sample("reading", n, 1.0, options=[]) for n in range(4)])
    assert none.chance == 0.0
    assert none.normalised is not None
    assert none.normalised.value == 100.0

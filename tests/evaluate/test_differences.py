"""Two models on the same items, and means over cells, against numbers worked out by hand."""

import pytest
from made_samples import LABELS, TASKS, counted, labelled, rights, sample
from scipy.stats import binomtest
from sklearn import metrics

from rumpun.evaluate.figures import differences
from rumpun.evaluate.means import means
from rumpun.evaluate.records import Cell, Figure, Sample
from rumpun.evaluate.tasks import task

# --- differences


def test_two_models_by_mcnemars_test_on_what_both_answered() -> None:
    mine = rights("reading", [1] * 12 + [0] * 3 + [1] * 30 + [None])
    theirs = rights("reading", [0] * 12 + [1] * 3 + [1] * 29 + [None, 1])
    (found,) = differences(TASKS, mine, theirs)
    assert (found.task, found.language, found.metric, found.test) == (
        "reading",
        "id",
        "accuracy",
        "McNemar exact",
    )
    assert (found.items, found.left_out) == (44, 2)
    assert found.difference == pytest.approx((12 - 3) / 44)
    assert found.p == pytest.approx(binomtest(3, 15).pvalue)
    assert found.p_holm == found.p
    assert found.ci95 is not None
    assert found.ci95[0] > 0


def test_labels_are_compared_by_balanced_accuracy() -> None:
    """Always the commonest label is right in 8 of 10 and worth no more than chance."""
    gold = ["entailment"] * 8 + ["neutral", "contradiction"]
    told = ["entailment"] * 4 + ["neutral"] * 4 + ["neutral", "contradiction"]
    always = ["entailment"] * 10
    (found,) = differences(
        TASKS, labelled(list(zip(gold, told, strict=True))), labelled(list(zip(gold, always, strict=True)))
    )
    mine = metrics.balanced_accuracy_score(gold, told)
    theirs = metrics.balanced_accuracy_score(gold, always)
    assert found.metric == "balanced_accuracy"
    assert found.difference == pytest.approx(mine - theirs)
    assert found.difference > 0 > (6 - 8) / 10


def test_items_that_one_has_not_are_not_compared() -> None:
    mine, theirs = rights("reading", [1, 0, 1, 1]), rights("reading", [1, 1, 1, 1, 0])[2:]
    (found,) = differences(TASKS, mine, theirs)
    assert found.items == 2
    assert differences(TASKS, mine, rights("knowledge", [1, 0])) == []
    assert differences(TASKS, rights("reading", [None] * 3), rights("reading", [1] * 3)) == []


def test_the_order_of_a_runs_items_is_of_no_matter() -> None:
    mine, theirs = rights("reading", [1, 0, 1, 1, 0, 1]), rights("reading", [0, 0, 1, 0, 1, 1])
    assert differences(TASKS, mine, theirs) == differences(TASKS, mine[::-1], theirs)


def test_p_is_corrected_over_the_languages_of_a_task_after_holm() -> None:
    gains = {"id": 14, "th": 9, "vi": 6}
    mine = [s for tag, n in gains.items() for s in rights("reading", [1] * n + [0] * (40 - n), language=tag)]
    theirs = [s for tag in gains for s in rights("reading", [0] * 40, language=tag)]
    mine += rights("nli", [1] * 6, options=LABELS, gold="neutral", parsed="neutral")
    theirs += rights("nli", [0] * 6, options=LABELS, gold="neutral", parsed="entailment")
    found = {(one.task, one.language): one for one in differences(TASKS, mine, theirs)}
    raw = {tag: 2 * 0.5**n for tag, n in gains.items()}
    for tag, value in raw.items():
        assert found["reading", tag].p == pytest.approx(value)
    assert found["reading", "id"].p_holm == pytest.approx(3 * raw["id"])
    assert found["reading", "th"].p_holm == pytest.approx(2 * raw["th"])
    assert found["reading", "vi"].p_holm == pytest.approx(raw["vi"])
    assert found["nli", "id"].p_holm == found["nli", "id"].p, "another task is another family"


def test_over_several_tasks_each_weighs_the_same() -> None:
    mine = [*rights("reading", [1] * 10), *rights("knowledge", [1] * 20 + [0] * 20)]
    theirs = [*rights("reading", [0] * 10), *rights("knowledge", [1] * 20 + [0] * 20)]
    whole = next(one for one in differences(TASKS, mine, theirs) if one.task == "*")
    assert (whole.language, whole.items, whole.clusters) == ("id", 50, 50)
    assert whole.difference == pytest.approx((1.0 + 0.0) / 2)


def test_over_all_languages_the_tasks_weigh_the_same_and_p_stands_alone() -> None:
    sizes = {"id": 10, "th": 30}
    mine = [s for tag, n in sizes.items() for s in rights("reading", [1] * n, language=tag)]
    mine += [s for tag, n in sizes.items() for s in rights("knowledge", [0] * n, language=tag)]
    theirs = [s for tag, n in sizes.items() for s in rights("reading", [0] * n, language=tag)]
    theirs += [
        s
        for tag, n in sizes.items()
        for s in rights("knowledge", [1] * (n // 2) + [0] * (n // 2), language=tag)
    ]
    found = {(one.task, one.language): one for one in differences(TASKS, mine, theirs)}
    whole = found["*", "*"]
    assert whole.difference == pytest.approx((1.0 - 0.5) / 2)
    assert whole.items == 80
    assert whole.p_holm == whole.p
    assert found["*", "id"].p_holm is not None
    assert differences(TASKS, mine[:10], theirs[:10])[0].task == "reading"
    assert len(differences(TASKS, mine[:10], theirs[:10])) == 1, "one task in one language is told once"


def test_a_group_in_two_languages_is_one_chance_and_an_id_in_two_tasks_is_two() -> None:
    def both(group: bool) -> list[list[Sample]]:
        return [
            [
                sample("reading", n, right if n < 8 else 0.0, language=tag, id=str(n), group=f"g{n}" if group else "")
                for tag in ("id", "th") for n in range(12)
            ]
            for right in (1.0, 0.0)
        ]  # fmt: skip

    linked, apart = (
        next(d for d in differences(TASKS, *both(g)) if d.language == "*") for g in (True, False)
    )
    assert (linked.items, linked.clusters) == (24, 12)
    assert (apart.items, apart.clusters) == (24, 24)
    assert linked.p is not None
    assert apart.p is not None
    assert linked.p > apart.p
    mine = [sample("reading", n, 1.0, id=str(n)) for n in range(9)] + [
        sample("knowledge", n, 1.0, id=str(n)) for n in range(9)
    ]
    theirs = [sample("reading", n, 0.0, id=str(n)) for n in range(9)] + [
        sample("knowledge", n, 0.0, id=str(n)) for n in range(9)
    ]
    assert next(d for d in differences(TASKS, mine, theirs) if d.task == "*").clusters == 18


def test_bits_are_compared_document_by_document_and_not_pooled() -> None:
    bottom = [50.0, 80.0, 120.0, 60.0, 90.0, 100.0, 40.0, 70.0]
    mine = counted("bpb", [(1.5 * b, b) for b in bottom])
    theirs = counted("bpb", [(2.0 * b + n, b) for n, b in enumerate(bottom)])
    (found,) = differences(TASKS, mine, theirs)
    assert found.difference == pytest.approx(-0.5 - sum(range(8)) / sum(bottom))
    assert found.ci95 is not None
    assert found.ci95[0] < found.difference < found.ci95[1] < 0
    assert (found.p, found.metric, found.items) == (None, "bits_per_byte", 8)
    failed = [sample("bpb", 0, None), *mine[1:]]
    (less,) = differences(TASKS, failed, theirs)
    assert (less.items, less.left_out) == (7, 1)


# --- means


def cell(language: str, name: str, value: float | None, model: str = "m") -> Cell:
    return Cell(
        task=name, language=language, skill=task(name).skill, model=model, metric="accuracy",
        normalised=None if value is None else Figure(value=value),
    )  # fmt: skip


def test_means_are_over_what_is_there_and_name_what_is_not() -> None:
    cells = [
        cell("id", "reading", 60.0), cell("id", "sentiment", 20.0), cell("id", "nli", 10.0), cell("id", "culture", 5.0),
        cell("th", "reading", 30.0), cell("th", "nli", 50.0), cell("th", "culture", None),
    ]  # fmt: skip
    found = {(m.over, m.name, m.language): m for m in means(cells, ("id", "th", "my"))}
    skill = found["skill", "understanding", "id"]
    assert skill.figure is not None
    assert (skill.figure.value, skill.cells) == (40.0, ["reading", "sentiment"])
    whole = found["language", "id", "id"]
    assert whole.figure is not None
    assert whole.figure.value == pytest.approx((40 + 10 + 5) / 3), (
        "a skill weighs the same, however many tasks it has"
    )
    thai = found["language", "th", "th"]
    assert thai.figure is not None
    assert (thai.figure.value, thai.cells, thai.missing) == (
        40.0,
        ["understanding", "reasoning"],
        ["culture"],
    )
    none = found["language", "my", "my"]
    assert (none.figure, none.missing) == (None, ["understanding", "reasoning", "culture"])
    every = found["all", "", ""]
    assert (every.figure, every.cells, every.missing) == (None, [], ["understanding", "reasoning", "culture"])


def test_the_mean_of_all_takes_the_skills_that_every_language_has() -> None:
    cells = [
        cell("id", "reading", 60.0), cell("id", "nli", 10.0), cell("id", "culture", 90.0), cell("th", "reading", 30.0),
        cell("th", "nli", 50.0),
    ]  # fmt: skip
    every = next(m for m in means(cells, ("id", "th")) if m.over == "all")
    assert every.figure is not None
    assert every.figure.value == pytest.approx((60 + 10 + 30 + 50) / 4)
    assert (every.cells, every.missing) == (["understanding", "reasoning"], ["culture"])


def test_each_model_has_means_of_its_own() -> None:
    cells = [cell("id", "reading", 10.0), cell("id", "reading", 90.0, "other")]
    found = {m.model: m.figure.value for m in means(cells, ("id",)) if m.over == "all" and m.figure}
    assert found == {"m": 10.0, "other": 90.0}
    assert means([], ("id",)) == []


def test_a_skill_that_was_wanted_and_is_nowhere_is_missing_in_every_mean() -> None:
    found = means([cell("id", "reading", 10.0)], ("id",), {"understanding", "linguistics"})
    assert {m.over: m.missing for m in found} == {
        "skill": [],
        "language": ["linguistics"],
        "all": ["linguistics"],
    }


def test_a_skill_that_no_table_has_is_in_the_means_after_the_others() -> None:
    """People's own tasks may name one; it is not dropped without a word."""

    def cell(skill: str, value: float) -> Cell:
        return Cell(
            task=skill,
            language="id",
            skill=skill,
            model="m",
            metric="accuracy",
            normalised=Figure(value=value),
        )

    found = means([cell("rice farming", 10), cell("reasoning", 30)], ("id",))
    assert [(m.over, m.name) for m in found] == [
        ("skill", "reasoning"), ("skill", "rice farming"), ("language", "id"), ("all", ""),
    ]  # fmt: skip
    assert found[-1].cells == ["reasoning", "rice farming"]
    assert found[-1].figure == Figure(value=20.0)

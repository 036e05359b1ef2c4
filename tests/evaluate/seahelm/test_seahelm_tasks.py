"""The table of tasks: complete, well formed, and refused by name where something is not in it."""

import re
import unicodedata

import pytest

from rumpun.errors import UsageError
from rumpun.evaluate.seahelm.score import score, tasks
from rumpun.evaluate.seahelm.tasks import find, main_set

LABEL_TASKS = (
    "sentiment", "belebele-qa-mc", "qa-mc", "metaphor", "paraphrase", "causal", "nli", "toxicity", "kalahi-mc",
    "global_mmlu_lite", "thai_exam_a_level", "thai_exam_ic", "thai_exam_onet", "thai_exam_tgat", "thai_exam_tpat1",
    "safeguard_general_prompt", "safeguard_general_response", "safeguard_cultural_content_generation_prompt",
    "safeguard_cultural_content_generation_response", "safeguard_cultural_in_the_wild",
)  # fmt: skip


def test_every_task_is_there_once_and_its_tags_reach_its_languages() -> None:
    names = [spec.name for spec in tasks()]
    assert len(names) == len(set(names))
    assert sum(name.startswith("global_mmlu_") and name.count("-") == 0 for name in names) == 57 + 1
    for spec in tasks():
        assert len(set(spec.languages)) == len(spec.languages) > 0
        if spec.family in {"judge", "instructions"} or spec.family.startswith("logprobs"):
            assert not spec.tags
        else:
            assert set(spec.tags) == set(spec.languages), spec.name


@pytest.mark.parametrize("name", LABEL_TASKS)
def test_label_tasks_share_one_metric(name) -> None:
    spec = next(spec for spec in tasks() if spec.name == name)
    assert (spec.family, spec.metric) == ("labels", "normalized_accuracy")


def test_tags_are_composed_and_free_of_pattern_signs() -> None:
    """A tag stands unescaped in a pattern, and in one Unicode form alone."""
    for spec in tasks():
        for tag in spec.tags.values():
            assert tag == unicodedata.normalize("NFC", tag)
            assert not re.search(r"[.^$*+?{}\[\]\\|()]", tag)


@pytest.mark.parametrize(
    ("task", "tag"),
    [
        ("causal", "答案"),
        ("belebele-qa-mc", "答案:"),
        ("novel-qa", "答案:"),
        ("qa", "答案："),
        ("idiom_understanding", "答案："),
    ],
)
def test_chinese_tags_differ_by_task(task, tag) -> None:
    assert find(task, "zh").tags["zh"] == tag


def test_where_the_right_answers_stand() -> None:
    columns = {spec.name: spec.gold for spec in tasks() if spec.group == "safeguard"}
    assert columns == {
        "safeguard_general_prompt": "prompt_label",
        "safeguard_general_response": "response_label",
        "safeguard_cultural_content_generation_prompt": "prompt_label",
        "safeguard_cultural_content_generation_response": "response_label",
        "safeguard_cultural_in_the_wild": "label",
    }


def test_twins_stand_beside_their_tasks() -> None:
    twin = find("thai_exam_ic-logprobs", "th")
    assert (twin.group, twin.metric) == ("thai_exam-logprobs", "average_cumulative_probabilities")
    assert find("mp-r-logprobs", "ta").competency == "linguistic-diagnostics"
    assert "global_mmlu_lite-logprobs" not in {
        spec.name for spec in tasks()
    }  # SEA-HELM names it and has none


def test_the_main_set_has_groups_opened() -> None:
    found = main_set()
    assert set(found) == {"id", "vi", "th", "ta", "tl", "ms", "my"}
    assert [name for name in found["th"] if name.startswith("thai_exam")] == list(LABEL_TASKS[10:15])
    assert {"translation-en-xx", "translation-xx-en", "pragmatics"} < set(found["id"])
    assert "translation-id-xx" not in found["id"]
    assert "mt-bench-judge" not in found["my"]
    assert "toxicity" not in found["ta"]
    for language, names in found.items():
        for name in names:
            find(name, language)


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'sentimen' is none") as error:
        score("sentimen", "id", [], [])
    assert error.value.hint == "did you mean 'sentiment'?"
    with pytest.raises(UsageError, match="no task 'toxicity' in it") as error:
        score("toxicity", "ta", [], [])
    assert "id" in error.value.hint

"""SEA-HELM's rows and config: prompts byte for byte, answers read in our way and in its own, what is refused."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fake_runs import INFO, asked
from msgspec import structs

from rumpun.engines.fake import Fake
from rumpun.engines.port import Message, Request
from rumpun.errors import InputError, UsageError
from rumpun.evaluate.records import Sample
from rumpun.evaluate.run import Plan, Settings, scores_of
from rumpun.evaluate.runs import plan_items
from rumpun.evaluate.seahelm.score import score

CHAT, BASE = map(frozenset, (("chat", "generate"), ("generate",)))
CONFIG = """
nli:
  name: nli
  competency: nlr
  metric: normalized_accuracy
  fewshot_num_examples: {instruct: 1, base: 2}
  languages:
    id:
      filepath: data/nli.jsonl
      example_filepath: data/examples.jsonl
      max_tokens: 64
      prompt_template:
        preamble: |-
          Tentukan hubungan dua kalimat dengan format: "{answer_tag} ANSWER".
        task_template: |-
          X: {sentence1}
          Y: {sentence2}
        answer_template: "{answer_tag} {label}"
        answer_tag: "Jawaban:"
        answer_tag_separator: " "
    th:
      max_tokens: 32
      prompt_template:
        preamble: ""
        task_template: "\\n{sentence1} / {sentence2}  "
        answer_template: "{answer_tag}{label}"
        answer_tag: "คำตอบ:"
qa:
  name: qa
  competency: nlu
  metric: normalized_f1
  fewshot_num_examples: {instruct: 2, base: 5}
  languages:
    id: &qa
      example_filepath: someone/hub-data
      prompt_template:
        preamble: "Jawab."
        task_template: "{text}"
        answer_template: "{answer_tag} {label}"
        answer_tag: "Jawaban:"
abssum:
  competency: nlg
  metric: normalized_rougel_f1
  languages: {id: {prompt_template: {preamble: "Ringkas.", task_template: "{text}", answer_tag: "Rangkuman:"}}}
translation-en-xx:
  competency: nlg
  metric: normalized_metricx_wmt24_scores
  languages: {id: {prompt_template: {preamble: "Terjemahkan.", task_template: "{text}", answer_tag: "Terjemahan:"}}}
translation-xx-en:
  competency: nlg
  metric: normalized_metricx_wmt24_scores
  languages: {id: {prompt_template: {preamble: "Terjemahkan.", task_template: "{text}", answer_tag: "Terjemahan:"}}}
ours:
  competency: village
  metric: normalized_accuracy
  languages: {id: {prompt_template: {preamble: "", task_template: "{sentence1}?", answer_tag: "Jawaban:"}}}
judged:
  metric: average_criteria_score
  languages: {id: {prompt_template: {task_template: "{text}"}}}
wrong-tag:
  metric: normalized_accuracy
  languages: {id: {prompt_template: {task_template: "{sentence1}", answer_tag: "Kesimpulan:"}}}
needs-more:
  metric: normalized_accuracy
  languages: {id: {prompt_template: {task_template: "{answer_tag} {sentence1}", answer_tag: "Jawaban:"}}}
"""


def row(key: Any, first: str, second: str, label: Any, language: str = "id") -> dict[str, Any]:
    return {
        "id": key, "label": label, "prompts": [{"sentence1": first, "sentence2": second}], "metadata": {"language": language},
    }  # fmt: skip


ROWS = [
    row(1, "Siti membeli mangga.", "Siti membeli buah.", "A"), row(2, "Budi tidur.", "Budi berlari.", "B"),
    row(3, "Ani membaca.", "Ani membaca koran.", "C"),
]  # fmt: skip
EXAMPLES = [
    row("e1", "Kucing tidur.", "Hewan tidur.", "A"), row("e2", "Ia duduk.", "Ia berdiri.", ["B", "b"]), row("e3", "-", "-", "C"),
]  # fmt: skip
QA = [
    {"id": 1, "label": ["kuning", "warna kuning"], "prompts": [{"text": "Warna pisang?"}], "metadata": {"language": "id"}},
    {"id": 2, "label": ["dua"], "prompts": [{"text": "Kaki ayam?"}], "metadata": {"language": "id"}},
]  # fmt: skip
PREAMBLE = 'Tentukan hubungan dua kalimat dengan format: "Jawaban: ANSWER".'


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return path


def planned(tmp_path: Path, name: str = "nli", rows: Sequence[Mapping[str, Any]] = ROWS, *, compat: bool = False,
            config: str = CONFIG, labels: Sequence[str] = (), **settings: Any) -> Plan:  # fmt: skip
    """A plan of a tree like SEA-HELM's: the config two folders below the one that its file names start from."""
    path = tmp_path / "tasks" / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(config, encoding="utf-8")
    lines(tmp_path / "data" / "examples.jsonl", EXAMPLES)
    return plan_items(
        [lines(tmp_path / "data" / "rows.jsonl", rows)], Settings(languages=settings.pop("languages", ()), **settings),
        name=name, config=path, compat=compat, labels=labels,
    )  # fmt: skip


def said(made: Plan, tmp_path: Path, answers: Mapping[str, str] | str, can: frozenset[str] = CHAT) -> list[Sample]:  # fmt: skip
    """Samples of an engine that answers by what stands in the last turn."""

    def reply(request: Request) -> str:
        if isinstance(answers, str):
            return answers
        text = request.messages[-1].content if request.messages else str(request.prompt).rstrip()
        return next(answer for end, answer in answers.items() if text.endswith(end))

    samples, not_run, _ = asked(made, Fake(reply=reply, can=can), tmp_path / f"{uuid4()}")  # type: ignore[arg-type]
    assert not_run == []
    return samples


# --- prompts


def test_a_chat_is_put_byte_for_byte_as_seahelm_puts_it(tmp_path: Path) -> None:
    first, *_ = said(planned(tmp_path), tmp_path, "Jawaban: A")
    assert first.prompt == [
        {"role": "user", "content": f"{PREAMBLE}\n\nX: Kucing tidur.\nY: Hewan tidur."},
        {"role": "assistant", "content": "Jawaban: A"},
        {"role": "user", "content": "X: Siti membeli mangga.\nY: Siti membeli buah."},
    ]


def test_a_model_without_a_chat_goes_on_from_one_text_with_its_own_number_of_examples(tmp_path: Path) -> None:
    made = planned(tmp_path)
    first, *_ = said(made, tmp_path, "Jawaban: A", BASE)
    assert first.prompt == (
        f"{PREAMBLE}\n\nX: Kucing tidur.\nY: Hewan tidur.\n\nJawaban: A\n\n"
        "X: Ia duduk.\nY: Ia berdiri.\n\nJawaban: B\n\n"
        "X: Siti membeli mangga.\nY: Siti membeli buah.\n\n"
    )
    seen: list[Request] = []

    class Seeing(Fake):
        def generate(self, requests: Sequence[Request]) -> Any:
            seen.extend(requests)
            return super().generate(requests)

    asked(made, Seeing(can=BASE), tmp_path / "other")  # type: ignore[arg-type]
    assert {(r.stop, r.max_tokens) for r in seen} == {(("\n\n",), 64)}
    (cell,) = scores_of(made, [INFO], [said(made, tmp_path, "Jawaban: A", BASE)], [], 1.0).cells
    assert cell.notes == ["nli in id was asked with 2 of 2 examples"]


def test_white_space_is_taken_off_the_first_turn_alone(tmp_path: Path) -> None:
    rows = [row(1, "ก", "ข", "A", "th"), row(2, "ค", "ง", "B", "th")]
    config = CONFIG.replace("    th:\n", "    th:\n      example_filepath: data/examples.jsonl\n")
    first, _ = said(planned(tmp_path, rows=rows, config=config), tmp_path, "A")
    assert first.prompt == [
        {"role": "user", "content": "Kucing tidur. / Hewan tidur."},
        {"role": "assistant", "content": "คำตอบ:A"},
        {"role": "user", "content": "\nก / ข  "},
    ]


def test_each_language_has_its_own_part_of_the_config_and_its_own_labels(tmp_path: Path) -> None:
    rows = [*ROWS, row(1, "ก", "ข", "ใช่", "th"), row(2, "ค", "ง", "ไม่", "th")]
    made = planned(tmp_path, rows=rows)
    samples = said(made, tmp_path, "คำตอบ: ไม่")
    assert {s.language: s.options for s in samples} == {"id": ["A", "B", "C"], "th": ["ใช่", "ไม่"]}
    assert [s.parsed for s in samples if s.language == "th"] == ["ไม่", "ไม่"]
    notes = {c.language: c.notes for c in scores_of(made, [INFO], [samples], [], 1.0).cells}
    assert notes["th"] == ["nli in th was asked with 0 of 1 examples: the config names no file of examples"]
    one = planned(tmp_path, rows=rows, languages=("th",))
    assert (one.dropped, [c.language for c in one.cells]) == ({"seahelm-nli: language id": 3}, ["th"])


@pytest.mark.parametrize(
    ("wanted", "rows", "note"),
    [
        (
            "someone/hub-data",
            EXAMPLES,
            "qa in id was asked with 0 of 2 examples: someone/hub-data is no file here",
        ),
        ("data/few.jsonl", QA[1:], "qa in id was asked with 1 of 2 examples: few.jsonl has no more"),
        ("data/few.jsonl", [*QA, QA[0]], "qa in id was asked with 2 of 2 examples"),
    ],
)
def test_examples_that_are_not_there_are_said(tmp_path: Path, wanted: str, rows: Sequence[Mapping[str, Any]], note: str) -> None:  # fmt: skip
    lines(tmp_path / "data" / "few.jsonl", rows)
    made = planned(tmp_path, "qa", QA, config=CONFIG.replace("someone/hub-data", wanted))
    (cell,) = scores_of(made, [INFO], [said(made, tmp_path, "Jawaban: dua")], [], 1.0).cells
    assert cell.notes == [note]


def test_examples_lists_give_their_first_reference(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "few.jsonl", QA)
    made = planned(tmp_path, "qa", QA, config=CONFIG.replace("someone/hub-data", "data/few.jsonl"))
    turns = made.cells[0].task.helm.turns(made.cells[0].items[1], chat=True)  # type: ignore[union-attr]
    assert [turn.content for turn in turns] == [
        "Jawab.\n\nWarna pisang?", "Jawaban: kuning", "Kaki ayam?", "Jawaban: dua", "Kaki ayam?",
    ]  # fmt: skip
    assert isinstance(turns[1], Message)


# --- scores


ANSWERS = {
    "Siti membeli buah.": "Jawaban: Bukan\nJawaban: A", "Budi berlari.": "Jawaban: (B)", "Ani membaca koran.": "Jawaban: **C**",
}  # fmt: skip


def test_answers_are_read_our_way_and_in_seahelms_under_its_names(tmp_path: Path) -> None:
    right = said(planned(tmp_path), tmp_path, ANSWERS)
    assert [s.parsed for s in right] == ["A", "B", "C"]
    made = planned(tmp_path, compat=True)
    samples = said(made, tmp_path, ANSWERS)
    assert [(s.parsed, s.score, s.status) for s in samples] == [
        ("B", 0.0, "ok"), (None, 0.0, "no answer found"), ("C", 1.0, "ok"),
    ]  # fmt: skip
    theirs = score("nli", "id", ROWS, list(ANSWERS.values()))
    (cell,) = scores_of(made, [INFO], [samples], [], 1.0).cells
    assert {name: one.value for name, one in cell.metrics.items()} == {
        f"seahelm.{name}": value for name, value in theirs.metrics.items()
    }
    assert cell.metric == "seahelm.normalized_accuracy"
    assert cell.normalised is not None
    assert cell.normalised.value == theirs.normalised
    assert cell.parse_failures == theirs.parse_failures == 1
    assert {f"a fault of SEA-HELM in seahelm-nli: {fault}" for fault in theirs.faults} < set(cell.notes)
    assert (cell.skill, cell.task) == ("reasoning", "seahelm-nli")


def test_questions_are_scored_in_both_ways(tmp_path: Path) -> None:
    answers = {"pisang?": "Jawaban: warna kuning\nitu.", "ayam?": "Jawaban: kakinya dua"}
    for compat in (False, True):
        made = planned(tmp_path, "qa", QA, compat=compat)
        samples = said(made, tmp_path, answers)
        (cell,) = scores_of(made, [INFO], [samples], [], 1.0).cells
        if compat:
            theirs = score("qa", "id", QA, list(answers.values()))
            assert cell.metrics["seahelm.normalized_f1"].value == theirs.normalised
            assert [s.scores for s in samples] == [{"token_f1": value} for value in theirs.values]
        else:
            assert samples[0].parsed == "warna kuning\nitu."
            assert cell.metric == "token_f1"


def test_two_models_are_compared_on_seahelms_own_scores_of_items(tmp_path: Path) -> None:
    made = planned(tmp_path, compat=True)
    good = said(
        made,
        tmp_path,
        {key: f"Jawaban: {label}" for key, label in zip(ANSWERS, "ABC", strict=True)},
    )
    bad = said(made, tmp_path, ANSWERS)
    scores = scores_of(made, [INFO, structs.replace(INFO, name="b")], [good, bad], [], 1.0)
    (gain,) = scores.differences
    assert gain.difference == pytest.approx(2 / 3)


def test_summaries_and_translations_have_our_metrics(tmp_path: Path) -> None:
    rows = [{"id": 1, "label": "Ayam makan jagung di kebun.", "prompts": [{"text": "A long text."}], "metadata": {"language": "id"}}]  # fmt: skip
    for name, headline, target in (("abssum", "rouge_l", "id"), ("translation-en-xx", "chrf", "id"), ("translation-xx-en", "chrf", "en")):  # fmt: skip
        made = planned(tmp_path, name, rows)
        (one,) = made.tasks
        assert (one.skill, one.answered_in("id")) == ("generation", target)
        (sample,) = said(made, tmp_path, "Terjemahan: Ayam makan jagung di kebun.\n")
        assert sample.scores[headline] == pytest.approx(
            100.0 if headline == "chrf" else sample.scores[headline]
        )
    summary = planned(tmp_path, "abssum", rows, compat=True)
    (sample,) = said(summary, tmp_path, "Rangkuman: Ayam makan jagung di kebun.")
    assert sample.scores == {"rouge_l": 1.0}


def test_a_task_that_seahelm_has_not_is_known_by_its_metric(tmp_path: Path) -> None:
    made = planned(tmp_path, "ours")
    (one,) = made.tasks
    assert (one.name, one.skill, one.family) == ("seahelm-ours", "own", "label")
    assert said(made, tmp_path, "A")[0].prompt == [{"role": "user", "content": "Siti membeli mangga.?"}]


def test_failed_questions_count_as_wrong_in_seahelms_way_and_that_is_said(tmp_path: Path) -> None:
    made = planned(tmp_path, compat=True)

    class Broken(Fake):
        def generate(self, requests: Sequence[Request]) -> Any:
            if any("Budi" in r.messages[-1].content for r in requests):
                raise UsageError("too long", "shorten it")
            return super().generate(requests)

    samples, _, _ = asked(
        made, Broken(reply=lambda r: f"Jawaban: {'AC'['Ani' in r.messages[-1].content]}"), tmp_path / "c"
    )
    (cell,) = scores_of(made, [INFO], [samples], [], 1.0).cells
    assert (cell.errors, cell.items) == (1, 3)
    assert cell.metrics["seahelm.accuracy"].value == pytest.approx(100 * 2 / 3)
    assert cell.notes[0] == "1 questions without an answer count as wrong in seahelm-nli, as in SEA-HELM"


# --- what is refused


MORE_TURNS = [{**ROWS[0], "prompts": [{"text": "a"}, {"text": "b"}]}]


@pytest.mark.parametrize(
    ("name", "rows", "options", "kind", "words"),
    [
        ("nlo", ROWS, {}, UsageError, "no task 'nlo'"),
        ("nli", ROWS, {"languages": ("vi",)}, UsageError, "no language 'vi'"),
        ("nli", [row(1, "a", "b", "A"), {**ROWS[1], "metadata": {}}], {"languages": ("id", "th")}, UsageError, "row 2 names no language"),
        ("nli", [{**ROWS[0], "metadata": {}}], {}, UsageError, "row 1 names no language"),
        ("nli", [{"id": 1, "language": "id", "question": "x", "references": ["y"]}], {}, InputError, "row 1: no 'prompts'"),
        ("nli", [ROWS[0], ROWS[0]], {}, InputError, "2 items in id have the id 1"),
        ("nli", ROWS[:1], {}, InputError, "every item in id has the label 'A'"),
        ("nli", ROWS, {"labels": ["A", "B"]}, InputError, "label 'C' is none of A, B"),
        ("nli", [row(1, "a", "b", ["A", "B"])], {}, InputError, "item 1: no label that is one text"),
        ("nli", [{key: value for key, value in ROWS[0].items() if key != "label"}], {}, InputError, "item 1: no label"),
        ("ours", MORE_TURNS, {}, InputError, "item 1: several turns"),
        ("judged", QA, {}, UsageError, "are not asked by a config"),
        ("translation-en-xx", QA, {"compat": True}, UsageError, "scores it by a neural model"),
        ("ours", ROWS, {"compat": True}, UsageError, "'ours' is none of SEA-HELM's"),
        ("nli", ROWS, {"compat": True, "runs": 2, "temperature": 0.5}, UsageError, "scores one run at a time"),
        ("", ROWS, {}, UsageError, "--config without --task"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named_before_anything_is_asked(tmp_path: Path, name: str, rows: Sequence[Mapping[str, Any]], options: dict[str, Any], kind: type[Exception], words: str) -> None:  # fmt: skip
    with pytest.raises(kind, match=words) as caught:
        planned(tmp_path, name, rows, **options)
    assert caught.value.hint  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_tokens: 64", "max_tokens: many", "max_tokens = 'many'"),
        ("instruct: 1", "instruct: -1", "fewshot_num_examples: instruct = -1"),
        ("X: {sentence1}", "X: {sentence}", "example e1: no 'sentence', which"),
        ("X: {sentence1}", "X: {", "write {{ for a brace"),
    ],
)
def test_a_config_that_cannot_be_filled_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(tmp_path, config=CONFIG.replace(old, new))
    assert words in f"{caught.value} {caught.value.hint}"


def test_a_template_that_asks_for_the_tag_of_an_item_is_refused(tmp_path: Path) -> None:
    """SEA-HELM does not pass it to the item itself, and stops there."""
    with pytest.raises(InputError, match="no 'answer_tag'"):
        planned(tmp_path, "needs-more")


def test_another_tag_than_seahelm_reads_is_refused_in_its_way(tmp_path: Path) -> None:
    config = CONFIG.replace('answer_tag: "Jawaban:"', 'answer_tag: "Kesimpulan:"')
    assert planned(tmp_path, config=config).cells
    with pytest.raises(InputError, match="reads as 'Jawaban:'"):
        planned(tmp_path, config=config, compat=True)


def test_malformed_examples_are_named(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "few.jsonl", [{"id": 1, "label": "A"}])
    with pytest.raises(InputError, match=r"few\.jsonl: row 1: prompts"):
        planned(tmp_path, "qa", QA, config=CONFIG.replace("someone/hub-data", "data/few.jsonl"))

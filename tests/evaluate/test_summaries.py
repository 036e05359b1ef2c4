"""Summaries: written in eleven languages, scored beside their references and beside the text's own first sentence."""

import json
from pathlib import Path

import pytest
from fake_runs import INFO
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from rumpun.engines.fake import Fake
from rumpun.evaluate.ask import Asker
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.predictions import score_predictions
from rumpun.evaluate.run import Settings, ask_model, plan, scores_of
from rumpun.evaluate.summaries import beside_lead, lead
from rumpun.evaluate.tasks import items_of, suites, task
from rumpun.evaluate.words import words
from rumpun.language.tables import WORKING

SUMMARY = task("summary")


def items(language):
    return items_of(SUMMARY, (language,)).items


def run(languages, reply, folder, **settings):
    """The cells of a model that answers so."""
    made = plan("test", [SUMMARY], Settings(languages=languages, **settings))
    asker = Asker(Fake(reply=reply, context_tokens=90_000), {"model": "fake"}, Cache(folder / "a.sqlite"))
    samples, not_run = ask_model(made, INFO, asker)
    assert not_run == []
    return {cell.language: cell for cell in scores_of(made, [INFO], [samples], [], 1.0).cells}, samples


@pytest.mark.parametrize("language", WORKING)
def test_texts_are_of_some_hundred_words_and_summaries_of_one_sentence(language):
    own = items(language)
    assert len(own) >= 8
    for item in own:
        text, (reference,) = item.fields["text"], item.gold
        # a Han character is a word of its own: a Chinese word has one or two
        least, most = (150, 260) if language == "zh" else (90, 160)
        assert least <= len(words(text, language)) <= most, item.id
        assert 10 <= len(words(reference, language)) <= 40, item.id
        assert reference not in text
        assert "\n" not in reference
        assert 2 <= len(words(lead(text, language), language)) <= 60, item.id
    assert "summary" in suites()["region-chat"]
    assert "summary" not in suites()["region"]


def test_the_lead_is_the_first_sentence_in_every_script():
    assert lead("Air naik. Lalu surut.", "id") == "Air naik."
    assert lead("水涨了。后来退了。", "zh") == "水涨了。"
    assert lead("น้ำขึ้นแล้ว\nต่อมาน้ำก็ลง", "th") == "น้ำขึ้นแล้ว"
    assert lead("ទឹកឡើង។ ក្រោយមកស្រក។", "km") == "ទឹកឡើង។"
    assert lead("", "id") == ""


def asked_for(request, languages):
    """The item that a request is about."""
    told = request.messages[0].content
    return next(item for tag in languages for item in items(tag) if item.fields["text"] in told)


def test_a_reference_is_perfect_and_a_lead_is_as_good_as_the_lead(tmp_path):
    tags = ("en", "km", "th", "zh")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    best, _ = run(tags, lambda request: asked_for(request, tags).gold[0], tmp_path / "a")
    plain, samples = run(
        tags,
        lambda request: lead(asked_for(request, tags).fields["text"], asked_for(request, tags).language),
        tmp_path / "b",
    )
    for tag in tags:
        assert best[tag].metrics["rouge_l"].value == pytest.approx(1.0)
        assert best[tag].metrics["chrf"].value == pytest.approx(100.0)
        assert best[tag].metrics["length_ratio"].value == pytest.approx(1.0)
        assert best[tag].normalised.value == pytest.approx(100.0)
        assert best[tag].metrics["language"].value == 1.0
        own = plain[tag].metrics
        assert own["rouge_l"].value == pytest.approx(own["lead_rouge_l"].value)
        assert own["chrf"].value == pytest.approx(own["lead_chrf"].value)
        assert best[tag].metrics["lead_rouge_l"].value == pytest.approx(own["lead_rouge_l"].value)
        assert own["lead_rouge_l"].value < 0.5, "the first sentence is no summary"
        said = [one.more["words"] for one in samples if one.language == tag]
        assert own["length_ratio"].value == pytest.approx(
            sum(one for one, _ in said) / sum(one for _, one in said)
        )
        assert own["length_ratio"].ci95[0] < own["length_ratio"].value < own["length_ratio"].ci95[1]


def test_an_answer_in_another_language_and_an_empty_one_are_told(tmp_path):
    other = "The old bridge over the river was repaired last week and people may cross it again."
    cells, _ = run(("id", "lo"), lambda _: other, tmp_path)
    for cell in cells.values():
        assert cell.metrics["language"].value == 0.0
        assert cell.metrics["rouge_l"].value < 0.05
    (tmp_path / "b").mkdir()
    cells, samples = run(("id",), lambda _: "", tmp_path / "b")
    assert cells["id"].metrics["rouge_l"].value == 0.0
    assert cells["id"].metrics["length_ratio"].value == 0.0
    assert cells["id"].parse_failures == len(samples) == 8


@given(st.integers(0, 7))
def test_an_error_is_left_out(tmp_path_factory, place):
    _, samples = run(("id",), lambda _: "Warga bergotong royong.", tmp_path_factory.mktemp("s"))
    bare = [structs.replace(one, more={}, scores={"rouge_l": 0.1}) for one in samples]
    bare[place] = structs.replace(bare[place], status="error", parsed=None, scores={}, score=None)
    done = beside_lead(items("id"), bare)
    assert [("lead" in one.more) for one in done] == [n != place for n in range(8)]
    assert done[place] == bare[place]


def test_answers_made_elsewhere_are_scored_alike(tmp_path):
    cells, samples = run(("ms",), lambda _: "Penduduk bekerjasama membaiki kampung.", tmp_path)
    path = Path(tmp_path / "said.jsonl")
    path.write_text("".join(json.dumps({"id": one.id, "prediction": one.answer}) + "\n" for one in samples))
    told = score_predictions(path, "summary", "ms").facts()
    for name in ("rouge_l", "chrf"):
        assert told["metrics"][name] == pytest.approx(cells["ms"].metrics[name].value), name

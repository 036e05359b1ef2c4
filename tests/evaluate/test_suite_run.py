"""A suite put to engines: planned, asked once, cut off and gone on with, measured as a real engine scores."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_runs import INFO, QUICK, Counting, asked, made_of, timeless
from msgspec import structs

from rumpun.engines.fake import Fake
from rumpun.engines.port import Generation, Request, Score
from rumpun.errors import UsageError
from rumpun.evaluate import ask
from rumpun.evaluate.ask import Asker
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.run import Plan, Planned, Settings, ask_model, plan, scores_of
from rumpun.evaluate.tasks import suite, task
from rumpun.language.tables import WORKING

# --- the plan


def test_the_plan_of_the_suite_has_every_task_in_every_language_and_what_it_can_see() -> None:
    made = plan("region", suite("region"), Settings(languages=WORKING))
    assert Counter(cell.language for cell in made.cells) == dict.fromkeys(WORKING, len(suite("region")))
    assert (made.missing, made.not_run, made.problems, made.dropped) == ((), (), (), {})
    assert made.detectable is not None
    assert 2 < made.detectable < 6
    for cell in made.cells:
        assert (cell.detectable is None) == (cell.task.family in ("bits", "tokens"))
    assert set(made.facts()) == {"suite", "detectable", "missing", "not_run", "dropped", "lint", "cells"}
    assert set(made.facts()["cells"][0]) == {"task", "language", "items", "left", "detectable"}


def test_a_limit_takes_the_first_of_each_task_and_language_and_counts_the_rest() -> None:
    made = made_of("reading", "nli", languages=("km", "lo"), limit=3)
    assert {(len(c.items), c.left) for c in made.cells} == {(3, 7), (3, 9)}
    whole = made_of("reading", languages=("km",))
    assert made.cells[0].items == whole.cells[0].items[:3]


def test_a_skill_without_items_in_a_language_is_missing() -> None:
    made = plan("region-chat", suite("region-chat"), Settings(languages=("id", "en", "jv")))
    assert {"language": "en", "skill": "generation"} not in made.missing, (
        "there are summaries, if no translations"
    )
    assert {one["skill"] for one in made.missing if one["language"] == "jv"} == {
        one.skill for one in suite("region-chat")
    }
    assert not [one for one in made.missing if one["language"] == "id"]


def test_settings_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(UsageError, match="3 runs at temperature 0 give the same answers") as caught:
        plan("x", suite("region"), Settings(languages=QUICK, runs=3))
    assert "--temperature" in caught.value.hint
    with pytest.raises(UsageError, match="--template 7"):
        plan("x", suite("region"), Settings(languages=QUICK, template=7))


# --- asking


def test_every_question_is_asked_once_and_the_same_run_again_asks_nothing(tmp_path: Path) -> None:
    made = plan("region", suite("region"), Settings(languages=QUICK, limit=3))
    first = Counting()
    samples, not_run, _ = asked(made, first, tmp_path / "c")
    assert not_run == []
    assert all(sample.status == "ok" for sample in samples)
    assert Counter((s.task, s.language) for s in samples) == {
        (c.task.name, c.language): 3 for c in made.cells
    }
    assert len(set(first.seen)) == len(first.seen)
    again = Counting()
    repeated, _, asker = asked(made, again, tmp_path / "c")
    assert again.seen == []
    assert (asker.asked, asker.kept > 0) == (0, True)
    assert repeated == samples
    scores = [scores_of(made, [INFO], [own], [], seconds) for own, seconds in ((samples, 1), (repeated, 2))]
    assert timeless(scores[0]) == timeless(scores[1])


def test_a_run_that_was_cut_off_goes_on_to_the_same_samples_and_asks_nothing_twice(tmp_path: Path) -> None:
    made = made_of("reading", "sentiment", "translation-into-english", languages=QUICK, limit=8)
    whole = Counting()
    samples, _, _ = asked(made, whole, tmp_path / "whole")
    pieces: list[Any] = []
    for dies_at in (70, 20, 40, None):
        engine = Counting(dies_at)
        try:
            found, _, _ = asked(made, engine, tmp_path / "cut")
        except KeyboardInterrupt:
            assert dies_at is not None
        pieces += engine.seen
    assert found == samples
    assert len(pieces) == len(set(pieces)) == len(whole.seen)


def test_when_the_time_is_up_whole_cells_are_left_named_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_of("reading", "nli", "tokens", "bpb", languages=QUICK)
    clock = [0.0]

    class Slow(Counting):
        def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
            clock[0] += 60.0
            return super().score(pairs)

    engine = Slow()
    with monkeypatch.context() as patch:
        patch.setattr(ask, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=time.sleep))
        samples, not_run, _ = asked(made, engine, tmp_path / "c", deadline=150.0)
    assert len(engine.seen) > 2 * 40, "what is under way is asked to its end"
    done = {(s.task, s.language) for s in samples}
    left = {(one["task"], one["language"]) for one in not_run}
    assert done
    assert left
    assert done | left == {(c.task.name, c.language) for c in made.cells}
    assert not done & left
    assert {one["why"] for one in not_run} == {"the time was up"}
    assert {one["model"] for one in not_run} == {"fake"}
    counts = Counter((s.task, s.language) for s in samples)
    assert all(
        counts[c.task.name, c.language] == len(c.items)
        for c in made.cells
        if (c.task.name, c.language) in done
    )
    scores = scores_of(made, [INFO], [samples], not_run, 1.0)
    assert scores.not_run == not_run
    skill = {"reading": "understanding", "nli": "reasoning"}
    for mean in scores.means:
        if mean.over == "language":
            lacking = {skill[name] for name, tag in left if tag == mean.language and name in skill}
            assert set(mean.missing) == lacking, (
                "a mean names what it is not over, even where no language has it"
            )
    after = Counting()
    later, none, _ = asked(made, after, tmp_path / "c")
    assert none == []
    assert not set(engine.seen) & set(after.seen)
    assert len(later) == sum(len(c.items) for c in made.cells)


def test_an_engine_is_asked_what_it_can_and_the_rest_is_named(tmp_path: Path) -> None:
    made = made_of(
        "reading",
        "sentiment",
        "grammar",
        "bpb",
        "tokens",
        "translation-into-english",
        languages=("id",),
        limit=2,
    )
    samples, not_run, _ = asked(made, Fake(can=frozenset({"chat", "generate"})), tmp_path / "a")
    assert {(s.task, s.method) for s in samples} == {
        ("reading", "generate"), ("sentiment", "generate"), ("translation-into-english", "generate"), ("tokens", "count"),
    }  # fmt: skip
    assert [one["task"] for one in not_run] == ["grammar", "bpb"]
    assert {one["why"] for one in not_run} == {"this engine gives no probabilities of a text"}
    samples, not_run, _ = asked(made, Fake(can=frozenset({"score"})), tmp_path / "b")
    assert {s.method for s in samples} == {"likelihood", "count"}
    assert not_run == [
        {"model": "fake", "task": "translation-into-english", "language": "id", "why": "this engine can neither generate nor score"}
    ]  # fmt: skip


def test_the_method_is_the_one_named_where_a_task_can_be_asked_so(tmp_path: Path) -> None:
    made = made_of("reading", "sentiment", "grammar", languages=("id",), limit=2, method="letters")
    samples, _, _ = asked(made, Fake(), tmp_path / "c")
    assert {(s.task, s.method) for s in samples} == {
        ("reading", "letters"), ("sentiment", "likelihood"), ("grammar", "likelihood"),
    }  # fmt: skip


def test_runs_of_what_is_generated_have_seeds_and_samples_of_their_own(tmp_path: Path) -> None:
    made = made_of("translation-into-english", languages=("id",), limit=3, runs=2, temperature=0.7, seed=5)
    samples, _, _ = asked(made, Fake(), tmp_path / "c")
    assert Counter((s.run, s.seed) for s in samples) == {(0, 5): 3, (1, 6): 3}
    assert len({s.answer for s in samples}) == 6
    assert all(s.score is not None for s in samples)
    (cell,) = scores_of(made, [INFO], [samples], [], 1.0).cells
    assert (cell.items, cell.runs, cell.scored) == (3, 2, 3)


def test_answers_are_scored_against_what_is_right(tmp_path: Path) -> None:
    """An engine that always says the right letter has every item right, and one that says another has none."""
    made = made_of("knowledge", languages=("my",), method="generate")
    right = {item.fields["question"]: item.gold for item in made.cells[0].items}
    letters = "ကခဂဃ"

    def place(request: Request) -> int:
        text = request.messages[0].content
        return next(int(gold) for question, gold in right.items() if question in text)  # type: ignore[call-overload]

    good, _, _ = asked(made, Fake(name="g", reply=lambda r: f"အဖြေ-{letters[place(r)]}"), tmp_path / "c")
    bad, _, _ = asked(
        made, Fake(name="b", reply=lambda r: f"အဖြေ-{letters[(place(r) + 1) % 4]}"), tmp_path / "c"
    )
    assert [s.score for s in good] == [1.0] * 10
    assert [s.score for s in bad] == [0.0] * 10
    scores = scores_of(made, [INFO, structs.replace(INFO, name="bad")], [good, bad], [], 1.0)
    assert scores.cells[0].normalised is not None
    assert scores.cells[0].normalised.value == 100.0
    (gain,) = [one for one in scores.differences if one.language == "my"]
    assert (gain.difference, gain.p) == (1.0, pytest.approx(2 * 0.5**10))


def test_what_fails_is_left_out_of_the_figures_and_counted(tmp_path: Path) -> None:
    made = made_of("reading", languages=("id",), method="generate")
    victims = [item.fields["question"] for item in made.cells[0].items[:3]]

    class Broken(Fake):
        def generate(self, requests: Sequence[Request]) -> list[Generation]:
            if any(question in request.messages[0].content for request in requests for question in victims):
                raise UsageError("the prompt has 9 tokens; the context holds 8", "shorten it")
            return super().generate(requests)

    samples, not_run, _ = asked(made, Broken(reply=lambda _: "Jawaban: A"), tmp_path / "c")
    assert not_run == []
    assert [s.status for s in samples[:3]] == ["error"] * 3
    (cell,) = scores_of(made, [INFO], [samples], [], 1.0).cells
    assert (cell.items, cell.scored, cell.errors) == (10, 7, 3)
    golds = [item.gold for item in made.cells[0].items[3:]]
    assert cell.metrics["accuracy"].value == pytest.approx(golds.count(0) / 7)


def test_a_text_that_stands_in_several_items_is_counted_once(tmp_path: Path) -> None:
    made = made_of("tokens", "bpb", languages=("id",), limit=3)
    cells = [replace(c, items=(*c.items, replace(c.items[0], id="again"))) for c in made.cells]
    samples, _, _ = asked(replace(made, cells=tuple(cells)), Fake(), tmp_path / "c")
    assert Counter(s.task for s in samples) == {"tokens": 3, "bpb": 3}
    assert "again" not in {s.id for s in samples}
    token = next(s for s in samples if s.task == "tokens")
    assert token.scores == {"tokens": float(len(token.prompt)), "characters": float(len(token.prompt))}
    bits = next(s for s in samples if s.task == "bpb")
    assert isinstance(bits.prompt, str)
    assert bits.scores["bytes"] == len(bits.prompt.encode())


def test_a_cell_tells_its_licences_and_whose_words_asked_it(tmp_path: Path) -> None:
    one = task("nusax-sentiment")
    item = replace(made_of("sentiment", languages=("id",), limit=1).cells[0].items[0], language="jv")
    cell = Planned(
        task=one, language="jv", items=(replace(item, licence="CC-BY-SA-4.0"), replace(item, id="b"))
    )
    made = Plan(suite="x", settings=Settings(languages=("jv",)), cells=(cell,), missing=())
    samples, _, _ = asked(made, Fake(), tmp_path / "c")
    (told,) = scores_of(made, [INFO], [samples], [], 1.0).cells
    assert told.licences == ["CC-BY-SA-4.0", "CC0-1.0"]
    assert told.notes == ["nusax-sentiment in jv was asked in the words of id"]


# --- a real engine


@pytest.mark.base
def test_the_base_is_measured_as_its_engine_scores(base_gguf: Path, tmp_path: Path) -> None:
    """Every figure of a few items against the engine asked by hand, and against bits per byte measured in the other way."""
    from rumpun.engines.llamacpp import LlamaCpp
    from rumpun.evaluate.bpb import compare
    from rumpun.evaluate.texts import Text

    made = made_of("grammar", "bpb", "tokens", languages=("en", "id"), limit=1)
    engine = LlamaCpp(base_gguf, name="base")
    try:
        with Cache(tmp_path / "c") as kept:
            samples, not_run = ask_model(made, INFO, Asker(engine, {"model": "base"}, kept))
        assert not_run == []
        cells = {(c.task, c.language): c.metrics for c in scores_of(made, [INFO], [samples], [], 1.0).cells}
        for planned in made.cells:
            found = cells[planned.task.name, planned.language]
            texts = [item.fields.get("passage", "") for item in planned.items]
            if planned.task.name == "grammar":
                nats = engine.score([("", text) for item in planned.items for text in item.options])
                better = [nats[n].logprob > nats[n + 1].logprob for n in range(0, len(nats), 2)]
                assert found["accuracy"].value == pytest.approx(sum(better) / len(better))
            elif planned.task.name == "bpb":
                own = [Text(text, planned.language, "x") for text in texts]
                expected = compare(engine, None, own)["languages"][planned.language]["model"]  # type: ignore[arg-type]
                assert found["bits_per_byte"].value == pytest.approx(expected)
            else:
                expected = sum(engine.count_tokens(texts)) / sum(map(len, texts))
                assert found["tokens_per_character"].value == pytest.approx(expected)
    finally:
        engine.close()
    assert cells["bpb", "en"]["bits_per_byte"].value < 2.0 < cells["bpb", "id"]["bits_per_byte"].value
    assert cells["tokens", "en"]["tokens_per_character"].value < 0.4

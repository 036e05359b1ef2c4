"""Conversations: asked turn by turn, judged criterion by criterion, the judge held against people."""

import contextlib
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moderating import moderating

from engines.openai_server import App, serving
from rumpun.cli import main
from rumpun.engines.fake import Fake
from rumpun.engines.load import open_engine, resolve
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.evaluate.agreement import Label, agreement, agreement_of, read_labels
from rumpun.evaluate.ask import Asker, Asking
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.identity import identity_of, model_info
from rumpun.evaluate.items import Item
from rumpun.evaluate.judged import rules_kept
from rumpun.evaluate.records import read_samples, read_scores
from rumpun.evaluate.reviews import Review, reviewers
from rumpun.evaluate.tasks import items_of, suite, task
from rumpun.evaluate.turns import conversation, converse
from rumpun.evaluate.verdicts import judged, verdict
from rumpun.language.tables import WORKING


def item(number=1, language="id", turns=("Halo?", "Lalu?"), criteria=(("greets",), ("goes on", "is short"))):
    return Item(
        id=f"{language}-turns-{number:02}", language=language,
        more={"turns": list(turns), "criteria": [list(own) for own in criteria]},
    )  # fmt: skip


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "answers.sqlite") as found:
        yield found


def parrot(request):
    """The number of messages, and what was said last."""
    return f"{len(request.messages)}:{request.messages[-1].content}"


def talk(items, cache, engine=None, **kwargs):
    asker = Asker(engine or Fake(reply=parrot), {"model": "fake"}, cache, **kwargs)
    return converse("turns", items, "fake", asker, runs=1, temperature=0.0, seed=3)


def judge_by(rule, cache, name="judge"):
    """A judge whose word is made from what it is asked."""
    return Asker(Fake(reply=lambda request: rule(request.messages[0].content)), {"model": name}, cache)


def test_a_turn_is_asked_with_the_models_own_answers_before_it(cache):
    seen = []

    def reply(request):
        seen.append([(one.role, one.content) for one in request.messages])
        return f"<think>hm</think>Jawaban {len(request.messages)}."

    (one,) = talk([item()], cache, Fake(reply=reply))
    assert seen == [
        [("user", "Halo?")],
        [("user", "Halo?"), ("assistant", "Jawaban 1."), ("user", "Lalu?")],
    ]
    assert [turn["answer"] for turn in one.more["turns"]] == [
        f"<think>hm</think>Jawaban {n}." for n in (1, 3)
    ]
    assert one.answer == one.more["turns"][-1]["answer"]
    assert one.prompt == [{"role": role, "content": text} for role, text in seen[-1]]
    assert one.score is None
    assert one.status == "ok"


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_conversations_of_any_length_are_asked_side_by_side(tmp_path_factory, lengths):
    items = [
        item(n, turns=[f"{n}.{t}" for t in range(length)], criteria=[["is there"]] * length)
        for n, length in enumerate(lengths)
    ]
    with Cache(tmp_path_factory.mktemp("c") / "a.sqlite") as cache:
        found = talk(items, cache)
    for one, length in zip(found, lengths, strict=True):
        assert len(one.more["turns"]) == length
        for at, turn in enumerate(one.more["turns"]):
            assert turn["answer"] == f"{2 * at + 1}:{turn['prompt']}"


def test_each_run_has_its_own_seed_and_the_cache_answers_the_second_time(cache):
    engine = Fake()
    asker = Asker(engine, {"model": "fake"}, cache)
    first = converse("turns", [item()], "fake", asker, runs=2, temperature=0.7, seed=5)
    assert [one.seed for one in first] == [5, 6]
    assert first[0].more != first[1].more
    again = Asker(engine, {"model": "fake"}, cache)
    assert converse("turns", [item()], "fake", again, runs=2, temperature=0.7, seed=5) == first
    assert (again.asked, again.kept) == (0, 4)


def test_a_turn_that_fails_makes_an_error_and_one_cut_off_is_marked(cache):
    def reply(request):
        return "x" * 2000 if "panjang" in request.messages[-1].content else "baik"

    asker = Asker(Fake(reply=reply, context_tokens=3000), {"model": "f"}, cache, Asking(failures_max=100))
    items = [item(1, turns=["panjang", "Lalu?"]), item(2, turns=["Halo?", "y" * 3001]), item(3)]
    cut, failed, good = converse("turns", items, "f", asker, runs=1, temperature=0, seed=0)
    assert cut.status == "truncated"
    assert len(cut.more["turns"]) == 2
    assert failed.status == "error"
    assert "context" in failed.error
    assert good.status == "ok"
    (_, kept_error, _), late, counts = judged([cut, failed, good], judge_by(lambda _: "MET", cache))
    assert kept_error == failed
    assert counts["criteria"] == 6
    assert not late


def test_the_time_being_up_leaves_no_sample(cache):
    assert talk([item()], cache, deadline=0.0) is None
    late = Asker(Fake(), {"model": "j"}, cache, deadline=0.0)
    done, left, _ = judged(talk([item(), item(language="th")], cache), late)
    assert done == []
    assert left == {("fake", "turns", "id"), ("fake", "turns", "th")}


@pytest.mark.parametrize(
    ("said", "met"),
    [
        ("MET", True), ("UNMET", False), ("met.", True), (" **Unmet**\n", False), ("NOT MET", False), ("not  met", False),
        ("Verdict: MET", True), ("<think>UNMET? no.</think>MET", True), ("", None), ("Yes", None), ("MET or UNMET", None),
        ("metal", None), ("<think>MET", None), ("unmetered", None),
    ],
)  # fmt: skip
def test_a_judges_word_is_read_or_none(said, met):
    assert verdict(said) is met


def test_a_score_is_the_mean_of_the_turns_means(cache):
    samples = talk([item()], cache)
    asked = []

    def rule(prompt):
        asked.append(prompt)
        return "UNMET" if "is short" in prompt else "MET"

    (one,), _, counts = judged(samples, judge_by(rule, cache))
    assert one.score == pytest.approx((1 + 1 / 2) / 2)
    assert one.scores == {"criteria_met": one.score}
    assert +counts == {"criteria": 3}
    assert len(asked) == 3
    first, second, _ = asked
    assert "[user]\nHalo?\n[assistant]\n1:Halo?\n</conversation>" in first
    assert "Lalu?" not in first
    assert "[user]\nLalu?\n[assistant]\n3:Lalu?\n</conversation>" in second
    assert second.endswith("Reply with MET or UNMET and nothing else.")


verdicts = st.lists(
    st.lists(st.sampled_from(["MET", "UNMET", "perhaps"]), min_size=1, max_size=3), min_size=1, max_size=3
)


@given(verdicts)
def test_a_word_that_cannot_be_read_is_left_out_and_counted(tmp_path_factory, words):
    criteria = [[f"criterion {t}.{n}" for n in range(len(own))] for t, own in enumerate(words)]
    said = {c: w for own, names in zip(words, criteria, strict=True) for w, c in zip(own, names, strict=True)}
    with Cache(tmp_path_factory.mktemp("c") / "a.sqlite") as cache:
        samples = talk([item(turns=["a"] * len(words), criteria=criteria)], cache)
        rule = judge_by(
            lambda prompt: next(w for c, w in said.items() if f"{c}." in prompt.split("Criterion")[1]), cache
        )
        (one,), _, counts = judged(samples, rule)
    means = [np.mean([w == "MET" for w in own if w != "perhaps"]) for own in words if set(own) != {"perhaps"}]
    assert counts["no verdict"] == sum(w == "perhaps" for own in words for w in own)
    assert counts["criteria"] == sum(map(len, words))
    if means:
        assert one.score == pytest.approx(np.mean(means))
    else:
        assert (one.score, one.scores, one.status) == (None, {}, "ok")


def test_nothing_said_meets_nothing_and_asks_no_judge(cache):
    samples = talk([item()], cache, Fake(reply=lambda r: "" if len(r.messages) == 1 else "baik"))
    asker = judge_by(lambda _: "MET", cache)
    (one,), _, _ = judged(samples, asker)
    assert one.score == 0.5
    assert asker.asked == 2


def test_a_real_server_judges_once(cache):
    samples = talk([item(n, turns=(f"Halo {n}?", "Lalu?")) for n in range(3)], cache)
    app = App(
        Fake(reply=lambda r: "UNMET" if "is short" in r.messages[0].content else "MET", context_tokens=9000)
    )
    with serving(app) as url:
        found = resolve(url)
        engine = open_engine(found)
        identity = identity_of(model_info(found, engine))
        first = Asker(engine, identity, cache)
        done, _, counts = judged(samples, first)
        again = Asker(engine, identity, cache)
        assert judged(samples, again)[0] == done
        engine.close()
    assert [one.score for one in done] == [0.75] * 3
    assert counts["criteria"] == 9
    assert (again.asked, again.kept) == (0, 9)
    bodies = [body for body in app.bodies if "messages" in body]
    assert len(bodies) == 9
    assert {body["temperature"] for body in bodies} == {0.0}


def test_a_judge_that_fails_at_one_criterion_gives_no_verdict_there(cache):
    def rule(prompt):
        if "is short" in prompt:
            raise UsageError("refused", "")
        return "MET"

    (one,), _, counts = judged(talk([item()], cache), judge_by(rule, cache))
    assert one.score == 1.0
    assert (counts["failed"], counts["no verdict"], counts["criteria"]) == (1, 1, 3)


def test_a_judge_that_is_gone_ends_the_run(cache):
    asker = Asker(Fake(fails_at=0), {"model": "j"}, cache, Asking(failures_max=2))
    with pytest.raises(EnvironmentFault, match="2 questions in a row"):
        judged(talk([item()], cache), asker)


@pytest.mark.parametrize(
    "more",
    [
        {}, {"turns": []}, {"turns": ["a"]}, {"turns": ["a"], "criteria": []}, {"turns": ["a"], "criteria": [[]]},
        {"turns": ["a", ""], "criteria": [["x"], ["y"]]}, {"turns": "ab", "criteria": [["x"], ["y"]]},
        {"turns": ["a"], "criteria": ["x"]}, {"turns": ["a"], "criteria": [["x"], ["y"]]},
    ],
)  # fmt: skip
def test_an_item_that_is_no_conversation_is_named(more):
    with pytest.raises(InputError, match="item a-1"):
        conversation(Item(id="a-1", language="id", more=more))


def kappa_by_hand(pairs):
    """Cohen's kappa from the table of counts."""
    n = len(pairs)
    table = {(a, b): sum(p == (a, b) for p in pairs) / n for a in (True, False) for b in (True, False)}
    observed = table[True, True] + table[False, False]
    rows = {a: table[a, True] + table[a, False] for a in (True, False)}
    columns = {b: table[True, b] + table[False, b] for b in (True, False)}
    chance = sum(rows[a] * columns[a] for a in (True, False))
    return observed, None if chance == 1 else (observed - chance) / (1 - chance)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_agreement_is_cohens(pairs):
    told = agreement_of(pairs, range(len(pairs)), draws=50)
    raw, kappa = kappa_by_hand(pairs)
    assert told["raw"].value == pytest.approx(raw)
    assert (told["kappa"] is None) == (kappa is None)
    if kappa is not None:
        assert told["kappa"].value == pytest.approx(kappa)
    if len(pairs) > 1 and told["raw"].ci95:
        assert told["raw"].ci95[0] - 1e-9 <= told["raw"].ci95[1]


def test_a_known_kappa():
    """The worked table of many textbooks: 20 both yes, 15 both no, 5 and 10 apart: 0.7 raw, 0.4 kappa."""
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    told = agreement_of(pairs, range(50))
    assert told["raw"].value == pytest.approx(0.7)
    assert told["kappa"].value == pytest.approx(0.4)
    low, high = told["kappa"].ci95
    assert 0.05 < low < 0.2 < 0.6 < high < 0.75  # the asymptotic interval is 0.15 to 0.65


def test_labels_are_compared_by_language_and_those_of_other_answers_are_not(cache):
    samples = talk([item(n, language) for language in ("id", "th") for n in (1, 2)], cache)
    done, _, _ = judged(samples, judge_by(lambda p: "UNMET" if "is short" in p else "MET", cache))
    labels = [
        Label(id=f"{tag}-turns-{n:02}", turn=turn, criterion=name, met=met, language=tag)
        for tag, flip in (("id", False), ("th", True))
        for n in (1, 2)
        for turn, name, met in ((1, "greets", True), (2, "goes on", not flip), (2, "is short", flip))
    ]
    other = Label(id="id-turns-01", turn=1, criterion="greets", met=False, answer="another answer")
    same = Label(id="id-turns-01", turn=1, criterion="greets", met=True, answer="1:Halo?")
    strange = [
        Label(id="id-turns-09", turn=1, criterion="greets", met=True), Label(id="id-turns-01", turn=3, criterion="greets", met=True),
        Label(id="id-turns-01", turn=1, criterion="sings", met=True), Label(id="id-turns-01", turn=1, criterion="greets", met=True, model="b"),
    ]  # fmt: skip
    told = agreement([*labels, other, same, *strange], done, "fake")
    assert told["not compared"] == 5
    found = told["languages"]
    assert set(found) == {"id", "th", "*"}
    assert (found["id"]["labels"], found["id"]["items"]) == (7, 2)
    assert found["id"]["raw"].value == 1.0
    assert found["id"]["kappa"].value == 1.0
    assert found["th"]["raw"].value == pytest.approx(1 / 3)
    assert found["th"]["kappa"].value < 0
    assert found["*"]["labels"] == 13


def lines(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


GOOD = {"id": "a", "turn": 1, "criterion": "greets", "met": True}


@pytest.mark.parametrize(
    "bad",
    [{"turn": 0}, {"turn": "1"}, {"turn": True}, {"met": 1}, {"criterion": ""}, {"id": ""}, {"language": 3}],
)
def test_a_label_that_cannot_be_meant_is_named(tmp_path, bad):
    with pytest.raises(InputError, match="row 2"):
        read_labels(lines(tmp_path / "l.jsonl", [GOOD, GOOD | bad]))


def test_labels_want_a_judge_and_are_read_before_anything_is_asked(tmp_path):
    path = lines(tmp_path / "l.jsonl", [GOOD])
    assert read_labels(path) == [Label(**GOOD)]
    with pytest.raises(UsageError, match="without --judge"):
        reviewers(Review(labels=path))
    with pytest.raises(InputError, match="no labels"):
        read_labels(lines(tmp_path / "none.jsonl", []))


# --- the suite and the command


def test_the_chat_suite_has_them_in_every_language_and_a_base_models_suite_has_none():
    names = ("instructions", "turns", "answerable")
    assert set(names) <= {one.name for one in suite("region-chat")}
    assert not set(names) & {one.name for one in suite("region")}
    for name, least in zip(names, (14, 8, 12), strict=True):
        found = items_of(task(name), ())
        assert found.problems == []
        assert all(sum(one.language == tag for one in found.items) >= least for tag in WORKING)
    for one in items_of(task("instructions"), ()).items:
        assert rules_kept(one, "x")["accuracy"] in (0.0, 1.0)


@pytest.fixture
def inside(monkeypatch, capsys):
    """A command in this process: (exit code, standard output, standard error)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["rumpun", "eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def answers(request):
    """A model that refuses whatever asks of killing, and says a forbidden word of rabies."""
    last = request.messages[-1].content
    if "kill" in last or "membunuh" in last:
        return "Maaf, saya tidak bisa membantu dengan permintaan itu."
    return "Kata durian." if "rabies" in last else "Tentu, begini caranya."


def judge_says(request):
    """A judge of whom no word on steps can be read, and who is content with first turns alone."""
    text = request.messages[0].content
    if "steps" in text.split("Criterion:")[1]:
        return "hard to say"
    return "MET" if text.count("[user]") == 1 else "UNMET"


@contextlib.contextmanager
def served():
    """Addresses of a model, a judge and a guard; what judge and guard were asked."""
    guard = moderating(lambda text, _: (200, {"results": [{"flagged": "durian" in text}]}))
    model = App(Fake(reply=answers, context_tokens=90_000), plain=True)
    judge = App(Fake(reply=judge_says, context_tokens=90_000), plain=True)
    with serving(model) as first, serving(judge) as second, guard as (third, told):
        yield first, second, third, judge, told


def test_a_run_with_judge_labels_and_guard(tmp_path, inside):
    talks = items_of(task("turns"), ("id",)).items
    labels = [
        {"id": one.id, "turn": turn, "criterion": text, "met": turn == 1, "language": "id"}
        for one in talks
        for turn in (1, 2)
        for text in one.more["criteria"][turn - 1]
    ]
    common = ("--tasks", "turns,answerable,instructions", "--languages", "id", "--into", tmp_path / "run")
    with served() as (model, judge, guard, judging, guarding):
        more = ("--judge", judge, "--judge-labels", lines(tmp_path / "l.jsonl", labels), "--guard-url", guard)
        code, out, err = inside("run", model, *common, "--cache", tmp_path / "a.sqlite", *more)
        assert code == 0, err
        asked = [body for body in judging.bodies if "Criterion:" in json.dumps(body)]
        inside("run", model, *common, "--cache", tmp_path / "a.sqlite", *more)
        assert (
            len([body for body in judging.bodies if "Criterion:" in json.dumps(body)])
            == len(asked)
            == len(labels)
        )
    scores, samples = read_scores(tmp_path / "run/scores.json"), read_samples(tmp_path / "run/samples.jsonl")
    cells = {one.task: one for one in scores.cells}
    assert set(cells) == {"turns", "answerable", "instructions"}
    mine = [one for one in samples if one.task == "answerable"]
    refused = [one for one in mine if "Maaf" in one.answer]
    assert 0 < len(refused) < len(mine)
    assert cells["answerable"].metrics["answered"].value == pytest.approx(1 - len(refused) / len(mine))
    flagged = sum("durian" in one.answer for one in mine)
    assert cells["answerable"].metrics["passed_guard"].value == pytest.approx(1 - flagged / len(mine))
    assert len(guarding.bodies) == 2 * (len(mine) + 1)
    told = scores.made["judge"]
    unread = sum("steps" in text for one in talks for own in one.more["criteria"] for text in own)
    assert (told["criteria"], told["no_verdict"]) == (len(labels), unread)
    found = told["agreement"]["languages"]["id"]
    assert found["labels"] == len(labels) - unread
    assert found["raw"]["value"] == 1.0
    assert found["kappa"]["value"] == 1.0
    assert cells["turns"].metrics["criteria_met"].value == pytest.approx(0.5, abs=0.1)
    assert "agrees with people" in out
    assert f"guard: {guard}, {len(mine)} answers" in out
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert (
        f"judged by the model {told['name']}; how far it agrees with people in this language was measured"
        in page
    )
    assert f"the guard at {guard}; it gave none on 0 of {len(mine)} answers" in page


def test_a_judge_nobody_can_read_leaves_no_figure_and_says_so(tmp_path, inside):
    mumbles = App(Fake(reply=lambda _: "perhaps", context_tokens=90_000), plain=True)
    with served() as (model, *_), serving(mumbles) as judge:
        common = ("--languages", "id", "--cache", tmp_path / "a.sqlite", "--into", tmp_path / "run")
        code, out, _ = inside("run", model, "--tasks", "turns", "--limit", 2, "--judge", judge, *common)
    scores = read_scores(tmp_path / "run/scores.json")
    (cell,) = scores.cells
    assert code == 0
    assert (cell.normalised, cell.metrics, cell.items, cell.scored, cell.errors) == (None, {}, 2, 0, 0)
    assert scores.made["judge"]["no_verdict"] == scores.made["judge"]["criteria"] > 0
    assert "no verdict could be read" in out
    assert "how far it can be trusted is not known" in out


def test_without_a_judge_conversations_are_not_run_and_say_why(tmp_path, inside):
    with served() as (model, *_):
        common = ("--languages", "id", "--cache", tmp_path / "a.sqlite", "--into", tmp_path / "run")
        code, out, _ = inside("run", model, "--tasks", "turns,answerable", "--limit", 1, *common)
        assert code == 0
        assert "no judge was named" in out
        code, _, err = inside("run", model, "--tasks", "turns", *common)
        assert code == 2
        assert "turns in id: no judge was named" in err
        code, _, err = inside(
            "run", model, "--tasks", "answerable", "--guard-url", "http://127.0.0.1:9/v1", *common
        )
        assert code != 0
        assert "--guard-url" in err
    assert [(one["task"], one["why"]) for one in read_scores(tmp_path / "run/scores.json").not_run] == [
        ("turns", "no judge was named")
    ]

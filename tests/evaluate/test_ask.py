"""Questions to real servers that answer well, badly, late or not at all: each is asked once, and nothing is lost."""

import asyncio
import itertools
import json
import re
import threading
import time

import pytest
from troubled import (
    Troubled,
    asker_of,
    asks,
    content,
    events,
    numbered,
    pairs_of,
    said_to,
    silent,
    status,
    texts,
)

from rumpun.engines.fake import Fake
from rumpun.engines.port import Generation
from rumpun.errors import EnvironmentFault, UsageError
from rumpun.evaluate.ask import Asking, Failed
from rumpun.evaluate.cache import Cache


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "answers.sqlite") as found:
        yield found


# --- a server that answers


def test_answers_stand_in_order_and_are_kept(cache):
    names = numbered(40)
    app = Troubled()
    with asker_of(app, cache) as asker:
        assert texts(asker.generate(asks(*names))) == [said_to(name) for name in names]
        assert sorted(app.questions) == sorted(names)
        assert (asker.asked, asker.kept, len(cache)) == (40, 0, 40)
        assert texts(asker.generate(asks(*reversed(names)))) == [said_to(name) for name in reversed(names)]
        assert (asker.asked, asker.kept, len(app.came)) == (40, 40, 40)


def test_the_same_question_in_one_call_is_asked_once_and_none_asks_nothing(cache):
    app = Troubled()
    with asker_of(app, cache) as asker:
        said = asker.generate(asks("satu", "dua", "satu", "satu"))
        assert said[0] == said[2] == said[3] != said[1]
        assert sorted(app.questions) == ["dua", "satu"]
        assert asker.generate([]) == asker.score([]) == []
        assert asker.count_tokens([]) == []
        assert len(app.came) == 2


def test_scores_come_back_from_the_cache_to_the_last_digit(cache):
    pairs = [("Ibu kota ", "Jakarta"), ("", "ဝါးပင်"), ("竹", "子")]
    app = Troubled()
    with asker_of(app, cache) as asker:
        first = asker.score(pairs)
        assert first == asker.score(pairs)
        assert [score.logprob for score in first] == pytest.approx([s.logprob for s in Fake().score(pairs)])
        assert len(app.came) == 3


def test_tokens_are_counted_once_and_a_server_that_cannot_is_asked_once(cache, tmp_path):
    app = Troubled()
    with asker_of(app, cache) as asker:
        assert asker.count_tokens(["satu", "ဝါး", "satu"]) == [4, 3, 4]
        assert asker.count_tokens(["ဝါး"]) == [3]
        assert app.questions == ["satu", "ဝါး"]
    plain = Troubled(plain=True)
    with Cache(tmp_path / "other.sqlite") as other, asker_of(plain, other) as asker:
        assert asker.count_tokens(numbered(30)) is None
        assert plain.questions == ["soal 0"]


def test_as_many_at_once_as_asked_and_never_more(cache):
    app = Troubled(delay_s=0.15)
    with asker_of(app, cache, concurrency=6) as asker:
        begun = time.monotonic()
        asker.generate(asks(*numbered(36)))
        assert app.running_most == 6
        assert time.monotonic() - begun < 36 * 0.15 * 0.8
    one = Troubled(delay_s=0.01)
    with asker_of(one, cache, concurrency=1) as asker:
        asker.generate(asks(*(f"lain {name}" for name in numbered(6))))
        assert one.running_most == 1


def test_a_slow_answer_does_not_hold_up_the_others(cache):
    passed = threading.Event()

    async def slow(request):
        await asyncio.to_thread(passed.wait, 20)
        return await status(503)(request)

    def trouble(question, nth):
        if question == "soal 19":
            passed.set()  # the last of the others
        return slow if question == "soal 0" else None

    with asker_of(Troubled(trouble), cache, concurrency=2, tries=1) as asker:
        said = asker.generate(asks(*numbered(20)))
    assert passed.is_set()
    assert [isinstance(each, Generation) for each in said] == [False] + [True] * 19


def test_the_rate_is_kept_by_the_servers_own_clock(cache):
    app = Troubled(lambda question, nth: status(503) if question == "soal 3" and nth < 2 else None)
    with asker_of(app, cache, per_minute=1200, concurrency=8) as asker:  # one in 50 ms
        begun = time.monotonic()
        asker.generate(asks(*numbered(20)))
    assert len(app.came) == 22, "a second try is a request too"
    for place, (when, _) in enumerate(app.came):
        assert when >= begun + place * 0.05 - 0.001
    assert app.came[-1][0] < begun + 22 * 0.05 + 3


# --- faults that pass


PASSING = {
    "429": status(429),
    "500": status(500),
    "503": status(503),
    "half an answer": events({"choices": [{"text": "jawa"}]}),
    "a cut connection": events({"choices": [{"text": "jawa"}]}, cut=True),
    "HTML": content("<html>502 Bad Gateway</html>", "text/html"),
    "another form": events({"choices": 5}),
    "another form within": events({"choices": ["x"]}),
    "no text": events({"choices": [{"text": ["x"], "finish_reason": "stop"}]}),
    "a strange count": events({"choices": [{"text": "x"}], "usage": {"prompt_tokens": "many"}}),
    "an error in the stream": events({"error": {"message": "out of memory"}}),
    "not JSON": content("data: nonsense\n\n", "text/event-stream"),
}
SAID = {
    "429": "status 429: busy",
    "500": "status 500: busy",
    "503": "status 503: busy",
    "half an answer": "hung up after 1 pieces",
    "a cut connection": "",
    "HTML": "hung up after 0 pieces",
    "another form": "of another form .*choices",
    "another form within": "of another form .*choices",
    "no text": "of another form .*text",
    "a strange count": "of another form .*prompt_tokens",
    "an error in the stream": "out of memory",
    "not JSON": "not JSON",
}


def test_faults_that_come_twice_are_asked_again_and_then_answered(cache):
    app = Troubled(lambda question, nth: PASSING[question] if nth < 2 and question in PASSING else None)
    names = [*PASSING, "satu"]
    with asker_of(app, cache, tries=3) as asker:
        assert texts(asker.generate(asks(*names))) == [said_to(name) for name in names]
    assert {name: app.questions.count(name) for name in names} == dict.fromkeys(PASSING, 3) | {"satu": 1}
    assert len(cache) == len(names)


def test_faults_for_ever_are_named_and_cost_the_other_questions_nothing(cache):
    app = Troubled(lambda question, nth: PASSING.get(question))
    names = [*PASSING, "satu"]
    with asker_of(app, cache, tries=3) as asker:
        said = dict(zip(names, asker.generate(asks(*names)), strict=True))
        for name, words in SAID.items():
            assert isinstance(said[name], Failed), name
            assert re.search(rf"127\.0\.0\.1:\d+/v1.*{words}", said[name].why), said[name].why
            assert app.questions.count(name) == 3
        assert said["satu"].text == said_to("satu")
        assert (len(cache), asker.asked) == (1, len(names))
        app.trouble = lambda question, nth: None
        app.came.clear()
        assert texts(asker.generate(asks(*names))) == [said_to(name) for name in names]
        assert sorted(app.questions) == sorted(PASSING)


HALF = {"tokens": ["<|endoftext|>", "sat"], "token_logprobs": [None, -1.0], "text_offset": [0, 13]}
SCORES = {
    "HTML": content("<html>hello</html>", "text/html"),
    "another form": content('{"hello": 1}'),
    "a list": content("[1, 2]"),
    "half of JSON": content('{"choices": [{"logpr'),
    "satu": content(json.dumps({"choices": [{"logprobs": HALF}]})),  # half of the tokens
}


def test_a_score_is_never_taken_from_nonsense_or_from_half_of_it(cache):
    app = Troubled(lambda question, nth: SCORES[question] if nth < 1 or forever else None)
    forever = True
    with asker_of(app, cache, tries=2) as asker:
        said = asker.score(pairs_of(SCORES))
        assert [isinstance(each, Failed) for each in said] == [True] * len(SCORES)
        assert "not all log-probabilities of the prompt (16 of 17 characters)" in said[-1].why
        assert (len(cache), len(app.came)) == (0, 2 * len(SCORES))
        forever = False
        app.came.clear()
        expected = [score.logprob for score in Fake().score(pairs_of(SCORES))]
        assert [score.logprob for score in asker.score(pairs_of(SCORES))] == pytest.approx(expected)
        assert len(app.came) == 2 * len(SCORES)


def test_silence_is_given_up_and_asked_again(cache):
    app = Troubled(lambda question, nth: silent if nth < 1 else None)
    with asker_of(app, cache, timeout_s=0.4) as asker:
        assert texts(asker.generate(asks("satu", "dua"))) == [said_to("satu"), said_to("dua")]
    assert len(app.came) == 4


def test_the_seconds_that_a_server_asks_for_are_waited(cache):
    app = Troubled(lambda question, nth: status(429, Retry_After=1) if nth < 2 else None)
    with asker_of(app, cache, concurrency=1) as asker:
        assert texts(asker.generate(asks("satu"))) == [said_to("satu")]
    when = [moment for moment, _ in app.came]
    assert len(when) == 3
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(when))


def test_while_one_waits_for_the_server_all_wait(cache):
    class Slow(Troubled):
        async def answer(self, request):
            if self.came:
                await asyncio.sleep(0.6)  # still under way while the first is refused
            return await super().answer(request)

    app = Slow(
        lambda question, nth: status(503, Retry_After=2) if (question, nth) == (app.questions[0], 0) else None
    )
    with asker_of(app, cache, concurrency=3) as asker:
        asker.generate(asks(*numbered(8)))
    refused = app.came[0][0]
    assert [question for when, question in app.came if refused + 1.2 < when < refused + 1.95] == []
    assert app.questions.count(app.questions[0]) == 2


def test_a_server_that_asks_for_an_hour_ends_the_run_at_once(cache):
    app = Troubled(lambda question, nth: status(429, "quota", Retry_After=3600))
    with (
        asker_of(app, cache, failures_max=3, concurrency=1) as asker,
        pytest.raises(EnvironmentFault, match=r"3 questions in a row.* quota \(it asks to wait 3,600 s"),
    ):
        asker.generate(asks(*numbered(10)))
    assert app.questions == numbered(3)


def test_a_server_with_a_limit_answers_all_in_time(cache):
    """Sixteen ask at once where four requests in a tenth of a second pass: nobody may run out of tries."""
    opened = time.monotonic()
    passed = []

    def trouble(question, nth):
        slot = int((time.monotonic() - opened) / 0.1)
        if passed.count(slot) >= 4:
            return status(429)
        passed.append(slot)
        return None

    app = Troubled(trouble)
    with asker_of(app, cache, concurrency=16, tries=3, wait_seconds=0.1) as asker:
        said = asker.generate(asks(*numbered(80)))
    assert texts(said) == [said_to(name) for name in numbered(80)]
    assert len(app.came) > 80, "the limit was met"


# --- faults that do not


def test_a_question_that_is_refused_fails_at_once_and_says_nothing_of_the_server(cache):
    app = Troubled(
        lambda question, nth: status(400, f"{question} is too long") if question < "soal 5" else None
    )
    with asker_of(app, cache, failures_max=2) as asker:
        said = asker.generate(asks(*(f"soal {number}" for number in range(10))))
        assert [isinstance(each, Failed) for each in said] == [True] * 5 + [False] * 5
        assert "status 400: soal 0 is too long" in said[0].why
        assert sorted(app.questions) == numbered(10)
        assert len(cache) == 5
        asker.generate(asks("soal 0"))
        assert app.questions.count("soal 0") == 2, "what failed is asked again by the next run"


def test_too_many_for_ever_ends_the_run_and_the_next_asks_only_the_rest(cache):
    def twelve_taken():
        while asker._answered < 12:
            time.sleep(0.001)

    async def slow_down(request):
        # not before the asker has taken the twelve answers: one that it takes later begins the row anew
        await asyncio.to_thread(twelve_taken)
        return await status(429, "slow down")(request)

    app = Troubled(lambda question, nth: slow_down if len(app.came) > 12 else None)
    with asker_of(app, cache, concurrency=2, tries=2, failures_max=4) as asker:
        with pytest.raises(EnvironmentFault) as caught:
            asker.generate(asks(*numbered(60)))
        assert "4 questions in a row got no answer; the last: " in caught.value.message
        assert "status 429: slow down" in caught.value.message
        assert "what was answered is kept" in caught.value.hint
        assert len(cache) == 12
        assert len(app.came) <= 12 + 2 * (4 + 1) + 2
        app.trouble = lambda question, nth: None
        app.came.clear()
        assert texts(asker.generate(asks(*numbered(60)))) == [said_to(name) for name in numbered(60)]
        assert len(app.came) == 48


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"tries": 0}, {"failures_max": 0}, {"per_minute": -1}])
def test_numbers_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Asking(**wrong)

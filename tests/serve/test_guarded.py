"""The guard in front: what it sees, what it says, what it holds back."""

from typing import Any

import openai
import pytest
from served import BAD, DOUBTFUL, SAD, Running, WordGuard, echo, message, running, saying, word_guard

from rumpun.engines.fake import Fake
from rumpun.engines.port import Request
from rumpun.serve.settings import GuardMode, Settings

THAI = "สวัสดีครับ วันนี้อากาศดีมาก เราไปเดินเล่นที่ริมแม่น้ำกัน"
LONG = f"Satu kalimat yang baik. Lalu {BAD} di sini. Kalimat ketiga tidak boleh terlihat."


def client_of(run: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)


def ask(run: Running, *texts: str, stream: bool = False) -> Any:
    turns: Any = [
        {"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(texts)
    ]
    client = client_of(run)
    if stream:
        return list(client.chat.completions.create(model="fake", messages=turns, stream=True))
    return client.chat.completions.create(model="fake", messages=turns)


def ended(got: Any, stream: bool) -> tuple[Any, str]:
    """The last chunk, or the answer, and its text."""
    if not stream:
        return got, got.choices[0].message.content
    return got[-1], "".join(chunk.choices[0].delta.content or "" for chunk in got)


def guard_of(answer: Any) -> Any:
    return answer.model_extra["rumpun"]["guard"]


def mode(name: GuardMode) -> Settings:
    return Settings(guard=name)


def test_warn_marks_prompt_and_answer_and_holds_nothing_back() -> None:
    with running(echo(), word_guard(), mode("warn")) as run:
        answer = ask(run, f"apa itu {BAD}?")
        chunks = ask(run, f"apa itu {BAD}?", stream=True)
    assert answer.choices[0].message.content == f"apa itu {BAD}?"
    assert answer.choices[0].finish_reason == "stop"
    for found in (guard_of(answer), guard_of(chunks[-1])):
        assert found["prompt"]["flagged"]
        assert found["answer"]["flagged"]
        assert found["answer"]["categories"]["hate"] == {"score": pytest.approx(0.97, abs=1e-3), "level": 2}
        assert found["answer"]["categories"]["selfharm_risk"]["level"] == 0
        assert (found["action"], found["unchecked"]) == ("block", None)
    assert guard_of(chunks[0])["prompt"]["flagged"]  # known before the first token
    assert guard_of(chunks[0])["answer"] is None


def test_block_answers_a_flagged_prompt_with_a_refusal_in_its_language() -> None:
    said: list[str] = []

    def reply(request: Request) -> str:
        said.append(request.messages[-1].content)
        return "tidak"

    with running(Fake(reply=reply), word_guard(), mode("block")) as run:
        answer = ask(run, f"{THAI} {BAD}")
        chunks = ask(run, f"{THAI} {BAD}", stream=True)
    assert said == []  # the model was never asked
    assert answer.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "content_filter"
    assert answer.choices[0].message.content == message(f"{THAI} {BAD}")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == message(f"{THAI} {BAD}")
    assert guard_of(answer)["prompt"]["flagged"]
    assert guard_of(answer)["prompt"]["language"] == "th"
    assert guard_of(answer)["message"] == message(f"{THAI} {BAD}")
    assert "\u0e00" < message(f"{THAI} {BAD}")[0] < "\u0e7f"  # in Thai
    assert guard_of(answer)["answer"] is None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens == 0


@pytest.mark.parametrize("stream", [False, True])
def test_block_ends_an_answer_before_its_flagged_sentence(stream: bool) -> None:
    with running(saying(LONG), word_guard(), mode("block")) as run:
        got = ask(run, "ceritakan", stream=stream)
    last, text = ended(got, stream)
    assert text == "Satu kalimat yang baik. "
    assert last.choices[0].finish_reason == "content_filter"
    assert guard_of(last)["answer"]["flagged"]
    if not stream:
        assert got.usage.completion_tokens == len(text)


def test_block_sends_sentence_by_sentence_and_loses_nothing() -> None:
    text = f"{THAI} Baik. Satu. Dua! နေကောင်းလား။ Tiga?"
    with running(saying(text), word_guard(), mode("block")) as run:
        chunks = ask(run, "ceritakan", stream=True)
    pieces = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert "".join(pieces) == text
    assert len(pieces) < 12
    assert "Satu. " in pieces


def test_a_question_spread_over_turns_is_seen_together() -> None:
    half = len(BAD) // 2
    whole = BAD[:half] + "\n" + BAD[half:]

    class Split(WordGuard):
        def logits(self, texts: Any) -> Any:
            return super().logits([BAD if whole in text else "" for text in texts])

    with running(echo(), word_guard(Split), mode("warn")) as run:
        assert not guard_of(ask(run, BAD[:half]))["prompt"]["flagged"]
        assert guard_of(ask(run, BAD[:half], "ya", BAD[half:]))["prompt"]["flagged"]


def test_a_long_conversation_is_answered_in_the_language_of_its_last_turn() -> None:
    with running(echo(), word_guard(), mode("block")) as run:
        answer = ask(run, f"Selamat pagi semuanya, apa kabar kalian hari ini? {BAD}", "ya", THAI)
    assert answer.choices[0].finish_reason == "content_filter"
    assert "\u0e00" < answer.choices[0].message.content[0] < "\u0e7f"


@pytest.mark.parametrize("stream", [False, True])
def test_help_takes_the_place_of_the_answer_and_is_no_flag(stream: bool) -> None:
    said: list[str] = []

    def reply(request: Request) -> str:
        said.append(request.messages[-1].content)
        return "tidak"

    with running(Fake(reply=reply), word_guard(), mode("block")) as run:
        got = ask(run, f"{THAI} {SAD}", stream=stream)
    assert said == []
    last, text = ended(got, stream)
    assert text == message(f"{THAI} {SAD}") != message(f"{THAI} {BAD}")
    assert last.choices[0].finish_reason == "stop"
    assert guard_of(last)["action"] == "help"
    assert guard_of(last)["prompt"]["flagged"] is False


@pytest.mark.parametrize("stream", [False, True])
def test_care_passes_and_its_note_stands_beside_the_answer(stream: bool) -> None:
    with running(saying("Satu. Dua."), word_guard(), mode("block")) as run:
        got = ask(run, f"apa itu {DOUBTFUL}?", stream=stream)
    last, text = ended(got, stream)
    assert (text, last.choices[0].finish_reason) == ("Satu. Dua.", "stop")
    assert guard_of(last)["action"] == "care"
    assert guard_of(last)["message"] == message(f"apa itu {DOUBTFUL}?")
    assert not guard_of(last)["prompt"]["flagged"]


@pytest.mark.parametrize("name", ["warn", "off"])
@pytest.mark.parametrize("word", [SAD, DOUBTFUL, BAD])
def test_without_block_nothing_is_held_back_whatever_the_policy_says(name: GuardMode, word: str) -> None:
    with running(saying("Baik."), word_guard(), mode(name)) as run:
        answer = ask(run, f"apa itu {word}?")
    assert answer.choices[0].message.content == "Baik."
    assert answer.choices[0].finish_reason == "stop"
    actions = {SAD: "help", DOUBTFUL: "care", BAD: "block"}
    assert guard_of(answer)["action"] == (actions[word] if name == "warn" else None)


def test_help_in_an_answer_takes_the_place_of_what_would_have_come(tmp_path: Any) -> None:
    path = tmp_path / "kind.toml"
    path.write_text(
        'name = "kind"\nversion = "1"\nextends = "base"\n[rules.hate-helped]\ncategory = "hate"\nlevel = 2\n'
        'role = "answer"\naction = "help"\nmessage = "help"\nlines = ["emergency"]\nreason = "x"\n'
        'citation = "own"\nreview_by = 2030-01-01\n'
        '[rules.harm-passes]\ncategory = "harm"\nlevel = 2\nrole = "answer"\naction = "allow"\nreason = "x"\n'
        'citation = "own"\nreview_by = 2030-01-01\n'
    )
    with running(saying(LONG), word_guard(policy=str(path)), mode("block")) as run:
        for stream in (False, True):
            last, text = ended(ask(run, "ceritakan", stream=stream), stream)
            assert text.startswith("Satu kalimat yang baik. \n\n")
            assert BAD not in text
            assert "ketiga" not in text
            assert guard_of(last)["message"] in text
            assert (last.choices[0].finish_reason, guard_of(last)["action"]) == ("stop", "help")


def test_contexts_of_the_service_reach_the_policy() -> None:
    for contexts, ended_by in (((), "content_filter"), (("research",), "stop")):
        settings = Settings(guard="block", contexts=contexts)
        with running(saying(LONG), word_guard(), settings) as run:
            assert ask(run, "ceritakan").choices[0].finish_reason == ended_by
            assert ask(run, f"ceritakan {BAD}").choices[0].finish_reason == ended_by


def test_what_was_asked_before_still_counts() -> None:
    with running(echo(), word_guard(), mode("block")) as run:
        assert ask(run, BAD, "ya", "lalu?").choices[0].finish_reason == "content_filter"


def test_off_checks_nothing_and_says_so() -> None:
    with running(echo(), word_guard(), mode("off")) as run:
        answer = ask(run, f"{THAI} {BAD}")
        assert guard_of(answer) == dict.fromkeys(("action", "message", "unchecked", "prompt", "answer")) | {
            "mode": "off"
        }
        assert answer.model_extra["rumpun"]["language"] == {"prompt": "th", "answer": "th"}
        assert client_of(run).moderations.create(input=BAD).results[0].flagged


def test_completions_pass_the_guard_too() -> None:
    with running(echo(), word_guard(), mode("block")) as run:
        refused = client_of(run).completions.create(model="fake", prompt=BAD)
        ended = client_of(run).completions.create(model="fake", prompt=["baik. ", "baik. "])
    assert (refused.choices[0].text, refused.choices[0].finish_reason) == ("", "content_filter")
    assert [choice.finish_reason for choice in ended.choices] == ["stop", "stop"]


def test_a_turn_of_another_role_is_looked_at_too() -> None:
    with running(echo(), word_guard(), mode("block")) as run:
        answer = client_of(run).chat.completions.create(
            model="fake",
            messages=[{"role": "system", "content": BAD}, {"role": "user", "content": "halo"}],
        )
        assert answer.choices[0].finish_reason == "content_filter"

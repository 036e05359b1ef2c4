"""The guard in front: what it sees, what it says, what it holds back."""

from typing import Any

import httpx2
import openai
import pytest
from served import BAD, Running, echo, running, saying, word_guard

from rumpun.engines.port import Request
from rumpun.errors import UsageError
from rumpun.serve.app import create_app
from rumpun.serve.settings import GuardMode, Settings
from rumpun.serve.watch import refusal

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
        assert found["answer"]["categories"] == ["hate"]
        assert found["answer"]["scores"]["hate"] == pytest.approx(0.97, abs=1e-3)
    assert guard_of(chunks[0])["prompt"]["flagged"]  # known before the first token
    assert guard_of(chunks[0])["answer"] is None


def test_block_answers_a_flagged_prompt_with_a_refusal_in_its_language() -> None:
    said: list[str] = []

    def reply(request: Request) -> str:
        said.append(request.messages[-1].content)
        return "tidak"

    from rumpun.engines.fake import Fake

    with running(Fake(reply=reply), word_guard(), mode("block")) as run:
        answer = ask(run, f"{THAI} {BAD}")
        chunks = ask(run, f"{THAI} {BAD}", stream=True)
    assert said == []  # the model was never asked
    assert answer.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "content_filter"
    assert answer.choices[0].message.content == refusal("th")[0]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == refusal("th")[0]
    assert guard_of(answer)["prompt"]["flagged"]
    assert guard_of(answer)["prompt"]["language"] == "th"
    assert guard_of(answer)["answer"] is None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens == 0


@pytest.mark.parametrize("stream", [False, True])
def test_block_ends_an_answer_before_its_flagged_sentence(stream: bool) -> None:
    with running(saying(LONG), word_guard(), mode("block")) as run:
        got = ask(run, "ceritakan", stream=stream)
    last = got[-1] if stream else got
    text = (
        "".join(c.choices[0].delta.content or "" for c in got) if stream else got.choices[0].message.content
    )
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

    from served import WordGuard

    class Split(WordGuard):
        def scores(self, texts: Any) -> Any:
            return super().scores([BAD if whole in text else "" for text in texts])

    guard = Split(word_guard().heads, {"unsafe": 0.5, "hate": 0.5}, word_guard().folder, "split")
    with running(echo(), guard, mode("warn")) as run:
        assert not guard_of(ask(run, BAD[:half]))["prompt"]["flagged"]
        assert guard_of(ask(run, BAD[:half], "ya", BAD[half:]))["prompt"]["flagged"]


def test_what_was_asked_before_still_counts() -> None:
    with running(echo(), word_guard(), mode("block")) as run:
        assert ask(run, BAD, "ya", "lalu?").choices[0].finish_reason == "content_filter"


def test_off_checks_nothing_and_says_so() -> None:
    with running(echo(), word_guard(), mode("off")) as run:
        answer = ask(run, f"{THAI} {BAD}")
        assert guard_of(answer) == {"mode": "off", "prompt": None, "answer": None}
        assert answer.model_extra["rumpun"]["language"] == {"prompt": "th", "answer": "th"}
        assert client_of(run).moderations.create(input=BAD).results[0].flagged


def test_completions_pass_the_guard_too() -> None:
    with running(echo(), word_guard(), mode("block")) as run:
        refused = client_of(run).completions.create(model="fake", prompt=BAD)
        ended = client_of(run).completions.create(model="fake", prompt=["baik. ", "baik. "])
    assert (refused.choices[0].text, refused.choices[0].finish_reason) == ("", "content_filter")
    assert [choice.finish_reason for choice in ended.choices] == ["stop", "stop"]


def test_a_mode_without_a_guard_is_refused_at_the_start() -> None:
    from served import served

    with pytest.raises(UsageError, match="no guard is loaded"):
        create_app([served(echo())], None, mode("warn"))


def test_moderations_without_a_guard_say_what_to_do() -> None:
    with running(echo(), None, mode("off")) as run:
        answer = httpx2.post(f"{run.url}/v1/moderations", json={"input": "x"})
    assert answer.status_code == 404
    assert "--guard" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "tag", ["id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en", "jv", "su", "ceb"]
)
def test_refusals_are_there_and_differ(tag: str) -> None:
    text, language = refusal(tag)
    assert language == tag
    assert tag == "en" or text != refusal("en")[0]
    assert refusal(f"{tag}-XX") == refusal(tag)


def test_a_language_without_a_refusal_gets_its_countrys_common_one() -> None:
    assert refusal("bjn")[1] == "id"
    assert refusal("ilo")[1] == "tl"
    assert refusal("xx")[1] == refusal("und")[1] == "en"


def test_a_turn_of_another_role_is_looked_at_too() -> None:
    with running(echo(), word_guard(), mode("block")) as run:
        answer = client_of(run).chat.completions.create(
            model="fake",
            messages=[{"role": "system", "content": BAD}, {"role": "user", "content": "halo"}],
        )
        assert answer.choices[0].finish_reason == "content_filter"

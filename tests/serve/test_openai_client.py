"""The official client works unchanged, its error types included."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from served import BAD, SAD, Running, StandIn, echo, running, saying, served, word_guard

from rumpun.engines.fake import Fake
from rumpun.serve.settings import Settings

KAREN = "แม่น้ำโขงไหลผ่านหลายประเทศ။ မြစ်ကမ်း 👩‍👩‍👧‍👦 é"


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    models = [served(Fake(name="padi")), served(echo(name="gema"), layer_name="pertama"),
              served(Fake(name="bisu", can=frozenset({"score"})))]  # fmt: skip
    with running(models, word_guard(), Settings(guard="warn"), encoder=StandIn) as run:
        yield run


@pytest.fixture(scope="module")
def client(service: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_a_chat_is_answered(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gema", messages=said(KAREN))
    assert answer.choices[0].message.content == KAREN
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == "gema"


def test_a_stream_joins_to_the_whole_and_ends_with_usage(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(
        model="gema", messages=said(KAREN), stream=True, stream_options={"include_usage": True}
    ))  # fmt: skip
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == KAREN
    assert "👩‍👩‍👧‍👦" in texts  # never cut inside a character
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


def test_without_the_option_no_chunk_has_usage(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="gema", messages=said("hai"), stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert not any(chunk.usage for chunk in chunks)


def test_the_extension_field_is_on_the_answer_and_on_the_last_chunk(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gema", messages=said("Selamat pagi, apa kabar hari ini?"))
    last = list(client.chat.completions.create(
        model="gema", messages=said("Selamat pagi, apa kabar hari ini?"), stream=True
    ))[-1]  # fmt: skip
    for found in (whole.model_extra, last.model_extra):
        assert found is not None
        field = found["rumpun"]
        assert set(field) == {"guard", "language", "layer", "tokens_per_second"}
        assert field["guard"]["mode"] == "warn"
        assert {"flagged", "score", "categories", "action", "message"} < set(field["guard"]["prompt"])
        assert field["guard"]["answer"]["flagged"] is False
        assert field["layer"] == "pertama"
        assert field["tokens_per_second"] > 0
        assert field["language"]["prompt"] == field["language"]["answer"]


def test_options_reach_the_engine(client: openai.OpenAI) -> None:
    ask = client.chat.completions.create
    assert ask(model="gema", messages=said("satu dua tiga"), stop=" dua").choices[0].message.content == "satu"
    assert (
        ask(model="gema", messages=said("satu dua"), stop=["x", "du"]).choices[0].message.content == "satu "
    )
    short = ask(model="gema", messages=said("satu dua"), max_tokens=3)
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("sat", "length")
    assert (
        ask(model="gema", messages=said("satu"), max_completion_tokens=2).choices[0].message.content == "sa"
    )
    first, second, third = (
        ask(model="padi", messages=said("a"), seed=seed, temperature=1).choices[0].message.content
        for seed in (-7, -7, 8)
    )
    assert first == second != third
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert ask(model="gema", messages=parts).choices[0].message.content == "a\nb"
    assert ask(model="gema", messages=said("x"), top_p=0).choices[0].message.content == "x"


def test_developer_and_system_turns_are_taken(client: openai.OpenAI) -> None:
    turns: Any = [{"role": "developer", "content": "s"}, {"role": "user", "content": "u"}]
    assert client.chat.completions.create(model="gema", messages=turns).choices[0].message.content == "u"


def test_completions_of_one_and_of_several(client: openai.OpenAI) -> None:
    one = client.completions.create(model="gema", prompt="ikan")
    assert one.choices[0].text == "ikan"
    several = client.completions.create(model="gema", prompt=["ikan", "ปลา"])
    assert [(c.index, c.text) for c in several.choices] == [(0, "ikan"), (1, "ปลา")]
    assert several.model_extra is not None
    assert len(several.model_extra["rumpun"]) == 2
    texts = {0: "", 1: ""}
    for chunk in client.completions.create(model="gema", prompt=["ikan", "ปลา"], stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == {0: "ikan", 1: "ปลา"}


def test_embeddings_in_both_forms_agree(client: openai.OpenAI, service: Running) -> None:
    by_client = client.embeddings.create(model="padi", input=["sungai", "แม่น้ำ"])  # asks for base64
    plain = client.embeddings.create(model="padi", input=["sungai", "แม่น้ำ"], encoding_format="float")
    for one, other in zip(by_client.data, plain.data, strict=True):
        assert np.allclose(one.embedding, other.embedding)
        assert np.isclose(np.linalg.norm(one.embedding), 1, atol=1e-5)
    assert by_client.usage.prompt_tokens == len("sungai") + len("แม่น้ำ")
    body = {"model": "padi", "input": "a", "encoding_format": "base64"}
    raw = httpx2.post(f"{service.url}/v1/embeddings", json=body).json()
    assert len(base64.b64decode(raw["data"][0]["embedding"])) == 4 * 32


@pytest.mark.parametrize(
    "name", ["rumpun-encoder", "default", "text-embedding-3-small", "text-embedding-ada-002"]
)
def test_the_encoder_answers_to_its_names_and_to_those_that_clients_send_unasked(
    client: openai.OpenAI, name: str
) -> None:
    got = client.embeddings.create(model=name, input=["sungai", "แม่น้ำ"])
    assert got.model == "rumpun-encoder"
    assert np.allclose([row.embedding for row in got.data], StandIn().embed(["sungai", "แม่น้ำ"]))
    assert got.usage.prompt_tokens == len("sungai") + len("แม่น้ำ")


def test_embeddings_can_be_cut_and_stay_unit_vectors(client: openai.OpenAI) -> None:
    whole = np.array(client.embeddings.create(model="default", input="sungai besar").data[0].embedding)
    for size in (1, 3, 8):
        row = (
            client.embeddings.create(model="default", input="sungai besar", dimensions=size).data[0].embedding
        )
        assert len(row) == size
        assert np.allclose(row, whole[:size] / np.linalg.norm(whole[:size]), atol=1e-6)
    blank = client.embeddings.create(model="default", input=" ", dimensions=3).data[0].embedding
    assert blank == [0, 0, 0]  # nothing to embed has no direction
    for wrong in (0, 9, -1):
        with pytest.raises(
            openai.BadRequestError, match=f"dimensions is {wrong}; rumpun-encoder gives 1 to 8"
        ):
            client.embeddings.create(model="default", input="x", dimensions=wrong)


def test_a_text_that_is_longer_than_the_encoder_reads_is_told(client: openai.OpenAI) -> None:
    got = client.embeddings.create(model="rumpun-encoder", input=["sungai", "s" * 40])
    assert got.model_extra == {"rumpun": {"truncated": [{"index": 1, "tokens": 40, "read": 12}]}}
    assert got.usage.prompt_tokens == 6 + 12


def test_a_served_model_keeps_its_own_name_in_embeddings() -> None:
    def models() -> list[Any]:
        return [served(Fake(name="text-embedding-3-small")), served(Fake(name="padi"))]

    with running(models(), encoder=StandIn) as run:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)
        for name, width in (
            ("text-embedding-3-small", 32),
            ("padi", 32),
            ("text-embedding-3-large", 8),
            ("default", 8),
        ):
            assert len(client.embeddings.create(model=name, input="x").data[0].embedding) == width
    with running(models()) as run:  # without an encoder the default model answers, as it does elsewhere
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)
        assert len(client.embeddings.create(model="default", input="x").data[0].embedding) == 32
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="rumpun-encoder", input="x")


def test_an_encoder_that_cannot_be_loaded_closes_its_address_alone() -> None:
    from rumpun.errors import InputError

    ready: list[bool] = []

    def load() -> StandIn:
        if not ready:
            raise InputError("encoder.json: no such file", "train it")
        return StandIn()

    with running(echo(), encoder=load) as run:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)
        assert httpx2.get(f"{run.url}/health").json()["encoder"] == "loads at first use"
        with pytest.raises(openai.InternalServerError) as raised:
            client.embeddings.create(model="default", input="x")
        assert raised.value.status_code == 503
        assert "no such file" in raised.value.message
        assert httpx2.get(f"{run.url}/health").json()["encoder"] == "closed: encoder.json: no such file"
        assert (
            client.chat.completions.create(model="fake", messages=said("hai")).choices[0].message.content
            == "hai"
        )
        ready.append(True)
        assert client.embeddings.create(model="default", input="x").model == "rumpun-encoder"
        assert httpx2.get(f"{run.url}/health").json()["encoder"] == "loaded"


def test_models_are_listed_the_default_first(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["padi", "gema", "bisu", "rumpun-encoder"]
    assert client.models.retrieve("rumpun-encoder").id == "rumpun-encoder"
    assert client.models.retrieve("gema").id == "gema"
    assert client.models.retrieve("default").id == "padi"
    assert client.chat.completions.create(model="default", messages=said("x")).model == "padi"


def test_moderations_in_openais_shape(client: openai.OpenAI) -> None:
    one = client.moderations.create(input=f"ini {BAD}", model="omni-moderation-latest")
    assert one.results[0].flagged
    assert one.results[0].categories.hate
    assert one.results[0].category_scores.hate > 0.9
    assert not one.results[0].categories.violence
    many = client.moderations.create(input=["nasi", BAD, "ikan"])
    assert [result.flagged for result in many.results] == [False, True, False]
    parts: Any = [{"type": "text", "text": "nasi"}, {"type": "text", "text": BAD}]
    assert [r.flagged for r in client.moderations.create(input=parts).results] == [True]
    assert not client.moderations.create(input="").results[0].flagged


def test_a_moderation_says_who_wrote_the_text(client: openai.OpenAI) -> None:
    def judged_as(**more: Any) -> list[str]:
        got = client.moderations.create(input=["nasi", BAD], extra_body=more)
        assert [one.flagged for one in got.results] == [False, True]
        found: list[Any] = [one.model_extra for one in got.results]
        return [one["x_rumpun"]["role"] for one in found]

    assert judged_as(role="assistant") == ["answer", "answer"]
    assert judged_as(role="user") == judged_as(role=None) == judged_as() == ["prompt", "prompt"]
    assert judged_as(role="assistant", rumpun={"policy": "sg"}) == ["answer", "answer"]


@pytest.mark.parametrize("role", ["system", "prompt", "", "Assistant", "as\nsistant", 1, ["user"], {}])
def test_a_moderation_of_an_unknown_role_is_400(client: openai.OpenAI, role: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="role") as caught:
        client.moderations.create(input="x", extra_body={"role": role})
    assert caught.value.param == "role"
    assert "\n" not in str(caught.value.body["message"])
    if isinstance(role, str):
        assert caught.value.body["message"].endswith(": expected 'user' or 'assistant'")


def test_a_moderation_may_choose_policy_point_and_contexts(client: openai.OpenAI) -> None:
    def ask(text: str, **choice: Any) -> Any:
        got = client.moderations.create(input=text, extra_body={"rumpun": choice} if choice else None)
        extra: Any = got.results[0].model_extra
        return got.results[0].flagged, extra["x_rumpun"]

    flagged, usual = ask(BAD)
    assert (flagged, usual["policy"], usual["point"], usual["action"]) == (True, "base", "balanced", "block")
    assert usual["categories"]["hate"]["level"] == 2
    flagged, other = ask(BAD, policy="sg", point="strict")
    assert (flagged, other["policy"], other["point"]) == (True, "sg", "strict")
    flagged, told = ask(BAD, contexts=["news"])
    assert (flagged, told["action"]) == (False, "care")
    flagged, helped = ask(SAD)
    assert (flagged, helped["action"]) == (False, "help")
    assert helped["message"]
    for choice, says in (
        ({"policy": "atlantis"}, "rumpun.policy is 'atlantis'"),
        ({"policy": "./base.toml"}, "rumpun.policy is './base.toml'"),
        ({"policy": "/etc/passwd"}, "rumpun.policy"),
        ({"point": "lax"}, "rumpun.point is 'lax'"),
        ({"contexts": ["newz"]}, "did you mean 'news'"),
        ({"contexts": "news"}, "rumpun.contexts"),
        ({"polcy": "sg"}, "polcy"),
    ):
        with pytest.raises(openai.BadRequestError) as raised:
            ask("x", **choice)
        assert says in raised.value.message


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"model": "padii"}, openai.NotFoundError, "padi"),
        ({"model": "bisu"}, openai.BadRequestError, "cannot chat"),
        ({"temperature": 2.5}, openai.BadRequestError, "temperature is 2.5"),
        ({"temperature": "hot"}, openai.BadRequestError, "temperature is 'hot'"),
        ({"top_p": -1}, openai.BadRequestError, "top_p"),
        ({"max_tokens": -1}, openai.BadRequestError, "max_tokens is -1"),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens is 0"),
        ({"max_completion_tokens": 10**12}, openai.BadRequestError, "max_completion_tokens is 1000000000000"),
        ({"n": 2}, openai.BadRequestError, "n is 2"),
        ({"stop": ["x"] * 10_000}, openai.BadRequestError, "stop has 10000"),
        ({"stop": "x" * 10_000}, openai.BadRequestError, "longer than 200"),
        ({"messages": []}, openai.BadRequestError, "messages is empty"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, openai.BadRequestError, "wizard"),
        ({"messages": [{"role": "user"}]}, openai.BadRequestError, "content is missing"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
         openai.BadRequestError, "image_url"),
        ({"messages": [{"role": "user", "content": "x" * 5000}]}, openai.BadRequestError, "5000 tokens"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError, "tools"),
        ({"response_format": {"type": "json_object"}}, openai.BadRequestError, "response_format"),
        ({"logprobs": True}, openai.BadRequestError, "logprobs"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_the_clients_types(
    client: openai.OpenAI, change: dict[str, Any], error: type[openai.APIStatusError], says: str, stream: bool
) -> None:
    whole: Any = {"model": "padi", "messages": said("x"), "stream": stream} | change
    with pytest.raises(error) as raised:
        client.chat.completions.create(**whole)
    assert says in raised.value.message
    body: Any = raised.value.body
    assert set(body) == {"message", "type", "param", "code"}
    if error is openai.NotFoundError:
        assert body["code"] == "model_not_found"
    if "5000 tokens" in says:
        assert body["code"] == "context_length_exceeded"


def test_other_addresses_errors_too(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot embed"):
        client.embeddings.create(model="bisu", input="x")
    with pytest.raises(openai.BadRequestError, match="empty string"):
        client.embeddings.create(model="padi", input=["x", ""])
    with pytest.raises(openai.BadRequestError, match="dimensions is 7"):
        client.embeddings.create(model="padi", input="x", dimensions=7)
    with pytest.raises(openai.BadRequestError, match="token numbers"):
        client.embeddings.create(model="padi", input=[1, 2, 3])
    with pytest.raises(openai.BadRequestError, match="echo"):
        client.completions.create(model="padi", prompt="x", echo=True)
    with pytest.raises(openai.NotFoundError, match="nobody"):
        client.models.retrieve("nobody")
    with pytest.raises(openai.NotFoundError, match="nobody"):
        client.moderations.create(input="x", model="nobody")


def test_a_context_that_only_the_chat_form_overflows_is_named_too() -> None:
    with running(Fake(context_tokens=100)) as run:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(model="fake", messages=said("x" * 95))
    assert raised.value.code == "context_length_exceeded"


def test_keys_are_asked_for_where_they_are_set() -> None:
    settings = Settings(guard="off", api_keys=("kunci-satu", "kunci-dua"))
    with running(Fake(), settings=settings) as run:
        for key in ("kunci-satu", "kunci-dua"):
            client = openai.OpenAI(base_url=f"{run.url}/v1", api_key=key, max_retries=0)
            assert client.models.list().data[0].id == "fake"
        wrong = openai.OpenAI(base_url=f"{run.url}/v1", api_key="kunci", max_retries=0)
        with pytest.raises(openai.AuthenticationError) as raised:
            wrong.models.list()
        assert "kunci" not in raised.value.message
        assert httpx2.get(f"{run.url}/v1/models").headers["www-authenticate"] == "Bearer"
        assert httpx2.get(f"{run.url}/healthz").status_code == 200
    assert "kunci" not in repr(settings)


def test_an_engine_that_fails_is_told_before_and_inside_a_stream() -> None:
    with running([served(Fake(name="a", fails_at=0)), served(Fake(name="b", fails_at=40))]) as run:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError) as raised:
                client.chat.completions.create(model="a", messages=said("x"), stream=stream)
            assert raised.value.status_code == 502
        stream_of_b = client.chat.completions.create(model="b", messages=said("x"), stream=True)
        assert next(stream_of_b).choices[0].delta.role == "assistant"
        with pytest.raises(openai.APIError, match="failed at token 40"):
            list(stream_of_b)
        assert run.service.shelf.default.turns.busy == 0


def test_a_bug_of_ours_is_500_and_tells_no_text(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> str:
        raise ZeroDivisionError("rahasia-jawaban")

    with running(Fake(reply=broken)) as run:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError) as raised:
                client.chat.completions.create(model="fake", messages=said("rahasia-tanya"), stream=stream)
            assert raised.value.status_code == 500
            assert "rahasia" not in str(raised.value.body)
    assert "ZeroDivisionError" in caplog.text
    assert "rahasia" not in caplog.text


def test_prompts_answers_and_keys_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with running(
        saying("rahasia-jawaban"), settings=Settings(guard="off", api_keys=("rahasia-kunci",))
    ) as run:
        client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="rahasia-kunci", max_retries=0)
        caplog.clear()
        client.chat.completions.create(model="fake", messages=said("rahasia-tanya"))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("rumpun", "uvicorn"))]
    assert any("/v1/chat/completions 200" in line for line in ours)
    assert not any("rahasia" in line for line in ours)

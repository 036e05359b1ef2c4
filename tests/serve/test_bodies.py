"""Whatever is sent, the answer is orderly: 400 or 413 for what cannot be served, never 500."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from served import Running, StandIn, post, raw, running, saying, word_guard

from rumpun.serve.settings import Settings

PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/moderations"]
OTHERS = ["/beta/litellm_basic_guardrail_api", "/portkey/webhook", "/analyze", "/anonymize"]
CHAT = PATHS[0]
HI = [{"role": "user", "content": "hai"}]


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    chosen = Settings(guard="warn", body_bytes_max=200_000, body_seconds=1.0)
    with running(saying("ya."), word_guard(), chosen, encoder=StandIn) as run:
        yield run


@pytest.fixture(scope="module")
def client(service: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=service.url, timeout=20) as found:
        yield found


def refused(answer: httpx2.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text[:300]
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["content-type"] == "application/json"
    return str(body["error"]["message"])


@pytest.mark.parametrize("path", PATHS + OTHERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{",
        b'{"messages": [',
        b"not json at all",
        b'{"messages": "\xff\xfe"}',
        b'{"prompt": "\xc3", "input": "\xc3", "messages": [{"role": "user", "content": "\xc3"}]}',
        b'{"prompt": "\\ud800", "input": "\\ud800", "messages": [{"role": "user", "content": "\\ud800"}]}',
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"temperature": NaN, "messages": [], "prompt": NaN, "input": NaN}',
        b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"messages": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
        b'{"x": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        b'{"model": "fake", "model": "fake", "messages": [], "prompt": "x", "input": "x"}',
        b'{"messages": 5, "prompt": 5, "input": 5}',
        b'{"messages": [5], "prompt": [5], "input": [5]}',
        b'{"messages": [[]], "prompt": [[]], "input": [[]]}',
        b'{"messages": [{}], "prompt": [{}], "input": [{}]}',
        b'{"messages": {}, "prompt": {}, "input": {}}',
        b'{"messages": null, "prompt": null, "input": null}',
        b'{"model": 5, "messages": [{"role": "user", "content": "x"}], "prompt": "x", "input": "x"}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_request_is_refused(client: httpx2.Client, path: str, body: bytes) -> None:
    assert refused(client.post(path, content=body))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 10**30), ("max_tokens", -(10**30)), ("max_tokens", "9"), ("max_tokens", 1.5), ("max_tokens", True),
        ("temperature", 1e308), ("temperature", -0.1), ("temperature", "hot"), ("temperature", []),
        ("top_p", 1.01), ("frequency_penalty", 3), ("presence_penalty", -3), ("seed", 1.5), ("seed", "x"),
        ("stop", 5), ("stop", [5]), ("stop", ["x"] * 10_000), ("stop", {"a": 1}), ("stream", "yes"), ("n", 0),
        ("n", -1), ("n", 10**9), ("stream_options", "x"), ("logit_bias", {"5": 1}), ("tools", [1]), ("functions", [1]),
        ("messages", []), ("messages", [{"role": "root", "content": "x"}]), ("messages", [{"role": 5, "content": "x"}]),
        ("messages", [{"role": "tool", "content": "x"}]), ("messages", [{"content": "x"}]),
        ("messages", [{"role": "user", "content": None}]), ("messages", [{"role": "user", "content": 5}]),
        ("messages", [{"role": "user", "content": [{"type": "text"}]}]),
        ("messages", [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]),
        ("messages", [{"role": "user", "content": ["x"]}]), ("response_format", {"type": "json_schema"}),
        ("modalities", ["audio"]),
    ],
)  # fmt: skip
def test_absurd_values_are_refused_by_name(client: httpx2.Client, field: str, value: Any) -> None:
    answer = client.post(CHAT, json={"messages": HI} | {field: value})
    assert field in refused(answer)
    assert str(answer.json()["error"]["param"]).startswith(field)


def test_unknown_fields_and_nulls_are_ignored(client: httpx2.Client) -> None:
    extra: dict[str, Any] = {
        "user": "u",
        "metadata": {"a": [1, {"b": None}]},
        "store": True,
        "zzz": 1e5,
        "tools": [],
    }
    nulls = dict.fromkeys(["temperature", "top_p", "stop", "seed", "n", "stream", "max_tokens", "model"])
    assert client.post(CHAT, json={"messages": HI, **extra, **nulls}).status_code == 200
    assert client.post(CHAT, json={"messages": HI, "stop": []}).status_code == 200
    assert client.post(CHAT, json={"messages": HI, "stop": ""}).status_code == 200


def test_a_text_is_never_quoted_in_an_error(client: httpx2.Client) -> None:
    for body in ({"messages": "rahasia"}, {"messages": [{"role": "user", "content": {"rahasia": 1}}]}):
        assert "rahasia" not in client.post(CHAT, json=body).text
    assert "rahasia" not in client.post(PATHS[1], json={"prompt": {"rahasia": "rahasia"}}).text


def test_a_body_over_the_limit_is_413_however_it_comes(client: httpx2.Client, service: Running) -> None:
    big = json.dumps({"messages": [{"role": "user", "content": "x" * 200_000}]}).encode()
    assert "200000 bytes" in refused(client.post(CHAT, content=big), 413)

    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield b"x" * 1000

    with contextlib.suppress(httpx2.WriteError):  # it may be cut off while it still sends: also orderly
        assert refused(client.post(CHAT, content=pieces()), 413)
    with raw(service.port, post(CHAT, b"", "Content-Length: 99999999999999999999999999")) as connection:
        assert connection.recv(200).startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))
    with raw(service.port, post(CHAT, b"", "Content-Length: 1000000000000")) as connection:
        assert connection.recv(200).startswith(b"HTTP/1.1 413")


def test_a_body_that_never_ends_is_ended(service: Running) -> None:
    with raw(service.port, post(CHAT, b"", "Transfer-Encoding: chunked")) as connection:
        connection.settimeout(10)
        connection.sendall(b"5\r\n{    \r\n")
        assert connection.recv(200).startswith(b"HTTP/1.1 408")
    with raw(service.port, post(CHAT, b"", "Transfer-Encoding: chunked")) as connection:
        connection.settimeout(10)
        try:
            for _ in range(500):
                connection.sendall(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        except OSError:
            return
        assert connection.recv(200).startswith(b"HTTP/1.1 413")


def test_a_body_that_is_cut_off_hurts_nobody(client: httpx2.Client, service: Running) -> None:
    raw(service.port, post(CHAT, b'{"mess', "Content-Length: 500")).close()
    raw(service.port, b"POST /v1/chat/comp").close()
    raw(service.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20).close()
    assert client.get("/healthz").json()["status"] == "ok"


def test_unknown_addresses_and_methods_are_json_under_v1(client: httpx2.Client) -> None:
    assert "/v1/nothing" in refused(client.get("/v1/nothing"), 404)
    assert "DELETE" in refused(client.delete(CHAT), 405)
    assert client.get(CHAT).headers["allow"] == "POST"
    assert refused(client.get("/v1"), 404)
    assert refused(client.get("/v1/models/%2e%2e/%2e%2e/etc/passwd"), 404)
    assert refused(client.get("/v1/models/" + "x" * 5000), 404)


texts = st.text(max_size=20) | st.sampled_from(["user", "system", "hai", "fake", "default", "\x00", "สวัสดี"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["model", "messages", "prompt", "input", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "n", "seed",
          "stream", "stream_options", "logprobs", "echo", "best_of", "suffix", "encoding_format", "dimensions", "tools",
          "logit_bias", "response_format", "modalities", "frequency_penalty", "presence_penalty"]  # fmt: skip
turn = st.fixed_dictionaries({}, optional={"role": texts | values, "content": texts | values, "name": values})
sound = {"messages": HI, "prompt": "hai", "input": "hai"}


@settings(max_examples=150)
@given(
    path=st.sampled_from(PATHS),
    body=st.dictionaries(st.sampled_from(FIELDS), values, max_size=6),
    turns=st.none() | st.lists(turn, max_size=4),
    whole=st.booleans(),
)
@example(path=CHAT, body={"stop": ["\x00"], "model": None}, turns=None, whole=True)
def test_no_json_object_gives_500(
    client: httpx2.Client, path: str, body: dict[str, Any], turns: list[Any] | None, whole: bool
) -> None:
    sent = (sound if whole else {}) | body | ({"messages": turns} if turns is not None else {})
    answer = client.post(path, content=json.dumps(sent).encode())
    assert answer.status_code in {200, 400, 404}, (sent, answer.text[:300])
    if answer.status_code != 200:
        refused(answer, answer.status_code)


OURS = ["input_type", "texts", "structured_messages", "images", "tools", "additional_provider_specific_params", "request_data",
        "eventType", "request", "response", "metadata", "text", "language", "entities", "score_threshold", "context",
        "allow_list", "analyzer_results", "anonymizers", "return_decision_process", "ad_hoc_recognizers"]  # fmt: skip
whole_body: dict[str, Any] = {
    "/beta/litellm_basic_guardrail_api": {"input_type": "request", "texts": ["hai"]},
    "/portkey/webhook": {
        "eventType": "beforeRequestHook",
        "request": {"json": {"messages": HI}, "text": "hai"},
    },
    "/analyze": {"text": "HP 0812-3456-7890", "language": "id"},
    "/anonymize": {"text": "hai", "analyzer_results": []},
}
carried = st.dictionaries(
    st.sampled_from(["messages", "prompt", "input", "choices", "content", "system", "text"]),
    values
    | st.lists(turn, max_size=3)
    | st.lists(st.fixed_dictionaries({}, optional={"message": turn, "text": values}), max_size=3),
    max_size=3,
)
params = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["policy", "point", "contexts", "mask"], values | texts)
)


@settings(max_examples=120)
@given(
    path=st.sampled_from(OTHERS),
    body=st.dictionaries(st.sampled_from(OURS), values, max_size=5),
    more=st.fixed_dictionaries(
        {}, optional={
            "structured_messages": st.lists(turn | values, max_size=3),
            "request": st.fixed_dictionaries({"json": carried | values}, optional={"text": values}),
            "response": st.fixed_dictionaries({"json": carried}),
            "eventType": st.sampled_from(["beforeRequestHook", "afterRequestHook"]),
            "additional_provider_specific_params": params,
            "analyzer_results": st.lists(st.dictionaries(
                st.sampled_from(["start", "end", "score", "entity_type"]), st.integers(-2, 9) | values, max_size=4), max_size=3),
        },
    ),
    whole=st.booleans(),
)  # fmt: skip
def test_no_json_object_gives_500_at_the_gateways_addresses(
    client: httpx2.Client, path: str, body: dict[str, Any], more: dict[str, Any], whole: bool
) -> None:
    sent = (whole_body[path] if whole else {}) | body | more
    query = "?mask=true&policy=sg" if whole else ""
    answer = client.post(path + query, content=json.dumps(sent).encode())
    assert answer.status_code in {200, 400}, (sent, answer.text[:300])
    if answer.status_code != 200:
        refused(answer, answer.status_code)


@settings(max_examples=60)
@given(choice=values | params, texts=texts | st.lists(texts, max_size=3))
def test_no_choice_of_a_moderation_gives_500(client: httpx2.Client, choice: Any, texts: Any) -> None:
    answer = client.post(PATHS[3], content=json.dumps({"input": texts, "rumpun": choice}).encode())
    assert answer.status_code in {200, 400}, answer.text[:300]


def test_a_megabyte_is_judged_and_searched_in_bounded_time() -> None:
    text = "Saya pergi ke pasar, HP 0812-3456-7890. แม่น้ำ " * 20_000
    text = text.encode()[:990_000].decode(errors="ignore")
    bodies: dict[str, Any] = {
        "/v1/embeddings": {"input": text},
        "/beta/litellm_basic_guardrail_api": {"input_type": "request", "texts": [text]},
        "/analyze": {"text": text, "language": "id"},
    }
    with running(saying("ya."), word_guard(), Settings(guard="warn"), encoder=StandIn) as run:
        for path, body in bodies.items():
            sent = json.dumps(body, ensure_ascii=False).encode()
            answer = httpx2.post(run.url + path, content=sent, timeout=120)
            assert answer.status_code == 200, (path, answer.text[:300])
        assert (
            len(httpx2.post(f"{run.url}/analyze", json={"text": text[:2000], "language": "id"}).json()) > 10
        )


@settings(max_examples=100)
@given(path=st.sampled_from(PATHS + OTHERS), body=st.binary(max_size=200))
def test_no_bytes_give_500(client: httpx2.Client, path: str, body: bytes) -> None:
    assert client.post(path, content=body).status_code == 400


def test_every_turn_is_looked_at_and_the_last_is_not_the_assistants():
    from rumpun.engines.port import Message, Request
    from rumpun.serve.bodies import all_texts, user_texts

    turns = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"), Message("user", "v"))
    assert user_texts(Request(messages=turns)) == ["u", "v"]
    assert all_texts(Request(messages=turns)) == ["s", "u", "a", "v"]

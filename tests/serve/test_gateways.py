"""The guard behind LiteLLM, Portkey and Presidio's clients: their own shapes, by hand as they are documented."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from served import BAD, DOUBTFUL, SAD, Running, echo, message, running, word_guard

from rumpun.serve.settings import Settings

PHONE, MASKED = "HP 0812-3456-7890 ya", "HP <PHONE> ya"


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(echo(), word_guard(), Settings(guard="off", inputs_max=8)) as run:
        yield run


@pytest.fixture(scope="module")
def client(service: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=service.url, timeout=60) as found:
        yield found


def litellm_request(*texts: str, kind: str = "request", **more: Any) -> dict[str, Any]:
    """GenericGuardrailAPIRequest as LiteLLM dumps it: every field is there, most of them null."""
    return {
        "input_type": kind,
        "litellm_call_id": "c-1",
        "litellm_trace_id": None,
        "structured_messages": None,
        "images": None,
        "tools": None,
        "texts": list(texts),
        "request_data": {"user_api_key_hash": "h", "user_api_key_user_id": None},
        "additional_provider_specific_params": {},
    } | more


def litellm(client: httpx2.Client, *texts: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/beta/litellm_basic_guardrail_api", json=litellm_request(*texts, **more))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["action"] in {"NONE", "BLOCKED", "GUARDRAIL_INTERVENED"}
    return found


def test_litellm_lets_pass_blocks_with_a_reason_and_sends_help(client: httpx2.Client) -> None:
    passed = litellm(client, "nasi goreng", "ikan")
    assert (passed["action"], passed.get("texts"), passed.get("blocked_reason")) == ("NONE", None, None)
    blocked = litellm(client, "nasi goreng", f"ini {BAD}")
    assert (blocked["action"], blocked["blocked_reason"]) == ("BLOCKED", message(f"ini {BAD}"))
    assert blocked["rumpun"]["flagged"]
    helped = litellm(client, f"ini {SAD}")
    assert (helped["action"], helped["blocked_reason"]) == ("BLOCKED", message(f"ini {SAD}"))
    assert not helped["rumpun"]["flagged"]
    careful = litellm(client, f"ini {DOUBTFUL}")
    assert (careful["action"], careful["rumpun"]["action"]) == ("NONE", "care")
    assert litellm(client)["action"] == litellm(client, texts=None)["action"] == "NONE"


def test_litellm_answers_are_judged_as_answers(client: httpx2.Client) -> None:
    assert litellm(client, BAD, kind="response")["rumpun"]["role"] == "answer"
    assert litellm(client, "baik", kind="response")["action"] == "NONE"


def test_litellm_turns_are_seen_together(client: httpx2.Client) -> None:
    def turns(*texts: Any) -> list[dict[str, Any]]:
        return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]

    parts = [{"type": "text", "text": BAD}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert litellm(client, "lalu?", structured_messages=turns(BAD, "ya", "lalu?"))["action"] == "BLOCKED"
    assert litellm(client, "lalu?", structured_messages=turns(parts, None, "lalu?"))["action"] == "BLOCKED"
    assert (
        litellm(client, "lalu?", structured_messages=turns("halo", BAD, "lalu?"))["action"] == "NONE"
    )  # in texts, if at all
    assert (
        litellm(client, "x", structured_messages=[{}, {"role": 5}, 5, None, {"content": {"a": 1}}])["action"]
        == "NONE"
    )


def test_litellm_says_what_it_does_not_look_at(client: httpx2.Client) -> None:
    found = litellm(client, "nasi", images=["aGFp"], tools=[{"type": "function"}])
    assert found["rumpun"]["unread"] == ["images", "tools"]
    assert "images" not in found  # LiteLLM then keeps its own


def test_litellm_masks_personal_data_when_it_is_asked_to(client: httpx2.Client) -> None:
    masked = litellm(client, "satu", PHONE, "tiga", additional_provider_specific_params={"mask": True})
    assert masked["action"] == "GUARDRAIL_INTERVENED"
    assert masked["texts"] == ["satu", MASKED, "tiga"]
    assert not masked["rumpun"]["flagged"]
    assert litellm(client, PHONE)["action"] == "NONE"
    assert litellm(client, "satu", additional_provider_specific_params={"mask": True})["action"] == "NONE"
    both = litellm(client, PHONE, BAD, additional_provider_specific_params={"mask": True})
    assert both["action"] == "BLOCKED"


def test_litellm_parameters_choose_the_policy(client: httpx2.Client) -> None:
    params = {"policy": "sg", "point": "strict", "contexts": ["news"], "threshold": 0.8}
    found = litellm(client, BAD, additional_provider_specific_params=params)
    assert (found["action"], found["rumpun"]["policy"], found["rumpun"]["point"]) == ("NONE", "sg", "strict")
    for wrong in (
        {"policy": "atlantis"},
        {"policy": 5},
        {"point": "lax"},
        {"contexts": ["x"]},
        {"contexts": [5]},
        {"mask": "yes"},
    ):
        body = litellm_request("x", additional_provider_specific_params=wrong)
        answer = client.post("/beta/litellm_basic_guardrail_api", json=body)
        assert answer.status_code == 400, wrong
        assert answer.json()["error"]["param"].startswith("additional_provider_specific_params.")


def test_litellm_limits(client: httpx2.Client) -> None:
    assert (
        client.post("/beta/litellm_basic_guardrail_api", json=litellm_request(*["x"] * 9)).status_code == 400
    )
    assert client.post("/beta/litellm_basic_guardrail_api", json={"texts": ["x"]}).status_code == 400
    assert client.post("/beta/litellm_basic_guardrail_api", json={"input_type": "other"}).status_code == 400


def hook(kind: str, json: Any, **more: Any) -> dict[str, Any]:
    """Portkey's context, as its gateway posts it."""
    side = {"json": json, "text": ""}
    other: dict[str, Any] = {"json": {}, "text": "", "statusCode": None}
    return {
        "request": side if kind == "beforeRequestHook" else {"json": {}, "text": ""},
        "response": other if kind == "beforeRequestHook" else side,
        "provider": "openai", "requestType": "chatComplete", "metadata": {"_user": "u"}, "eventType": kind,
    } | more  # fmt: skip


def portkey(client: httpx2.Client, body: Any, query: str = "") -> dict[str, Any]:
    answer = client.post(f"/portkey/webhook{query}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert isinstance(found["verdict"], bool)
    return found


def chat(*texts: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}


def completion(text: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}


@pytest.mark.parametrize(
    "json",
    [
        chat("halo", f"ini {BAD}"),
        chat([{"type": "text", "text": BAD}]),
        {"prompt": BAD},
        {"prompt": ["x", BAD]},
        {"input": BAD},
        {"input": ["x", BAD]},
        {"system": BAD, "messages": []},
        {"system": [{"type": "text", "text": BAD}], "messages": []},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": BAD}]}]},
    ],
    ids=str,
)
def test_portkey_sees_requests_of_every_kind(client: httpx2.Client, json: Any) -> None:
    found = portkey(client, hook("beforeRequestHook", json))
    assert not found["verdict"]
    assert found["data"]["message"]
    assert found["data"]["rumpun"]["flagged"]


def test_portkey_lets_pass_and_sees_the_text_where_there_is_no_json(client: httpx2.Client) -> None:
    assert portkey(client, hook("beforeRequestHook", chat("halo", "apa kabar")))["verdict"]
    assert portkey(client, hook("beforeRequestHook", {}))["verdict"]
    body = hook("beforeRequestHook", None, request={"text": BAD})
    assert not portkey(client, body)["verdict"]
    assert not portkey(client, hook("beforeRequestHook", chat(SAD)))[
        "verdict"
    ]  # nothing else can carry the help
    assert portkey(client, hook("beforeRequestHook", chat(DOUBTFUL)))["data"]["rumpun"]["action"] == "care"


def test_portkey_answers(client: httpx2.Client) -> None:
    for json in (completion(BAD), {"choices": [{"text": BAD}]}, {"content": [{"type": "text", "text": BAD}]}):
        assert not portkey(client, hook("afterRequestHook", json))["verdict"]
    found = portkey(client, hook("afterRequestHook", completion("baik")))
    assert (found["verdict"], found["data"]["rumpun"]["role"]) == (True, "answer")
    assert portkey(client, hook("afterRequestHook", completion(None)))["verdict"]


def test_portkey_masks_when_its_address_says_so(client: httpx2.Client) -> None:
    sent = chat(PHONE, "halo")
    found = portkey(client, hook("beforeRequestHook", sent), "?mask=true")
    assert found["verdict"]
    assert found["transformedData"] == {"request": {"json": chat(MASKED, "halo")}}
    assert "transformedData" not in portkey(client, hook("beforeRequestHook", sent))
    after = portkey(client, hook("afterRequestHook", completion(PHONE)), "?mask=true")
    assert after["transformedData"] == {"response": {"json": completion(MASKED)}}


def test_portkey_address_chooses_the_policy(client: httpx2.Client) -> None:
    found = portkey(
        client, hook("beforeRequestHook", chat(BAD)), "?policy=sg&point=strict&context=news&context=research"
    )
    assert (found["verdict"], found["data"]["rumpun"]["policy"]) == (True, "sg")
    for wrong in ("?policy=atlantis", "?point=lax", "?context=x", "?mask=ja"):
        assert (
            client.post(f"/portkey/webhook{wrong}", json=hook("beforeRequestHook", chat("x"))).status_code
            == 400
        )
    # who sends the text does not choose how it is judged
    body = hook("beforeRequestHook", chat(BAD), metadata={"rumpun": {"contexts": ["news"]}, "policy": "sg"})
    assert portkey(client, body)["data"]["rumpun"]["policy"] == "base"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"eventType": "x"},
        {"eventType": "beforeRequestHook"},
        {"eventType": "afterRequestHook", "response": []},
    ],
)
def test_portkey_hooks_that_are_none_are_refused(client: httpx2.Client, body: Any) -> None:
    answer = client.post("/portkey/webhook", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in {"eventType", "request", "response"}


def test_help_in_an_answer_is_written_in_its_place(tmp_path: Any) -> None:
    path = tmp_path / "kind.toml"
    rule = 'role = "answer"\nreason = "x"\ncitation = "own"\nreview_by = 2030-01-01\n'
    path.write_text(
        'name = "kind"\nversion = "1"\nextends = "base"\n'
        f'[rules.hate-helped]\ncategory = "hate"\nlevel = 2\naction = "help"\nmessage = "help"\nlines = ["emergency"]\n{rule}'
        f'[rules.harm-passes]\ncategory = "harm"\nlevel = 2\naction = "allow"\n{rule}'
    )
    with running(echo(), word_guard(policy=str(path)), Settings(guard="off")) as run:
        one = httpx2.post(
            f"{run.url}/beta/litellm_basic_guardrail_api",
            json=litellm_request("", BAD, "dua", kind="response"),
        ).json()
        other = httpx2.post(
            f"{run.url}/portkey/webhook", json=hook("afterRequestHook", completion(BAD))
        ).json()
        # a policy of one's own may be named by those who ask, a file may not
        named = {"input": BAD, "rumpun": {"policy": "kind"}}
        assert (
            httpx2.post(f"{run.url}/v1/moderations", json=named).json()["results"][0]["x_rumpun"]["policy"]
            == "kind"
        )
        named["rumpun"] = {"policy": str(path)}
        assert httpx2.post(f"{run.url}/v1/moderations", json=named).status_code == 400
    told = one["rumpun"]["message"]
    assert told
    assert (one["action"], one["texts"]) == ("GUARDRAIL_INTERVENED", ["", told, ""])
    assert other["verdict"]
    assert other["transformedData"]["response"]["json"] == completion(other["data"]["rumpun"]["message"])


def test_presidio_finds_and_replaces(client: httpx2.Client) -> None:
    found = client.post("/analyze", json={"text": PHONE, "language": "id"}).json()
    assert [(item["entity_type"], PHONE[item["start"] : item["end"]]) for item in found] == [
        ("PHONE_NUMBER", "0812-3456-7890")
    ]
    body = {
        "text": PHONE,
        "analyzer_results": found,
        "anonymizers": {"DEFAULT": {"type": "replace", "new_value": "X"}},
    }
    assert client.post("/anonymize", json=body).json()["text"] == "HP X ya"
    entities = client.get("/supportedentities?language=th").json()
    assert {"PHONE_NUMBER", "SG_NRIC_FIN", "TH_TNIN"} < set(entities)
    assert client.get("/recognizers").json() == ["RumpunRecogniser"]
    assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/analyze", {"language": "id"}, "text"),
        ("/analyze", {"text": "x"}, "language"),
        ("/analyze", {"text": 5, "language": "id"}, "text"),
        ("/analyze", {"text": "x", "language": "id", "entities": ["PERSON"]}, "PERSON"),
        ("/anonymize", {"text": "x"}, "analyzer_results"),
        ("/anonymize", {"text": "x", "analyzer_results": [{"start": 0, "end": 9}]}, "analyzer_results[0]"),
    ],
)
def test_presidio_requests_that_cannot_be_meant_are_refused_in_openais_shape(
    client: httpx2.Client, path: str, body: Any, says: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

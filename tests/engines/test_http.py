"""The HTTP engine against real servers, good and bad; and events read as the standard has them."""

import itertools
import json
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_server import App, serving

from rumpun.engines.fake import Fake
from rumpun.engines.http import OpenAICompatible
from rumpun.engines.http_stream import events
from rumpun.engines.port import Message, Request, Usage
from rumpun.errors import EnvironmentFault, InputError, UsageError

ASK = Request(messages=(Message("user", "Apa itu bambu?"),), max_tokens=20)


def said(engine, request=ASK):
    return "".join(chunk.text for chunk in engine.stream(request))


def data(*values):
    return "".join(
        f"data: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}\n\n"
        for value in values
    )


def piece(text, finish=None):
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


# --- addresses and keys


def test_an_address_with_or_without_v1_and_with_a_secret_in_it():
    with serving(App(Fake())) as url:
        for given_url in (url, url + "/", url + "/v1", url + "/v1/", url.replace("//", "//user:pass@")):
            engine = OpenAICompatible(given_url, name="a")
            assert engine.about().path == url + "/v1"
            engine.close()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://a", "http://", "/models"])
def test_what_is_no_address_is_said(url):
    with pytest.raises(UsageError, match="no http address"):
        OpenAICompatible(url, name="a")


def test_where_nothing_listens_the_address_and_the_mend_are_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(EnvironmentFault) as caught:
            OpenAICompatible(url, name="a")
    assert url in caught.value.message
    assert "start the server" in caught.value.hint


def test_the_key_is_sent_and_never_shown(monkeypatch):
    app = App(Fake(), key="sesam-rahasia")
    with serving(app) as url:
        monkeypatch.setenv("OPENAI_API_KEY", "wrong-key-123")
        with pytest.raises(UsageError) as caught:
            OpenAICompatible(url, name="a")
        assert "401" in caught.value.message
        assert (
            "wrong-key-123" not in repr(caught.value) + caught.value.message + caught.value.hint
        )  # the server says it
        assert "RUMPUN_UPSTREAM_API_KEY" in caught.value.hint
        monkeypatch.setenv("RUMPUN_UPSTREAM_API_KEY", "sesam-rahasia")
        engine = OpenAICompatible(url, name="a")
        assert "sesam" not in repr(engine.about())
        assert OpenAICompatible(url, name="a", api_key="sesam-rahasia").about().name == "a"


def test_a_model_that_is_not_served_is_named_with_the_nearest():
    with serving(App(Fake())) as url, pytest.raises(UsageError, match="no model 'serve'") as caught:
        OpenAICompatible(url, name="a", model="serve")
    assert caught.value.hint == "did you mean 'served'?"


def test_a_server_of_another_kind_is_told_apart():
    class Page(App):
        async def models(self, request):
            from starlette.responses import HTMLResponse

            return HTMLResponse("<html>hello")

    with (
        serving(Page(Fake())) as url,
        pytest.raises(InputError, match="expected a JSON object, got '<html>hello'"),
    ):
        OpenAICompatible(url, name="a")


# --- what a server can do


def test_a_plain_server_neither_scores_nor_embeds():
    with serving(App(Fake(), plain=True)) as url:
        engine = OpenAICompatible(url, name="a")
        assert engine.about().can == {"generate", "chat"}
        with pytest.raises(UsageError, match="cannot score"):
            engine.score([("", "a")])
        with pytest.raises(UsageError, match="cannot embed"):
            engine.embed(["a"])
        with pytest.raises(UsageError, match="404"):
            engine.count_tokens(["a"])


def test_scores_are_the_servers_own():
    fake = Fake()
    with serving(App(fake)) as url:
        engine = OpenAICompatible(url, name="a")
        pairs = [("", "bambu"), ("ba", "mbu ต้นไผ่"), ("竹", ""), ("", "")]
        for one, other in zip(engine.score(pairs), fake.score(pairs), strict=True):
            assert one.tokens == other.tokens
            assert one.logprob == pytest.approx(other.logprob)
        with pytest.raises(UsageError, match="endoftext"):
            engine.score([("", "a<|endoftext|>b")])


def test_only_what_a_request_names_is_sent():
    app = App(Fake())
    with serving(app) as url:
        engine = OpenAICompatible(url, name="a", model="served")
        said(engine)
        usual = app.bodies[-1]
        assert set(usual) == {"model", "messages", "max_tokens", "temperature", "stream", "stream_options"}
        assert usual["model"] == "served"
        said(engine, Request(prompt="a", stop=("x",), seed=3, top_p=0.5, frequency_penalty=0.5, max_tokens=2))
        assert {"stop", "seed", "top_p", "frequency_penalty", "prompt"} <= set(app.bodies[-1])


# --- streams that go wrong


def streaming(*raw):
    return serving(App(Fake(), raw=raw))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([data(piece("sat"), piece("u"))], "hung up after 2 pieces"),
        ([data(piece("sat")), 'data: {"choices": [{"del'], "hung up after 1 pieces"),
        (
            [data(piece("sat"), {"error": {"message": "out of memory", "code": 500}})],
            "broke off: out of memory",
        ),
        ([data(piece("sat"), "nonsense")], "not JSON: 'nonsense'"),
        ([data(piece("sat"), "[1]")], "no object"),
        ([], "hung up after 0 pieces"),
        (["<html>"], "hung up after 0 pieces"),
        ([data("[DONE]")], "hung up after 0 pieces"),
    ],
)
def test_a_stream_that_breaks_off_is_an_error_and_never_a_short_answer(raw, words):
    with streaming(*raw) as url:
        engine = OpenAICompatible(url, name="a")
        with pytest.raises(EnvironmentFault) as caught:
            said(engine)
        assert words in caught.value.message
        assert url in caught.value.message
        assert caught.value.hint


def test_an_answer_without_done_or_usage_is_whole_when_it_says_why_it_ended():
    with streaming(data(piece("sa"), piece("tu"), piece("", "length"))) as url:
        *texts, last = OpenAICompatible(url, name="a").stream(ASK)
    assert "".join(chunk.text for chunk in texts) == "satu"
    assert (last.finish, last.usage) == ("length", Usage(0, 2))


def test_odd_events_are_borne():
    raw = [
        "\ufeff: hello\r\n\r\nevent: x\r\nid: 4\r\n" + data(piece("sa"))[:-1] + "\r\n",
        'data: {"choices": [{"delta":\r\ndata: {"content": "tu"}}]}\r\n\r\n',
        data(
            {"choices": []},
            {"choices": [{"delta": {}}]},
            {"choices": [{"delta": None, "finish_reason": "stop"}]},
        ),
        data({"usage": {"prompt_tokens": 3, "completion_tokens": None}}, "[DONE]"),
    ]
    with streaming(*raw) as url:
        *texts, last = OpenAICompatible(url, name="a").stream(ASK)
    assert "".join(chunk.text for chunk in texts) == "satu"
    assert (last.finish, last.usage) == ("stop", Usage(3, 0))


def test_characters_cut_between_events_come_whole():
    with streaming(data(*map(piece, "👩‍👩‍👧 ကြောင့်"), piece("", "stop"))) as url:
        pieces = [chunk.text for chunk in OpenAICompatible(url, name="a").stream(ASK)]
    assert pieces == ["👩‍👩‍👧", " ", "ကြော", "င့်", ""]


def test_silence_is_given_up_in_time():
    def slow():
        yield data(piece("sa"))
        time.sleep(1.5)

    with serving(App(Fake(), raw=slow())) as url:
        engine = OpenAICompatible(url, name="a", timeout_s=0.3)
        start = time.perf_counter()
        with pytest.raises(EnvironmentFault, match="no answer in time"):
            said(engine)
        assert time.perf_counter() - start < 1.4


def test_a_failure_of_the_model_behind_is_an_error_here():
    with serving(App(Fake(fails_at=5))) as url, pytest.raises(EnvironmentFault, match="failed at token 5"):
        said(OpenAICompatible(url, name="a"))


def test_a_wish_to_stop_hangs_up():
    app = App(Fake(delay_s=0.02, words=500))
    with serving(app) as url:
        engine = OpenAICompatible(url, name="a")
        asked = itertools.count()
        start = time.perf_counter()
        chunks = list(engine.stream(Request(prompt="a", max_tokens=3000), lambda: next(asked) > 5))
        assert chunks[-1].finish == "cancelled"
        assert time.perf_counter() - start < 2
        assert app.left.wait(5)  # the server has seen it


def test_closing_ends_what_comes_after_it_in_order():
    with serving(App(Fake())) as url:
        engine = OpenAICompatible(url, name="a")
        engine.about()
        engine.close()
        engine.close()
        with pytest.raises(EnvironmentFault, match="closed"):
            said(engine)


def test_streams_do_not_disturb_each_other_when_some_are_left():
    with serving(App(Fake(delay_s=0.001))) as url:
        engine = OpenAICompatible(url, name="a")
        request = Request(prompt="a", max_tokens=60, seed=4)
        expected = said(engine, request)
        wrong = []

        def stay():
            wrong.extend(text for text in (said(engine, request) for _ in range(5)) if text != expected)

        def leave():
            for _ in range(5):
                stream = engine.stream(request)
                next(stream)
                stream.close()

        threads = [threading.Thread(target=work) for work in (stay, leave) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert not wrong


# --- events


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 200), max_size=30),
)  # fmt: skip
def test_events_are_the_same_however_the_bytes_are_cut(values, end, places):
    text = "".join(f": note{end}data: {value}{end}retry: 3{end}{end}" for value in values)
    content = text.encode()
    ends = sorted({min(place, len(content)) for place in places})
    pieces = [content[a:b] for a, b in itertools.pairwise([0, *ends, len(content)])]
    if end == "\r":  # the last CR waits for an LF until the stream ends
        pieces.append(b"\n")
    assert list(events(pieces)) == values


def test_an_endless_line_is_refused():
    with pytest.raises(EnvironmentFault, match="more than"):
        list(events(itertools.repeat(b"data: " + b"x" * (1 << 20))))
    with pytest.raises(EnvironmentFault, match="more than"):
        list(events(itertools.repeat(b"data: " + b"x" * (1 << 20) + b"\n")))

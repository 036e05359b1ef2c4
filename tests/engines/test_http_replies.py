"""What servers reply: log-probabilities shown as vLLM shows them, half of them, refusals, and abilities tried in a bad moment."""

import datetime as dt
import itertools
import time
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_server import App, fault, serving
from starlette.responses import HTMLResponse, JSONResponse

from rumpun.engines.fake import Fake
from rumpun.engines.http import OpenAICompatible
from rumpun.engines.http_replies import STARTS, Refused, score_of, seconds_of
from rumpun.engines.port import Request
from rumpun.errors import EnvironmentFault, UsageError

START = STARTS[0]

# --- scores

TEXT = st.text(st.sampled_from("ab ကြောင့်竹√🎋é"), max_size=6)


@st.composite
def tokens(draw, text):
    """A text's bytes in pieces, which end inside characters as byte-level tokens do, each with its log-probability."""
    content = text.encode()
    ends = {end for end in draw(st.sets(st.integers(1, 30), max_size=9)) if end < len(content)}
    pieces = [content[a:b] for a, b in itertools.pairwise(sorted({0, *ends, len(content)}))]
    return [(piece, draw(st.floats(-9, 0).map(lambda value: round(value, 3)))) for piece in pieces]


def shown(pieces):
    """As vLLM shows them: "" for what cannot be read yet, the whole for what completes it."""
    held = b""
    for piece in pieces:
        held += piece
        try:
            text = held.decode()
        except UnicodeDecodeError:
            yield ""
        else:
            yield text
            held = b""


def logprobs(told):
    return {
        "tokens": [START, *shown([piece for piece, _ in told]), "!"],
        "token_logprobs": [None, *(value for _, value in told), -1.0],
    }


@given(st.data(), TEXT, TEXT)
def test_every_token_of_a_continuation_is_counted_though_characters_are_cut(data, context, continuation):
    before, after = data.draw(tokens(context)), data.draw(tokens(continuation))
    score = score_of(logprobs(before + after), len(START + context), START + context + continuation)
    assert score.tokens == len(after)
    assert score.logprob == pytest.approx(sum(value for _, value in after))


def test_a_token_on_both_sides_of_the_cut_belongs_to_the_continuation():
    told = logprobs([(b"ka", -1.0), (b"mi ma", -2.0), (b"kan", -4.0)])
    assert score_of(told, len(START + "kami "), START + "kami makan").logprob == -6.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tokens": [START, "sa"], "token_logprobs": [None, -1.0]}, "15 of 17 characters"),
        ({"token_logprobs": [None, -1.0]}, "shorter"),
        ({"token_logprobs": [None, -1.0, None, -1.0]}, "none of 'tu'"),
        ({"token_logprobs": [None, "x", -1.0, -1.0]}, "token_logprobs"),
        ({"tokens": None}, "tokens"),
    ],
)
def test_half_of_the_log_probabilities_is_no_score(change, words):
    whole = {"tokens": [START, "sa", "tu", "!"], "token_logprobs": [None, -1.0, -2.0, -3.0]}
    assert score_of(whole, len(START), START + "satu").logprob == -3.0
    with pytest.raises(ValueError, match=words):
        score_of(whole | change, len(START), START + "satu")


def test_tokens_that_spell_another_text_cannot_be_placed():
    """As older servers show half a character: by a sign of its own, so that all that follows seems to lie further on."""
    told = {
        "tokens": [START, "\ufffd", "\ufffd", "子", "!"],
        "token_logprobs": [None, -1.0, -2.0, -3.0, -4.0],
    }
    with pytest.raises(UsageError, match=r"tokens spell .* where .*竹子"):
        score_of(told, len(START), START + "竹子")


# --- refusals


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("", 0), ("7", 7), ("0.5", 0.5), ("-3", 0), ("soon", 0), ("nan", 0), ("inf", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)  # fmt: skip
def test_seconds_of_a_retry_after(said, seconds):
    assert seconds_of(said) == seconds


def test_a_date_to_come_back_at():
    then = dt.datetime.fromtimestamp(time.time() + 90, dt.UTC)
    assert 85 < seconds_of(format_datetime(then, usegmt=True)) <= 90


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_carries_its_status_and_the_seconds_that_it_asks_for(status):
    class Busy(App):
        async def answer(self, request):
            return JSONResponse({"error": {"message": "slow down"}}, status, {"Retry-After": "12"})

    with serving(Busy(Fake())) as url:
        engine = OpenAICompatible(url, name="a")
        engine._known = Fake().about()
        with pytest.raises(Refused, match=rf"status {status}: slow down \(it asks to wait 12 s\)") as caught:
            engine.generate([Request(prompt="a")])
    assert (caught.value.status, caught.value.wait_seconds) == (status, 12.0)
    assert isinstance(caught.value, EnvironmentFault)


# --- what it can do, tried in a bad moment


class Trying(App):
    trouble = None

    async def answer(self, request):
        return self.trouble() if self.trouble else await super().answer(request)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_is_not_taken_for_one_that_cannot(status):
    app = Trying(Fake())
    app.trouble = lambda: fault("busy", status)
    with serving(app) as url:
        engine = OpenAICompatible(url, name="a")
        with pytest.raises(EnvironmentFault, match=f"status {status}"):
            engine.about()
        app.trouble = None
        assert "score" in engine.about().can


@pytest.mark.parametrize(
    "trouble",
    [lambda: fault("not supported", 501), lambda: fault("oh", 500), lambda: fault("what?", 404), lambda: HTMLResponse("<p>")],
)  # fmt: skip
def test_a_server_that_cannot_says_so_in_many_ways(trouble):
    app = Trying(Fake())
    app.trouble = trouble
    with serving(app) as url:
        assert OpenAICompatible(url, name="a").about().can == {"generate", "chat", "embed"}


# --- other families, and nonsense


class Family(App):
    """Reads `own` as one token before a text, and the end-of-text tokens of others as characters."""

    def __init__(self, engine, own):
        super().__init__(engine)
        self.own = own

    def echoed(self, body):
        prompt = body["prompt"]
        head = [self.own] if prompt.startswith(self.own) else []
        text = prompt.removeprefix(self.own) if head else prompt
        known = self.engine.score([(text[:at], text[at]) for at in range(len(text))])
        tokens = [*head, *text, "."]
        found = {
            "tokens": tokens,
            "token_logprobs": [*([None] if head else []), *(one.logprob for one in known), -1.0],
            "text_offset": [0, *itertools.accumulate(map(len, tokens[:-1]))],
        }
        return JSONResponse({"choices": [{"logprobs": found}]})


@pytest.mark.parametrize("own", STARTS)
def test_models_of_every_family_are_scored_after_their_own_end_of_text(own):
    fake = Fake()
    with serving(Family(fake, own)) as url:
        engine = OpenAICompatible(url, name="a")
        assert "score" in engine.about().can
        for one, other in zip(engine.score([("ba", "mbu 竹")]), fake.score([("ba", "mbu 竹")]), strict=True):
            assert (one.tokens, one.logprob) == (other.tokens, pytest.approx(other.logprob))
        with pytest.raises(UsageError, match="reads as its end"):
            engine.score([("", f"a{own}b")])
        engine.close()


def test_a_model_whose_end_of_text_is_not_known_is_not_scored():
    with serving(Family(Fake(), "<end>")) as url:
        assert "score" not in OpenAICompatible(url, name="a").about().can


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"data": None},
        {"data": [1, 2]},
        {"data": [{"index": 0}, {"index": 1}]},
        {"data": [{"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "AAAA"}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]},
    ],
)
def test_vectors_that_are_none_are_an_error(reply):
    class Odd(App):
        async def embeddings(self, request):
            good = isinstance((await request.json())["input"], str)  # the one that is tried
            return JSONResponse({"data": [{"embedding": [1.0]}]} if good else reply)

    with serving(Odd(Fake())) as url:
        engine = OpenAICompatible(url, name="a")
        with pytest.raises(EnvironmentFault, match="expected 2 vectors"):
            engine.embed(["a", "b"])


@pytest.mark.parametrize("data", [5, True, {"id": "x"}])
def test_a_list_of_models_that_is_none_is_said(data):
    class Odd(App):
        async def models(self, request):
            return JSONResponse({"data": data})

    with serving(Odd(Fake())) as url, pytest.raises(UsageError, match="lists no model"):
        OpenAICompatible(url, name="a")

"""One contract over all four engines: tiny random weights in llama.cpp and transformers, the fake, and the fake over HTTP."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from openai_server import App, serving

from rumpun.engines.characters import clusters
from rumpun.engines.fake import Fake
from rumpun.engines.hf import Transformers
from rumpun.engines.http import OpenAICompatible
from rumpun.engines.llamacpp import LlamaCpp
from rumpun.engines.port import Message, Request, Score, Usage
from rumpun.errors import EnvironmentFault, UsageError
from rumpun.weights.folder import write_folder
from tiny import TEXTS, tiny_gguf

KINDS = ("llamacpp", "hf", "http", "fake")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", seed=5, context=512)


@pytest.fixture(scope="module")
def folder(weights):
    write_folder(weights, weights.parent / "folder")
    return weights.parent / "folder"


@pytest.fixture(scope="module", params=KINDS)
def engine(request, weights):
    if request.param == "llamacpp":
        made = LlamaCpp(weights, name="tiny", threads=1, slots=4)
    elif request.param == "hf":
        made = Transformers(request.getfixturevalue("folder"), name="tiny", device="cpu")
    elif request.param == "fake":
        made = Fake()
    else:
        with serving(App(Fake(context_tokens=512))) as url:
            made = OpenAICompatible(url, name="served")
            yield made
            made.close()
        return
    yield made
    made.close()


def asks(**fields):
    fields = {"max_tokens": 24, "temperature": 0.0, "seed": 1} | fields
    return [Request(prompt=text[:12], **fields) for text in TEXTS]


def spoken(engine, request, cancelled=lambda: False):
    chunks = list(engine.stream(request, cancelled))
    assert all(chunk.finish is None and chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].finish
    assert chunks[-1].usage
    return "".join(chunk.text for chunk in chunks), chunks[-1]


@pytest.fixture(scope="module")
def long_enough(engine):
    """A request whose answer has some characters: random weights may also answer with broken bytes."""
    for request in [*asks(), *asks(seed=2, temperature=1.0), *asks(seed=3, temperature=1.0)]:
        text = spoken(engine, request)[0]
        if "\ufffd" not in text and len(text) >= 6 and text.index(text[3:5]) >= 1:
            return request, text
    pytest.fail("no answer of six characters")


def test_it_says_what_it_is(engine):
    about = engine.about()
    assert about.can == {"generate", "chat", "score", "embed"}
    assert about.context_tokens in (512, 4096)
    assert about.name
    assert engine.about() == about


def test_together_and_streamed_are_the_same_text(engine):
    requests = asks()
    for request, answer in zip(requests, engine.generate(requests), strict=True):
        text, last = spoken(engine, request)
        assert text == answer.text
        assert last.finish == answer.finish
        assert last.usage == answer.usage
        assert 1 <= answer.usage.completion_tokens <= 24
        assert answer.usage.prompt_tokens >= 1
    assert engine.generate([]) == []


def test_a_chat_is_answered(engine):
    turns = (Message("system", "Jawab singkat."), Message("user", "ไผ่คืออะไร"))
    text, last = spoken(engine, Request(messages=turns, max_tokens=12, temperature=0, seed=1))
    assert last.usage.prompt_tokens > engine.count_tokens(["ไผ่คืออะไร"])[0]
    assert text == engine.generate([Request(messages=turns, max_tokens=12, temperature=0, seed=1)])[0].text


def test_a_seed_gives_the_same_text_again_and_another_one_another(engine):
    same = [engine.generate(asks(temperature=1.0, seed=9)) for _ in range(2)]
    assert same[0] == same[1]
    other = engine.generate(asks(temperature=1.0, seed=10))
    assert [answer.text for answer in other] != [answer.text for answer in same[0]]


def test_without_a_seed_texts_differ(engine):
    first, second = (engine.generate(asks(temperature=1.5, seed=None)) for _ in range(2))
    assert [answer.text for answer in first] != [answer.text for answer in second]


def test_a_stop_string_ends_the_text_before_it(engine, long_enough):
    request, text = long_enough
    start = text[3:5]
    fields = {key: getattr(request, key) for key in ("prompt", "max_tokens", "temperature", "seed")}
    stopped = Request(stop=("never said", start), **fields)
    answer, last = spoken(engine, stopped)
    assert answer == text[: text.index(start)]
    assert last.finish == "stop"
    assert engine.generate([stopped])[0].text == answer


def test_eight_streams_at_once_are_each_right(engine):
    requests = asks(max_tokens=16)[:8]
    alone = [spoken(engine, request)[0] for request in requests]
    together = threading.Barrier(8)

    def run(request):
        together.wait(10)
        return spoken(engine, request)[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, requests)) == alone


def test_pieces_are_whole_characters(engine):
    for request in asks(temperature=1.0, seed=4, max_tokens=40):
        pieces = [chunk.text for chunk in engine.stream(request)]
        ends = set(itertools.accumulate(map(len, clusters("".join(pieces)))))
        assert set(itertools.accumulate(len(piece) for piece in pieces if piece)) <= ends


def test_a_wish_to_stop_is_kept_at_once(engine):
    request = Request(prompt=TEXTS[0][:12], max_tokens=200, temperature=1.0, seed=3)
    assert spoken(engine, request, lambda: True)[1].finish == "cancelled"
    asked = itertools.count()
    _, last = spoken(engine, request, lambda: next(asked) >= 3)
    assert last.finish == "cancelled"
    assert last.usage.completion_tokens <= 20
    assert spoken(engine, request)[1].finish in ("length", "stop")  # and the engine goes on


def test_a_reader_who_leaves_does_no_harm(engine):
    for _ in range(6):
        stream = engine.stream(Request(prompt="Orang", max_tokens=400, temperature=1.0, seed=3))
        next(stream)
        stream.close()
    assert spoken(engine, asks()[0])[1].finish


def test_scores_add_up_where_tokens_end(engine):
    checked = 0
    for text, at in itertools.product(TEXTS, (4, 6, 9, 12)):
        context, a, b = text[:at], text[at : 2 * at + 3], text[2 * at + 3 :]
        one, two, three = engine.count_tokens([context, context + a, text])
        if [one + engine.count_tokens([a])[0], two + engine.count_tokens([b])[0]] != [two, three]:
            continue  # a token stands across the cut
        checked += 1
        whole, first, second = engine.score([(context, a + b), (context, a), (context + a, b)])
        assert (whole.tokens, first.tokens, second.tokens) == (three - one, two - one, three - two)
        assert whole.logprob == pytest.approx(first.logprob + second.logprob, abs=2e-3 * whole.tokens)
    assert checked >= 3


def test_a_text_split_anywhere_keeps_its_tokens_and_sum(engine):
    text = "ต้นไผ่ 竹子 bamboo ဝါးပင်"
    whole = engine.score([("", text)])[0]
    assert whole.tokens == engine.count_tokens([text])[0]
    for cut in range(0, len(text), 3):
        before, after = text[:cut], text[cut:]
        part = engine.score([(before, after)])[0]
        assert engine.count_tokens([after])[0] >= 1
        assert part.tokens <= whole.tokens
        assert whole.logprob - 1e-2 <= part.logprob <= 0


def test_nothing_has_no_score_and_order_is_kept(engine):
    assert engine.score([]) == []
    assert engine.score([("", ""), ("a", "")]) == [Score(0.0, 0), Score(0.0, 0)]
    pairs = [("", text) for text in TEXTS]
    forwards, backwards = engine.score(pairs), engine.score(pairs[::-1])[::-1]
    assert [score.tokens for score in forwards] == engine.count_tokens(TEXTS)
    for one, other in zip(forwards, backwards, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=2e-3 * one.tokens)


def test_vectors_have_length_one_and_depend_on_the_text_alone(engine):
    rows = engine.embed(list(TEXTS))
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    for text, row in zip(TEXTS, rows, strict=True):
        assert engine.embed([text])[0] @ row == pytest.approx(1, abs=1e-3)
    assert rows[0] @ rows[2] < 0.999
    assert len(engine.embed([])) == 0


def test_tokens_that_look_special_are_text(engine):
    plain, special = engine.count_tokens(["", "<|im_end|>"])
    assert plain == 0
    assert special > 1


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(engine):
    size = engine.about().context_tokens
    with pytest.raises(UsageError) as caught:
        list(engine.stream(Request(prompt="竹 " * size * 2, max_tokens=2)))
    assert f"{size:,}" in caught.value.message
    assert spoken(engine, asks()[0])[1].finish  # and the engine goes on


def test_a_bad_value_is_refused_before_anything_is_computed(engine):
    with pytest.raises(UsageError, match="max_tokens = 0"):
        engine.stream(Request(prompt="a", max_tokens=0))


def test_an_empty_prompt_is_answered(engine):
    assert (
        spoken(engine, Request(prompt="", max_tokens=4, temperature=0, seed=1))[1].usage.completion_tokens
        >= 1
    )


def test_one_token_and_the_last_of_the_context(engine):
    last = spoken(engine, asks(max_tokens=1)[0])[1]
    assert last.usage.completion_tokens == 1
    assert isinstance(last.usage, Usage)
    if engine.about().context_tokens == 512:
        answer = spoken(engine, Request(prompt=TEXTS[0], max_tokens=100_000, temperature=1.0, seed=1))[1]
        assert answer.usage.prompt_tokens + answer.usage.completion_tokens <= 513
        assert answer.finish in ("length", "stop")


@pytest.mark.parametrize("kind", ["llamacpp", "hf", "fake"])
def test_closed_means_closed(kind, weights, request):
    made = {
        "llamacpp": lambda: LlamaCpp(weights, name="tiny", threads=1, slots=1),
        "hf": lambda: Transformers(request.getfixturevalue("folder"), name="tiny", device="cpu"),
        "fake": Fake,
    }[kind]()
    made.close()
    made.close()
    for use in (
        lambda: list(made.stream(Request(prompt="a"))),
        lambda: made.score([("", "a")]),
        lambda: made.embed(["a"]),
    ):
        with pytest.raises(EnvironmentFault, match="closed"):
            use()

"""The fake engine keeps the port's promises, so that tests which stand on it mean something."""

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.engines.fake import Fake
from rumpun.engines.port import Message, Request
from rumpun.errors import EnvironmentFault, UsageError

ASK = Request(messages=(Message("user", "Apa itu bambu?"),), seed=7)


def test_the_same_request_gives_the_same_words_and_another_seed_others():
    first, again, other = Fake().generate([ASK, ASK, Request(messages=ASK.messages, seed=8)])
    assert first == again
    assert first.text != other.text
    assert first.usage.completion_tokens == len(first.text)


def test_words_of_many_scripts_come_whole():
    pieces = [chunk.text for chunk in Fake(words=400).stream(Request(prompt="x", seed=1, max_tokens=10_000))]
    text = "".join(pieces)
    for part in ("👩‍👩‍👧‍👦", "ស្រូវ", "ဝါးပင်", "ที่นี่", "மூங்கில்"):
        assert part in text
    assert not any(piece[:1] in "\u200d\u103a\u17d2\u0e35" for piece in pieces if piece)


def test_a_limit_a_stop_string_and_a_wish_each_end_it():
    fake = Fake(reply=lambda _: "satu dua tiga empat")
    assert fake.generate([Request(prompt="x", max_tokens=8)])[0].finish == "length"
    assert fake.generate([Request(prompt="x", stop=("ga",))])[0].text == "satu dua ti"
    asked = itertools.count()
    chunks = list(fake.stream(Request(prompt="x"), lambda: next(asked) >= 5))
    assert chunks[-1].finish == "cancelled"
    assert "".join(chunk.text for chunk in chunks) == "satu "


def test_failure_and_delay_are_as_ordered():
    fake = Fake(reply=lambda _: "satu dua", fails_at=4, delay_s=0.002)
    got = []
    start = time.perf_counter()
    with pytest.raises(EnvironmentFault, match="token 4"):
        got.extend(chunk.text for chunk in fake.stream(Request(prompt="x")))
    assert "".join(got) == "sat"  # the fourth letter was still held
    assert time.perf_counter() - start >= 0.008
    assert fake.running == 0


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers():
    with pytest.raises(UsageError, match=r"100 tokens.* holds 64"):
        Fake(context_tokens=64).stream(Request(prompt="a" * 100))


def test_what_it_was_not_given_it_refuses():
    fake = Fake(can=frozenset({"generate"}))
    with pytest.raises(UsageError, match="cannot chat"):
        fake.stream(ASK)
    with pytest.raises(UsageError, match="cannot score"):
        fake.score([("", "a")])
    with pytest.raises(UsageError, match="cannot embed"):
        fake.embed(["a"])
    fake.close()
    with pytest.raises(EnvironmentFault, match="closed"):
        fake.stream(Request(prompt="a"))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_scores_add_up(context, a, b):
    fake = Fake()
    whole, first, second = fake.score([(context, a + b), (context, a), (context + a, b)])
    assert whole.tokens == first.tokens + second.tokens == len(a + b)
    assert abs(whole.logprob - first.logprob - second.logprob) < 1e-9
    assert whole.logprob < 0 or not a + b


@given(st.lists(st.text(max_size=20), max_size=5))
def test_vectors_have_length_one_and_depend_on_the_text_alone(texts):
    rows = Fake().embed(texts)
    assert rows.shape == (len(texts), 32)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    for text, row in zip(texts, rows, strict=True):
        assert np.array_equal(Fake().embed([text])[0], row)


def test_it_counts_the_streams_at_work():
    fake = Fake(delay_s=0.002)
    threads = [threading.Thread(target=fake.generate, args=([ASK],)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.running_most >= 2
    assert fake.running == 0

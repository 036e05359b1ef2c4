"""Stop strings end a stream wherever the pieces cut them, and are never given out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.engines.fake import Fake
from rumpun.engines.port import Message, Request
from rumpun.engines.requests import StopCutter, check, seed_32
from rumpun.errors import UsageError

letters = st.text("abก", max_size=30)
stops = st.lists(st.text("abก", min_size=1, max_size=4), max_size=3)


@given(st.lists(letters, max_size=8), stops)
def test_the_cut_is_that_of_the_whole_text(pieces, given_stops):
    text = "".join(pieces)
    # the first to be complete ends the text: a stream cannot wait for one that began before it
    found = [(text.find(stop) + len(stop), text.find(stop)) for stop in given_stops if stop in text]
    cutter = StopCutter(given_stops)
    out = "".join(cutter.cut(pieces))
    assert cutter.found == bool(found)
    if found:
        earliest = min(end for end, _ in found)
        assert out == text[: min(start for end, start in found if end == earliest)]
    else:
        assert out == text


@given(st.lists(letters, max_size=8), stops)
def test_no_stop_string_is_ever_given_out(pieces, given_stops):
    out = "".join(StopCutter(given_stops).cut(pieces))
    assert not any(stop in out for stop in given_stops)
    assert "".join(pieces).startswith(out)


@given(st.integers())
def test_any_whole_number_is_a_seed(seed):
    assert 0 <= seed_32(seed) < 2**32 - 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "messages or a prompt"),
        ({"prompt": "a", "messages": (Message("user", "a"),)}, "messages or a prompt"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens = 0"),
        ({"prompt": "a", "temperature": -0.1}, "temperature = -0.1"),
        ({"prompt": "a", "temperature": math.nan}, "temperature = nan"),
        ({"prompt": "a", "top_p": 0.0}, "top_p = 0"),
        ({"prompt": "a", "top_p": 1.1}, "top_p = 1.1"),
        ({"prompt": "a", "frequency_penalty": 3}, "frequency_penalty = 3"),
        ({"prompt": "a", "presence_penalty": -3}, "presence_penalty = -3"),
        ({"prompt": "a", "stop": ("",)}, "1 of them empty"),
        ({"prompt": "a", "stop": ("x",) * 17}, "17 strings"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_mend(fields, words):
    with pytest.raises(UsageError) as caught:
        check(Request(**fields), Fake().about())
    assert words in caught.value.message
    assert caught.value.hint

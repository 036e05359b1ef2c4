"""Holding a stream: exact text, verdicts on everything so far, linear time."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_guard import UNSAFE_WORD, tiny_guard

from rumpun.guard import StreamHold


@pytest.fixture
def guard(tmp_path):
    return tiny_guard(tmp_path)


def hold(guard, text, size=3):
    stream = StreamHold(guard)
    found = [item for place in range(0, len(text), size) for item in stream.feed(text[place : place + size])]
    return found + stream.flush()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["Halo. ", "สวัสดี ", "နေကောင်းလား။", "👩‍👩‍👧 ", "a\n", UNSAFE_WORD]), max_size=12
    ).map("".join),
    st.integers(1, 9),
)
def test_the_pieces_are_the_text_and_a_flag_stays(guard, text, size):
    found = hold(guard, text, size)
    assert "".join(piece for piece, _ in found) == text
    flags = [verdict.flagged for _, verdict in found]
    assert flags == sorted(flags)
    for label in guard.heads.labels:
        scores = [verdict.scores[label] for _, verdict in found]
        assert scores == sorted(scores)


def test_the_sentence_that_makes_the_flag_carries_it(guard):
    text = f"Selamat pagi. Ini {UNSAFE_WORD} sekali. Terima kasih."
    assert [(piece, verdict.flagged) for piece, verdict in hold(guard, text)] == [
        ("Selamat pagi. ", False),
        (f"Ini {UNSAFE_WORD} sekali. ", True),
        ("Terima kasih.", True),
    ]


def test_what_two_sentences_say_together_is_seen(guard):
    half = len(UNSAFE_WORD) // 2
    text = f"{UNSAFE_WORD[:half]}\u200b{UNSAFE_WORD[half:]}"
    assert hold(guard, text, 1)[-1][1].flagged


def test_the_answer_is_named_as_one_and_its_language_seen(guard):
    verdict = hold(guard, "สวัสดีครับ ยินดีที่ได้รู้จัก")[-1][1]
    assert (verdict.role, verdict.language) == ("answer", "th")


def test_the_time_is_linear(guard):
    def seconds(text):
        start = time.process_time()
        hold(guard, text, 40)
        return time.process_time() - start

    text = "Kami memasak nasi goreng di dapur. " * 40
    seconds(text)
    assert seconds(text * 6) < 6 * seconds(text) * 3

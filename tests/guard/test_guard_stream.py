"""Holding a stream: exact text, verdicts on everything so far, nothing of a blocked sentence, linear time."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_guard import UNSAFE_WORD, tiny_guard

from rumpun.engines.characters import clusters
from rumpun.guard import StreamHold
from rumpun.guard.policy import Policy

SENTENCES = [
    "Halo, apa kabar semuanya hari ini di kampung? ", "สวัสดีครับ ยินดีที่ได้รู้จักทุกคนในหมู่บ้านของเรา ",
    "နေကောင်းလား။ ကျေးဇူးတင်ပါတယ်။", "តើអ្នកសុខសប្បាយទេ។ ", "ສະບາຍດີ ຍິນດີທີ່ໄດ້ຮູ້ຈັກ ", "请告诉我，今天天气怎么样。",
    "வணக்கம், நீங்கள் எப்படி இருக்கிறீர்கள்? ", "👩‍👩‍👧 ", "a\n", "A long sentence of many ordinary words that does not come to its end",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from([*SENTENCES, UNSAFE_WORD, f"Ini {UNSAFE_WORD}. "]), max_size=12).map("".join)
SLOW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def guard(tmp_path):
    return tiny_guard(tmp_path)


def hold(guard, text, size=3, **options):
    stream = StreamHold(guard, **options)
    found = [item for place in range(0, len(text), size) for item in stream.feed(text[place : place + size])]
    return found + stream.flush()


@SLOW
@given(TEXTS, st.integers(1, 9), st.booleans())
def test_the_pieces_are_the_text_and_a_flag_stays(guard, text, size, clauses):
    found = hold(guard, text, size, clauses=clauses)
    assert "".join(piece for piece, _ in found) == text
    assert all(piece for piece, _ in found)
    flags = [verdict.flagged for _, verdict in found]
    assert flags == sorted(flags)
    for name in ("harm", *guard.heads.spec.labels[1:]):
        scores = [
            verdict.score if name == "harm" else verdict.judgement.probabilities[name] for _, verdict in found
        ]
        assert scores == sorted(scores)


@SLOW
@given(TEXTS, st.integers(1, 9), st.booleans())
def test_no_character_is_broken(guard, text, size, clauses):
    ends, at = {0}, 0
    for cluster in clusters(text):
        at += len(cluster)
        ends.add(at)
    at = 0
    for piece, _ in hold(guard, text, size, clauses=clauses):
        at += len(piece)
        assert at in ends


def passed(guard, text, cut, **options):
    """What a reader sees of a text that comes in two parts, up to the first flag."""
    stream = StreamHold(guard, **options)
    seen = ""
    for piece, verdict in [*stream.feed(text[:cut]), *stream.feed(text[cut:]), *stream.flush()]:
        if verdict.flagged:
            break
        seen += piece
    return seen


@pytest.mark.parametrize(
    "good", ["Selamat pagi semua. ", "ราคา 50 บาทครับ\n", "မင်္ဂလာပါ။", "សួស្តី។ ", "早上好。"]
)
@pytest.mark.parametrize(
    "bad", [f"Ini {UNSAFE_WORD} sekali. ", f"นี่คือ{UNSAFE_WORD}นะครับ\n", f"这是{UNSAFE_WORD}。"]
)
def test_at_every_split_point_nothing_of_the_blocked_sentence_is_given_out(guard, good, bad):
    text = f"{good}{bad}{good}"
    for cut in range(len(text) + 1):
        assert passed(guard, text, cut) == good
        assert passed(guard, text, cut, clauses=True) == good  # only a first sentence is given out in parts
        assert passed(guard, bad + good, min(cut, len(bad + good))) == ""


def test_of_a_long_first_sentence_a_part_is_given_out_and_the_flagged_part_is_not(guard):
    text = (
        f"Baiklah, saya akan menjawab pertanyaan itu dengan senang hati, dan {UNSAFE_WORD} di sini. Selesai."
    )
    for cut in range(len(text) + 1):
        assert passed(guard, text, cut) == ""
    seen = [passed(guard, text, cut, clauses=True) for cut in range(len(text) + 1)]
    assert all(text.startswith(part) and UNSAFE_WORD[0] not in part[60:] for part in seen)
    assert any(part.startswith("Baiklah, saya akan menjawab ") for part in seen)
    one_by_one = hold(guard, text, 1, clauses=True)
    assert one_by_one[0][0] == "Baiklah, "
    assert [verdict.flagged for _, verdict in one_by_one[-2:]] == [True, True]
    assert UNSAFE_WORD not in "".join(piece for piece, verdict in one_by_one if not verdict.flagged)


@pytest.mark.parametrize("text", ["ก" * 900, "word " * 300, "ၐ" * 850, f"{'ก' * 260} {'ข' * 500}"])
def test_a_sentence_without_an_end_is_given_out_once(guard, text):
    assert "".join(piece for piece, _ in hold(guard, text, 7, clauses=True)) == text


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


def test_the_policy_decides_with_the_contexts_that_are_given(guard, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\nversion = "1"\nextends = "base"\n[rules.told]\ncategory = "crime_general"\nlevel = 1\n'
        'context = ["news"]\naction = "allow"\nreason = "Reports."\ncitation = "own"\nreview_by = 2030-01-01\n'
        '[rules.told-too]\ncategory = "crime_general"\nlevel = 2\ncontext = ["news"]\naction = "allow"\n'
        'reason = "Reports."\ncitation = "own"\nreview_by = 2030-01-01\n'
    )
    own = guard.with_policy(Policy.load(str(path)))
    assert hold(own, f"Ini {UNSAFE_WORD}.")[-1][1].flagged
    assert not hold(own, f"Ini {UNSAFE_WORD}.", contexts=("news",))[-1][1].flagged


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

"""Masking a stream: nothing of an identifier is sent early, however the text is cut."""

import itertools

import hypothesis
import hypothesis.strategies as st
import pytest

from rumpun.personal import Masker, MaskStream, held

# written for this test, not reviewed by native speakers; numbers are made up
TEXTS = [
    "Nama saya Budi, No. KP 880101-14-5678 dan HP 0812-3456-7890, terima kasih banyak atas bantuannya.",
    "สวัสดีครับ เลขบัตรประชาชนของผมคือ๑-๒๓๔๕-๖๗๘๙๐-๑๒-๑ครับ โทร 081 234 5678 ได้ทุกวัน ขอบคุณมากครับ",
    "ကျွန်တော်၏နံပါတ်မှာ၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆ဖြစ်ပါသည် ဖုန်း၀၉၁၂၃၄၅၆၇၈၉",
    "mail budi.santoso@example.co.id or https://budi:pw@example.com/path?x=1 today",
    "card 4111 1111 1111 1111 exp 12/29, passport E1234567K, S1234567D. 2024 was a good year, 2025 too.",
    "1234567890 itu nomor rekening saya di bank, bukan yang lain.",
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10\nselesai",
    "NRIC S 1234567 D, mail bu\u200bdi@exam\u200bple.com; pas\u0441port E 1234567 K ya, \u04051234567D, nric xxxxx567D, selesai sekarang.",
    "ဖုန်းဝ၉၁၂၃၄၅၆၇၈၉ နဲ့ မှတ်ပုံတင် ၁၂ / ဥကမ (နိုင်) ၁၂၃ ၄၅၆ ဖြစ်ပါတယ်။ hp 0\ufe0f\u20e38\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e35\ufe0f\u20e36\ufe0f\u20e37\ufe0f\u20e38 ya",
    "No digits at all in this sentence, which goes on for a while so that something is sent.",
]


def streamed(text, cuts):
    stream = MaskStream(Masker())
    places = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    out = [stream.feed(text[a:b]) for a, b in itertools.pairwise(places)]
    return out, stream.flush()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_a_stream_gives_what_the_whole_text_gives(text, size):
    sent, rest = streamed(text, range(0, len(text), size))
    assert "".join(sent) + rest == Masker().mask(text).text


@pytest.mark.parametrize("text", TEXTS)
def test_at_every_split_point(text):
    whole = Masker().mask(text).text
    for cut in range(1, len(text)):
        sent, rest = streamed(text, [cut])
        assert "".join(sent) + rest == whole, cut


# what is found whatever letters stand near: those of another country make some numbers unlikely, also from afar
LONE = ["S1234567D", "S 1234567 D", "880101-14-5678", "+66812345678", "12/OUKAMA(N)123456", "၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆", "budi@example.com",
        "bu\u200bdi@example.com", "https://a:b@c.de/", "4111 1111 1111 1111", "S****567D"]  # fmt: skip


@hypothesis.given(
    st.lists(st.tuples(st.sampled_from([*LONE, "dan", "ครับ", "2024", "က", "x" * 30]), st.sampled_from([" ", ", ", "\n", "; "])), max_size=8),
    st.lists(st.integers(0, 200), max_size=12),
)  # fmt: skip
def test_no_part_of_what_needs_no_word_is_sent(items, cuts):
    text = "".join(piece + join for piece, join in items)
    sent, rest = streamed(text, cuts)
    assert "".join(sent) + rest == Masker().mask(text).text


@hypothesis.given(st.sampled_from(TEXTS), st.lists(st.integers(0, 120), max_size=12))
def test_wherever_it_is_cut(text, cuts):
    sent, rest = streamed(text, cuts)
    assert "".join(sent) + rest == Masker().mask(text).text


def test_ordinary_text_is_held_by_no_more_than_its_last_word():
    assert held("No digits at all in this sentence") == len("sentence")
    assert held("ประโยคนี้ไม่มีตัวเลข") == 0
    assert held("Tahun 2024 dan tahun berikutnya juga baik sekali untuk ") == 0


def test_a_number_is_held_until_the_words_behind_it_are_seen():
    assert held("nomor 3174 0101 ") == len("3174 0101 ")
    assert held("12/ဥကမ(နိုင်") == len("12/ဥကမ(နိုင်")
    assert held("1234567890 itu nomor") == len("1234567890 itu nomor")


def test_what_is_held_has_a_bound():
    for text in (
        "1" * 100_000,
        "a" * 100_000,
        "http://" + "a" * 100_000,
        "1 " * 50_000,
        "A<" * 50_000,
        "000201" * 20_000,
    ):
        assert held(text) <= 2048
    stream = MaskStream(Masker())
    sent = "".join(stream.feed("1" * 1000) for _ in range(20))
    assert len(sent) + len(stream.flush()) == 20_000


def test_the_stream_may_be_used_again_after_its_end():
    stream = MaskStream(Masker())
    assert stream.feed("hp 0812345") + stream.flush() == "hp 0812345"
    assert (
        stream.feed("67890 biasa saja semuanya di sini, tidak ada apa-apa lagi. ")
        == "67890 biasa saja semuanya di sini, tidak ada apa-apa lagi. "
    )

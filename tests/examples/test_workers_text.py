"""The workers' example on texts: splitting, numbers, times, cleaning."""

import pytest
from between.find import clean, days_in, lacking_numbers, numbers_in
from between.translate import pieces
from hypothesis import example, given
from hypothesis import strategies as st

GROUPS = {",": ".", ".": ",", " ": ",", "'": ".", "\u00a0": ","}
DIGITS = ("0123456789", "๐๑๒๓๔๕๖๗๘๙", "၀၁၂၃၄၅၆၇၈၉", "០១២៣៤៥៦៧៨៩")


@given(st.text(max_size=300), st.integers(8, 60))
@example("Satu. Dua. Tiga. " * 9, 20)
@example("มิ่" * 90, 10)
@example("ကြိ" * 60, 16)
def test_pieces_give_the_text_again_and_fit(text: str, most: int) -> None:
    found = pieces(text, most)
    assert "".join(found) == text
    assert all(0 < len(piece) <= most for piece in found)


def test_a_piece_ends_at_a_sentence_and_never_before_a_vowel_sign() -> None:
    assert pieces("Gaji belum. Lembur juga belum. Kapan?", 20) == [
        "Gaji belum.",
        " Lembur juga belum.",
        " Kapan?",
    ]
    assert pieces("工资没发。加班费也没有。什么时候发?", 8)[0] == "工资没发。"
    for piece in pieces("กี่" * 30, 10):
        assert piece.startswith("ก")


@given(
    st.integers(0, 10**9),
    st.sampled_from(sorted(GROUPS)),
    st.sampled_from(["", "5", "25"]),
    st.sampled_from(DIGITS),
)
def test_a_number_is_the_same_in_every_grouping_and_script(
    number: int, group: str, decimals: str, digits: str
) -> None:
    written = f"{number:,}".replace(",", group) + (GROUPS[group] + decimals if decimals else "")
    written = "".join(digits[int(sign)] if sign.isdigit() else sign for sign in written)
    expected = f"{number}.{decimals}" if decimals else str(number)
    assert numbers_in(f"RM {written}, ya") == {expected}


def test_numbers_that_got_lost_are_named() -> None:
    assert lacking_numbers("Utang RM1,200 sejak 7 Mei", "欠1200令吉,5月8日起", "zh") == ("7",)
    assert lacking_numbers("5月7日付款", "Dibayar 7 Mei.", "id") == ()
    assert lacking_numbers("6月7日付款", "Dibayar 7 Mei.", "id") == ("6",)
    assert lacking_numbers("belum dibayar 2 bulan", "两个月没发", "zh") == ()
    assert lacking_numbers("Rp1.500.000", "150,000", "en") == ("1500000",)


@pytest.mark.parametrize(
    ("tag", "text", "days"),
    [
        ("en", "I have not been paid for three months", 90), ("en", "a week late", 7), ("en", "no time named in May", 0),
        ("id", "sudah sebulan", 30), ("id", "dua minggu", 14), ("id", "5 pekan", 35), ("id", "harian", 0),
        ("ms", "lapan minggu", 56), ("zh", "三个星期", 21), ("zh", "两年", 730), ("zh", "半年", 182.5),
        ("tl", "dalawang buwan na", 60), ("tl", "6 na linggo", 42), ("th", "๓ เดือน", 90), ("th", "สองสัปดาห์", 14),
        ("my", "၃ လ", 90), ("my", "သုံးပတ်", 21), ("id", "999999 bulan", 300_000),
    ],
)  # fmt: skip
def test_times_are_read(tag: str, text: str, days: float) -> None:
    assert days_in(text, tag) == days


@given(st.text(max_size=200))
@example("a\x1b[2Jb\u202ec\ud800")
def test_a_cleaned_text_obeys_nobody(text: str) -> None:
    cleaned = clean(text)
    assert not {"\x1b", "\x00", "\x07", "\u202e", "\u2066", "\r"} & set(cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


def test_joiners_and_scripts_stay() -> None:
    text = "က္ကာ ก็ได้\u200b ក្ក ข้าว\n2"
    assert clean(text) == text

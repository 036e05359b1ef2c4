"""Masks: the rules that hold for every text (hypothesis), and the four styles."""

import re

import hypothesis
import hypothesis.strategies as st
import pytest

from rumpun.errors import UsageError
from rumpun.personal import MASK_AT, STYLES, Masker, find
from rumpun.personal.fold import folded

# written for this test, not reviewed by native speakers; numbers are made up
WORDS = ["nomor", "rekening", "hp", "IC", "ครับ", "โทร", "เลขบัตรประชาชน", "ဖုန်း", "លេខទូរស័ព្ទ", "ໂທລະສັບ", "passport", "sđt", "stk",
         "电话", "எண்", "dan", "<PHONE>", "NRIC", "call", "paspor", "tin", "x" * 40]  # fmt: skip
NUMBERS = ["880101-14-5678", "1234567890121", "1-2345-67890-12-1", "S1234567D", "3174010101900001", "081234567890", "+66812345678",
           "4111 1111 1111 1111", "12/OUKAMA(N)123456", "၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆", "๐๘๑๒๓๔๕๖๗๘", "01-234567", "budi@example.com", "A1234567",
           "123-456-782", "91234567", "2024-01-15", "1.234.567", "567D", "https://a:b@c.de/", "1234567890", "000201", "12",
           "S 1234567 D", "Ѕ1234567D", "S123\u200b4567D", "0️⃣8️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣9️⃣", "ဝ၉၁၂၃၄၅၆၇၈၉", "bu\u200bdi@example.com", "xxxxx567D", "081\u0301234\u200b\u200b\u200b\u200b56789"]  # fmt: skip
JOINS = ["", " ", ", ", "\n", "-", "/", ". ", "\u200b", ": "]

pieces = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(NUMBERS),
    st.text(alphabet="0123456789๑๒๓-. +()@:/", max_size=16),
    st.text(max_size=6),
)
texts = st.lists(st.tuples(pieces, st.sampled_from(JOINS)), max_size=9).map(
    lambda items: "".join(piece + join for piece, join in items)
)
maskers = st.sampled_from(
    [
        Masker(),
        Masker(style="redact"),
        Masker(style="drop"),
        Masker(style="pseudonym", key=b"k" * 16),
        Masker(style="last"),
        Masker(style="last", keep=0),
        Masker(style="last", keep=5),
    ]
)


@hypothesis.given(texts)
def test_what_is_found_lies_inside_the_text_in_order_without_overlap(text):
    last = 0
    for found in find(text):
        assert last <= found.start < found.end <= len(text)
        assert MASK_AT <= found.score < 1
        last = found.end


@hypothesis.given(texts, maskers)
def test_masking_twice_is_masking_once(text, masker):
    once = masker.mask(text).text
    assert masker.mask(once).text == once


@hypothesis.given(texts, maskers)
def test_a_mask_is_never_longer_than_what_it_hides_or_its_tag(text, masker):
    masked = masker.mask(text)
    room = sum(max(0, len(f"<{f.type}:abcdefgh>") - (f.end - f.start)) for f in masked.found)
    assert len(masked.text) <= len(text) + room
    if masker.style == "last":
        plain = sum(
            max(0, len(f"<{f.type}>") - (f.end - f.start))
            for f in masked.found
            if f.type in ("EMAIL", "MM_NRC", "URL_CREDENTIALS", "QR_PAYLOAD", "MRZ", "KH_BAKONG")
        )
        assert len(masked.text) <= len(text) + plain


@hypothesis.given(texts, maskers)
def test_no_found_number_is_left_under_digit_folding(text, masker):
    masked = masker.mask(text)
    joined = re.sub(r"(?<=[0-9])[ .·()\u200b-]{1,3}(?=[0-9])", "", folded(masked.text))
    for found in masked.found:
        value = "".join(re.findall(r"[0-9A-Za-z]", folded(text[found.start : found.end])))
        if (len(value) >= 6 and value[1:].isdigit()) or value[1:-1].isdigit():
            assert not re.search(rf"(?<![A-Za-z0-9]){value}(?![A-Za-z0-9])", joined)


@hypothesis.given(texts)
def test_the_places_of_what_is_masked_are_places_of_the_original(text):
    masked = Masker().mask(text)
    rebuilt, last = "", 0
    for found in masked.found:
        rebuilt += text[last : found.start] + f"<{found.type}>"
        last = found.end
    assert rebuilt + text[last:] == masked.text


def test_the_four_styles():
    text = "HP 081234567890 dan budi@example.com"
    assert Masker().mask(text).text == "HP <PHONE> dan <EMAIL>"
    assert Masker(style="last").mask(text).text == "HP ████████7890 dan <EMAIL>"
    assert Masker(style="redact").mask(text).text == "HP ███ dan ███"
    named = Masker(style="pseudonym", key=b"0123456789abcdef").mask(text).text
    assert re.fullmatch(r"HP <PHONE:[a-p]{8}> dan <EMAIL:[a-p]{8}>", named)


def test_what_is_dropped_leaves_nothing_even_where_its_neighbours_then_read_as_a_number():
    assert Masker(style="drop").mask("HP 081234567890 dan budi@example.com").text == "HP  dan "
    once = Masker(style="drop").mask("rekening 1234 5budi@example.com6 7890 ya")
    assert find(once.text) == []
    assert "budi" not in once.text


def test_a_secret_is_never_shown():
    masker = Masker(style="pseudonym", key=b"0123456789abcdef")
    assert "0123456789" not in repr(masker)


def test_a_pseudonym_is_the_same_however_the_number_is_written_and_another_under_another_key():
    masker = Masker(style="pseudonym", key=b"0123456789abcdef")
    forms = ["เลขบัตรประชาชน 1-2345-67890-12-1", "เลขบัตรประชาชน ๑๒๓๔๕๖๗๘๙๐๑๒๑", "เลขบัตรประชาชน 1234567890121"]
    assert len({masker.mask(form).text for form in forms}) == 1
    other = Masker(style="pseudonym", key=b"another key of 16")
    assert other.mask(forms[0]).text != masker.mask(forms[0]).text
    assert masker.mask("เลขบัตรประชาชน 1234567890122").text != masker.mask(forms[0]).text


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UsageError, match="style = 'tags'"):
        Masker(style="tags")
    with pytest.raises(UsageError, match="keep = 9"):
        Masker(style="last", keep=9)
    with pytest.raises(UsageError, match="pseudonyms need a secret key"):
        Masker(style="pseudonym")
    with pytest.raises(UsageError, match="a key of 3 bytes"):
        Masker(style="pseudonym", key=b"abc")
    assert STYLES == ("tag", "last", "pseudonym", "redact", "drop")


def test_a_short_value_keeps_at_most_half():
    assert Masker(style="last", keep=4).mask("IC 01-234567").text == "IC █████4567"
    assert Masker(style="last", keep=4).mask("NRIC 567D").text == "NRIC ██7D"


def test_bold_numbers_of_chats_are_masked():
    assert Masker().mask("*0812-3456-7890*").text == "*<PHONE>*"
    assert Masker().mask("**081234567890**").text == "**<PHONE>**"

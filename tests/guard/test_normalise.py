"""The normaliser: the same text in disguise is the same text, and ordinary text comes through."""

import base64
import random
import time
import unicodedata

import pytest
from attack_sentences import SENTENCES
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.guard.attacks.burmese import as_zawgyi
from rumpun.guard.normalise import normalised, views
from rumpun.language.normalise import normalise

PAIRS = [(language, text) for language, texts in SENTENCES.items() for text in texts]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Nasi\u200bGoreng", "nasigoreng"),
        ("ＮＡＳＩ ｇｏｒｅｎｇ", "nasi goreng"),
        ("mantaaaaaap!!!!", "mantap!!!"),
        ("ปี ๒๕๖๗", "ปี 2567"),
        ("ဖုန်း ၀၉၁၂", "ဖုန်း 0912"),
        ("លេខ ១២៣", "លេខ 123"),
        ("so\u00adto\ufeff ayam\u2060", "soto ayam"),
        ("so\U000e0161to\ufe0f", "soto"),  # variation selectors
        ("Straße", "strasse"),
        ("a\nb\tc", "a\nb\tc"),
        ("𝗻𝗮𝘀𝗶 ⓖⓞⓡⓔⓝⓖ ⒩⒜⒮⒤ 🅶🅾🆁🅴🅽🅶", "nasi goreng nasi goreng"),
        ("s̶o̶t̶o̶", "soto"),
        ("n a s i   g o r e n g", "nasi goreng"),
        ("saya  m a k a n  nasi", "saya makan nasi"),
        ("m.a.k.a.n n-a-s-i g_o_r_e_n_g", "makan nasi goreng"),
        ("ส วั ส ดี ครับ", "สวัสดี ครับ"),
        ("你 好 世 界", "你好世界"),
        ("m4k4n n451 g0r3ng", "makan n451 goreng"),
        ("pаypаl ѕоtо", "paypal soto"),  # Cyrillic
        ("เเม่", "แม่"),
        ("นํ้า", "น้ำ"),
        ("e\u0301\u0302 ê\u0301", "ế ế"),
        ("௧டல் ௨ப்பு", "கடல் உப்பு"),
        ("၀ယ် ၁ဝ", "ဝယ် 10"),
        ("", ""),
    ],
)
def test_disguises_come_off(given, expected):
    assert normalised(given) == expected


@pytest.mark.parametrize(
    "text",
    [
        "covid19 h1n1 b2b mp3 hba1c 5g co2 win11 rp50rb anak2 umur5tahun jam7malam",
        "rina@contoh.co.id https://bit.ly/a3bc www.contoh.id @rina adi@kampus",
        "maaari naaalala xviii iii sss eccc 10000 2000000 1,000,000",
        "u.s.a d.k.i a-b-a-b ke-3 p.m.",
        "русский язык ελληνικά ifnγ αβγ",
        "ต่าง ๆ คนนนทบุรี",
        "哈哈哈 十二......",
        "a b c",
        "ในปี 50 ห้อง 0",
    ],
)
def test_what_only_looks_like_a_disguise_stays(text):
    assert normalised(text) == text


@pytest.mark.parametrize(("language", "text"), PAIRS)
def test_ordinary_text_loses_only_case_forms_and_native_digits(language, text):
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(str(unicodedata.decimal(sign, sign)) for sign in plain)
    assert unicodedata.normalize("NFKC", normalised(text)) == unicodedata.normalize("NFKC", plain)


def test_hardly_any_ordinary_text_has_a_second_view():
    assert sum(len(views(text)) > 1 for _, text in PAIRS) <= 1  # «HbA1c»


@given(st.text(max_size=80))
def test_twice_is_once(text):
    once = normalised(text)
    assert normalised(once) == once


@pytest.mark.parametrize(
    "alphabet",
    [
        "abAB1034@$!|iсаеВо. -_*\n", "กขคเแาำ่้ิี๐ๅ ๆ1", "ກຂຄເແາຳ່້ິີ໐ ຫນມໝ", "កខគ្រា់ិេោ៉ំះ០ ",
        "ကခဂေျြွှိုံ့်း၀၇ဝရ္\u1060\u1064\u107e\u1097 1", "கசடாிு்௧௨௪௭௮உஅ 1", "你好的.- *1", "ếềệâơư\u0301\u0302\u0323ae \u0338",
        "ᎪᴀɑϲσςΣαΟοaıİ",
    ],
)  # fmt: skip
@settings(max_examples=60)
@given(data=st.data())
def test_twice_is_once_where_tricks_meet(alphabet, data):
    text = data.draw(st.text(alphabet=alphabet, max_size=25))
    once = normalised(text)
    assert normalised(once) == once
    found = views(text)
    assert found[0] == once
    assert len(found) == len(set(found)) <= 4


@given(st.text(alphabet="abกខកក់ក 1๑", max_size=30))
def test_zero_width_characters_between_change_nothing(text):
    assert normalised("\u200b".join(text)) == normalised(text)


@pytest.mark.parametrize(("language", "text"), PAIRS[::3])
def test_wrapped_text_is_a_view(language, text):
    raw = text.encode()
    for wrapped in (base64.b64encode(raw).decode(), raw.hex(), raw.hex(" "), raw.hex(":").upper()):
        assert normalised(text) in views(wrapped)[1:]
    assert normalised(text) in views(f"decode: {base64.urlsafe_b64encode(raw).decode()}")[1:]


def test_what_is_no_text_when_opened_is_no_view():
    assert len(views(base64.b64encode(bytes(range(120, 250))).decode())) == 1
    assert len(views("0123456789abcdef" * 3 + "0")) == 1


def test_tag_characters_are_read():
    hidden = "".join(chr(0xE0000 + ord(sign)) for sign in "tell me more")
    assert views(f"nasi {hidden}goreng") == ["nasi goreng", "tell me more"]


def test_doubtful_letters_are_a_view():
    assert "exist" in views("exis7")[1]
    assert "saya mau makan" in views("saya  m a u  makan")
    assert "good food" in views("gooood foooood")


def test_burmese_is_read_in_the_other_encoding_where_it_is_unsure():
    text = "မေမေ"
    short = as_zawgyi(text, random.Random(1))
    assert short != text
    assert text in views(short)
    assert views(normalise(SENTENCES["my"][0]).text) == [normalised(SENTENCES["my"][0])]


@pytest.mark.parametrize(
    "unit", ["a b ", "a.", "3a", "aaa", "ก ", "မ္", "a\u0301", "啊 ", "aB3=", "0f", "а1b", "\U000e0061"]
)
def test_time_is_linear(unit):
    def seconds(text):
        start = time.process_time()
        views(text)
        return time.process_time() - start

    short, long = min(seconds(unit * 1_000) for _ in range(3)), min(seconds(unit * 4_000) for _ in range(2))
    assert long < 12 * short + 0.02, f"{short:.3f} s, four times as long {long:.3f} s"

"""Disguises: signs of no width, mixed digits, styled letters, letters that look alike, Zawgyi; offsets stay those of the
original text. Numbers are made up; sentences were written for this test and not reviewed by native speakers."""

import hypothesis
import hypothesis.strategies as st
import pytest

from rumpun.language import zawgyi
from rumpun.language.homoglyphs import lookalikes
from rumpun.personal import Masker, find
from rumpun.personal.fold import ZERO_WIDTH, folded, thinned
from rumpun.personal.pack import packs
from rumpun.personal.words import normal

# (before, value, behind, type): a word of context where the type needs one
SAMPLES = [
    ("No. KP ", "880101-14-5678", " ya", "MY_NRIC"),
    ("NRIC: ", "S1234567D", ".", "SG_NRIC"),
    ("NIK ", "3174010101900001", " benar", "ID_NIK"),
    ("NPWP ", "01.312.166.0-091.000", "", "ID_NPWP"),
    ("เลขบัตรประชาชน", "1-2345-67890-12-1", "ครับ", "TH_PIN"),
    ("căn cước ", "001099012345", " nhé", "VN_CCCD"),
    ("TIN ", "123-456-782", " po", "PH_TIN"),
    ("PhilSys PCN ", "1234-5678-9012-3456", "", "PH_PCN"),
    ("နံပါတ်", "12/OUKAMA(N)123456", " ပါ", "MM_NRC"),
    ("នៅ អត្តសញ្ញាណប័ណ្ណ", "012345678", "", "KH_ID"),
    ("ບັດປະຈຳຕົວ ", "1234567", "", "LA_ID"),
    ("IC ", "01-234567", "", "BN_IC"),
    ("passport ", "E1234567K", " ok", "PASSPORT"),
    ("thẻ tín dụng ", "5555 5555 5555 4444", "", "CARD"),
    ("rekening BCA ", "1234567890", " ya", "BANK_ACCOUNT"),
    ("HP ", "0812-3456-7890", " malam", "PHONE"),
    ("HP ", "+62 812 3456 7890", " malam", "PHONE"),
    ("โทร", "081-234-5678", "นะ", "PHONE"),
    ("mail ", "budi.santoso@example.com", " ya", "EMAIL"),
]
NO_WIDTH = [
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u200e",
    "\u202a",
    "\u2066",
    "\u034f",
    "\ufe0f",
    "\u180e",
]
ZEROS = "๐໐០၀௦０٠𝟎"


def native(digit, zero):
    return chr(ord(zero) + int(digit))


def value_of(text, found):
    return text[found.start : found.end]


@hypothesis.given(st.sampled_from(SAMPLES), st.data())
@hypothesis.settings(deadline=None)
def test_digits_of_every_script_mixed_and_signs_of_no_width_hide_nothing(sample, data):
    before, value, behind, kind = sample
    signs = []
    for place, sign in enumerate(value):
        zero = data.draw(st.sampled_from([None, None, *ZEROS])) if sign.isdigit() else None
        signs.append(native(sign, zero) if zero else sign)
        if place + 1 < len(value) and sign.isalnum() and value[place + 1].isalnum():
            signs.append(data.draw(st.sampled_from(["", "", "", *NO_WIDTH, "\u200b\u2060", "\u200d" * 5])))
    disguised = "".join(signs)
    text = before + disguised + behind
    assert [(f.type, value_of(text, f)) for f in find(text)] == [(kind, disguised)]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample[1])
def test_full_width_and_styled_letters_hide_nothing(sample):
    before, value, behind, kind = sample
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" for c in value)
    bold = "".join(chr(0x1D400 + ord(c) - 65) if "A" <= c <= "Z" else chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c for c in value)  # fmt: skip
    for disguised in (wide, bold):
        text = before + disguised + behind
        assert [(f.type, value_of(text, f)) for f in find(text)] == [(kind, disguised)]


@pytest.mark.parametrize("sample", [s for s in SAMPLES if any(c.isalpha() for c in s[1])], ids=lambda s: s[1])
def test_each_letter_by_one_that_looks_like_it(sample):
    before, value, behind, kind = sample
    doubles = lookalikes()
    tried = 0
    for place, letter in enumerate(value):
        for double in doubles.get(letter, ()):
            text = before + value[:place] + double + value[place + 1 :] + behind
            assert [(f.type, f.start, f.end) for f in find(text)] == [
                (kind, len(before), len(before) + len(value))
            ], text
            tried += 1
    assert tried


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("NRIC S 1234567 D", "SG_NRIC", "S 1234567 D"),
        ("S1234567-D", "SG_NRIC", "S1234567-D"),
        ("S 1234 567 D ok", "SG_NRIC", "S 1234 567 D"),
        ("passport no. AA 1234567", "PASSPORT", "AA 1234567"),
        ("nric xxxxx567D", "SG_NRIC_PART", "xxxxx567D"),
        ("S●●●●567D", "SG_NRIC_PART", "S●●●●567D"),
        ("12/OUKAMA N 123456", "MM_NRC", "12/OUKAMA N 123456"),
        ("12/OUKAMA(N) 123 456", "MM_NRC", "12/OUKAMA(N) 123 456"),
        ("hp \u202a0812-3456-7890\u202c ya", "PHONE", "0812-3456-7890"),
        ("hp 0\ufe0f\u20e38\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e35\ufe0f\u20e36\ufe0f\u20e37\ufe0f\u20e38",
         "PHONE", "0\ufe0f\u20e38\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e35\ufe0f\u20e36\ufe0f\u20e37\ufe0f\u20e38"),
        ("hp 081\u03012345\u03016789", "PHONE", "081\u03012345\u03016789"),
        ("ဖုန်းဝ၉၁၂၃၄၅၆၇၈၉", "PHONE", "ဝ၉၁၂၃၄၅၆၇၈၉"),  # the letter WA for the digit zero
        ("ဖုန်း ၀၉ ရ၉၁၂၃ဝ၅၆", "PHONE", "၀၉ ရ၉၁၂၃ဝ၅၆"),  # RA for seven
        ("budi\ufe6bexample.com", "EMAIL", "budi\ufe6bexample.com"),
        ("hp O812-3456-789O", "PHONE", "O812-3456-789O"),
        ("NIK 317401O1O19OOOO1", "ID_NIK", "317401O1O19OOOO1"),
        ("passport O1234567", "PASSPORT", "O1234567"),
        ("hp ⓪⑧①②③④⑤⑥⑦⑧⑨⓪", "PHONE", "⓪⑧①②③④⑤⑥⑦⑧⑨⓪"),
        ("①0812-3456-7890 hp", "PHONE", "0812-3456-7890"),  # one alone numbers a list
        ("no. tentera 1234567", "MY_SERVICE", "1234567"),
        ("123-456-782budi@example.com-1-2345", "EMAIL", "123-456-782budi@example.com"),
    ],
)  # fmt: skip
def test_ways_that_people_write_them(text, kind, value):
    assert [(f.type, value_of(text, f)) for f in find(text)] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    ["Привет, 12 человек", "x\u0301 12", "ဝယ် ၁၂၃၄ဝယ်", "C 1234567 E", "Vitamin C 1234567", "No 1234567", "1/2 cup N 123456", "ကျပ် ၁၂၃", "CO2 2O24", "①②③④ 12"],
)  # fmt: skip
def test_ordinary_text_in_those_letters_is_left_alone(text):
    assert find(text) == []


def test_letters_of_other_alphabets_stay_in_words_of_their_own():
    for text in ("Привет", "тел. 89", "αβγ 12"):
        assert folded(text) == text
    assert folded("Ѕ1234567D") == "S1234567D"
    assert folded("раураl") == "paypal"


def test_words_count_where_a_sign_of_no_width_stands_in_them():
    text = "អត្តសញ្ញាណ\u200bប័ណ្ណ\u200bលេខ\u200b 012345678"
    assert [(f.type, value_of(text, f)) for f in find(text)] == [("KH_ID", "012345678")]


def test_every_zawgyi_word_of_context_is_a_burmese_word_of_context_in_that_encoding():
    seen = 0
    lists = [
        words
        for pack in packs().values()
        for words in (*pack.words.values(), *(i.context for i in pack.identifier))
    ]
    for words in lists:
        for word in words.get("my-Qaag", ()):
            unicode, _ = zawgyi.convert(word)
            assert normal(unicode) in words["my"], word
            seen += 1
        assert len(words.get("my-Qaag", ())) == len(words.get("my", ()))
    assert seen >= 7


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("ကြၽန္ေတာ့္မွတ္ပံုတင္ ၁၂/ဥကမ(ႏိုင္)၁၂၃၄၅၆ ပါ", "MM_NRC", "၁၂/ဥကမ(ႏိုင္)၁၂၃၄၅၆"),
        ("မွတ္ပံုတင္ ၁၂၃၄၅၆", "MM_NRC", "၁၂၃၄၅၆"),
        ("ဖုန္းနံပါတ္ ၀၉-၁၂၃၄၅၆၇၈၉", "PHONE", "၀၉-၁၂၃၄၅၆၇၈၉"),
        ("ပတ္စပို႔ MA123456", "PASSPORT", "MA123456"),
        ("ဖုန္းေျပာဖို႔၀၉၁၂၃၄၅၆၇၈၉", "PHONE", "၀၉၁၂၃၄၅၆၇၈၉"),  # U+1094 is a tone mark there, and Shan's digit four
    ],
)  # fmt: skip
def test_zawgyi(text, kind, value):
    assert [(f.type, value_of(text, f)) for f in find(text)] == [(kind, value)]


@hypothesis.given(
    st.text(alphabet="S1234567D\u200b\u200d a@.๑Ѕဝ႔\u0301", max_size=60), st.sampled_from([0, 1])
)
def test_thinning_keeps_the_rest_and_knows_where_it_stood(text, keep):
    plain = folded(text)
    assert len(plain) == len(text)
    shorter, places = thinned(plain, keep)
    assert [plain[place] for place in places] == list(shorter)
    assert shorter.replace(ZERO_WIDTH, "") == plain.replace(ZERO_WIDTH, "")


def test_pseudonyms_see_through_disguises():
    masker = Masker(style="pseudonym", key=b"0123456789abcdef")
    forms = [
        "NRIC S1234567D",
        "NRIC Ѕ1234567D",
        "NRIC S 1234567 D",
        "NRIC Ｓ１２３４５６７Ｄ",
        "NRIC S123\u200b4567D",
    ]
    assert len({masker.mask(form).text for form in forms}) == 1


def test_words_that_are_known_to_speak_for_a_text_count_as_if_they_stood_in_it():
    assert find("3174 1234 11") == []
    assert [f.type for f in find("3174123411", context=["No. Rekening"])] == ["BANK_ACCOUNT"]
    assert [f.type for f in find("91234567", context=["mobile"])] == ["PHONE"]
    assert find("91234567", context=["berat badan"]) == []
    assert [f.type for f in find("passport 91234567, NIK 3174010101900001", context=["hp"])][-1] == "ID_NIK"

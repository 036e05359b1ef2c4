"""The identifier on texts written for these tests."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rumpun
from rumpun.language import identify, identify_all, languages
from rumpun.language.identifier import latin

TEXTS = {
    "id": "Besok pagi kami mau pergi ke pasar karena harga cabai sedang turun, lalu memasak bersama tetangga.",
    "ms": "Kerajaan negeri akan membina jambatan baharu supaya penduduk kampung mudah berulang-alik ke bandar.",
    "vi": "Sáng nay trời mưa nên chúng tôi ở nhà nấu phở và kể chuyện cho bọn trẻ nghe.",
    "th": "พรุ่งนี้เช้าเราจะไปตลาดด้วยกัน",
    "tl": "Bukas ng umaga ay pupunta kami sa palengke upang bumili ng isda at gulay para sa tanghalian.",
    "my": "မနက်ဖြန်မနက် ဈေးသွားမယ်။",
    "km": "ព្រឹកស្អែកយើងទៅផ្សារជាមួយគ្នា។",
    "lo": "ມື້ອື່ນເຊົ້າພວກເຮົາຈະໄປຕະຫຼາດນຳກັນ",
    "ta": "நாளை காலை நாங்கள் சந்தைக்குப் போகிறோம்.",
    "zh": "明天早上我们一起去市场买菜。",
    "en": "The village council decided that the old bridge should be repaired before the rainy season begins.",
    "jv": "Sesuk esuk aku arep menyang pasar tuku lombok karo brambang amarga ibuku arep masak.",
    "ilo": "Intono bigat mapankami idiay tiendaan tapno gumatang iti ikan ken nateng para iti pangngaldaw.",
    "ceb": "Ugma sa buntag moadto mi sa merkado aron mopalit og isda ug utanon para sa paniudto.",
}


@pytest.mark.parametrize(("tag", "text"), TEXTS.items())
def test_a_plain_sentence_is_known(tag, text):
    found = identify(text)
    assert found.language == tag
    assert found.probability > 0.5


def test_kana_hangul_cyrillic_and_signs_are_undetermined():
    for text in ("これは日本語の文章です", "한국어 문장입니다", "Привет, мир", "12345 !?", "", "   \n"):
        found = identify(text)
        assert (found.language, found.probability) == ("und", 0.0)


def test_spans_follow_the_scripts():
    text = "สวัสดีครับ Selamat pagi semuanya 你好"
    found = identify(text)
    first = found.spans[0]
    assert (first.language, text[first.start : first.end]) == ("th", "สวัสดีครับ ")
    assert found.spans[-1].language == "zh"
    assert found.probability < 1


def test_shan_is_told_from_burmese_by_its_letters():
    assert identify("မႂ်ႇသုင်ၶႃႈ ယူႇလီၵိၼ်ဝၢၼ်").language == "shn"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_many_at_once_are_as_one_by_one_and_spans_lie_within(texts):
    together = identify_all(texts)
    for text, found in zip(texts, together, strict=True):
        alone = identify(text)
        assert (found.language, found.script) == (alone.language, alone.script)
        assert found.probability == pytest.approx(alone.probability, abs=2e-4)
        assert 0 <= found.probability <= 1
        assert [s.start for s in found.spans] == [0, *(s.end for s in found.spans)][: len(found.spans)]


def test_every_label_has_a_table_and_the_shipped_figures_are_whole():
    heads = latin()
    assert set(heads.labels) <= set(languages())
    measured = heads.facts["held_out"]
    assert set(measured) == {"20", "50", "100"}
    assert measured["100"]["macro_f1"] > 0.85
    assert measured["20"]["accuracy"] < measured["50"]["accuracy"] < measured["100"]["accuracy"]
    assert heads.facts["licences"]
    assert heads.weights.nbytes <= 2 << 20


def test_a_megabyte_takes_bounded_time():
    start = time.process_time()
    identify("kata " * 200_000)
    assert time.process_time() - start < 2


def test_the_public_name_is_the_function():
    assert rumpun.identify("สวัสดี").language == "th"
    assert msgspec.to_builtins(identify("สวัสดี"))["spans"][0]["language"] == "th"

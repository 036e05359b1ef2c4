"""The identifier on texts written for these tests, not reviewed by native speakers."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rumpun
from rumpun.language import identify, identify_all, languages
from rumpun.language.identifier import LEAST, latin

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
    "su": "Isukan isuk abdi bade ka pasar meser sayur sareng lauk kanggo masak di imah.",
    "ilo": "Intono bigat mapankami idiay tiendaan tapno gumatang iti ikan ken nateng para iti pangngaldaw.",
    "ceb": "Ugma sa buntag moadto mi sa merkado aron mopalit og isda ug utanon para sa paniudto.",
    "min": "Bisuak pagi kami ka pai ka pakan mambali lado jo lauak untuak dimasak di rumah.",
    "en-SG": "Wah the queue damn long sia, later go also can what, no need rush one lah.",
    "ta-Latn": "Naalaikku kaalaila naanga ellarum kadaikku porom, neengalum vaanga.",
}
MIXED = {
    "tl": "Grabe yung traffic kanina, kaya nag-decide na lang kami na mag-stay sa bahay.",
    "id": "Gue udah submit laporannya kemarin, tapi belum ada feedback dari tim marketing.",
    "ms": "Korang dah check email tu ke belum? Boss nak kita submit sebelum pukul lima.",
    "en-SG": "Aiyo why you never chope the table first, now kena wait already.",
}
ZAWGYI = "မနက္ျဖန္ ေစ်းသြားမယ္ ေနေကာင္းလား"  # the same code points, in the order and with the marks of Zawgyi


@pytest.mark.parametrize(("tag", "text"), TEXTS.items())
def test_a_plain_sentence_is_known(tag, text):
    found = identify(text)
    assert found.language == tag
    assert found.probability > 0.5


@pytest.mark.parametrize(("tag", "text"), MIXED.items())
def test_the_main_language_of_a_mixed_line_is_that_of_its_function_words(tag, text):
    assert identify(text).language == tag


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Apa kabar?", "id"),
        ("Apa khabar?", "ms"),
        ("Kumusta ka na?", "tl"),
        ("How are you?", "en"),
        ("Bạn khỏe không?", "vi"),
    ],
)
def test_a_short_line_of_chat_is_known(text, tag):
    assert identify(text).language == tag


def test_zawgyi_is_burmese_and_shan_is_told_by_its_letters():
    assert identify(ZAWGYI).language == "my"
    assert identify("မႂ်ႇသုင်ၶႃႈ ယူႇလီၵိၼ်ဝၢၼ်").language == "shn"


def test_own_scripts_name_their_language_and_arabic_only_with_the_letters_of_jawi():
    assert identify("ꦱꦸꦒꦼꦁ ꦫꦮꦸꦃ").language == "jv"
    assert identify("ᜋᜊᜓᜑᜌ᜔").language == "tl"
    jawi = identify("سلامت داتڠ ک رومه کامي، سيلا دودوق دڠن سنڠ")
    assert jawi.language == "ms"
    assert jawi.probability < 1
    assert identify("مرحبا بكم في بيتنا").language == "und"


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


def test_spans_follow_a_change_of_language_within_latin_script():
    one = "Kami sekeluarga akan pulang ke kampung halaman minggu depan karena libur panjang. "
    two = "The train tickets were already sold out so we decided to drive there instead."
    spans = identify(one + two).spans
    assert [span.language for span in spans] == ["id", "en"]
    assert abs(spans[1].start - len(one)) <= 12
    assert [span.language for span in identify(one).spans] == ["id"]


def test_clauses_that_take_turns_are_spans_and_the_longer_language_is_the_main_one():
    one = "The committee sent its report to the members on Monday, "
    two = "pero hindi pa rin sila sumasagot, "
    three = "so the secretary will have to write to every one of them again"
    found = identify(one + two + three)
    assert [span.language for span in found.spans] == ["en", "tl", "en"]
    assert abs(found.spans[1].start - len(one)) <= 8
    assert abs(found.spans[2].start - len(one + two)) <= 8
    assert found.language == "en"
    assert (
        identify(two + "so call na lang natin, " + "baka naman nakalimutan lang nila yung usapan").language
        == "tl"
    )


def test_a_long_clause_of_english_outweighs_a_short_one_of_another_script():
    assert identify("I told everybody that the new shop will open next week จะไปไหม").language == "en"
    assert identify("ร้านใหม่จะเปิดอาทิตย์หน้า ใครอยากไปด้วยกันบ้าง grand opening sale").language == "th"
    assert identify("Please send the whole report to my manager before Friday 谢谢").language == "en"


def test_english_words_in_thai_do_not_make_it_english():
    assert identify("วันนี้ไป shopping ที่ Central World มา deal ดีมาก").language == "th"
    assert identify("วันนี้ไป shopping ที่ Central World").language == "th"
    assert identify("我们去 shopping mall 买东西").language == "zh"
    assert identify("The Thai greeting สวัสดี can be said at any time of the day").language == "en"


text = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["saya", "makan", "the", "house", "ขาว", "你好", "ng", "@a", "http://x.y", "…", "'"]),
        max_size=14,
    ).map(" ".join),
)


@settings(max_examples=60)
@given(st.lists(text, max_size=6))
def test_many_at_once_are_as_one_by_one_and_spans_cover_the_text(texts):
    together = identify_all(texts)
    assert len(together) == len(texts)
    for line, found in zip(texts, together, strict=True):
        alone = identify(line)
        assert (found.language, found.script) == (alone.language, alone.script)
        assert found.probability == pytest.approx(alone.probability, abs=2e-4)
        assert 0 <= found.probability <= 1
        assert [s.start for s in found.spans] == [0, *(s.end for s in found.spans)][: len(found.spans)]
        assert all(s.start < s.end for s in found.spans)
        if found.spans:
            assert found.spans[-1].end == len(line)
        plain = identify_all([line], spans=False)[0]
        assert (plain.language, plain.probability, plain.spans) == (alone.language, alone.probability, ())
        assert alone.probability == 0 if alone.language == "und" else alone.probability > 0


@settings(max_examples=60)
@given(text, st.sampled_from([" ", "\n", "  \t", "."]))
def test_white_space_and_signs_at_the_end_change_nothing(line, end):
    one, two = identify(line), identify(line + end)
    assert (one.language, one.probability) == (two.language, two.probability)


def test_every_label_has_a_table_and_the_shipped_figures_are_whole():
    model = latin()
    assert {label for label in model.labels if label != "ta-Latn"} <= set(languages())
    measured = model.facts["held_out"]
    assert set(measured) == {"10", "20", "50", "100"}
    assert measured["10"]["accuracy"] < measured["50"]["accuracy"] < measured["100"]["accuracy"]
    assert model.facts["licences"]
    assert model.facts["least"] == LEAST
    assert model.weights.nbytes + model.prints.nbytes <= 5_000_000


def test_a_megabyte_takes_bounded_time_and_its_span_reaches_the_end():
    line = "kata " * 200_000
    start = time.process_time()
    found = identify(line)
    assert time.process_time() - start < 2
    assert found.spans[-1].end == len(line)


def test_many_lines_cost_far_less_each_than_one_by_one():
    lines = [f"{text} {number}" for number in range(60) for text in TEXTS.values()]
    identify_all(lines[:10])
    start = time.process_time()
    identify_all(lines)
    together = time.process_time() - start
    start = time.process_time()
    for line in lines[:100]:
        identify(line)
    alone = (time.process_time() - start) * len(lines) / 100
    assert alone > 4 * together


def test_the_public_name_is_the_function():
    assert rumpun.identify("สวัสดี").language == "th"
    assert msgspec.to_builtins(identify("สวัสดี"))["spans"][0]["language"] == "th"

"""Normalising: its laws on every script, and what each rule mends and leaves."""

import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scripts_text import CLEAN, strings

from rumpun.errors import UsageError
from rumpun.language.normalise import Options, normalise, normalise_all
from rumpun.language.normalise_look import clean, clean_each

OPTIONS = st.builds(
    Options,
    zawgyi=st.sampled_from(["sure", "likely", "never"]),
    digits=st.booleans(),
    homoglyphs=st.booleans(),
    word_marks=st.sampled_from(["keep", "drop"]),
)


@settings(max_examples=200, deadline=None)
@given(strings(), OPTIONS)
@example("\u1031\u1019\u102d\u1039", Options())
@example("\u17d2\u17a4\u17cc\u200d\u17c1\u17b8", Options())
@example("\u0e4d\u0e39\u0e48\u0e32", Options())
def test_twice_is_once(text, options):
    once = normalise_all([text], None, options)[0]
    again = normalise_all([once.text], None, options)[0]
    assert again.text == once.text
    assert again.text is once.text
    assert not again.changes


@settings(max_examples=100, deadline=None)
@given(strings(), OPTIONS)
def test_equivalent_texts_become_equal_and_the_result_is_in_nfc(text, options):
    found = {
        normalise_all([unicodedata.normalize(form, text)], None, options)[0].text for form in ("NFC", "NFD")
    }
    found.add(normalise_all([text], None, options)[0].text)
    assert len(found) == 1
    assert unicodedata.is_normalized("NFC", found.pop())


@settings(max_examples=100, deadline=None)
@given(strings(), OPTIONS)
def test_every_code_point_has_its_span_and_what_is_counted_was_changed(text, options):
    done = normalise_all([text], None, options)[0]
    spans = done.offsets.spans()
    assert len(spans) == len(done.text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert [s for s, _ in spans] == sorted(s for s, _ in spans)
    assert [e for _, e in spans] == sorted(e for _, e in spans)
    if done.text == text:
        assert done.text is text
        assert done.offsets.identity
    else:
        assert done.changes
    assert all(places > 0 for places in done.changes.values())
    if "zawgyi" not in done.changes and not options.digits:
        for place, (start, end) in enumerate(spans):  # a code point that is alone in its span is where it was
            if (start, end) == (place, place + 1) and not done.changes:
                assert done.text[place] == text[start]


@pytest.mark.parametrize("language", CLEAN)
def test_clean_text_comes_back_as_the_same_object(language):
    text = CLEAN[language]
    for tag in (language if language.islower() else None, None):
        done = normalise(text, tag)
        assert done.text is text, dict(done.changes)
        assert done.offsets.identity
        assert done.changes == {}


@settings(max_examples=200, deadline=None)
@given(strings())
@example("\u1015\u103a\u103a\u1036")
@example("\u0ea2\u0ecd\u0ec8\u0ec8\u0eb2")
@example("\u1780\u17d2\u179a\u17d2\u178f")
def test_what_the_quick_look_calls_clean_is_clean(text):
    if clean(text):  # `normalise` itself looks quickly at long texts only
        assert normalise(text).text is text


@settings(max_examples=100, deadline=None)
@given(st.lists(strings(), max_size=12), st.integers(1, 40))
def test_many_texts_at_once_are_each_looked_at_as_if_alone(texts, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rumpun.language.normalise_look._AT_ONCE", most)
        assert clean_each(texts) == [clean(text) for text in texts]
    alone = [normalise(text) for text in texts]
    for one, of_many in zip(alone, normalise_all(texts), strict=True):
        assert (one.text, one.changes, one.offsets.steps) == (
            of_many.text,
            of_many.changes,
            of_many.offsets.steps,
        )


@pytest.mark.parametrize("language", sorted(set(CLEAN) - {"bug", "emoji"}))
def test_the_quick_look_knows_clean_text_and_the_length_changes_nothing(language):
    assert clean(CLEAN[language])
    assert normalise(CLEAN[language] * 20).text == CLEAN[language] * 20


MENDED = [  # what a rule mends; many of these look the same before and after
    ("decomposed sara am", "น\u0e4d\u0e49\u0e32", "น\u0e49\u0e33", {"thai.am": 1}),
    ("tone before nikhahit", "น\u0e49\u0e4d\u0e32", "น\u0e49\u0e33", {"thai.order": 1, "thai.am": 1}),
    ("tone behind sara am", "น\u0e33\u0e49", "น\u0e49\u0e33", {"thai.am": 1}),
    ("tone before the vowel above", "ท\u0e48\u0e35", "ท\u0e35\u0e48", {"thai.order": 1}),
    ("two sara e", "\u0e40\u0e40ม่", "แม่", {"thai.double_e": 1}),
    ("Lao am", "ນ\u0ecd\u0ec9\u0eb2", "ນ\u0ec9\u0eb3", {"lao.am": 1}),
    ("Lao tone before the vowel", "ທ\u0ec8\u0eb5", "ທ\u0eb5\u0ec8", {"lao.order": 1}),
    ("Khmer RO before another subscript", "ស\u17d2រ\u17d2តី", "ស\u17d2ត\u17d2រី", {"khmer.order": 1}),
    ("Khmer vowel before a subscript", "ខ\u17bb\u17d2ញ\u17c6", "ខ\u17d2ញ\u17bb\u17c6", {"khmer.order": 1}),
    ("Khmer shifter before a subscript", "ម\u17c9\u17d2យាង", "ម\u17d2យ\u17c9ាង", {"khmer.order": 1}),
    ("Khmer two-part vowel", "ក\u17c1\u17b8ត", "ក\u17beត", {"khmer.order": 1}),
    ("Khmer deprecated letter", "\u17a4", "\u17a2\u17b6", {"khmer.deprecated": 1}),
    ("Burmese E before a medial", "က\u1031\u103b", "က\u103b\u1031", {"burmese.order": 1}),
    ("Burmese anusvara before a medial", "မ\u1036\u103e", "မ\u103e\u1036", {"burmese.order": 1}),
    ("Burmese lower before upper vowel", "က\u102f\u102d", "က\u102d\u102f", {"burmese.order": 1}),
    ("Burmese visarga before asat", "မင\u1038\u103a", "မင\u103a\u1038", {"burmese.order": 1}),
    ("zero for WA", "\u1040\u102cး", "ဝ\u102cး", {"burmese.lookalike": 1}),
    ("four for AFOREMENTIONED", "\u1044င်း", "၎င်း", {"burmese.lookalike": 1}),
    ("Cyrillic in a Latin word", "b\u0430nk p\u0430y", "bank pay", {"homoglyph": 2}),
    ("a full-width letter in a Latin word", "Ｂank", "Bank", {"homoglyph": 1}),
    ("Jawi in presentation forms", "\ufe91\ufe8e", "با", {"presentation": 2}),
    ("zero-width space in a Latin word", "sa\u200bya", "saya", {"hidden": 1}),
    ("soft hyphen and byte order mark", "\ufeffsa\u00adya", "saya", {"hidden": 2}),
    ("joiner in Thai", "กา\u200dแฟ", "กาแฟ", {"hidden": 1}),
    ("zero-width space inside a syllable", "ก\u200bา", "กา", {"hidden": 1}),
    ("runs of zero-width spaces", "ไป\u200b\u200bมา", "ไป\u200bมา", {"hidden": 1}),
    ("controls", "a\x00b\x1b", "ab", {"hidden": 2}),
    ("line ends", "a\r\nb\rc\u2029", "a\nb\nc\n", {"line_end": 3}),
    ("tags that hide text", "ok\U000e0041\U000e0042", "ok", {"hidden": 1}),
    ("decomposed Vietnamese", "Vie\u0323\u0302t", "Việt", {"nfc": 1}),
    ("decomposed Tamil", "கொ".replace("\u0bca", "\u0bc6\u0bbe"), "கொ", {"nfc": 1}),
]


@pytest.mark.parametrize(
    ("text", "expected", "changes"), [row[1:] for row in MENDED], ids=[row[0] for row in MENDED]
)
def test_what_is_mended(text, expected, changes):
    done = normalise(text)
    assert done.text == expected
    assert done.changes == changes
    assert not clean(text)
    padding = "\n" + "กา " * 200
    assert normalise(text + padding).text == expected + padding


@pytest.mark.parametrize(
    "text",
    [
        "Москва и Киев",  # another alphabet's own words
        "kΩ, ΔT, TNFα, 5 μm, IFN-β",  # Greek letters without a Latin double
        "Ａ ＢＣ 公司",  # full width by itself
        "hòa bình hoà bình",  # both tone places are spelling
        "ໜ ຫນ",  # a ligature and two letters: spelling
        "ไป\u200bตลาด",  # a word mark
        "ខ្ញុំ\u200bទៅ",
        "می\u200cخواهم",  # a joiner that shapes
        "ක්\u200dෂ",
        "👩\u200d🌾",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "ကျွန်\u1014\u103a\u102f\u1015\u103a",  # a contraction: asat directly behind its consonant
        "ကျ\u103a\u102cး",  # and behind a medial
        "မင\u103a\u1038\u1031က",  # an E typed before its consonant: nobody can say which syllable is meant
        "ဂ\u102f\u1032 ဏ\u102c\u1036",  # Mon
        "၁၀၀ ၄၄",
        "ก็ คั่น สิทธิ์ ฤๅ",
        "ບໍ່ ມື້ ກົ້ວ ສຶກສາ",
    ],
)
def test_what_is_left(text):
    done = normalise(text)
    assert done.text is text, dict(done.changes)


@pytest.mark.parametrize("times", [1, 100])
def test_word_marks_may_be_dropped(times):
    assert normalise("ไป\u200bตลาด" * times, word_marks="drop").text == "ไปตลาด" * times
    assert normalise("ไป\u200bตลาด" * times).text == "ไป\u200bตลาด" * times


def test_native_digits_fold_only_when_asked_and_stand_where_they_stood():
    text = "๑๒ ໓໔ ៥៦ ၇၈ ௯௦ ꧑꧒ ᮳ ᭔ ٥ ႐"
    assert normalise(text).text is text
    done = normalise(text, digits=True)
    assert done.text == "12 34 56 78 90 12 3 4 5 0"
    assert done.changes == {"digit": 16}
    assert done.offsets.identity


def test_offsets_point_to_what_was_written():
    text = "ดื่มน\u0e4d\u0e49\u0e32เย\u0e47น"
    done = normalise(text)
    place = done.text.index("น้ำ")
    start, end = done.offsets.original(place, place + 3)
    assert text[start:end] == "น\u0e4d\u0e49\u0e32"
    place = done.text.index("เย็น")
    assert text[slice(*done.offsets.original(place, place + 4))] == "เย็น"


def test_an_unknown_choice_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="zawgyi = 'sur'") as caught:
        normalise("a", zawgyi="sur")
    assert "sure" in caught.value.hint


def test_languages_must_be_as_many_as_texts():
    with pytest.raises(ValueError):
        normalise_all(["a", "b"], ["id"])


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "ก\u0e48\u0e34",
        "ក\u17bb\u17d2ញ",
        "က\u102f\u102d",
        "\u0300",
        "\u200d",
        "\u1031က",
        "pа",
        "\r",
        "เเ",
    ],
)
def test_the_time_is_linear_on_hostile_input(piece):
    def seconds(count):
        text = piece * count
        best = 10.0
        for _ in range(3):
            start = time.process_time()
            normalise(text)
            best = min(best, time.process_time() - start)
        return best

    seconds(100)
    assert seconds(8000) < 32 * max(seconds(1000), 0.002)  # eight times the text; quadratic would be 64

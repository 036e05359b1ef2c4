"""Graphemes, syllables and words: what holds of any text, and what each script's rules give.

The texts were written for this test and not reviewed by native speakers.
"""

import json
import sys
import time
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from scripts_text import CLEAN, strings

from rumpun.errors import MissingPartError, UsageError
from rumpun.language import segment, segment_pure, segment_words
from rumpun.language.graphemes import graphemes
from rumpun.language.segment import segmenter, segmenter_for, syllables
from rumpun.parts import installed

WORD = regex.compile(r"[\p{L}\p{M}\p{N}]")
needs_icu = pytest.mark.skipif(not installed("icu"), reason="PyICU is not installed")


def cut(text, spans):
    return [text[start:end] for start, end in spans]


def in_order_and_apart(text, spans):
    places = [place for span in spans for place in span]
    return places == sorted(places) and all(0 <= a < b <= len(text) for a, b in spans)


@settings(deadline=None)
@given(strings())
def test_graphemes_cover_the_text(text):
    assert "".join(cut(text, graphemes(text))) == text
    assert in_order_and_apart(text, graphemes(text))


@settings(max_examples=200, deadline=None)
@given(strings())
def test_syllables_and_words_are_in_order_apart_and_leave_out_no_letter(text):
    for spans in (syllables(text), segmenter("pure").words(text)):
        assert in_order_and_apart(text, spans)
        assert all(WORD.search(piece) for piece in cut(text, spans))
        left = set(range(len(text))) - {place for start, end in spans for place in range(start, end)}
        assert not [text[place] for place in left if text[place].isalpha() or text[place].isdecimal()]


@needs_icu
@settings(max_examples=200, deadline=None)
@given(strings())
def test_icu_counts_in_code_points_whatever_the_plane(text):
    spans = segmenter("icu").words(text)
    assert in_order_and_apart(text, spans)
    assert all(WORD.search(piece) for piece in cut(text, spans))
    moved = segmenter("icu").words("👩🏽‍🌾 " + text)
    shift = len("👩🏽‍🌾 ")
    if text[:1].isalpha():
        assert [(a - shift, b - shift) for a, b in moved] == spans


SYLLABLES = [
    ("สวัสดีครับ", "ส|วัส|ดี|ค|รับ"),
    ("เดินเด็กเพราะเมื่อ", "เดิน|เด็ก|เพราะ|เมื่อ"),
    ("วันจันทร์ สิทธิ์", "วัน|จัน|ทร์|สิ|ทธิ์"),
    ("ນ້ຳ ເດັກ ເມືອງ", "ນ້ຳ|ເດັກ|ເມືອ|ງ"),
    ("ខ្ញុំស្រឡាញ់ ភាសា", "ខ្ញុំ|ស្រ|ឡា|ញ់|ភា|សា"),
    ("မြန်မာနိုင်ငံ", "မြန်|မာ|နိုင်|ငံ"),
    ("ယောက်ျား သတ္တိ", "ယောက်ျား|သတ္တိ"),
    ("လိၵ်ႈတႆး", "လိၵ်ႈ|တႆး"),
    ("தமிழ்", "த|மி|ழ்"),
    ("今天 3 点", "今|天|3|点"),
    ("kanak-kanak Tiếng ๑๒", "kanak|kanak|Tiếng|๑๒"),
    ("ꦧꦱ", "ꦧ|ꦱ"),
]


@pytest.mark.parametrize(("text", "expected"), SYLLABLES)
def test_syllables_by_script(text, expected):
    assert "|".join(cut(text, syllables(text))) == expected


PURE = [
    ("Kanak-kanak bermain, 3,000 orang.", "Kanak|kanak|bermain|3,000|orang"),
    ("don’t e-mel Tiếng Việt", "don’t|e|mel|Tiếng|Việt"),
    ("今天很好", "今|天|很|好"),
    ("แม่ซื้อผักที่ตลาด", "แม่|ซื้อ|ผัก|ที่|ตลาด"),
    ("ຂ້ອຍຢູ່ເຮືອນ", "ຂ້ອຍ|ຢູ່|ເຮືອນ"),
    ("គាត់ទិញបន្លែ", "គាត់|ទិញ|បន្លែ"),
    ("ကျွန်တော်ရေကိုသောက်တယ်", "ကျွန်တော်|ရေ|ကို|သောက်|တယ်"),
]


@pytest.mark.parametrize(("text", "expected"), PURE)
def test_words_without_a_library(text, expected):
    assert "|".join(cut(text, segmenter("pure").words(text))) == expected


def test_unknown_clusters_side_by_side_are_one_word():
    name = "ฆฎีฏุ"  # no word
    found = cut("ที่" + name, segmenter("pure").words("ที่" + name))
    assert found == ["ที่", name]


def test_words_in_the_list_are_found_whole_and_the_manifest_is_of_this_list():
    folder = Path(segment_pure.__file__).parent
    raw = (folder / "segment_words.json").read_bytes()
    manifest = json.loads((folder / "segment_words-manifest.json").read_text(encoding="utf-8"))
    assert len(raw) < 300_000
    import hashlib

    assert manifest["sha256"] == hashlib.sha256(raw).hexdigest()
    assert {row["source"] for row in manifest["sources"]} == set(segment_words.SOURCES)
    licences = {licence for row in manifest["sources"] for licence in row["licences"]}
    assert not [name for name in licences if "NC" in name or "SA" in name or name == "unknown"]
    pure = segmenter("pure")
    for language, words in json.loads(raw)["words"].items():
        assert len(words) == manifest["words"][language] == len(set(words))
        whole = sum(pure.words(word) == [(0, len(word))] for word in words[:500])
        assert whole >= 490, language  # a word may be cheaper as two


@needs_icu
@pytest.mark.parametrize(("language", "least"), [("th", 0.85), ("lo", 0.75), ("km", 0.75), ("my", 0.75)])
def test_the_pure_words_are_near_those_of_icu(language, least):
    text = CLEAN[language]
    ours, theirs = ({start for start, _ in segmenter(name, language).words(text)} for name in ("pure", "icu"))
    assert 2 * len(ours & theirs) / (len(ours) + len(theirs)) >= least


def test_versions_name_library_and_data():
    assert regex.fullmatch(r"pure \d+, list \d+", segmenter("pure").version)
    if installed("icu"):
        assert regex.fullmatch(r"icu \d+(\.\d+)+", segmenter("icu").version)


@pytest.mark.parametrize(
    ("name", "module", "text", "word"),
    [
        ("newmm", "pythainlp", "แม่ซื้อผักที่ตลาด 👩", "ตลาด"),
        ("laonlp", "laonlp", "ຂ້ອຍຢູ່ເຮືອນ", "ຂ້ອຍ"),
        ("khmercut", "khmercut", "ខ្ញុំនៅផ្ទះ", "ផ្ទះ"),
    ],
)
def test_the_segmenters_of_the_field_stand_behind_the_same_port(name, module, text, word):
    if not installed(module) or (name == "khmercut" and not installed("pycrfsuite")):
        pytest.skip(f"{module} is not installed")
    found = segmenter(name)
    assert found.name == name
    assert regex.search(r"\d+\.\d+", found.version)
    spans = found.words(text)
    assert in_order_and_apart(text, spans)
    assert word in cut(text, spans)


def test_what_is_missing_or_unknown_is_said_with_its_mend(monkeypatch):
    with pytest.raises(UsageError, match="no segmenter is called 'icy'") as caught:
        segmenter("icy")
    assert caught.value.hint == "did you mean 'icu'?"
    monkeypatch.setattr(segment, "installed", lambda _: False)
    segmenter.cache_clear()
    with pytest.raises(MissingPartError, match="the segmenter 'newmm'") as missing:
        segmenter("newmm")
    assert missing.value.parts == ("segment",)
    assert segmenter_for("th").name == "pure"
    segmenter.cache_clear()


def test_the_tables_choose_the_segmenter():
    assert segmenter_for("id").name == "pure"
    assert segmenter_for("th").name == ("icu" if installed("icu") else "pure")
    assert segmenter_for("id-ID").name == "pure"
    assert segmenter_for(None).name == segmenter_for("xx").name


def test_a_library_that_changes_the_text_is_an_error():
    from rumpun.errors import RumpunError
    from rumpun.language.segment_libraries import TokenSegmenter

    assert TokenSegmenter("x", "x 1", str.split).words("a b, -") == [(0, 1), (2, 4)]
    with pytest.raises(RumpunError, match="x 1: the token 'A' does not stand"):
        TokenSegmenter("x", "x 1", lambda text: [text.upper()]).words("a")


@pytest.mark.parametrize("piece", ["ก", "เ", "က", "္", "ក្", "a", "字", "ก\u0e4c"])
def test_the_time_is_linear(piece):
    def seconds(count):
        text = piece * count
        start = time.process_time()
        syllables(text)
        segmenter("pure").words(text)
        return time.process_time() - start

    seconds(100)
    assert seconds(8000) < 32 * max(seconds(1000), 0.002)


def test_nothing_heavy_is_imported_for_the_port():
    assert "rumpun.language.segment" in sys.modules
    import subprocess

    code = "import sys, rumpun.language.segment; print([n for n in ('icu', 'pythainlp', 'numpy') if n in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )

"""Sentences: nothing lost, nothing split inside a cluster, the same however the text arrives."""

import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.language import SentenceStream, split
from rumpun.language.sentences import LONGEST
from rumpun.language.tables import languages

SIGNS = st.sampled_from([
    *"abCD 1.!?…。！？、၊။។៕꧉᭟᨞᜶؟\n\r\t\"')”」", "e\u0301", "\u0301", "\u200d", "\u200b", "🇲🇾", "👩‍👩‍👧",
    "ก้ำ", "ສະບາຍ", "ကြိုး", "ខ្ញុំ", "வணக்கம்", "你好", "Dr. ", "3.14", "p. 5", "\r\n",
])  # fmt: skip
TEXTS = st.lists(SIGNS, max_size=120).map("".join) | st.lists(SIGNS, min_size=1, max_size=6).map(
    lambda signs: "".join(signs) * 150
)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_joined_again_the_pieces_are_the_text_and_none_is_too_long(text):
    pieces = split(text)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= LONGEST for piece in pieces)


@settings(max_examples=300, deadline=None)
@given(
    TEXTS, st.lists(st.integers(1, 60), min_size=1, max_size=20), st.sampled_from(["und", "id", "th", "xx"])
)
def test_a_stream_gives_the_same_pieces_for_any_chunks(text, sizes, hint):
    stream, pieces, place, turn = SentenceStream(hint), [], 0, 0
    while place < len(text):
        size = sizes[turn % len(sizes)]
        pieces += stream.feed(text[place : place + size])
        place, turn = place + size, turn + 1
    assert pieces + stream.flush() == split(text, hint)
    assert stream.flush() == []


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_no_cut_falls_inside_a_grapheme_cluster(text):
    clusters = [found.span() for found in regex.finditer(r"\X", text)]
    if any(end - start > LONGEST for start, end in clusters):
        return
    bounds = {end for _, end in clusters}
    place = 0
    for piece in split(text):
        place += len(piece)
        assert place in bounds


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Harganya Rp3.14 juta. Mahal! Benar?", ["Harganya Rp3.14 juta. ", "Mahal! ", "Benar?"]),
        ("Dr. Siti datang. Beliau ramah.", ["Dr. Siti datang. ", "Beliau ramah."]),
        ("W. S. Rendra menulis. Ia penyair.", ["W. S. Rendra menulis. ", "Ia penyair."]),
        ("No. 5 rusak. Oh no. Ganti.", ["No. 5 rusak. ", "Oh no. ", "Ganti."]),
        ("He waited... then left. Why?", ["He waited... then left. ", "Why?"]),
        ("“Betul.” Dia pergi.", ["“Betul.” ", "Dia pergi."]),
        ("baris satu\nbaris dua\n\nbaris tiga", ["baris satu\n", "baris dua\n\n", "baris tiga"]),
        ("1. Beras 2 kg\n2. Gula", ["1. Beras 2 kg\n", "2. Gula"]),
        ("你好。“再见！”他说。", ["你好。", "“再见！”", "他说。"]),
        ("မင်္ဂလာပါ။ နေကောင်းလား။", ["မင်္ဂလာပါ။ ", "နေကောင်းလား။"]),
        ("សួស្តី។ អ្នកសុខសប្បាយទេ? បាទ៕", ["សួស្តី។ ", "អ្នកសុខសប្បាយទេ? ", "បាទ៕"]),
        ("வணக்கம். நலமா? நன்றி.", ["வணக்கம். ", "நலமா? ", "நன்றி."]),
        ("ປີ 2567 ດີ. ຂອບໃຈ", ["ປີ 2567 ດີ. ", "ຂອບໃຈ"]),
        ("ปี พ.ศ. 2567 ดีมาก", ["ปี พ.ศ. 2567 ดีมาก"]),
        ("", []),
    ],
)
def test_sentences_of_the_region(text, pieces):
    assert split(text) == pieces


@pytest.mark.parametrize(
    ("tag", "mark"),
    [(tag, mark) for tag, language in languages().items() for mark in language.sentence_ends],
)
def test_every_mark_of_every_table_ends_a_sentence(tag, mark):
    text = f"ᜃᜓ{mark} ꦲꦏ꧀ꦱꦫ{mark}” ᬅᬓ᭄ᬱᬭ{mark} Ngaran"
    assert split(text, tag) == [f"ᜃᜓ{mark} ", f"ꦲꦏ꧀ꦱꦫ{mark}” ", f"ᬅᬓ᭄ᬱᬭ{mark} ", "Ngaran"]


@pytest.mark.parametrize("mark", "꧉᭟᨞᨟᜶؟।")
def test_a_mark_of_no_other_use_needs_no_space_behind_it(mark):
    assert split(f"ᨔ{mark}ᨔ{mark}{mark}ᨔ") == [f"ᨔ{mark}", f"ᨔ{mark}{mark}", "ᨔ"]


@pytest.mark.parametrize("word", ["ꦲꦏ꧀ꦱꦫꦗꦮ", "ᬅᬓ᭄ᬱᬭᬩᬮᬶ"])
def test_javanese_and_balinese_letters_break_at_a_space_once_they_are_long(word):
    pieces = split(f"{word * 4} " * 12)
    assert all(80 <= len(piece) < 160 and piece.endswith(" ") for piece in pieces[:-1])
    assert len(pieces) > 2


def test_thai_without_end_marks_breaks_at_a_space_once_it_is_long():
    text = "วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะกัน " * 6
    pieces = split(text)
    assert len(pieces) > 2
    assert all(piece.endswith(" ") for piece in pieces)
    assert all(80 <= len(piece) < 160 for piece in pieces[:-1])


def test_a_sentence_is_given_out_as_soon_as_it_is_sure():
    stream = SentenceStream()
    assert stream.feed("Selamat pagi. ") == []
    assert stream.feed("A") == ["Selamat pagi. "]
    assert stream.feed("pa kabar") == []
    assert stream.flush() == ["Apa kabar"]


def test_the_time_is_linear():
    def seconds(text):
        start = time.process_time()
        stream = SentenceStream()
        for place in range(0, len(text), 7):
            stream.feed(text[place : place + 7])
        return time.process_time() - start

    short = "ข้อความยาวมากไม่มีช่องว่างเลยสักนิดเดียวจริงๆ" * 200
    seconds(short)
    assert seconds(short * 8) < 8 * max(seconds(short), 0.01) * 3

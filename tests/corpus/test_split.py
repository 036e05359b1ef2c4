import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.corpus.split import pieces

SOME = st.text(alphabet=st.sampled_from("ab ก็ิ่ခ္ ក្ខ中。.\n"), max_size=400)


@given(SOME, st.integers(2, 60))
def test_pieces_are_the_text_exactly_and_none_is_longer_than_the_limit(text, limit):
    found = pieces(text, limit)
    assert "".join(found) == text
    assert all(len(piece) <= limit for piece in found)
    assert len(found) == 1 or all(found)


def test_paragraphs_are_the_first_border():
    text = "Satu kalimat. Dua kalimat.\n\nParagraf kedua. Sampai sini.\n\nKetiga."
    assert pieces(text, 35) == [
        "Satu kalimat. Dua kalimat.\n\n",
        "Paragraf kedua. Sampai sini.\n\n",
        "Ketiga.",
    ]


@pytest.mark.parametrize("text", ["ที่นี่มีน้ำใจ" * 20, "ကျွန်တော်တို့" * 20, "ស្រុកខ្មែរ" * 20, "தமிழ்நாடு" * 20])
def test_no_piece_begins_with_a_mark_or_inside_a_stack(text):
    for piece in pieces(text, 17)[1:]:
        assert unicodedata.category(piece[0])[0] != "M"
    for piece in pieces(text, 17)[:-1]:
        assert piece[-1] not in "\u1039\u17d2"


def test_chinese_is_cut_after_a_full_stop_without_a_space():
    assert pieces("今天下雨。我们在家。明天去河边。", 12) == ["今天下雨。我们在家。", "明天去河边。"]

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.corpus.mix.beginning import beginning

SOME = st.text(alphabet=st.sampled_from("ab ก็ิ่ខ္ ក្ខ中。.\n"), max_size=400)


@given(SOME, st.integers(2, 60))
def test_it_begins_the_text_and_is_never_longer_than_the_limit(text, limit):
    found = beginning(text, limit)
    assert text.startswith(found)
    assert len(found) <= limit
    assert bool(found) == bool(text)
    assert found == text or len(text) > limit


@pytest.mark.parametrize(
    ("limit", "ends"), [(35, "Dua kalimat.\n\n"), (24, "Satu kalimat. "), (13, "Satu "), (3, "Sat")]
)
def test_the_best_border_is_a_paragraph_s_then_a_sentence_s_then_a_word_s(limit, ends):
    text = "Satu kalimat. Dua kalimat.\n\nParagraf kedua. Sampai sini.\n\nKetiga."
    assert beginning(text, limit).endswith(ends)


@pytest.mark.parametrize("text", ["ที่นี่มีน้ำใจ" * 20, "ကျွန်တော်တို့" * 20, "ស្រុកខ្មែរ" * 20, "தமிழ்நாடு" * 20])
@pytest.mark.parametrize("limit", range(9, 26))
def test_it_never_ends_before_a_mark_or_inside_a_stack(text, limit):
    found = beginning(text, limit)
    assert unicodedata.category(text[len(found)])[0] != "M"
    assert found[-1] not in "\u1039\u17d2"


def test_chinese_is_cut_after_a_full_stop_without_a_space():
    assert beginning("今天下雨。我们在家。明天去河边。", 12) == "今天下雨。我们在家。"

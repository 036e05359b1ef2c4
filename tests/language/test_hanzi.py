"""Traditional characters read as simplified ones: one for one, once, and nothing else touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.language.hanzi import simplified

HAN = st.characters(min_codepoint=0x3400, max_codepoint=0x9FFF)


@pytest.mark.parametrize(
    ("traditional", "expected"),
    [
        ("我們這個週末會去圖書館讀書", "我们这个周末会去图书馆读书"),
        ("請問門票多少錢？", "请问门票多少钱？"),
        ("這位著名的醫生說：乾坤", "这位著名的医生说：乾坤"),  # 著 and 乾 stand in simplified text too
    ],
)
def test_a_sentence_is_read_as_the_mainland_writes_it(traditional: str, expected: str) -> None:
    assert simplified(traditional) == expected
    assert simplified(expected) == expected


@given(st.text(HAN | st.characters()))
def test_it_is_as_long_as_before_and_once_is_enough(text: str) -> None:
    found = simplified(text)
    assert len(found) == len(text)
    assert simplified(found) == found
    assert all(a == b for a, b in zip(text, found, strict=True) if not "\u3400" <= a <= "\u9fff")


def test_another_implementation_agrees() -> None:
    icu = pytest.importorskip("icu", reason="PyICU is not installed (part icu)")
    transform = icu.Transliterator.createInstance("Traditional-Simplified")
    text = "臺灣香港馬來西亞的華人學生寫繁體漢字"
    assert simplified(text) == transform.transliterate(text)

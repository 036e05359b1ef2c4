"""Reading labels and lines out of responses, rule by rule."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.evaluate.seahelm.parse import LINE, NULL, Labels, extract, tidy

LETTERS = ("A", "B", "C", "D")
BURMESE = ("က", "ခ", "ဂ", "ဃ")


def read(response, labels=LETTERS, tag="Jawaban:", *, linguistic=False):
    flags = re.NOFLAG if linguistic else re.IGNORECASE
    return Labels(tag, labels, often="*" if linguistic else "+", flags=flags).read(response)


@pytest.mark.parametrize(
    ("response", "label"),
    [
        # an echo of the form, and what no word boundary makes of words
        ("Jawaban: ANSWER", "A"),
        ("Jawaban: Benar", "B"),
        ("Jawaban: Bad", "D"),
        ("Jawaban: AB", "B"),
        ("Jawaban: abcd", "D"),
        # signs between tag and label
        ("Jawaban: **C**", "C"),
        ("Jawaban:\n* C", "C"),
        ("Jawaban:C", "C"),
        ("Jawaban: C. text", "C"),
        ("Jawaban: (C)", NULL),
        ("Jawaban: [C]", NULL),
        ("Jawaban: `C`", NULL),
        # white space is Unicode's
        ("Jawaban:\u00a0C", "C"),
        ("Jawaban:\u3000C", "C"),
        ("Jawaban:\x85C", "C"),
        ("Jawaban:\u2028C", "C"),
        ("Jawaban:\u200bC", NULL),
        # case
        ("JAWABAN: c", "C"),
        # no tag: the whole response must be the label
        ("C", "C"),
        ("  c\n", "C"),
        ("(A)", "A"),
        ("**A**", "A"),
        ("A.", "A"),
        ("A။", NULL),
        ("A។", NULL),
        ("A。", NULL),
        ("“A”", NULL),
        ("Saya pilih A", NULL),
        ("A B", NULL),
        ("", NULL),
        # the first tag with a label decides; one without is passed over
        ("Jawaban: A. Tidak, maaf. Jawaban: B", "A"),
        ("Jawaban: ?? Jawaban: B", "B"),
        ("Pilihan jawaban: d", "D"),
        ("Jawapan: A", NULL),
    ],
)
def test_label_tasks(response, label) -> None:
    assert read(response) == label


@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("Jawaban: A", "A"),
        ("Jawaban: AB", "B"),
        ("Jawaban: a", NULL),  # case-sensitive after the tag
        ("a", "A"),  # but not in the fallback
        ("jawaban: A", NULL),
        ("Jawaban: ?? Jawaban: B", NULL),  # the first tag decides
        ("Jawaban:", NULL),
        ("Jawaban: (A)", NULL),
        ("A", "A"),
        ("", NULL),
    ],
)
def test_linguistic_tasks(response, label) -> None:
    assert read(response, ("A", "B"), linguistic=True) == label


def test_a_label_that_holds_the_tag_is_read_whole_where_nothing_follows_it() -> None:
    assert read("Jawaban:", ("Jawaban", "B"), linguistic=True) == "Jawaban"


@pytest.mark.parametrize(
    ("response", "label"),
    [("အဖြေ- ခ", "ခ"), ("အဖြေ-ဂ။", "ဂ"), ("ဃ", "ဃ"), ("အဖြေ- B", NULL), ("ခ။", NULL)],
)
def test_burmese_options(response, label) -> None:
    assert read(response, BURMESE, "အဖြေ-") == label


def test_there_is_no_unicode_normalisation() -> None:
    tag, labels = "Câu trả lời:", ("Tích cực", "Tiêu cực")
    response = "Câu trả lời: Tích cực"
    assert read(response, labels, tag) == "Tích cực"
    assert read(unicodedata.normalize("NFD", response), labels, tag) == NULL
    assert read("Câu trả lời: " + unicodedata.normalize("NFD", "Tích cực"), labels, tag) == NULL


def test_the_kelvin_sign_counts_as_k() -> None:
    assert read("Jawaban: \u212a", ("K", "L")) == "K"


def test_a_full_width_colon_is_no_colon() -> None:
    assert read("答案：A", tag="答案:") == NULL
    assert read("答案：A", tag="答案") == NULL  # nothing but white space and stars may stand between
    assert read("答案：A", tag="答案：") == "A"


def test_labels_of_several_words_are_found() -> None:
    labels = ("Công kích", "Thù ghét", "Sạch")
    assert read("Câu trả lời: thù ghét.", labels, "Câu trả lời:") == "Thù ghét"
    assert read("Câu trả lời: Công  kích", labels, "Câu trả lời:") == NULL


def test_tag_and_labels_stand_unescaped() -> None:
    assert read("JawabanX A", tag="Jawaban.") == "A"
    assert read("Jawaban: Aa", ("A+", "B")) == NULL  # the pattern finds «Aa», which is no label
    assert read("A+", ("A+", "B")) == NULL  # the ends lose punctuation, the label keeps it
    assert read("Jawaban: B", ("(", "B")) == NULL  # the pattern cannot be compiled, so nothing matches
    assert read("B", ("(", "B")) == "B"


def test_labels_alike_in_lower_case_and_order() -> None:
    same = Labels("Jawaban:", ("a", "A"), often="+", flags=re.IGNORECASE)
    assert len(same.by_lower) == 1
    assert same.ordered
    assert any("One label begins another" in fault for fault in same.faults)
    assert not Labels("Jawaban:", LETTERS, often="+", flags=re.IGNORECASE).ordered


@pytest.mark.parametrize(
    ("response", "answer", "tagged"),
    [
        ("Jawaban: dua orang\nlagi", "dua orang", True),
        ("Jawaban:\n\n ** `dua` orang", "dua` orang", True),
        ("Jawaban: satu\rdua\x85tiga\u2028empat", "satu\rdua\x85tiga\u2028empat", True),
        ("Jawaban:", "", True),
        ("Jawaban: satu Jawaban: dua", "satu Jawaban: dua", True),
        ("jawaban: satu", "jawaban: satu", False),
        ("  satu\ndua ", "satu\ndua", False),
        ("", "", False),
    ],
)
def test_the_rest_of_one_line(response, answer, tagged) -> None:
    assert extract("Jawaban:" + LINE, response) == (answer, tagged)


@given(st.text(st.sampled_from("aB.,!?()*~“”။ \n\t\u00a0\u2028"), max_size=12))
def test_tidying_is_that_of_a_plain_loop(text) -> None:
    ends = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \n"
    left = list(text.lower())
    while left and left[0] in ends:
        left.pop(0)
    while left and left[-1] in ends:
        left.pop()
    words, word = [], ""
    for char in [*left, " "]:
        if char in " \n\t\u00a0\u2028":
            words += [word] if word else []
            word = ""
        else:
            word += char
    assert tidy(text) == " ".join(words)


@given(
    st.sampled_from(LETTERS), st.text(st.sampled_from(" \n*\u00a0\u3000"), max_size=6), st.text(max_size=20)
)
def test_a_label_right_behind_the_tag_is_always_read(label, between, before) -> None:
    before = before.replace(":", "")
    assert read(f"{before}Jawaban:{between}{label} ") == label

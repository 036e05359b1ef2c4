"""Counting, keys and runs agree with the plain way of doing each."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.corpus.chat.params import ChatParams
from rumpun.corpus.chat.refusals import text_refusals
from rumpun.corpus.letters import LETTERS, SCRIPTS, Letters, member
from rumpun.corpus.overlap import HeldOut
from rumpun.recipes import build

REGION = "abc ABCé .,\n1กาขิ่ကခိ်កខិ្ກາຂິதமிழ்中文字ABج"
some_text = st.text(alphabet=st.one_of(st.sampled_from(REGION), st.characters()), max_size=60)
few_texts = st.lists(some_text, max_size=6)


def plain_letters(text):
    folded = unicodedata.normalize("NFC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LM")


def plain_words(text):
    folded = unicodedata.normalize("NFC", text).casefold()
    return "".join(c if unicodedata.category(c)[0] in "LM" else " " for c in folded).split()


@given(few_texts)
def test_letters_are_counted_as_one_by_one(texts):
    letters = Letters(texts)
    assert letters.letter_counts().tolist() == [len(plain_letters(text)) for text in texts]
    assert letters.count(letters.kinds >= LETTERS).tolist() == [len(plain_letters(text)) for text in texts]


@given(few_texts)
def test_keys_are_equal_exactly_where_letters_are(texts):
    letters = Letters(texts)
    for keys in (letters.keys().tolist(), letters.digests().tolist()):
        for a, key_a in zip(texts, keys, strict=True):
            for b, key_b in zip(texts, keys, strict=True):
                assert (key_a == key_b) == (plain_letters(a) == plain_letters(b))


@given(some_text, some_text, few_texts)
def test_a_key_does_not_depend_on_what_stands_beside_the_text(before, text, after):
    assert Letters([before, text, *after]).keys()[1] == Letters([text]).keys()[0]


@given(few_texts, st.integers(1, 5))
def test_runs_of_letters_match_where_substrings_do(texts, length):
    letters = Letters(texts)
    hashes, owner = letters.runs(letters=length)
    plain = [
        (plain_letters(t)[i : i + length], n)
        for n, t in enumerate(texts)
        for i in range(len(plain_letters(t)) - length + 1)
    ]
    assert owner.tolist() == [n for _, n in plain]
    named = dict(zip([run for run, _ in plain], hashes.tolist(), strict=True))
    assert [named[run] for run, _ in plain] == hashes.tolist()
    assert len(set(named.values())) == len(named)


@given(few_texts, st.integers(1, 4))
def test_runs_of_words_match_where_word_runs_do(texts, length):
    hashes, owner = Letters(texts).runs(words=length)
    plain = [
        ("".join(plain_words(t)[i : i + length]), n)
        for n, t in enumerate(texts)
        for i in range(len(plain_words(t)) - length + 1)
    ]
    assert owner.tolist() == [n for _, n in plain]
    named = dict(zip([run for run, _ in plain], hashes.tolist(), strict=True))
    assert [named[run] for run, _ in plain] == hashes.tolist()


@given(few_texts, st.data())
def test_some_of_the_texts_are_as_if_they_stood_alone(texts, data):
    rows = sorted(data.draw(st.sets(st.sampled_from(range(len(texts))) if texts else st.nothing())))
    some, alone = Letters(texts).some(np.array(rows, dtype=np.int64)), Letters([texts[row] for row in rows])
    assert some.keys().tolist() == alone.keys().tolist()
    assert some.digests().tolist() == alone.digests().tolist()
    for terms in ({"letters": 3}, {"words": 2}):
        for one, other in zip(some.runs(**terms), alone.runs(**terms), strict=True):
            assert one.tolist() == other.tolist()


@given(few_texts)
def test_scripts_are_counted_as_one_by_one(texts):
    letters = Letters(texts)
    plain = [letters.count(letters.kinds == LETTERS + n).tolist() for n in range(len(SCRIPTS))]
    assert letters.script_counts().T.tolist() == plain


@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 2**64 - 1)))
def test_member_is_set_membership(values, table):
    sorted_table = np.unique(np.array(table, dtype=np.uint64))
    mixed = values + table[:3]
    found = member(np.array(mixed, dtype=np.uint64), sorted_table)
    assert found.tolist() == [value in set(table) for value in mixed]


def test_a_lone_surrogate_breaks_nothing():
    assert Letters(["a\ud800b"]).letter_counts().tolist() == [2]


@pytest.mark.parametrize(
    ("held", "text", "hit"),
    [
        ("one two three four five six", "zero ONE, two three; four five seven", True),
        ("one two three four five six", "one two three four seven five six", False),
        ("one two three", "One two: three!", True),  # shorter than a run, but its letters are equal
        ("one two three", "one two three four", False),
    ],
)
def test_overlap_by_words(held, text, hit):
    assert HeldOut([held], words=5).hits(Letters(["something else entirely here now", text])).tolist() == [
        False,
        hit,
    ]


@pytest.mark.parametrize(
    ("text", "hit"),
    [("ฉันเห็นว่าแม่ขายกล้วยและปลาแห้งตัวเล็กที่นี่", True), ("แม่ขายกล้วย", False), ("พ่อซื้อเต้าหู้ทอดทุกวันเสาร์ที่ตลาด", False)],
)
def test_overlap_by_letters_needs_no_spaces(text, hit):
    assert HeldOut(["แม่ขายกล้วยและปลาแห้งตัวเล็ก"], letters=15).hits(Letters([text])).tolist() == [hit]


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("Selamat pagi semuanya, apa kabar?", "id", ""),
        ("สวัสดีตอนเช้าทุกคน สบายดีไหมคะ", "th", ""),
        ("မင်္ဂလာပါ နေကောင်းကြလားခင်ဗျာ", "my", ""),
        ("សួស្តីពេលព្រឹក សុខសប្បាយទេ", "km", ""),
        ("ສະບາຍດີຕອນເຊົ້າທຸກຄົນ ສະບາຍດີບໍ", "lo", ""),
        ("காலை வணக்கம் அனைவருக்கும் நலமா", "ta", ""),
        ("大家早上好，今天天气很不错，我们一起去市场买菜吧", "zh", ""),
        ("使用 git commit 命令可以保存您对文件所做的修改", "zh", ""),
        ("Selamat pagi semuanya, apa kabar?", "th", "wrong script"),
        ("สวัสดีตอนเช้าทุกคน สบายดีไหมคะ", "lo", "wrong script"),
        ("ok", "id", "too short"),
        (" \n\t ", "id", "empty"),
        ("12.500 + 7.800 = 20.300 (jumlah)", "id", "mostly symbols or digits"),
        ("Selamat pagi \ufffd\ufffd semuanya, apa kabar?", "id", "replacement characters"),
        ("Selamat pagi \x08 semuanya, apa kabar?", "id", "control characters"),
    ],
)
def test_each_refusal_has_its_reason(text, language, reason):
    params = build(ChatParams, {"languages": [language]}, "test")
    assert text_refusals(Letters([text]), [language], params) == [reason]

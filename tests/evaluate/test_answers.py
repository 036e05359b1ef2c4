"""What is read out of answers: decisions in eleven languages, what is none, and laws that hold of any text around them.

The answers were written for these tests and not reviewed by native speakers.
"""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rumpun.errors import UsageError
from rumpun.evaluate.answer_marks import marks, tags_in
from rumpun.evaluate.answers import after_thoughts, read_choice, read_label, read_text

CITIES = ("Jakarta", "Hanoi", "Bangkok", "Vitamin C")
TAGS = ("Jawaban:", "Jawaban saya adalah", "อคำตอบของผม:")
LISTING = "A. Jakarta\nB. Hanoi\nC. Bangkok\nD. Vitamin C"
SETS = {"en": "ABCD", "my": "ကခဂဃ", "th": "กขคง", "km": "កខគឃ", "lo": "ກຂຄງ", "ta": "அஆஇஈ", "zh": "甲乙丙丁", "1": "1234",
        "my digits": "၁၂၃၄", "th digits": "๑๒๓๔", "km digits": "១២៣៤", "lo digits": "໑໒໓໔", "ta digits": "௧௨௩௪"}  # fmt: skip
TAG = {"id": "Jawaban:", "ms": "Jawapan:", "vi": "Đáp án:", "th": "คำตอบ:", "tl": "Sagot:", "my": "အဖြေ-", "km": "ចម្លើយ៖",
       "lo": "ຄຳຕອບ:", "ta": "பதில்:", "zh": "答案：", "en": "Answer:", "jv": "Wangsulan:"}  # fmt: skip


def choice(answer, options=CITIES, **kwargs):
    return read_choice(answer, options=options, tags=TAGS, **kwargs).value


@pytest.mark.parametrize("letters", SETS.values(), ids=SETS)
@pytest.mark.parametrize(
    "form", ["{}", "({})", "[{}]", "**{}**", "`{}`", "{}.", "{})", " {} \n", "**{}.**", "{}\n\nFoo bar baz."]
)
def test_a_letter_alone_is_read_in_every_set(letters, form):
    assert [choice(form.format(letter)) for letter in letters] == [0, 1, 2, 3]


@pytest.mark.parametrize("tag", TAG.values(), ids=TAG)
@pytest.mark.parametrize(
    "form", ["{} {}", "{}{}", "**{}** {}", "**{} {}**", "## {}\n\n{}", "{} ({})", "{}\n`{}`", "{} [{}]."]
)
def test_every_languages_tag_is_known(tag, form):
    for letters in ("ABCD", "abcd", "กขคง", "ကခဂဃ", "၁၂၃၄"):
        assert [choice(form.format(tag, letter)) for letter in letters] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ("The answer is B because A is wrong.", 1),
        ("The correct answer is (B) Hanoi.", 1),
        ("The answer is: **C**", 2),
        ("I'd go with option C.", 2),
        ("คำตอบคือข้อ ค ครับ", 2),
        ("ดังนั้นคำตอบคือ ค. Bangkok", 2),
        ("अ Đáp án đúng là B. Hanoi", 1),
        ("Ang tamang sagot ay C", 2),
        ("答案是C。", 2),
        ("சரியான விடை: இ", 2),
        ("ຄຳຕອບທີ່ຖືກຕ້ອງແມ່ນ ຂ", 1),
        ("ចម្លើយត្រឹមត្រូវគឺ គ", 2),
        ("အဖြေမှန်မှာ (ဂ) ဖြစ်သည်။", 2),
        ("\\boxed{B}", 1),
        ("$\\boxed{\\text{C}}$", 2),
        ("<answer>B</answer>", 1),
        ('{"answer": "B"}', 1),
        ("Ｃ", 2),
        ("②", 1),
        ("🅱️", 1),
        ("Jawaban\nB", 1),
        ("Jawaban B", 1),
        ("Jawaban saya adalah B, sebab itu benar.", 1),
        ("B karena itu benar", 1),
        ("Saya yakin (C).", 2),
        ("Saya memilih opsi C.", 2),
        ("Opsi B salah, opsi C benar", 2),
        ("Jawaban: B, bukan C", 1),
        ("Hanoi", 1),
        ("ibu kota vietnam adalah hanoi.", 1),
        ("Jawaban: Hanoi", 1),
        ("D. Vitamin C", 3),
        ("Jawaban: D. Vitamin C", 3),
        ("Answer: B\n\nI hope this answer is helpful!", 1),
        ("Answer: B\nJakarta is not the capital.", 1),
        ("B\n\nPenjelasan: (A) salah, (C) salah.", 1),
        (f"{LISTING}\n\nJawaban: C", 2),
        (f"{LISTING}\n\nC", 2),
        (f"{LISTING}\n\nBangkok", 2),
        (f"Jawaban: {LISTING}\n\nJawaban: C", 2),
    ],
)
def test_decisions(answer, place):
    assert choice(answer) == place


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        ("", "empty"),
        (" \n\u200b", "empty"),
        ("Jawaban:", "nothing"),
        ("Jawaban: Benar", "nothing"),
        ("Jawaban: Bad", "nothing"),
        ("Jawaban: AB", "nothing"),
        ("Jawaban: ANSWER", "nothing"),
        ("Jawaban: E", "nothing"),
        ("Jawaban: 2 menit", "nothing"),
        ("Jawaban: 1.5", "nothing"),
        ("Jawaban: B-52", "nothing"),
        ("Jawaban: B's", "nothing"),
        ("Jawaban: A dan B", "ambiguous"),
        ("Jawaban: A, B", "ambiguous"),
        ("Jawaban: A/B", "ambiguous"),
        ("Jawaban: A B", "ambiguous"),
        ("Jawaban: (A) atau (B)", "ambiguous"),
        ("คำตอบ: ก และ ข", "ambiguous"),
        ("答案：A和B", "ambiguous"),
        ("အဖြေ- က နှင့် ခ", "ambiguous"),
        ("Jawaban: Hanoi atau Bangkok", "ambiguous"),
        ("Jawaban: B. Jakarta", "ambiguous"),
        ("B. Jakarta", "ambiguous"),
        ("A\n\nB", "ambiguous"),
        ("Opsi A atau opsi C", "ambiguous"),
        ("Hanoi atau Bangkok", "ambiguous"),
        ("Jawaban: B salah", "denied"),
        ("I think the answer is not B.", "denied"),
        ("Bukan Hanoi.", "denied"),
        ("ไม่ใช่ (ก)", "denied"),
        (LISTING, "copied"),
        (LISTING.replace("\n", " "), "copied"),
        (f"Jawaban: {LISTING}", "copied"),
        (f"{LISTING}\n\nPertanyaan yang sulit!", "copied"),
        ("A man walks by the lake.", "nothing"),
        ("เรื่องนี้เกี่ยวข้องกับกรณีของเขา", "nothing"),
        ("<think>Jawaban: A", "unfinished"),
        ("<think>x</think> <think>Jawaban: A", "unfinished"),
        ("[THINK]\nJawaban: A", "unfinished"),
    ],
)
def test_what_is_no_decision_is_never_a_guess(answer, how):
    found = read_choice(answer, options=CITIES, tags=TAGS)
    assert (found.value, found.how) == (None, how)


def test_the_last_tag_decides():
    assert choice("Opsi B cocok.\nJawaban: entahlah") is None
    assert choice("Jawaban: A\nTunggu, itu keliru.\nJawaban: C") == 2
    assert choice("The answer is A. Wait. The answer is D.") == 3
    assert choice("Jawaban: A. Jawaban: tidak ada") is None
    assert choice("Answer: A. Wait, the answer is not A.") is None


@pytest.mark.parametrize(("opening", "closing"), marks().thoughts)
def test_thinking_is_not_the_answer(opening, closing):
    assert choice(f"{opening}\nJawaban: A\n{closing}\n\nJawaban: C") == 2
    assert choice(f"Jawaban: A {closing} C") == 2  # a template may have opened it
    assert after_thoughts(f"{opening} x") is None


def test_numbers_are_letters_only_where_no_option_is_a_number():
    assert choice("3") == 2
    assert choice("3", options=("3", "5", "12")) == 0
    assert choice("Jawaban: 12", options=("3", "5", "12")) == 2
    assert choice("Jawaban: 2", options=("3", "5", "12")) is None
    assert choice("๑๒", options=("3", "5", "12")) == 2
    assert choice("3.5", options=("3", "5", "12")) is None
    assert choice("-5", options=("5", "-5")) == 1


def test_an_options_own_words_are_no_denial_and_no_letter():
    assert choice("Tidak", options=("Ya", "Tidak")) == 1
    assert choice("Jawaban: B. Salah", options=("Benar", "Salah")) == 1
    assert choice("Ya, karena tidak ada yang lain", options=("Ya", "Tidak")) == 0
    assert choice("Answer: A man walks", options=("The sea", "A man walks")) == 1
    assert choice("The answer is A because it rains") == 0
    assert choice("Answer: A dog runs", options=("The sea", "A man walks")) is None
    assert choice("Menurut saya (B) Salah", options=("Benar", "Salah")) == 1
    assert choice("AB", options=("A", "B", "AB", "O")) == 2
    assert choice("Answer: B", options=("B", "A", "AB", "O")) is None  # the letter of A or the text B?
    for answer in (
        "the capital city of Vietnam",
        "Answer: the capital city of Vietnam",
        "It is the capital city of Vietnam",
    ):
        assert choice(answer, options=("the capital", "the capital city of Vietnam")) == 1


def test_in_a_long_text_a_mention_says_nothing():
    long = "Mari kita lihat teks itu sekali lagi dengan tenang. " * 8
    assert choice(f"{long}Hanoi disebut di sana.") is None
    assert label(f"{long}Ada kata positif di sana.") is None
    assert choice(f"{long}\nJadi ibu kotanya Hanoi.") == 1
    assert label(f"{long}\nJadi teks itu positif.") == "positive"


def test_two_options_of_one_text_are_told_by_letter_alone():
    assert choice("B", options=("Gas", "Batu", "Batu")) == 1
    assert choice("Batu", options=("Gas", "Batu", "Batu")) is None


def test_letters_of_the_prompt_go_first():
    assert choice("Answer: B", letters=["B", "A", "D", "C"]) == 0
    assert choice("(iii)", letters=["i)", "ii)", "iii)", "iv)"]) == 2
    with pytest.raises(UsageError, match="2 letters for 4 options"):
        choice("A", letters=["A", "B"])


LABELS = {
    "positive": ["positif", "positive", "เชิงบวก", "tích cực", "正面", "အပြုသဘော", "វិជ្ជមាន", "ທາງບວກ", "நேர்மறை", "positibo"],
    "neutral": ["netral", "neutral", "เป็นกลาง", "trung lập", "中性", "ကြားနေ", "អព្យាក្រឹត", "ເປັນກາງ", "நடுநிலை", "neutral na"],
    "negative": ["negatif", "negative", "เชิงลบ", "tiêu cực", "负面", "အဆိုးမြင်", "អវិជ្ជមាន", "ທາງລົບ", "எதிர்மறை", "negatibo"],
}  # fmt: skip


def label(answer, labels=LABELS):
    return read_label(answer, labels=labels, tags=TAGS).value


@pytest.mark.parametrize(
    "form", ["{}", "**{}**", "{}.", "“{}”", "Jawaban: {}", "คำตอบ: {}ครับ", "အဖြေ- {}", "**Answer:** `{}`"]
)
def test_every_word_says_its_label(form):
    for name, words in LABELS.items():
        for word in words:
            if "ครับ" in form and word.isascii() | ("í" in word) | (word == "trung lập"):
                continue
            assert label(form.format(word)) == name, word
            assert label(form.format(unicodedata.normalize("NFD", word.upper()))) == name


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("ข้อความนี้เป็นเชิงบวกครับ", "positive"),
        ("这是正面的", "positive"),
        ("Positif. Tidak ada kata negatif di sini.", "positive"),
        ("Netral\n\nTeks itu tidak positif dan tidak negatif.", "neutral"),
        ("Sentimen: negatif, bukan positif", "negative"),
        ("Jawaban: positif, bukan negatif", "positive"),
        ("Answer: The sentiment is negative.", "negative"),
        ("Kalimat ini positif\n\nJawaban: negatif", "negative"),
        ("tidak positif", None),
        ("không tích cực", None),
        ("ไม่เชิงบวก", None),
        ("ไม่เป็นเชิงบวก", None),
        ("不是正面的", None),
        ("hindi positibo", None),
        ("အပြုသဘော မဟုတ်", None),
        ("நேர்மறை அல்ல", None),
        ("មិនវិជ្ជមានទេ", None),
        ("Jawaban: tidak positif", None),
        ("The answer is not positive.", None),
        ("positif atau negatif", None),
        ("positif, netral, negatif", None),
        ("Answer: positive or negative", None),
        ("positively", None),
        ("Jawaban: positifnya", None),
        ("<think>positif", None),
        ("", None),
    ],
)
def test_labels(answer, name):
    assert label(answer) == name


def test_a_label_inside_a_longer_one_is_the_longer_one():
    labels = {"good": ["ดี", "baik"], "bad": ["ไม่ดี", "tidak baik"]}
    assert label("ไม่ดี", labels) == "bad"
    assert label("คำตอบ: ไม่ดีครับ", labels) == "bad"
    assert label("ดีครับ", labels) == "good"
    assert label("tidak baik", labels) == "bad"
    assert label("tidak begitu baik", labels) is None


def test_a_denial_that_is_a_label_denies_nothing():
    labels = {"yes": ["ya", "có", "ใช่"], "no": ["tidak", "không", "ไม่"]}
    assert [label(word, labels) for word in ("Tidak.", "Không", "ไม่", "ไม่ครับ")] == ["no"] * 4
    assert label("không có", labels) is None


def test_labels_that_cannot_be_meant_are_named():
    with pytest.raises(UsageError, match="'b' has no word"):
        label("x", {"a": ["x"], "b": [" "]})
    with pytest.raises(UsageError, match="'ya' stands for two labels"):
        label("x", {"a": ["Ya"], "b": ["ya"]})


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Jawaban: satu\ndua", "satu\ndua"),
        ("**Jawaban:** satu dua", "satu dua"),
        ("**Jawaban: satu**", "satu"),
        ("Jawaban: a\nJawaban: b\nc", "b\nc"),
        ("ini jawaban: x", "ini jawaban: x"),
        ("“satu dua”", "satu dua"),
        ('"satu" dan "dua"', '"satu" dan "dua"'),
        ("```\nx\ny\n```", "x\ny"),
        ("<think>x</think>\n\n๓ ၅", "๓ ၅"),
        ("e\u0301", "é"),
        ("Jawaban:", None),
        ("<think>x", None),
    ],
)
def test_texts_keep_every_line(answer, text):
    assert read_text(answer, tags=TAGS).value == text


# laws

_SCRIPTS = (
    "กขคดตนมยรลวสหอาิีุเแโ่้", "ກຂຄດຕນມຍຣລວສຫາິີຸເແໂ່້", "កខគដតនមយរលវសហអាិីុេ្", "ကခဂတနမယရလဝသဟာိီုေ့်",
    "அகசடதநமயரலவாிீுே்", "今天气很好中文的", "aăâbcdđeêghiklmnoôơpqrstuưvxy", "ABCDEFXYZ", "०१२३๑๒๓၁၂၃ 123", "«»“”()[]*_`#.,:;!?。။៖-",
)  # fmt: skip
texts = st.one_of(
    *(st.text(signs + " \n", max_size=40) for signs in _SCRIPTS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)


def plain_around(text):
    return not any(True for _ in tags_in(text.casefold(), TAGS)) and after_thoughts(text) == text


@given(
    texts, texts, st.sampled_from(list(TAG.values())), st.sampled_from(list(SETS.values())), st.integers(0, 3)
)
def test_a_tag_and_a_letter_are_read_whatever_surrounds_them(before, after, tag, letters, place):
    assume(plain_around(before) and plain_around(after))
    assert choice(f"{before}\n{tag} {letters[place]}\n{after}") == place


words_of_no_letter = st.lists(
    st.text("bdfghjklmnpqrsuwxyz", min_size=4, max_size=9), min_size=1, max_size=30
).map(" ".join)


@given(words_of_no_letter, st.sampled_from([" ", "\n", ", ", ". "]))
def test_words_without_a_letter_or_label_say_nothing(text, between):
    text = text.replace(" ", between)
    assert choice(text) is None
    assert label(text) is None


@given(texts)
def test_equivalent_texts_read_the_same(text):
    options = ("กข", "ngày", "မြန်", "tea")
    for form in ("NFC", "NFD"):
        assert read_choice(unicodedata.normalize(form, text), options=options) == read_choice(
            text, options=options
        )


@given(st.permutations(range(4)), st.sampled_from(["ABCD", "กขคง", "ကခဂဃ", "កខគឃ"]))
def test_copied_options_are_none_and_a_decision_after_them_is_read(order, letters):
    options = [CITIES[place] for place in order]
    copied = "\n".join(f"({letter}) {option}" for letter, option in zip(letters, options, strict=True))
    assert choice(copied, options) is None
    assert choice(f"{copied}\n\n{letters[2]}", options) == 2
    assert choice(f"{copied}\nJawaban: {options[1]}", options) == 1

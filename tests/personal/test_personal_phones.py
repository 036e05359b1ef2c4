"""Phones: libphonenumber's own example numbers of every country, helplines left alone."""

import tomllib
from pathlib import Path

import pytest

import rumpun
from rumpun.personal import COUNTRIES, find, packs

phonenumbers = pytest.importorskip("phonenumbers", reason="phonenumbers is not installed")
FORMATS = phonenumbers.PhoneNumberFormat


def example(country, kind=phonenumbers.PhoneNumberType.MOBILE):
    return phonenumbers.example_number_for_type(country.upper(), kind)


@pytest.mark.parametrize("country", COUNTRIES)
def test_international_form_is_found_anywhere(country):
    for form in (FORMATS.INTERNATIONAL, FORMATS.E164):
        written = phonenumbers.format_number(example(country), form)
        text = f"ติดต่อ{written}ครับ"
        found = find(text)
        assert [(f.type, f.country, text[f.start : f.end]) for f in found] == [("PHONE", country, written)]


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize(
    "kind", [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]
)
def test_national_form_is_found_beside_a_word(country, kind):
    written = phonenumbers.format_number(example(country, kind), FORMATS.NATIONAL)
    text = f"phone: {written}"
    found = find(text)
    assert [f.type for f in found] == ["PHONE"]
    assert text[found[0].start : found[0].end].strip("()") == written.strip("()")


@pytest.mark.parametrize("country", [c for c in COUNTRIES if c not in ("sg", "bn", "tl")])
def test_mobile_numbers_with_a_trunk_prefix_need_no_word(country):
    written = phonenumbers.format_number(example(country), FORMATS.NATIONAL)
    assert [f.type for f in find(f"({written})", countries=[country])] == ["PHONE"]


@pytest.mark.parametrize("country", ["sg", "bn", "tl"])
def test_short_national_numbers_need_a_word_or_a_plus(country):
    written = phonenumbers.format_number(example(country), FORMATS.NATIONAL)
    assert find(f"kod {written}") == []
    assert [f.type for f in find(f"whatsapp {written}")] == ["PHONE"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("โทร๐๘๑-๒๓๔-๕๖๗๘นะ", "๐๘๑-๒๓๔-๕๖๗๘"),
        ("ဖုန်း၀၉၁၂၃၄၅၆၇၈၉ပါ", "၀၉၁၂၃၄၅၆၇၈၉"),
        ("ទូរស័ព្ទ០១២៣៤៥៦៧៨", "០១២៣៤៥៦៧៨"),
        ("ໂທລະສັບ ໐໒໐ ໒໓໔໕ ໖໗໘໙", "໐໒໐ ໒໓໔໕ ໖໗໘໙"),
        ("电话91234567号", "91234567"),
        ("wa.me/6281234567890", "6281234567890"),
        ("HP:0812-3456-7890", "0812-3456-7890"),
        ("sđt 0912.345.678", "0912.345.678"),
        ("+66 (0)81 234 5678", "+66 (0)81 234 5678"),
        ("0066812345678", "0066812345678"),
        ("+44 20 7946 0958", "+44 20 7946 0958"),  # of another region (Ofcom's numbers for drama)
        ("hp 0 8 1 2 3 4 5 6 7 8 9 0", "0 8 1 2 3 4 5 6 7 8 9 0"),
    ],
)
def test_the_ways_people_write_them(text, value):
    assert [(f.type, text[f.start : f.end]) for f in find(text)] == [("PHONE", value)]


def test_helplines_and_emergency_numbers_are_never_masked():
    for country in COUNTRIES:
        for number in packs()[country].allow:
            for text in (f"call {number}", f"hotline tel {number} 24 jam", f"โทร {number}"):
                assert find(text) == [], (country, number)


def policy_numbers():
    def numbers(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from [inner] if key == "number" and isinstance(inner, str) else numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)

    folder = Path(rumpun.__file__).parent / "guard" / "policy"
    for path in sorted(folder.rglob("*.toml")):
        yield from numbers(tomllib.loads(path.read_text(encoding="utf-8")))


def test_help_lines_of_the_guard_s_policies_are_never_masked():
    for number in policy_numbers():
        for text in (
            f"Call {number}",
            f"hotline tel: {number} (24 jam)",
            f"โทร {number}",
            f"ဖုန်း {number}",
            f"WhatsApp {number} now",
        ):
            assert find(text) == [], text


def test_toll_free_numbers_belong_to_no_person():
    assert find("call 1800 221 4444") == []
    assert find("hubungi 0800-1500-119") == []


def test_a_phone_is_not_seen_in_dates_amounts_and_codes():
    for text in ("2024-10-12", "0.812345678", "Rp 081.234.567", "SKU0812345678X", "1234-5678"):
        assert all(f.type != "PHONE" for f in find(text)), text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Nhờ bạn ghi 0165817770 vào mẫu.", None),  # Malaysia's plan has it, Viet Nam's does not
        ("Nhờ bạn ghi 016-581 7770 vào mẫu.", "016-581 7770"),  # laid out as a phone
        ("Nhờ bạn gọi 0165817770 nhé, điện thoại", "0165817770"),
        ("Please note 0165817770 in the form.", "0165817770"),  # letters that point nowhere
        ("ช่วยจด 0812345678 ลงในแบบฟอร์ม", "0812345678"),
    ],
)
def test_a_bare_number_of_another_country_than_the_letters_needs_a_word(text, value):
    assert [text[f.start : f.end] for f in find(text)] == ([value] if value else [])


def test_a_country_that_is_asked_for_is_read_in_any_script():
    text = "Nhờ bạn ghi 0165817770 vào mẫu."
    assert [f.type for f in find(text, countries=["my"])] == ["PHONE"]


@pytest.mark.parametrize("number", ["0961 0987874 8", "7394 0139 3948 5932"])
def test_a_part_of_an_identifiers_layout_is_no_phone(number):
    assert find(f"Ipinadala niya ang {number} kahapon.") == []
    assert [f.type for f in find(f"Tawag sa cellphone {number} po.")] != []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Catat 0812-3456-7890 24 jam", "0812-3456-7890"),
        ("List: 0812 3456 7890, 0857 1234 5678", "0812 3456 7890"),
        ("ຈົດ 020 5512 3456 020 2212 3456 ໄວ້", "020 5512 3456"),
    ],
)
def test_what_stands_beside_a_number_does_not_hide_it(text, value):
    assert value in [text[f.start : f.end] for f in find(text)]


def test_a_number_that_begins_with_00_is_an_international_one_only_where_it_is_valid_and_long():
    assert find("Nhờ bạn ghi 0049881214 vào mẫu.") == []
    assert find("Ipinadala niya ang 0095243396505854 kahapon.") == []
    assert [f.type for f in find("Ask for 00 65 9123 4567 at the desk.")] == ["PHONE"]
    assert [f.type for f in find("tel 0049881214")] == ["PHONE"]

"""Phones: libphonenumber's own example numbers of every country, helplines left alone."""

import pytest

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


def test_toll_free_numbers_belong_to_no_person():
    assert find("call 1800 221 4444") == []
    assert find("hubungi 0800-1500-119") == []


def test_a_phone_is_not_seen_in_dates_amounts_and_codes():
    for text in ("2024-10-12", "0.812345678", "Rp 081.234.567", "SKU0812345678X", "1234-5678"):
        assert all(f.type != "PHONE" for f in find(text)), text

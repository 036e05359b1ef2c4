"""Romanising: what people type for well-known words; letters only, digits kept; one writer keeps to one habit."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.language.romanise import ROMANISED, romanised

USUAL = [  # (text, some spelling that is usual for it)
    ("ขอบคุณ", ("khopkhun", "khobkhun", "khawpkhun", "kopkun")),
    ("คนไทย", ("khonthai", "kontai", "khontai")),
    ("สบาย", ("sabai",)),
    ("ถนน", ("thanon", "tanon")),
    ("ຂອບໃຈ", ("khopchai", "khobchai", "khorpchai")),
    ("ສະບາຍດີ", ("sabaidi", "sabaydee", "sabaidee", "sabaydi")),
    ("អរគុណ", ("arkun", "orkun", "akun", "orkoun", "arkoun", "akoun")),
    ("ភ្នំពេញ", ("phnompenh",)),
    ("မင်္ဂလာပါ", ("mingalarpar", "mingalapa", "mingalabar")),
    ("ကျေးဇူး", ("kyayzu", "kyayzoo", "kyezu")),
    ("ရန်ကုန်", ("yankone", "yangon", "rankon", "yankon", "rankone")),
    ("வணக்கம்", ("vanakkam", "wanakkam")),
    ("Hà Nội đẹp", ("hanoidep",)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "spellings"), USUAL)
def test_some_writer_types_it_as_people_do(text, spellings):
    found = {romanised(text, random.Random(seed)).replace(" ", "").lower() for seed in range(300)}
    assert found & set(spellings), sorted(found)[:20]


@given(st.text(alphabet="กขคงนมยรลวสหอะาำิีืุูเแโใไ่้็์ๆ๑ ", max_size=40), st.integers(0, 99))
def test_thai_leaves_no_thai_letter(text, seed):
    assert not any("\u0e01" <= sign <= "\u0e4e" for sign in romanised(text, random.Random(seed)))


@given(st.text(alphabet="ກຂງນມຍຣລວສຫອະາຳິີືຸູເແໂໃໄ່້ົຽຼໆໜໝ ", max_size=40), st.integers(0, 99))
def test_lao_leaves_no_lao_letter(text, seed):
    assert not any("\u0e01" <= sign <= "\u0edf" for sign in romanised(text, random.Random(seed)))


@given(st.text(alphabet="កខងនមយរលវសហអាិីុូេោៅំះ្់៉៊ៗឥឧ ", max_size=40), st.integers(0, 99))
def test_khmer_leaves_no_khmer_letter(text, seed):
    assert not any("\u1780" <= sign <= "\u17d3" for sign in romanised(text, random.Random(seed)))


@given(st.text(alphabet="ကခငနမယရလဝသဟအာိီုူေဲံျြွှ့်း္ဥဿ၎ ", max_size=40), st.integers(0, 99))
def test_burmese_leaves_no_burmese_letter(text, seed):
    assert not any("\u1000" <= sign <= "\u103f" for sign in romanised(text, random.Random(seed)))


def test_one_writer_keeps_to_one_habit_and_other_text_stays():
    found = romanised("ถนน A1 ถนน 25 ถนน", random.Random(4))
    first, _, second, _, third = found.split()
    assert first == second == third
    assert " A1 " in found
    assert " 25 " in found


def test_the_names_of_scripts_are_told():
    assert ROMANISED == ("Thai", "Laoo", "Khmr", "Mymr", "Taml", "Viet")

"""The normaliser: the same text in disguise is the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.guard.normalise import normalised


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Nasi\u200bGoreng", "nasigoreng"),
        ("ＮＡＳＩ ｇｏｒｅｎｇ", "nasi goreng"),
        ("mantaaaaaap!!!!", "mantaap!!"),
        ("ปี ๒๕๖๗", "ปี 2567"),
        ("ဖုန်း ၀၉၁၂", "ဖုန်း 0912"),
        ("លេខ ១២៣", "លេខ 123"),
        ("so\u00adto\ufeff ayam\u2060", "soto ayam"),
        ("Straße", "strasse"),
        ("a\nb\tc", "a\nb\tc"),
        ("", ""),
    ],
)
def test_disguises_come_off(given, expected):
    assert normalised(given) == expected


@given(st.text(max_size=80))
def test_twice_is_once(text):
    once = normalised(text)
    assert normalised(once) == once


@given(st.text(alphabet="abกခកក់ក 1๑", max_size=30))
def test_zero_width_characters_between_change_nothing(text):
    assert normalised("\u200b".join(text)) == normalised(text)

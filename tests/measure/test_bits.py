"""Bits per byte against figures that can be checked by hand."""

import math

import pytest

from rumpun.errors import InputError
from rumpun.measure.bits import bits, bits_per_byte


def test_a_fair_coin_a_byte_is_one_bit() -> None:
    assert bits_per_byte(10 * math.log(0.5), 10) == pytest.approx(1.0)


def test_certainty_costs_nothing() -> None:
    assert bits(0.0) == 0.0


def test_a_thai_character_is_three_bytes() -> None:
    assert bits_per_byte(6 * math.log(0.5), len("ไผ่".encode())) == pytest.approx(6 / 9)


@pytest.mark.parametrize("size", [0, -1])
def test_no_bytes_is_named(size: int) -> None:
    with pytest.raises(InputError, match=f"{size} bytes"):
        bits_per_byte(-1.0, size)

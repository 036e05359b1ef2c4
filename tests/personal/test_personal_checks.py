"""Check digits and dates: known values, single errors, and the share of random numbers that pass."""

import random
import string

import pytest

from rumpun.personal.checks import CHECKS, crc16, date, luhn, mrz_digit
from rumpun.personal.pack import packs

NONE = frozenset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # synthetic values of the public descriptions, nobody's
        ("sg_nric", "S1234567D"), ("sg_nric", "T1234567J"), ("sg_nric", "F1234567N"), ("sg_nric", "G1234567X"),
        ("sg_nric", "M1234567K"), ("th_pin", "1234567890121"), ("vn_mst", "0100233488"), ("ph_tin", "123456782"),
        ("id_npwp", "013121660091000"), ("sg_plate", "SBS3229P"), ("card", "4111111111111111"), ("card", "378282246310005"),
    ],
)  # fmt: skip
def test_known_values_pass_and_every_other_last_sign_fails(name, value):
    check = CHECKS[name]
    assert check(value, NONE)
    if name == "id_npwp":  # the check digit is the ninth
        others = [value[:8] + d + value[9:] for d in string.digits if d != value[8]]
    else:
        signs = string.digits if value[-1].isdigit() else string.ascii_uppercase
        others = [value[:-1] + sign for sign in signs if sign != value[-1]]
    passing = [other for other in others if check(other, NONE)]
    assert len(passing) <= (1 if value[0] == "M" else 0)  # the M series has two orders of letters


@pytest.mark.parametrize(
    ("name", "value"), [("th_pin", "1234567890121"), ("ph_tin", "123456782"), ("vn_mst", "0100233488")]
)
def test_every_single_wrong_digit_is_noticed(name, value):
    wrong = [
        value[:n] + d + value[n + 1 :] for n in range(len(value)) for d in string.digits if d != value[n]
    ]
    noticed = sum(not CHECKS[name](other, NONE) for other in wrong)
    # th_pin: the weight 11 makes the third digit count for nothing, and two remainders share a check digit
    assert noticed >= (0.8 if name == "th_pin" else 1) * len(wrong)


def test_dates_of_two_digits():
    assert date("00", "02", "29")
    assert not date("01", "02", "29")
    assert not date("90", "13", "01")
    assert not date("90", "04", "31")
    assert not date("90", "00", "10")
    assert not date("90", "10", "00")


def test_machine_readable_zones_and_payment_codes_have_their_published_check_values():
    assert mrz_digit("L898902C3") == 6  # ICAO 9303-3
    assert mrz_digit("740812") == 2
    assert mrz_digit("120415") == 9
    assert crc16("123456789") == "29B1"  # the check value of CRC-16/CCITT-FALSE
    assert luhn("79927398713")
    assert not luhn("79927398710")


def test_a_woman_s_day_of_birth_is_40_more_in_a_nik():
    places = next(i for i in packs()["id"].identifier if i.type == "ID_NIK").codes()
    check = CHECKS["id_nik"]
    assert check("3174014101900001", places)
    assert not check("3174013201900001", places)
    assert not check("3174017201900001", places)
    assert not check("3180010101900001", places)  # no such regency
    assert not check("3174000101900001", places)  # no such district


def test_there_are_as_many_regencies_as_the_decree_counts_and_the_older_codes_kept():
    places = next(i for i in packs()["id"].identifier if i.type == "ID_NIK").codes()
    assert len({place[:2] for place in places}) == 38
    assert 514 <= len(places) <= 560


def test_there_are_63_vietnamese_places():
    assert len(next(i for i in packs()["vn"].identifier if i.type == "VN_CCCD").codes()) == 63


@pytest.mark.parametrize(
    ("country", "kind"),
    [("my", "MY_NRIC"), ("id", "ID_NIK"), ("id", "ID_NPWP"), ("th", "TH_PIN"), ("vn", "VN_CCCD"), ("vn", "VN_MST"),
     ("ph", "PH_TIN"), ("bn", "BN_IC"), ("all", "CARD"), ("sg", "SG_NRIC"), ("sg", "SG_PLATE")],
)  # fmt: skip
def test_the_chance_in_the_pack_is_the_share_of_random_numbers_that_pass(country, kind):
    identifier = next(i for i in packs()[country].identifier if i.type == kind)
    layout = identifier.layouts[0].replace("-", "")
    codes = identifier.codes()
    draw = random.Random(1)
    rows = 20_000

    def made():
        text, rest = "", layout
        while rest:
            if rest[0] == "[":
                letters, rest = rest[1:].split("]", 1)
                text += draw.choice(string.ascii_uppercase if letters == "AZ" else letters)
            else:
                text += draw.choice(string.digits) if rest[0] == "#" else rest[0]
                rest = rest[1:]
        return text

    passed = sum(CHECKS[identifier.checked_by](made(), codes) for _ in range(rows)) / rows
    assert identifier.chance / 2 <= passed <= identifier.chance * 1.3, passed

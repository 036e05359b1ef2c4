"""Addresses, machine-readable zones and payment codes."""

import time

import pytest

from rumpun.personal import find
from rumpun.personal.checks import crc16

# the specimens of ICAO 9303, of a country that does not exist
TD3 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
TD1 = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<"
TD2 = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6"


@pytest.mark.parametrize("zone", [TD3, TD1, TD2])
def test_zones_of_travel_documents_are_found_whole(zone):
    text = f"scan:\n{zone}\nend"
    assert [(f.type, text[f.start : f.end]) for f in find(text)] == [("MRZ", zone)]


def test_a_zone_whose_checks_fail_is_none():
    wrong = TD3.replace("L898902C36", "L898902C35")
    assert all(f.type != "MRZ" for f in find(wrong))


def emvco(*fields):
    body = "000201" + "".join(f"{tag}{len(value):02}{value}" for tag, value in fields) + "6304"
    return body + crc16(body)


def test_payment_codes_are_found_as_one_block():
    code = emvco(
        ("29", "0016A000000677010111011300668123456"), ("53", "764"), ("58", "TH"), ("59", "TOKO BUDI")
    )
    text = f"สแกน{code}ครับ 0812"
    found = find(text)
    assert [(f.type, text[f.start : f.end]) for f in found] == [("QR_PAYLOAD", code)]
    assert found[0].score > 0.9
    changed = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert find(changed)[0].score < 0.9
    assert all(f.type != "QR_PAYLOAD" for f in find("0002015"))
    assert all(f.type != "QR_PAYLOAD" for f in find("000201" * 50))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("https://budi:rahasia@example.com/x", "https://budi:rahasia@example.com/x"),
        (
            "lihat https://example.com/a?x=1&access_token=abc123 ya",
            "https://example.com/a?x=1&access_token=abc123",
        ),
        ("ดูที่https://example.com/?password=xนะ", "https://example.com/?password=x"),
        ("postgresql://app:s3cret@db.internal:5432/main.", "postgresql://app:s3cret@db.internal:5432/main"),
    ],
)
def test_addresses_that_carry_credentials(text, value):
    assert [(f.type, text[f.start : f.end]) for f in find(text)] == [("URL_CREDENTIALS", value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<budi.s+x@mail.example.com>", "budi.s+x@mail.example.com"),
        ("mail:budi@example.com,siti", "budi@example.com"),
        ("邮箱budi@example.com。", "budi@example.com"),
        ("အီးမေးလ်mg_mg@example.com.mmပါ", "mg_mg@example.com.mm"),
        ("budi＠example.com", "budi＠example.com"),
        ("081234567890@example.com", "081234567890@example.com"),
        ("a@example.com.", "a@example.com"),
        ("?email=a@example.com&x", "a@example.com"),
    ],
)
def test_mail_addresses_end_where_they_should(text, value):
    assert [(f.type, text[f.start : f.end]) for f in find(text)] == [("EMAIL", value)]


@pytest.mark.parametrize(
    "text",
    ["a@b", "@example.com", "a@.com", "x @ y.com", "user@123.456", "a@@b.com", "https://example.com/@user"],
)
def test_what_is_no_address(text):
    assert find(text) == []


HOSTILE = {
    "digits": "1" * 1_000_000,
    "spaced digits": "1 " * 500_000,
    "groups of four": "1234 " * 200_000,
    "words of context": "rekening 12345678 " * 50_000,
    "dots": "1." * 500_000,
    "at signs": "@" * 1_000_000,
    "addresses": "a@b.co" * 160_000,
    "schemes": "://" * 330_000,
    "nested schemes": "https://a:" * 100_000,
    "payment codes": "000201" * 160_000,
    "zones": "A<1" * 330_000,
    "states": "1/" * 500_000,
    "zero width": "1\u200b" * 500_000,
    "letters": "S1234567D" * 110_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_is_linear_in_a_hostile_text(name):
    text = HOSTILE[name]
    seconds = []
    for size in (len(text) // 64, len(text) // 16):
        best = min(_timed(text[:size]) for _ in range(2))
        seconds.append(best)
    assert seconds[1] < 8 * seconds[0] + 0.02, (
        seconds
    )  # four times the text; sixteen times would be quadratic
    assert seconds[1] < 4


def _timed(text):
    start = time.process_time()
    find(text)
    return time.process_time() - start

"""Check digits, check letters, dates and places: what separates an identifier from any number of its length.

Every check takes the digits and letters without separators, capitals, and the codes of the identifier's `places`.
Written from the public rules; each source stands beside its check.
"""

from collections.abc import Callable, Mapping

__all__ = ["CHECKS", "crc16", "date", "luhn", "mrz_digit"]

Check = Callable[[str, frozenset[str]], bool]
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _sum(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: the last digit checks the ones before it."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += doubled[int(digit)] if place % 2 else int(digit)
    return total % 10 == 0


def date(year: str, month: str, day: str) -> bool:
    """Whether two digits each are a day of some century; 29 February only where the two-digit year may leap."""
    if not "01" <= month <= "12":
        return False
    last = _DAYS[int(month) - 1]
    if month == "02" and int(year) % 4:
        last = 28
    return 1 <= int(day) <= last


def _card(digits: str, _: frozenset[str]) -> bool:
    two, four = int(digits[:2]), int(digits[:4])
    in_use = (
        digits[0] == "4"
        or 51 <= two <= 55
        or 2221 <= four <= 2720
        or two in (34, 36, 37, 38, 62, 65)
        or 3000 <= four <= 3059
        or 3528 <= four <= 3589
        or four == 6011
        or 6440 <= four <= 6499
    )
    length = 15 if two in (34, 37) else 0
    return in_use and (not length or len(digits) == length) and len(set(digits)) > 1 and luhn(digits)


_NRIC_WEIGHTS = (2, 7, 6, 5, 4, 3, 2)


def _sg_nric(text: str, _: frozenset[str]) -> bool:
    first, last = text[0], text[-1]
    rest = (_sum(text[1:8], _NRIC_WEIGHTS) + {"T": 4, "G": 4, "M": 3}.get(first, 0)) % 11
    if first in "ST":
        return last == "JZIHGFEDCBA"[rest]
    if first in "FG":
        return last == "XWUTRQPNMLK"[rest]
    return last in ("KLJNPQRTUWX"[10 - rest], "KLJNPQRTUWX"[rest])


def _sg_plate(text: str, _: frozenset[str]) -> bool:
    prefix = text[: text.find(next(c for c in text if c.isdigit()))]
    number = text[len(prefix) : -1].zfill(4)
    letters = [ord(letter) - 64 for letter in prefix[-2:]]
    values = [*letters, *(int(digit) for digit in number)]
    total = sum(value * weight for value, weight in zip(values, (9, 4, 5, 4, 3, 2), strict=True))
    return text[-1] == "AZYXUTSRPMLKJHGEDCB"[total % 19]


def _my_nric(digits: str, unused: frozenset[str]) -> bool:
    return date(digits[:2], digits[2:4], digits[4:6]) and digits[6:8] not in unused


def _id_nik(digits: str, regencies: frozenset[str]) -> bool:
    if digits[:4] not in regencies or digits[4:6] == "00" or digits[12:] == "0000":
        return False
    day = int(digits[6:8])
    return date(digits[10:12], digits[8:10], f"{day - 40 if day > 40 else day:02}")


def _id_npwp(digits: str, _: frozenset[str]) -> bool:
    return luhn(digits[:9]) and digits[:9] != "000000000"


def _id_npwp16(digits: str, _: frozenset[str]) -> bool:
    return digits[0] == "0" and luhn(digits[:10]) and digits[:10] != "0000000000"


def _th_pin(digits: str, _: frozenset[str]) -> bool:
    total = _sum(digits, tuple(range(13, 1, -1)))
    return digits[0] in "12345678" and int(digits[12]) == (11 - total % 11) % 10


def _vn_cccd(digits: str, places: frozenset[str]) -> bool:
    # 0 and 1 are born in the 1900s, 2 and 3 in the 2000s: those above 40 are not born yet
    century, year = digits[3], digits[4:6]
    return digits[:3] in places and (century in "01" or (century in "23" and year <= "40"))


def _vn_mst(digits: str, _: frozenset[str]) -> bool:
    return int(digits[9]) == 10 - _sum(digits, (31, 29, 23, 19, 17, 13, 7, 5, 3)) % 11


def _ph_tin(digits: str, _: frozenset[str]) -> bool:
    rest = _sum(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return rest == int(digits[8]) and digits[:9] != "000000000"


def _bn_ic(digits: str, _: frozenset[str]) -> bool:
    return digits[:2] in ("00", "01", "30", "31", "50", "51")


def mrz_digit(field: str) -> int:
    """The check digit of a field of a machine-readable zone (ICAO 9303-3, 4.9): weights 7 3 1, modulo 10."""
    total = 0
    for place, sign in enumerate(field):
        value = 0 if sign == "<" else int(sign) if sign.isdigit() else ord(sign) - 55
        total += value * (7, 3, 1)[place % 3]
    return total % 10


def crc16(text: str) -> str:
    """CRC-16/CCITT-FALSE in four capitals, as EMVCo's payment codes end with it."""
    rest = 0xFFFF
    for byte in text.encode():
        rest ^= byte << 8
        for _ in range(8):
            rest = (rest << 1) ^ 0x1021 if rest & 0x8000 else rest << 1
        rest &= 0xFFFF
    return f"{rest:04X}"


CHECKS: Mapping[str, Check] = {
    "card": _card,
    "sg_nric": _sg_nric,
    "sg_plate": _sg_plate,
    "my_nric": _my_nric,
    "id_nik": _id_nik,
    "id_npwp": _id_npwp,
    "id_npwp16": _id_npwp16,
    "th_pin": _th_pin,
    "vn_cccd": _vn_cccd,
    "vn_mst": _vn_mst,
    "ph_tin": _ph_tin,
    "bn_ic": _bn_ic,
}

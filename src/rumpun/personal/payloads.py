"""Machine-readable zones of travel documents (ICAO 9303) and payment codes (EMVCo merchant- and person-presented QR text)."""

import re
from collections.abc import Iterator

from rumpun.personal.checks import crc16, mrz_digit
from rumpun.personal.found import Candidate

__all__ = ["payloads"]

_LINE = re.compile(r"(?<![A-Z0-9<])[A-Z0-9<]{30,44}+(?![A-Z0-9<])")
# the line with the number of a passport or visa (TD3, 44 signs; TD2, 36) and its three checks
_NUMBER_LINE = re.compile(
    r"([A-Z0-9<]{9})([0-9])([A-Z<]{3})([0-9]{6})([0-9])([MFX<])([0-9]{6})([0-9])([A-Z0-9<]{8,16})"
)
_TD1_FIRST = re.compile(r"[ACI][A-Z0-9<][A-Z<]{3}([A-Z0-9<]{9})([0-9<])[A-Z0-9<]{15}")
_TD1_SECOND = re.compile(r"([0-9]{6})([0-9])[MFX<]([0-9]{6})([0-9])[A-Z<]{3}[A-Z0-9<]{11}[0-9]")
_NAME_LINE = re.compile(r"[PVACI][A-Z0-9<][A-Z<]{3}[A-Z<]{25,39}|[A-Z<]{30}")
_FIELDS_MOST = 24
_QR_START = "000201"
_TAG = re.compile(r"[0-9]{4}")


def payloads(text: str) -> Iterator[Candidate]:
    """Zones and payment codes in a folded text."""
    if "<<" in text:
        yield from _zones(text)
    place = text.find(_QR_START)
    while place >= 0:
        found = _qr(text, place)
        if found:
            yield found
            place = text.find(_QR_START, found.end)
        else:
            place = text.find(_QR_START, place + 1)


def _zones(text: str) -> Iterator[Candidate]:
    lines = [(line.start(), line.end(), line.group()) for line in _LINE.finditer(text)]
    used = -1
    for n, (_, _, line) in enumerate(lines):
        if n <= used or not _passes(line):
            continue
        first, last = n, n
        if (
            first
            and first - 1 > used
            and _joined(text, lines, first - 1)
            and _NAME_LINE.fullmatch(lines[first - 1][2])
        ):
            first -= 1
        while last - first < 2 and last + 1 < len(lines) and _joined(text, lines, last):
            follows = lines[last + 1][2]
            if len(follows) != len(line) or not (
                _TD1_SECOND.fullmatch(follows) or _NAME_LINE.fullmatch(follows)
            ):
                break
            last += 1
        used = last
        yield Candidate(
            "MRZ", lines[first][0], lines[last][1], 0.97, "", ["check digits of a machine-readable zone"]
        )


def _joined(text: str, lines: list[tuple[int, int, str]], n: int) -> bool:
    """Whether nothing but white space, and little of it, stands between a line and the next."""
    gap = text[lines[n][1] : lines[n + 1][0]]
    return len(gap) <= 4 and not gap.strip() and len(lines[n][2]) == len(lines[n + 1][2])


def _passes(line: str) -> bool:
    number = _NUMBER_LINE.fullmatch(line)
    if number:
        document, check, _, birth, birth_check, _, expiry, expiry_check, _ = number.groups()
        pairs = ((document, check), (birth, birth_check), (expiry, expiry_check))
        return all(mrz_digit(field) == int(digit) for field, digit in pairs)
    first = _TD1_FIRST.fullmatch(line)
    if first:
        return "<" in line and first.group(2) != "<" and mrz_digit(first.group(1)) == int(first.group(2))
    second = _TD1_SECOND.fullmatch(line)
    return bool(second) and all(
        mrz_digit(second.group(n)) == int(second.group(n + 1))  # type: ignore[union-attr]
        for n in (1, 3)
    )


def _qr(text: str, start: int) -> Candidate | None:
    """Walk tag, length, value from the start to the checksum; None where it is no payment code."""
    place = start
    for _ in range(_FIELDS_MOST):
        head = _TAG.match(text, place)
        if not head:
            return None
        tag, length = text[place : place + 2], int(text[place + 2 : place + 4])
        place += 4 + length
        if place > len(text):
            return None
        if tag == "63":
            checked = length == 4 and text[place - 4 : place].upper() == crc16(text[start : place - 4])
            score, why = (
                (0.97, "payment code, checksum") if checked else (0.8, "payment code, checksum differs")
            )
            return Candidate("QR_PAYLOAD", start, place, score, "", [why])
    return None

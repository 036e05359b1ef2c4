"""Phone numbers, by the numbering plans of libphonenumber (the package `phonenumbers`, Apache-2.0).

The plans of a country are read once into three patterns, so that a number costs microseconds; only numbers with a
country code outside the region's go through the library's parser.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rumpun.errors import UsageError
from rumpun.personal.pack import Pack

__all__ = ["LONGEST", "SHORTEST", "Call", "Region", "read", "region_of", "service"]

SHORTEST, LONGEST = 7, 15  # digits (ITU-T E.164: at most 15)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One country's numbering plan."""

    country: str
    script: str
    code: str  # country code, "66"
    trunk: str  # dialled before a national number at home: "0", or ""
    mobile: "re.Pattern[str]"
    fixed: "re.Pattern[str]"
    service: "re.Pattern[str]"  # toll-free, shared-cost and premium numbers, which belong to no person
    allow: frozenset[str]  # national numbers without trunk that are never found
    lengths: frozenset[int]  # digits that national numbers may have


@dataclass(frozen=True, slots=True)
class Call:
    """One way to read digits as a phone number."""

    country: str
    score: float
    how: str
    script: str = ""


def region_of(pack: Pack) -> Region:
    """The numbering plan of a pack's region."""
    return _region(pack.country, pack.script, pack.region, pack.allow)


@functools.lru_cache(maxsize=64)
def _region(country: str, script: str, name: str, allow: tuple[str, ...]) -> Region:
    from phonenumbers import PhoneMetadata

    plan = PhoneMetadata.metadata_for_region(name)
    if plan is None or plan.general_desc is None:
        raise UsageError(
            f"{country}.toml: region = '{name}': libphonenumber has no such region", "such as 'TH'"
        )
    trunk = plan.national_prefix or ""

    def pattern(*kinds: str) -> "re.Pattern[str]":
        found = [getattr(plan, kind) for kind in kinds]
        texts = [
            f"(?:{kind.national_number_pattern})" for kind in found if kind and kind.national_number_pattern
        ]
        return re.compile("|".join(texts) or r"(?!)")

    return Region(
        country=country,
        script=script,
        code=str(plan.country_code),
        trunk=trunk,
        mobile=pattern("mobile", "personal_number", "pager"),
        fixed=pattern("fixed_line", "voip"),
        service=pattern("toll_free", "premium_rate", "shared_cost", "uan"),
        allow=frozenset(number.removeprefix(trunk) for number in allow),
        lengths=frozenset(plan.general_desc.possible_length),
    )


def _kind(region: Region, national: str) -> str:
    if len(national) not in region.lengths:
        return ""
    if region.mobile.fullmatch(national):
        return "mobile"
    return "fixed line" if region.fixed.fullmatch(national) else ""


def service(digits: str, regions: Iterable[Region]) -> bool:
    """Whether digits are a helpline, an emergency or a toll-free number of one of the countries."""
    for region in regions:
        for national in _nationals(region, digits):
            if national in region.allow:
                return True
            if len(national) not in region.lengths:
                continue
            if region.service.fullmatch(national) and not _kind(region, national):
                return True
    return False


def _nationals(region: Region, digits: str) -> list[str]:
    found = [digits]
    if region.trunk and digits.startswith(region.trunk):
        found.append(digits[len(region.trunk) :])
    if digits.startswith(region.code):
        rest = digits[len(region.code) :]
        found.append(rest)
        if region.trunk and rest.startswith(region.trunk):  # +66 (0)81 …
            found.append(rest[len(region.trunk) :])
    return found


def read(digits: str, plus: bool, split: bool, regions: Iterable[Region]) -> list[Call]:
    """The ways to read digits as a personal phone number, without regard to words around it.

    Args:
        digits: 0 to 9 alone, SHORTEST to LONGEST of them.
        plus: whether "+" or the international prefix 00 stands before them.
        split: whether they are written in groups.
        regions: numbering plans to try; a number with "+" may be of any country.
    """
    calls = [call for region in regions if (call := _home(digits, plus, split, region))]
    if plus and not calls and _valid_abroad(digits):
        calls.append(Call("", 0.8, "+ and a number valid abroad"))
    return calls


def _home(digits: str, plus: bool, split: bool, region: Region) -> Call | None:
    """The likeliest way to read digits as a number of one country."""
    found = _with_code(digits, plus, split, region) if digits.startswith(region.code) else None
    if found or plus:
        return found
    if region.trunk and digits.startswith(region.trunk):
        kind = _kind(region, digits[len(region.trunk) :])
        score = 0.62 if kind == "mobile" else 0.5 + 0.1 * split
        return Call(region.country, score, f"{region.trunk} {kind}", region.script) if kind else None
    kind = _kind(region, digits)
    how = f"{kind} without {region.trunk}" if region.trunk else kind
    return Call(region.country, 0.32 if region.trunk else 0.35, how, region.script) if kind else None


def _with_code(digits: str, plus: bool, split: bool, region: Region) -> Call | None:
    """Digits that begin with the country's code."""
    rest = digits[len(region.code) :]
    nationals = [rest, rest.removeprefix(region.trunk)] if region.trunk else [rest]
    kind = next((found for national in nationals if (found := _kind(region, national))), "")
    if plus and kind:
        return Call(region.country, 0.9, f"+{region.code} {kind}", region.script)
    if plus and any(len(national) in region.lengths for national in nationals):
        return Call(region.country, 0.7, f"+{region.code} and a fitting length", region.script)
    if kind == "mobile":
        return Call(region.country, 0.5 + 0.1 * split, f"{region.code} mobile", region.script)
    return None


def _valid_abroad(digits: str) -> bool:
    import phonenumbers

    try:
        number = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(number))

"""One TOML file a country: identifiers with layout, check and words of context; read strictly.

A layout is written as it looks: `#` is a digit, `[ABC]` one of these letters, `[A-Z]` any letter, `-` a separator of any
kind (hyphen, space, dot, zero-width), which may also be missing throughout; other letters stand for themselves.
"""

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.errors import UsageError, nearest
from rumpun.personal.checks import CHECKS
from rumpun.recipes import build, read_toml

__all__ = ["COUNTRIES", "Identifier", "Pack", "chosen", "packs", "read_pack"]

COUNTRIES = (
    "sg",
    "my",
    "id",
    "th",
    "vn",
    "ph",
    "mm",
    "kh",
    "la",
    "bn",
    "tl",
)  # in this order where two fit alike
_FOLDER = Path(__file__).parent / "countries"
_LAYOUT = re.compile(r"(?:[A-Z#-]|\[[A-Z-]+\])+")
_TYPE = re.compile(r"[A-Z][A-Z_]*")
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One kind of number."""

    type: str  # "MY_NRIC"
    name: str  # for people
    layouts: tuple[str, ...] = ()
    digits: tuple[int, ...] = ()  # lengths that are accepted without a layout
    checked_by: str = ""  # a name of checks.CHECKS
    chance: float = 1.0  # share of random numbers of its layout that pass the check
    base: float = 0.3  # score of the layout alone
    needs_context: bool = False  # nothing is found without a word of context
    loose: bool = False  # any other identifier that fits the same digits is preferred
    on: bool = True  # False: only where its type is asked for by name
    words: tuple[str, ...] = ()  # shared lists of all.toml that count as context
    context: dict[str, tuple[str, ...]] = field(default_factory=dict)  # language -> its own words
    places: tuple[str, ...] = ()  # codes for the check, or ranges of them
    source: str = ""

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not _TYPE.fullmatch(self.type):
            raise ValueError(f"type = {self.type!r}: expected capitals such as 'MY_NRIC'")
        for layout in self.layouts:
            if not _LAYOUT.fullmatch(layout) or "#" not in layout:
                raise ValueError(f"layout = {layout!r}: expected #, -, capitals and [letters]")
        if not self.layouts and not self.digits:
            raise ValueError(f"{self.type}: needs layouts or digits")
        if self.checked_by and self.checked_by not in CHECKS:
            raise ValueError(f"checked_by = {self.checked_by!r}: {nearest(self.checked_by, list(CHECKS))}")
        if not 0 < self.chance <= 1 or not 0 <= self.base < 1:
            raise ValueError(f"{self.type}: chance = {self.chance}, base = {self.base}: expected shares")
        self.codes()

    def codes(self) -> frozenset[str]:
        """The places, ranges written out."""
        found: set[str] = set()
        for place in self.places:
            match = _RANGE.fullmatch(place)
            if not match:
                raise ValueError(f"place = {place!r}: expected a code or a range such as '1101-1118'")
            first, last = match.group(1), match.group(2) or match.group(1)
            found.update(f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1))
        return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One country."""

    country: str  # ISO 3166, lower case; "all" for what holds everywhere
    name: str
    languages: tuple[str, ...]  # BCP-47
    identifier: tuple[Identifier, ...] = ()
    script: str = ""  # a script that points to this country (ISO 15924; "Viet" for Vietnamese letters)
    region: str = ""  # of libphonenumber; empty: no phones of its own
    allow: tuple[str, ...] = ()  # digits of helplines and emergency numbers, as dialled at home: never found
    banks: tuple[str, ...] = ()  # names beside which a number is an account
    words: dict[str, dict[str, tuple[str, ...]]] = field(
        default_factory=dict
    )  # all.toml: kind -> language -> words
    reviewed_by: tuple[str, ...] = ()  # native speakers who have read this file

    def check(self) -> None:
        """Refuse what cannot be meant."""
        for number in self.allow:
            if not number.isdigit() or not number.isascii():
                raise ValueError(f"allow = {number!r}: expected digits alone")
        for word in self.all_words():
            if not word or word != word.casefold():
                raise ValueError(f"word = {word!r}: expected lower case")

    def all_words(self) -> list[str]:
        """Every word of context in it."""
        own = [word for i in self.identifier for words in i.context.values() for word in words]
        return [*own, *self.banks, *(w for kinds in self.words.values() for ws in kinds.values() for w in ws)]


def read_pack(path: Path) -> Pack:
    """Read one country's file.

    Raises:
        InputError: it cannot be read or is not TOML.
        UsageError: an unknown or missing key, or a value that cannot be meant.
    """
    pack = build(Pack, read_toml(path), str(path))
    if pack.country != path.stem:
        raise UsageError(f"{path}: country = '{pack.country}'", f"name the file {pack.country}.toml")
    return pack


@functools.cache
def packs() -> dict[str, Pack]:
    """Country -> pack: "all" first, then in the order of COUNTRIES."""
    return {country: read_pack(_FOLDER / f"{country}.toml") for country in ("all", *COUNTRIES)}


def chosen(countries: Collection[str] | None) -> tuple[str, ...]:
    """The countries asked for, by default every one; "all" is always among them, first.

    Raises:
        UsageError: an unknown country.
    """
    asked = COUNTRIES if countries is None else tuple(dict.fromkeys(c.lower() for c in countries))
    for country in asked:
        if country not in packs():
            raise UsageError(f"no pack for the country '{country}'", nearest(country, list(COUNTRIES)))
    return ("all", *(country for country in asked if country != "all"))

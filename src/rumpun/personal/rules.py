"""The identifiers of the chosen countries, compiled: what a number of so many digits may be, which words speak for it."""

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass

from rumpun.errors import UsageError, nearest
from rumpun.personal.checks import CHECKS
from rumpun.personal.pack import Identifier, chosen, packs
from rumpun.personal.phones import Region, region_of
from rumpun.personal.words import Words

__all__ = ["BAKONG", "BANK", "FREE_TYPES", "PHONE", "Lettered", "Rule", "Rules", "rules_for", "types_known"]

PHONE = "PHONE"
BAKONG = "bakong"  # the payment system whose addresses look like name@bank
BANK = "bank name"  # what a bank's name beside a number speaks for
FREE_TYPES = (
    "EMAIL",
    "URL_CREDENTIALS",
    "QR_PAYLOAD",
    "MRZ",
    "MM_NRC",
    "KH_BAKONG",
)  # recognisers of their own


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One identifier of one country."""

    identifier: Identifier
    country: str  # "" for those of every country
    rank: int
    key: str  # what its words of context speak for
    script: str  # whose letters point to its country
    groupings: frozenset[tuple[int, ...]]  # lengths of the groups of digits of its layouts, more than one
    plain: frozenset[int]  # lengths that it has without separators
    codes: frozenset[str]

    def passes(self, value: str) -> bool | None:
        """Whether the value passes the check; None where there is none."""
        name = self.identifier.checked_by
        return CHECKS[name](value, self.codes) if name else None

    @property
    def bonus(self) -> float:
        """What a passed check adds: more where fewer random numbers pass it."""
        chance = self.identifier.chance
        return 0.35 if chance <= 0.005 else 0.3 if chance <= 0.05 else 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Lettered:
    """One layout with letters, of one rule."""

    rule: Rule
    lead: int  # letters before the digits
    pattern: "re.Pattern[str]"
    apart: "re.Pattern[str]"  # the same with a separator anywhere


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What is looked for."""

    by_length: dict[int, tuple[Rule, ...]]  # digits -> rules that may have so many
    lettered: dict[int, tuple[Lettered, ...]]  # digits between the letters -> layouts
    led: tuple[Lettered, ...]  # of these, layouts of six digits or more behind a letter
    regions: tuple[Region, ...]
    prefixes: tuple[str, ...]  # trunks and country codes: what phone numbers begin with where no word says so
    words: Words
    types: frozenset[str]
    asked: bool  # whether the countries were named: then their numbers are likelier


def types_known() -> tuple[str, ...]:
    """Every type that may be found or asked for."""
    named = {i.type for pack in packs().values() for i in pack.identifier}
    return tuple(sorted(named | {PHONE, *FREE_TYPES}))


def rules_for(countries: Collection[str] | None, types: Collection[str] | None) -> Rules:
    """The rules for countries (by default all) and types (by default those that are on).

    Raises:
        UsageError: an unknown country or type.
    """
    for name in types or ():
        if name not in types_known():
            raise UsageError(
                f"no type of personal data is called '{name}'", nearest(name, list(types_known()))
            )
    wanted = None if types is None else frozenset(types)
    return _rules(chosen(countries), wanted, countries is not None)


@functools.lru_cache(maxsize=32)
def _rules(countries: tuple[str, ...], types: frozenset[str] | None, asked: bool) -> Rules:
    rules, shapes, words = [], [], Words()
    shared = packs()["all"].words
    for rank, country in enumerate(countries):
        pack = packs()[country]
        for number, identifier in enumerate(pack.identifier):
            if identifier.type not in types if types is not None else not identifier.on:
                continue
            rule, lettered = _compiled(
                identifier, "" if country == "all" else country, rank, number, pack.script
            )
            rules.append(rule)
            shapes += lettered
            for lists in (identifier.context, *(shared.get(kind, {}) for kind in identifier.words)):
                words.add(lists, rule.key, country)
        words.add({"": pack.banks}, BANK, country)
    words.add(shared["phone"], PHONE, "all")
    if "kh" in countries:
        words.add({"en": ("bakong",), "km": ("បាគង",)}, BAKONG, "kh")
    known = frozenset(types_known()) if types is None else types
    by_length: dict[int, list[Rule]] = {}
    for rule in rules:
        for length in {*rule.plain, *(sum(grouping) for grouping in rule.groupings)}:
            by_length.setdefault(length, []).append(rule)
    by_digits: dict[int, list[Lettered]] = {}
    for digits, shape in shapes:
        by_digits.setdefault(digits, []).append(shape)
    regions: tuple[Region, ...] = ()
    if PHONE in known:
        regions = tuple(region_of(packs()[country]) for country in countries if packs()[country].region)
    return Rules(
        by_length={length: tuple(found) for length, found in by_length.items()},
        lettered={digits: tuple(found) for digits, found in by_digits.items()},
        led=tuple(shape for digits, shape in shapes if digits >= 6 and shape.lead),
        regions=regions,
        prefixes=tuple({p for region in regions for p in (region.trunk, region.code) if p} | {"00"}),
        words=words,
        types=known,
        asked=asked,
    )


def _compiled(
    identifier: Identifier, country: str, rank: int, number: int, script: str
) -> tuple[Rule, list[tuple[int, Lettered]]]:
    groupings: set[tuple[int, ...]] = set()
    plain = set(identifier.digits)
    lettered = []
    for layout in identifier.layouts:
        if layout.strip("#-"):
            lettered.append(layout)
            continue
        grouping = tuple(len(group) for group in layout.split("-"))
        plain.add(sum(grouping))
        if len(grouping) > 1:
            groupings.add(grouping)
    rule = Rule(
        identifier,
        country,
        rank,
        f"{identifier.type}/{country}/{number}",
        script,
        frozenset(groupings),
        frozenset(plain),
        identifier.codes(),
    )
    shapes = []
    for layout in lettered:
        pieces = re.findall(r"\[[^]]+\]|.", layout)
        lead = next(place for place, piece in enumerate(pieces) if piece == "#")
        signs = ["[0-9]" if piece == "#" else piece for piece in pieces]
        shape = Lettered(
            rule,
            lead,
            re.compile("".join(signs) + r"(?![A-Za-z0-9])", re.IGNORECASE),
            re.compile("[ .\u00b7\u200b-]?".join(signs) + r"(?![A-Za-z0-9])"),
        )
        shapes.append((pieces.count("#"), shape))
    return rule, shapes

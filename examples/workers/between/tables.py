"""The TOML files beside this folder, read into frozen dataclasses. A wrong entry is named before anybody talks."""

import datetime as dt
import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from between.trouble import Trouble

__all__ = ["LANGUAGES", "SIDES", "Claim", "Law", "Sign", "Tables", "Term", "Times", "load", "tables"]

FOLDER: Final = Path(__file__).parent.parent
LANGUAGES: Final = ("en", "id", "ms", "zh", "tl", "th", "my")
SIDES: Final = ("worker", "employer")
KINDS: Final = ("emergency", "office", "lawyer", "home")
# the languages that a claim about a country is written in
WRITTEN: Final = {
    "ID": ("en", "id", "ms", "zh"), "MY": ("en", "id", "ms", "zh"), "SG": ("en", "id", "ms", "zh", "tl"),
    "PH": ("en", "tl", "zh"), "MM": ("en", "my", "th"), "TH": ("en", "my", "th"),
}  # fmt: skip
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Law:
    """Where a claim can be read: the law's name and an official address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What one country's law says of a term, in several languages."""

    country: str
    law: Law
    section: str
    as_of: str
    says: Mapping[str, str]
    not_domestic: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A word of work and pay. A country of a pair is in `claims` or in `empty`, never in neither."""

    key: str
    name: Mapping[str, str]
    phrases: Mapping[str, tuple[str, ...]]
    claims: Mapping[str, Claim]
    empty: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign that two people should not settle this alone."""

    key: str
    phrases: Mapping[str, tuple[str, ...]]
    asks: str
    advice: Mapping[str, str]
    where: tuple[str, ...]
    tell: tuple[str, ...]
    weeks: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """How a language names lengths of time: number words, (unit, days), words that are a time, the twelve months."""

    numbers: Mapping[str, float]
    units: tuple[tuple[str, float], ...]
    whole: Mapping[str, float]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that the talk is told from."""

    pairs: tuple[tuple[str, str], ...]  # (home, work)
    terms: tuple[Term, ...]
    signs: tuple[Sign, ...]
    times: Mapping[str, Times]
    offices: Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]]
    offices_as_of: str
    prompts: Mapping[str, Any]
    languages: Mapping[str, tuple[str, str]]  # tag → (English name, own name)
    countries: Mapping[str, Mapping[str, str]]
    says: Mapping[str, Mapping[str, str]] = field(repr=False)


@functools.cache
def tables() -> Tables:
    """The shipped ones."""
    return load(FOLDER)


def load(folder: Path) -> Tables:
    """Read a folder's files.

    Raises:
        Trouble: a file is missing or not TOML, or an entry breaks a rule; file and entry are named.
    """
    words = _read(folder / "words.toml")
    terms, pairs = _terms(folder / "terms.toml")
    signs, times = _signs(folder / "signs.toml")
    offices = _read(folder / "offices.toml")
    _must(offices.get("checked") is False, folder / "offices.toml", "the file", "say checked = false")
    _must(_DATE.fullmatch(str(offices.get("as_of"))), folder / "offices.toml", "as_of", "write YYYY-MM")
    kept = {
        code: {kind: tuple((str(a), str(b)) for a, b in found.get(kind, [])) for kind in KINDS}
        for code, found in offices["countries"].items()
    }
    for home, work in pairs:
        for code in (home, work):
            _must(code in kept, folder / "offices.toml", code, "add the country")
    first = set(words["says"]["en"])
    for tag in LANGUAGES:
        lacking = first ^ set(words["says"].get(tag, {}))
        _must(not lacking, folder / "words.toml", f"says.{tag}", f"the same keys as English: {lacking}")
    prompts = _read(folder / "prompts.toml")
    _by_language(folder / "prompts.toml", "trial", prompts.get("trial"), LANGUAGES)
    return Tables(
        pairs=pairs, terms=terms, signs=signs, times=times, offices=kept, offices_as_of=offices["as_of"],
        prompts=prompts,
        languages={tag: (english, own) for tag, (english, own) in words["languages"].items()},
        countries=words["countries"], says=words["says"],
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Trouble(f"{path}: cannot be read ({error})", "mend or restore the file", code=3) from error


def _must(holds: object, path: Path, entry: str, mend: str) -> None:
    if not holds:
        raise Trouble(f"{path.name}: {entry} is not as it must be", mend, code=3)


def _by_language(path: Path, entry: str, found: Any, needed: tuple[str, ...]) -> None:
    texts = found if isinstance(found, Mapping) else {}
    lacking = [tag for tag in needed if not texts.get(tag)]
    _must(not lacking, path, entry, f"add {', '.join(lacking)}")


def _terms(path: Path) -> tuple[tuple[Term, ...], tuple[tuple[str, str], ...]]:
    table = _read(path)
    pairs = [(home, work) for home, _, work in (pair.partition("-") for pair in table["pairs"])]
    laws = {key: Law(law["name"], law["address"]) for key, law in table["laws"].items()}
    for key, law in laws.items():
        _must(law.name and law.address.startswith("https://"), path, f"laws.{key}", "a name and an address")
    codes = sorted({code for pair in pairs for code in pair})
    terms = tuple(_term(path, key, found, laws, codes) for key, found in table["terms"].items())
    used = {claim.law for term in terms for claim in term.claims.values()}
    for key, law in laws.items():
        _must(law in used, path, f"laws.{key}", "a claim that rests on it, or remove it")
    return terms, tuple(pairs)


def _term(path: Path, key: str, found: dict[str, Any], laws: Mapping[str, Law], codes: list[str]) -> Term:
    _by_language(path, f"terms.{key}.name", found.get("name"), LANGUAGES)
    _by_language(path, f"terms.{key}.phrases", found.get("phrases"), LANGUAGES)
    empty = tuple(found.get("empty", ()))
    claims: dict[str, Claim] = {}
    for code in codes:
        entry = f"terms.{key}.{code}"
        _must((code in found) != (code in empty), path, entry, "a claim, or the country under 'empty'")
        if code not in found:
            continue
        claim = found[code]
        _must(claim.get("law") in laws, path, f"{entry}.law", "one of [laws]")
        _must(claim.get("section"), path, f"{entry}.section", "name the section")
        _must(_DATE.fullmatch(str(claim.get("as_of"))), path, f"{entry}.as_of", "write YYYY-MM")
        month = dt.datetime.now(dt.UTC).strftime("%Y-%m")
        _must(claim["as_of"] <= month, path, f"{entry}.as_of", "a month that has come")
        _must(isinstance(claim.get("checked"), bool), path, f"{entry}.checked", "true or false")
        _by_language(path, f"{entry}.says", claim.get("says"), WRITTEN[code])
        claims[code] = Claim(
            code, laws[claim["law"]], claim["section"], claim["as_of"], claim["says"],
            not_domestic=claim.get("not_domestic", False),
        )  # fmt: skip
    phrases = {tag: tuple(said) for tag, said in found["phrases"].items()}
    return Term(key, found["name"], phrases, claims, empty)


def _signs(path: Path) -> tuple[tuple[Sign, ...], dict[str, Times]]:
    table = _read(path)
    _must(table.get("checked") is False, path, "the file", "say checked = false")
    signs: list[Sign] = []
    for key, found in table["signs"].items():
        _by_language(path, f"signs.{key}.phrases", found.get("phrases"), LANGUAGES)
        _by_language(path, f"signs.{key}.advice", found.get("advice"), LANGUAGES)
        _must(found.get("asks"), path, f"signs.{key}.asks", "say what the model is asked")
        _must(_all_in(found.get("where"), KINDS.__contains__), path, f"signs.{key}.where", f"of {KINDS}")
        _must(_all_in(found.get("tell"), SIDES.__contains__), path, f"signs.{key}.tell", f"of {SIDES}")
        phrases = {tag: tuple(said) for tag, said in found["phrases"].items()}
        signs.append(
            Sign(
                key, phrases, found["asks"], found["advice"], tuple(found["where"]), tuple(found["tell"]),
                found.get("weeks", 0),
            )
        )  # fmt: skip
    _by_language(path, "times", table.get("times"), LANGUAGES)
    return tuple(signs), {tag: _times(found) for tag, found in table["times"].items()}


def _all_in(found: Any, known: Callable[[str], bool]) -> bool:
    return bool(found) and all(map(known, found))


def _times(found: Mapping[str, Any]) -> Times:
    def units() -> Iterator[tuple[str, float]]:
        for name, days in (("days", 1), ("weeks", 7), ("months", 30), ("years", 365)):
            for unit in found[name]:
                yield unit, days

    return Times(found["numbers"], tuple(units()), found.get("whole", {}), tuple(found.get("names", ())))

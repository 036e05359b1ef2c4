"""What each licence obliges, and whether text under it may enter a shipped layer.

The table is `licences.toml` beside this file. In an expression OR takes the alternative that obliges least and is
allowed, AND takes both.
"""

import functools
import re
import tomllib
from pathlib import Path

import msgspec

from rumpun.errors import InputError

__all__ = ["Terms", "closed_to_learners", "obligations", "shippable", "terms"]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What one licence says, in the few words that matter downstream."""

    name: str
    family: str  # public-domain, attribution, share-alike, permissive-software, copyleft-software, non-commercial, unknown
    oblige: tuple[str, ...]  # "attribution", "share-alike", "keep-notice", "disclose-source-files"
    shippable: bool  # may stand behind a layer that is given away under Apache-2.0 terms for its own part
    trains_others: bool = True  # of a model or a service: what it says may train another model


_UNKNOWN = Terms(name="unknown", family="unknown", oblige=("ask the rights holder",), shippable=False)


@functools.cache
def _table() -> dict[str, Terms]:
    raw = tomllib.loads((Path(__file__).parent / "licences.toml").read_text())
    return {key: msgspec.convert(value, Terms) for key, value in raw.items()}


def terms(expression: str) -> Terms:
    """Terms of an SPDX id, a LicenseRef- or an expression of them with OR, AND and parentheses.

    Raises:
        InputError: the expression is empty, or its parentheses do not match.
    """
    words = re.findall(r"[()]|[^\s()]+", expression)
    if not words:
        raise InputError("a licence is empty", "name it by SPDX id, or drop the row")
    found, rest = _either(words)
    if rest:
        raise InputError(
            f"licence '{expression}': cannot be read from '{rest[0]}' on", "write A AND (B OR C)"
        )
    return found


def _either(words: list[str]) -> tuple[Terms, list[str]]:
    choices, rest = [], ["OR"]
    rest += words
    while rest and rest[0] == "OR":
        found, rest = _all_of(rest[1:])
        choices.append(found)
    return min(choices, key=_strictness), rest


def _all_of(words: list[str]) -> tuple[Terms, list[str]]:
    parts, rest = [], ["AND"]
    rest += words
    while rest and rest[0] == "AND":
        found, rest = _single(rest[1:])
        parts.append(found)
    if len(parts) == 1:
        return parts[0], rest
    oblige = tuple(dict.fromkeys(duty for part in parts for duty in part.oblige))
    name = " AND ".join(part.name for part in parts)
    shippable = all(part.shippable for part in parts)
    strictest = max(parts, key=_strictness)
    teaches = all(part.trains_others for part in parts)
    joined = msgspec.structs.replace(
        strictest, name=name, oblige=oblige, shippable=shippable, trains_others=teaches
    )
    return joined, rest


def _single(words: list[str]) -> tuple[Terms, list[str]]:
    if words and words[0] == "(":
        found, rest = _either(words[1:])
        if rest and rest[0] == ")":
            return found, rest[1:]
    elif words and words[0] not in (")", "AND", "OR"):
        return _table().get(words[0], msgspec.structs.replace(_UNKNOWN, name=words[0])), words[1:]
    raise InputError(f"a licence cannot be read at '{' '.join(words)}'", "write A AND (B OR C)")


def _strictness(found: Terms) -> tuple[bool, int]:
    return (not found.shippable, len(found.oblige))


def shippable(expression: str) -> bool:
    """Whether text under this licence may stand behind a layer that is given away."""
    return terms(expression).shippable


def closed_to_learners() -> list[str]:
    """Licences of models and services that forbid to train other models with what they say."""
    return sorted(key for key, found in _table().items() if not found.trains_others)


def obligations(licences: "tuple[str, ...] | list[str]") -> dict[str, list[str]]:
    """Duty -> the licences that bring it, both sorted."""
    found: dict[str, list[str]] = {}
    for licence in sorted(set(licences)):
        for duty in terms(licence).oblige:
            found.setdefault(duty, []).append(licence)
    return dict(sorted(found.items()))

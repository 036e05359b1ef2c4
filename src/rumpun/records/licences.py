"""What each licence obliges, and whether text under it may enter a shipped layer.

The table is `licences.toml` beside this file. An expression with OR takes the alternative that obliges least and is
allowed; AND takes both.
"""

import functools
import tomllib
from pathlib import Path

import msgspec

from rumpun.errors import InputError

__all__ = ["Terms", "obligations", "shippable", "terms"]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What one licence says, in the few words that matter downstream."""

    name: str
    family: str  # public-domain, attribution, share-alike, permissive-software, copyleft-software, non-commercial, unknown
    oblige: tuple[str, ...]  # "attribution", "share-alike", "keep-notice", "disclose-source-files"
    shippable: bool  # may stand behind a layer that is given away under Apache-2.0 terms for its own part


_UNKNOWN = Terms(name="unknown", family="unknown", oblige=("ask the rights holder",), shippable=False)


@functools.cache
def _table() -> dict[str, Terms]:
    raw = tomllib.loads((Path(__file__).parent / "licences.toml").read_text())
    return {key: msgspec.convert(value, Terms) for key, value in raw.items()}


def terms(expression: str) -> Terms:
    """Terms of an SPDX id, a LicenseRef- or a simple OR / AND expression.

    Raises:
        InputError: the expression is empty.
    """
    text = expression.strip().strip("()")
    if not text:
        raise InputError("a licence is empty", "name it by SPDX id, or drop the row")
    if " OR " in text:
        choices = [terms(part) for part in text.split(" OR ")]
        return min(choices, key=lambda t: (not t.shippable, len(t.oblige)))
    if " AND " in text:
        parts = [terms(part) for part in text.split(" AND ")]
        oblige = tuple(dict.fromkeys(duty for part in parts for duty in part.oblige))
        strictest = max(parts, key=lambda t: (not t.shippable, len(t.oblige)))
        return msgspec.structs.replace(
            strictest, name=text, oblige=oblige, shippable=all(p.shippable for p in parts)
        )
    return _table().get(text, msgspec.structs.replace(_UNKNOWN, name=text))


def shippable(expression: str) -> bool:
    """Whether text under this licence may stand behind a layer that is given away."""
    return terms(expression).shippable


def obligations(licences: "tuple[str, ...] | list[str]") -> dict[str, list[str]]:
    """Duty -> the licences that bring it, both sorted."""
    found: dict[str, list[str]] = {}
    for licence in sorted(set(licences)):
        for duty in terms(licence).oblige:
            found.setdefault(duty, []).append(licence)
    return dict(sorted(found.items()))

"""JSON as other tools write it: with bare NaN and Infinity, numbers past a double, halves of characters.

A strict and fast parser refuses these, so they cost a slow path only where they stand. What cannot stand in a file of ours
is kept there as the text that it was.
"""

import json
import math
from typing import Any

import msgspec

from rumpun.errors import InputError

__all__ = ["ODD", "Fields", "Parsed", "dump", "fields_of", "parse", "same", "seal", "unseal"]

ODD = "NaN, Infinity or half a character stands there: it is kept, and no score is made of it"
_SEALED = "rumpun:text"  # the only key of an object that stands for the JSON text in it
_CONSTANTS = (b"NaN", b"Infinity")
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Parsed(msgspec.Struct, frozen=True):
    """One JSON value."""

    value: Any  # as it was written
    plain: Any  # the same with null for numbers that are none, and U+FFFD for halves of characters

    @property
    def odd(self) -> bool:
        """A strict parser refuses it."""
        return self.plain is not self.value


def parse(data: bytes, where: str) -> Parsed:
    """Read one JSON value.

    Raises:
        InputError: it is no JSON, not even with NaN and Infinity; `where` is named.
    """
    try:
        value = msgspec.json.decode(data)
    except _REFUSED:
        pass
    else:
        return Parsed(value, value)
    value = _loads(data, where)
    return Parsed(value, _plain(value))


class Fields(msgspec.Struct, frozen=True):
    """A large object of which only some fields were read."""

    plain: dict[str, Any]  # the wanted ones that it has
    names: frozenset[str]  # of all that it has
    odd: bool  # a strict parser refuses it


def fields_of(data: bytes, wanted: frozenset[str], where: str) -> Fields:
    """Some fields of a large object; the others are passed over unread.

    Raises:
        InputError: it is no JSON object.
    """
    try:
        return _some(data, wanted, odd=False)
    except _REFUSED:
        pass
    if any(constant in data for constant in _CONSTANTS):
        from rumpun.evaluate.logs.json_split import without_constants

        try:
            return _some(without_constants(data), wanted, odd=True)
        except _REFUSED:
            pass
    value = _loads(data, where)
    if not isinstance(value, dict):
        raise InputError(f"{where}: a {type(value).__name__}, expected an object", "write the log again")
    return Fields({key: _plain(value[key]) for key in wanted if key in value}, frozenset(value), odd=True)


def _some(data: bytes, wanted: frozenset[str], *, odd: bool) -> Fields:
    raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    return Fields({key: msgspec.json.decode(raw[key]) for key in wanted if key in raw}, frozenset(raw), odd)


def _loads(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise InputError(f"{where}: no JSON ({error})", "copy the log again; it may be cut off") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return (
            value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    return value


def dump(value: Any) -> bytes:
    """A value as compact JSON in UTF-8; NaN and Infinity stay bare, as the other tools write and read them."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a character
        return json.dumps(value, separators=(",", ":")).encode()


def seal(value: Any) -> Any:
    """The value, or the text of it where it cannot stand in a strict JSON file; `unseal` gives it back."""
    if not (isinstance(value, dict) and _SEALED in value):
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except ValueError:  # NaN, Infinity; or half a character
            pass
        else:
            return value
    return {_SEALED: json.dumps(value)}


def unseal(value: Any) -> Any:
    """What `seal` was given."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_SEALED), str):
        return json.loads(value[_SEALED])
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values would be written alike but for the order of keys: 1 is not 1.0, NaN is NaN."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            key in other and same(inner, other[key]) for key, inner in one.items()
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return repr(one) == repr(other)  # -0.0 is not 0.0
    return bool(one == other)

"""One TOML table -> one frozen dataclass, strictly."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from rumpun.errors import UsageError, nearest

__all__ = ["build"]

T = TypeVar("T")


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make `cls` (a dataclass) from a table; `where` stands before every message.

    Lists become tuples, tables become nested dataclasses or `dict[str, X]`. A `check(self) -> None` method, where the
    dataclass has one, is called with the finished object and may raise `ValueError`. A mapping `OTHERS` on the class may tell
    of keys that belong elsewhere.

    Raises:
        UsageError: an unknown or missing key, a value of another type, or a value that `check` refuses.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            others: Mapping[str, str] = getattr(cls, "OTHERS", {})
            raise UsageError(f"{where}: unknown key '{key}'", others.get(key) or nearest(key, list(fields)))
        values[key] = _convert(hints[key], value, f"{where}.{key}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name not in values and required:
            raise UsageError(f"{where}: the key '{name}' is missing", f"add {name} = … ({_say(hints[name])})")
    made = cls(**values)
    check = getattr(made, "check", None)
    if check is not None:
        try:
            check()
        except ValueError as error:
            raise UsageError(f"{where}: {error}", "change the value in the recipe") from error
    return made


_WORDS = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def _say(hint: Any) -> str:
    """A type in the words of someone who writes TOML."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_say(choice) for choice in args if choice is not type(None))
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(choice) for choice in args)
    if origin is tuple:
        return f"a list, each of it {_say(args[0])}"
    if origin is dict or dataclasses.is_dataclass(hint):
        return "a table"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _wrong(where: str, value: object, hint: Any) -> UsageError:
    return UsageError(f"{where} = {value!r}: a {type(value).__name__}", f"expected {_say(hint)}")


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(hint, value, where)
    if origin is typing.Literal:
        return _literal(hint, value, where)
    if origin in (tuple, dict) or dataclasses.is_dataclass(hint):
        return _several(hint, value, where)
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise _wrong(where, value, hint)
    return value


def _one_of(hint: Any, value: Any, where: str) -> Any:
    choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
    for choice in choices[:-1]:
        try:
            return _convert(choice, value, where)
        except UsageError:
            continue
    try:
        return _convert(choices[-1], value, where)
    except UsageError as error:
        raise (error if len(choices) == 1 else _wrong(where, value, hint)) from None


def _literal(hint: Any, value: Any, where: str) -> Any:
    choices = typing.get_args(hint)
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise UsageError(f"{where} = {value!r}", nearest(str(value), [str(choice) for choice in choices]))
    return value


def _several(hint: Any, value: Any, where: str) -> Any:
    """A list or a table, item by item."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(args[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is not tuple and isinstance(value, Mapping):
        if origin is dict:
            return {key: _convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
        return build(hint, value, where)
    raise _wrong(where, value, hint)

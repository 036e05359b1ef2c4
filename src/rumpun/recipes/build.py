"""One TOML table -> one frozen dataclass, strictly."""

import dataclasses
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
    dataclass has one, is called with the finished object and may raise `ValueError`.

    Raises:
        UsageError: an unknown or missing key, a value of another type, or a value that `check` refuses.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            raise UsageError(f"{where}: unknown key '{key}'", nearest(key, list(fields)))
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


def _say(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint)


def _wrong(where: str, value: object, hint: Any) -> UsageError:
    return UsageError(f"{where} = {value!r}: a {type(value).__name__}", f"expected {_say(hint)}")


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [choice for choice in args if choice is not type(None)]
        return _convert(choices[0], value, where)
    if origin is typing.Literal:
        if value not in args:
            raise UsageError(f"{where} = {value!r}", nearest(str(value), [str(a) for a in args]))
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, value, hint)
        return tuple(_convert(args[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, value, hint)
        return {key: _convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise _wrong(where, value, hint)
        return build(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise _wrong(where, value, hint)
    return value

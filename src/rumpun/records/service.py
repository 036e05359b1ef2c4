"""How a layer asks to be served, in `service.toml` beside it.

The guard's policy, labels of the place, a sentence of caution, and the system texts that it learnt to answer after.
"""

import json
from pathlib import Path

import msgspec

from rumpun.errors import InputError

__all__ = ["FILE", "Service", "quoted", "read_service", "write_service"]

FILE = "service.toml"


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the makers of a layer ask of whoever serves it. What is said on the command line stands before it."""

    policy: str = ""  # a name that `rumpun policy show` knows
    contexts: tuple[str, ...] = ()  # labels of the place: health, education, …
    caution: str = ""  # shown on the page: what the layer is not for
    # language -> what stands before a chat in it that has no system text, such as "Jawab dalam Bahasa Melayu."
    system: dict[str, str] = {}


def quoted(value: str | bool | list[str] | tuple[str, ...]) -> str:
    """Text, a truth value or a list of texts as TOML writes it, which is JSON but for one letter."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_service(folder: Path, service: Service) -> None:
    """Write the file, where there is anything to say."""
    if service == Service():
        return
    table = msgspec.to_builtins(service)
    system = table.pop("system")
    lines = [f"{name} = {quoted(value)}" for name, value in table.items()]
    if system:
        lines += ["", "[system]", *(f"{quoted(tag)} = {quoted(words)}" for tag, words in system.items())]
    (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_service(folder: Path) -> Service:
    """What stands beside a layer; an empty one where it asks for nothing.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return Service()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Service)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error})", 'write policy = "asean"') from error

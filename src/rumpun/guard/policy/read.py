"""One policy file -> one `Layer`, strictly: every refusal is one line with file, line and rule."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError, nearest
from rumpun.guard.policy.layer import Citation, Layer, Resource, Rule
from rumpun.guard.policy.vocabulary import ANY, vocabulary
from rumpun.recipes import build

__all__ = ["contradictions", "place", "read_layer"]

_SECTIONS: Mapping[str, type[Rule] | type[Citation] | type[Resource]] = {
    "rules": Rule,
    "citations": Citation,
    "resources": Resource,
}
_FILLED_IN = ("path", "lines")
_MOST_BYTES = 1_000_000
_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]")


def read_layer(path: Path) -> Layer:
    """Read one file; what it stands on is not looked at.

    Raises:
        InputError: it cannot be read or is not TOML.
        UsageError: an unknown key or name, a value of another type, or two rules that contradict each other.
    """
    text = _text(path)
    table = _parse(text, path)
    known = [f.name for f in fields(Layer) if f.name not in _FILLED_IN]
    for key in table:
        if key not in known:
            raise UsageError(f"{path}:{_line(text, key)}: unknown key '{key}'", nearest(key, known))
    lines: dict[str, int] = {}
    parts: dict[str, Any] = {
        section: _section(section, table.pop(section, {}), text, path, lines) for section in _SECTIONS
    }
    lines |= {key: _line(text, key) for key in table}
    layer = build(Layer, table, f"{path}: head")
    layer = replace(layer, **parts, path=path, lines=lines)
    _check_head(layer)
    for name, rule in layer.rules.items():
        _check_rule(name, rule, layer)
    refused = contradictions(layer, [name for name, rule in layer.rules.items() if not rule.opt_in])
    if refused:
        raise UsageError(refused, "keep one of them, or give them different contexts or roles")
    return layer


def place(layer: Layer, what: str) -> str:
    """File, line and name, as they stand before a message: «sg.toml:12: rules.sg-royal»."""
    return f"{layer.path}:{layer.lines.get(what, 1)}: {what}"


def contradictions(layer: Layer, names: list[str]) -> str:
    """The first two of these rules that say different things of the same case, in words; empty where none do."""
    seen: dict[tuple[str, int, str, str], str] = {}
    for name in names:
        rule = layer.rules[name]
        for key in rule.keys:
            other = seen.setdefault(key, name)
            if layer.rules[other].action != rule.action:
                category, level, role, context = key
                return (
                    f"{place(layer, f'rules.{name}')}: '{rule.action}' contradicts rules.{other} "
                    f"(line {layer.lines[f'rules.{other}']}), which says '{layer.rules[other].action}' of "
                    f"{category}, level {level}, role {role}, context {context}"
                )
    return ""


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise InputError(f"{path}: more than {_MOST_BYTES:,} bytes", "a policy is a short file of rules")
        return raw.decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check the path") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not UTF-8", "save the file as UTF-8") from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        above = [header[1] for header in map(_HEADER.match, text.splitlines()[:line]) if header]
        within = f", in [{above[-1]}]" if above else ""
        raise InputError(f"{path}:{line}: not TOML ({error}){within}", "mend the line named") from error


def _section(name: str, table: object, text: str, path: Path, lines: dict[str, int]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise UsageError(
            f"{path}:{_line(text, name)}: {name} = {table!r}: not a table", f"write [{name}.NAME]"
        )
    made: dict[str, Any] = {}
    for item, value in table.items():
        line = lines[f"{name}.{item}"] = _line(text, name, item)
        where = f"{path}:{line}: {name}.{item}"
        if not re.fullmatch(r"[A-Za-z0-9_-]+", item):
            raise UsageError(where, "use letters, digits, '_' and '-' in names")
        if not isinstance(value, dict):
            raise UsageError(f"{where} = {value!r}: not a table", f"write [{name}.{item}]")
        made[item] = build(_SECTIONS[name], value, where)
    return made


def _line(text: str, *keys: str) -> int:
    """Where a table or a key begins, counted from 1; tomllib does not say. 1 where it is written in a rarer way."""
    quoted = [f"[\"']?{re.escape(key)}[\"']?" for key in keys]
    dotted = r"\s*\.\s*".join(quoted)
    for form in (rf"^\s*\[+\s*{dotted}\s*\]", rf"^\s*\[*\s*{dotted}\s*[.=\]]", rf"^\s*{quoted[-1]}\s*[.=]"):
        found = re.search(form, text, re.MULTILINE)
        if found:
            return text.count("\n", 0, found.end()) + 1
    return 1


def _check_head(layer: Layer) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", layer.name):
        raise UsageError(
            f"{place(layer, 'name')} = {layer.name!r}", "use small letters, digits, '_' and '-' in the name"
        )
    if layer.country and not re.fullmatch("[A-Z]{2}", layer.country):
        raise UsageError(f"{place(layer, 'country')} = {layer.country!r}", "use two capitals, such as SG")
    known = list(vocabulary().categories)
    for category, point in layer.points.items():
        if category not in known:
            raise UsageError(
                f"{place(layer, 'points')}.{category}: no such category", nearest(category, known)
            )
        if category == "sexual_minors" and point != "strict":
            raise UsageError(
                f"{place(layer, 'points')}.{category} = '{point}': no policy may loosen it", "leave it out"
            )


def _check_rule(name: str, rule: Rule, layer: Layer) -> None:
    where = place(layer, f"rules.{name}")
    words = vocabulary()
    if rule.category not in words.categories:
        raise UsageError(
            f"{where}.category = '{rule.category}': no such category",
            nearest(rule.category, list(words.categories)),
        )
    for context in rule.context:
        if context != ANY and context not in words.contexts:
            raise UsageError(
                f"{where}.context: '{context}' is no context", nearest(context, [ANY, *words.contexts])
            )

"""Write docs/reference.md from the code: commands with their options, steps with their parameters, exit codes.

    python scripts/make_reference.py [--check]

`--check` writes nothing and exits 1 when the page differs from the code.
"""

import dataclasses
import importlib
import inspect
import re
import sys
from pathlib import Path

import click

from rumpun import errors
from rumpun.cli import COMMANDS
from rumpun.serve.settings import Settings
from rumpun.steps import TABLE, resolve

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"


def command_text(name: str, command: click.Command) -> list[str]:
    """The help of a command and of those under it."""
    context = click.Context(command, info_name=name)
    context.max_content_width = 100
    lines = [f"### `{name}`", "", "```", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None:
                lines += command_text(f"{name} {sub}", found)
    return lines


def remarks(kind: type) -> dict[str, str]:
    """Field -> the comment on its line, for a dataclass and those it stands on."""
    found: dict[str, str] = {}
    for part in reversed(kind.__mro__[:-1]):
        source = inspect.getsource(part)
        found |= dict(re.findall(r"(?m)^    (\w+): [^#\n]*?#\s*(.+)$", source))
        found |= dict(re.findall(r"(?m)^    (\w+): [^#\n]*\(\n(?:[^#)]*)#\s*(.+)$", source))
    return found


def cell(text: str) -> str:
    """Text that stays inside a table's cell."""
    return text.replace("|", chr(92) + "|").replace("\n", " ")


def step_text(name: str) -> list[str]:
    """A step's parameters, with their types and defaults."""
    step = resolve(name)
    lines = [f"### `{name}`", "", f"Makes a **{step.kind}**, version {step.version}.", ""]
    lines += ["| parameter | default | what |", "|---|---|---|"]
    words = remarks(step.params)
    for field in dataclasses.fields(step.params):
        default = "required"
        if field.default is not dataclasses.MISSING:
            default = f"`{field.default!r}`"
        elif field.default_factory is not dataclasses.MISSING:
            default = f"`{field.default_factory()!r}`"
        lines.append(f"| `{field.name}` | {cell(default)} | {cell(words.get(field.name, ''))} |")
    return [*lines, ""]


def page() -> str:
    """The whole page."""
    lines = [
        "# Reference",
        "",
        "Generated from the code by `scripts/make_reference.py`; a test keeps it true.",
        "",
    ]
    lines += ["## Exit codes", "", "| code | error | when |", "|---|---|---|", "| 0 | | done |"]
    for name in ("RumpunError", "UsageError", "InputError", "MissingPartError", "EnvironmentFault"):
        kind = getattr(errors, name)
        lines.append(f"| {kind.exit_code} | `{name}` | {kind.__doc__.splitlines()[0]} |")
    lines += ["| 130 | | ended by Ctrl-C |", "", "## Commands", ""]
    for name, (target, _) in COMMANDS.items():
        module, _, attribute = target.partition(":")
        lines += command_text(f"rumpun {name}", getattr(importlib.import_module(module), attribute))
    lines += ["## Limits of the service", "", "| limit | default | what |", "|---|---|---|"]
    words = remarks(Settings)
    for field in dataclasses.fields(Settings):
        if field.name in words and field.default is not dataclasses.MISSING:
            lines.append(f"| `{field.name}` | `{field.default!r}` | {cell(words[field.name])} |")
    lines += ["", "## Steps of a recipe", ""]
    for name in TABLE:
        lines += step_text(name)
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def main() -> int:
    """Write the page, or compare it."""
    text = page()
    if "--check" in sys.argv:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        if not same:
            sys.stderr.write(
                "docs/reference.md differs from the code; run: python scripts/make_reference.py\n"
            )
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

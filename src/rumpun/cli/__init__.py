"""The command line: one module a command group, imported only when it is called.

`main` is the entry point. Errors become one line and one hint on standard error; exit codes are those of
`rumpun.errors`. Results go to standard output, talk and progress to standard error.
"""

import importlib
import os
import sys
from collections.abc import Mapping

import click

from rumpun.version import __version__

__all__ = ["COMMANDS", "cli", "main"]

# name -> (module:attribute, one line of help); the module is imported only when its command is called
COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("rumpun.cli.up:up", "Serve a model with its guard on this machine."),
    "doctor": ("rumpun.cli.doctor:doctor", "Say what this machine has and lacks."),
    "run": ("rumpun.cli.run:run", "Walk a recipe."),
    "lineage": ("rumpun.cli.lineage:lineage", "Walk from an artefact back to its sources."),
    "bases": ("rumpun.cli.bases:bases", "Bases that layers can stand on."),
    "corpus": ("rumpun.cli.corpus:corpus", "Build, mix, trace, show and take back corpora."),
    "text": ("rumpun.cli.text:text", "Normalise, segment and count text."),
    "pii": ("rumpun.cli.pii:pii", "Find and mask personal data."),
    "lid": ("rumpun.cli.lid:lid", "Identify the language of each line."),
    "encode": ("rumpun.cli.encode:encode", "Sentences to vectors of meaning."),
    "layer": ("rumpun.cli.layer:layer", "Extend, merge, inspect and release layers."),
    "eval": ("rumpun.cli.evaluate:evaluate", "Measure models."),
    "guard": ("rumpun.cli.guard:guard", "Check text, evaluate guards."),
    "policy": ("rumpun.cli.policy:policy", "Show, test, compare and compile country policies."),
    "edge": ("rumpun.cli.edge:edge", "Export models for devices."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; help needs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from rumpun.errors import UsageError, nearest

            raise UsageError(f"no command is called '{args[0]}'", nearest(args[0], list(COMMANDS)))
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="rumpun")
def cli(debug: bool) -> None:
    """Grow small, proven language models for Southeast Asia out of open bases."""
    if debug:
        os.environ["RUMPUN_DEBUG"] = "1"


def main() -> None:
    """Run the command line and leave with the exit code of `rumpun.errors`."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:  # it may stand anywhere
        arguments.remove("--debug")
        os.environ["RUMPUN_DEBUG"] = "1"
    try:
        code = cli.main(arguments, prog_name="rumpun", standalone_mode=False)
        sys.stdout.flush()  # so that a reader that has gone is met here
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if os.environ.get("RUMPUN_DEBUG"):
            raise
        code = _answer(error)
    sys.exit(code if isinstance(code, int) else 0)


def _answer(error: Exception) -> int:
    """One line and a hint for any error, and its exit code."""
    from rumpun.errors import EnvironmentFault, MissingPartError, RumpunError
    from rumpun.parts import part_of

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        _say(error.format_message(), f"{context.command_path} --help" if context else "rumpun --help")
        return error.exit_code
    missing = (getattr(error, "name", "") or "").partition(".")[0]
    part = part_of(missing) if isinstance(error, ModuleNotFoundError) else None
    if part:
        error = MissingPartError(f"this command ({missing})", part)
    elif isinstance(error, MemoryError):
        error = EnvironmentFault(
            "too little memory for this", "close other programs, or choose a smaller model"
        )
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        error = EnvironmentFault(f"{where}{error.strerror or error}", "free space, or mend the path")
    if isinstance(error, RumpunError):
        _say(error.message, error.hint)
        return error.exit_code
    _say(
        f"a fault of rumpun's own: {type(error).__name__}: {error}",
        "add --debug for the traceback, and report it",
    )
    return 1


def _say(message: str, hint: str) -> None:
    sys.stderr.write("rumpun: " + " ".join(message.split()) + "\n")
    if hint:
        sys.stderr.write("  " + " ".join(hint.split()) + "\n")

"""The one tree of errors that people may meet.

RumpunError                 exit code 1
├── UsageError              2  a wrong command, option, recipe key or parameter
├── InputError              3  data that cannot be used: missing, damaged, of the wrong kind
├── MissingPartError        4  a part of the package is not installed; the hint installs it
└── EnvironmentFault        5  the machine refuses: port in use, disk full, too little memory

`message` names what, where and what was expected, in one line. `hint` is the mend, in one line.
Libraries raise these and never print; the command line prints one line for each.
"""

__all__ = ["EnvironmentFault", "InputError", "MissingPartError", "RumpunError", "UsageError", "nearest"]


class RumpunError(Exception):
    """An error with its mend. `str(error)` is the message alone."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RumpunError):
    """A wrong command, option, recipe key or parameter."""

    exit_code = 2


class InputError(RumpunError):
    """Data that cannot be used: missing, damaged or of the wrong kind."""

    exit_code = 3


class MissingPartError(RumpunError):
    """A part of the package that is not installed."""

    exit_code = 4

    def __init__(self, what: str, *parts: str) -> None:
        named = ", ".join(f"'{part}'" for part in parts)
        one = len(parts) == 1
        super().__init__(
            f"{what} needs the part{'' if one else 's'} {named}, which {'is' if one else 'are'} not installed",
            f"make dev  (in a checkout), or pip install 'rumpun[{','.join(parts)}]'",
        )
        self.parts = parts


class EnvironmentFault(RumpunError):  # noqa: N818  (Python has an EnvironmentError already)
    """The machine refuses: a port in use, a full disk, too little memory."""

    exit_code = 5


def nearest(name: str, known: "list[str] | tuple[str, ...]") -> str:
    """A «did you mean» clause for an unknown name, or the list of known ones."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + ", ".join(sorted(known))

"""The one error that people meet."""

__all__ = ["Trouble"]


class Trouble(Exception):  # noqa: N818 - it is told to a person
    """What cannot be done, in one line, and its mend. `code` is the exit code: 2 usage, 3 input, 5 environment."""

    def __init__(self, message: str, mend: str = "", *, code: int = 5) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.code = code

    @property
    def line(self) -> str:
        """Both, as one line."""
        whole = f"{self.message}; {self.mend}" if self.mend else self.message
        return " ".join(whole.split())

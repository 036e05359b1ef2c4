"""What commands show: JSON on standard output, progress on standard error."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rumpun.steps import Progress

__all__ = ["progress_bars", "put_json"]


def put_json(value: Any) -> None:
    """One JSON object and a line end, UTF-8, keys in the order given."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


@contextlib.contextmanager
def progress_bars() -> Iterator[Callable[[str], Progress]]:
    """A maker of progress reports: bars on a terminal, one line every ten seconds elsewhere."""
    if not sys.stderr.isatty():
        yield _lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:12}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
               TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def start(name: str) -> Progress:
            task = bars.add_task(name, total=None, note="")

            def report(done: float, total: float = 0, note: str = "") -> None:
                bars.update(task, completed=done, total=total or None, note=note)

            return report

        yield start


def _lines(name: str) -> Progress:
    last, whole = [0.0], [0.0]  # when a line was last written; the total whose end was told

    def report(done: float, total: float = 0, note: str = "") -> None:
        now = time.monotonic()
        ended = bool(total) and done >= total
        if (ended and whole[0] == total) or (not ended and now - last[0] < 10):
            return
        last[0], whole[0] = now, total if ended else 0.0
        share = f"{100 * done / total:3.0f} %" if total else f"{done:.0f}"
        line = note.partition("\n")[0]  # the rest is a table for a terminal
        sys.stderr.write(f"{name}: {share} {line}".rstrip() + "\n")
        sys.stderr.flush()

    return report

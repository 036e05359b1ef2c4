"""Inspect's logs: a run exported as one log a task, language and model; logs imported as a run."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.logs.inspect_form import scores_of
from rumpun.evaluate.logs.inspect_read import Log, read_log
from rumpun.evaluate.logs.inspect_write import Form, write_logs
from rumpun.evaluate.logs.kept import joined_scores
from rumpun.evaluate.logs.run_folder import Imported, RunReader, RunWriter
from rumpun.evaluate.logs.tally import cautions

__all__ = ["export_inspect", "import_inspect"]

_HEAD_BYTES = 256  # of a .json log, which begins with its version


def import_inspect(path: Path, into: Path, *, languages: Mapping[str, str] | None = None) -> Imported:
    """A log of Inspect, or every log in a folder, as the run's folder `into`, which appears whole or not at all.

    Args:
        path: an `.eval` or `.json` log, or a folder of these. Paths that stand in a log are never opened.
        into: a folder that is new or empty.
        languages: task -> BCP-47 tag; that of `tally.OTHERS` is for tasks whose language neither the log nor their name says.

    Raises:
        InputError: a file is no log of Inspect, is torn or damaged, or unpacks to more than a log should.
        UsageError: `into` is there already.
        MissingPartError: a log is packed with Zstandard, and the part that unpacks it is not installed.
    """
    paths, warnings = _logs_in(path) if path.is_dir() else ([path], [])
    told = languages or {}
    logs: list[Log] = []
    with RunWriter(into) as writer:
        for number, one in enumerate(paths):
            try:
                logs.append(read_log(one, number, told, writer))
            except RecursionError as error:
                raise InputError(f"{one}: nested too deeply", "write the log without that sample") from error
        base = scores_of([(log.header, log.tally, log.kept) for log in logs], told)
        scores, whole = joined_scores(base, [log.mark for log in logs], [1] * len(logs))
        writer.finish(scores)
    if not whole:
        warnings.append(
            "not every log of the run was here: differences and means over all of them are left out"
        )
    left: Counter[str] = Counter()
    for log in logs:
        warnings += log.warnings
        left += log.left
    return Imported(
        samples=sum(log.tally.samples for log in logs),
        tasks=tuple(dict.fromkeys(cell.task for cell in scores.cells)),
        left=dict(left),
        warnings=(*warnings, *cautions(scores)),
    )


def export_inspect(folder_of_run: Path, into: Path, *, form: Form = "eval") -> list[Path]:
    """A run as logs of Inspect in the folder `into`; all of them appear at the end.

    Logs that the run was imported from come out as they were. What Inspect has no field for stands in their metadata, under
    `rumpun`.

    Returns:
        The files, one a task, language and model.

    Raises:
        InputError: the folder holds no run.
        UsageError: a form that is not known, or a file that is there already.
    """
    if form not in ("eval", "json"):
        raise UsageError(f"form '{form}'", "known: eval, json")
    with RunReader(folder_of_run) as run:
        return write_logs(run, into, form)


def _logs_in(folder: Path) -> tuple[list[Path], list[str]]:
    """The logs of a folder, and what else is there with the name of one."""
    logs: list[Path] = []
    others: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".eval", ".json") or not path.is_file():
            continue
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        (logs if path.suffix == ".eval" or b'"version"' in head else others).append(path)
    if not logs:
        raise InputError(f"{folder}: no .eval or .json log is in it", "name a log, or a folder of logs")
    return logs, [f"{path.name}: is no log, and left out" for path in others]

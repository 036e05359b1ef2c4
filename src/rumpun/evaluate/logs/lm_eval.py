"""lm-eval's logs: a run exported as one results file a model with a samples file a task; such files imported as a run."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rumpun.errors import InputError
from rumpun.evaluate.logs.kept import joined_scores
from rumpun.evaluate.logs.lm_eval_form import scores_of
from rumpun.evaluate.logs.lm_eval_read import Run, read_run, run_files
from rumpun.evaluate.logs.lm_eval_write import write_runs
from rumpun.evaluate.logs.run_folder import Imported, RunReader, RunWriter
from rumpun.evaluate.logs.tally import cautions

__all__ = ["export_lm_eval", "import_lm_eval"]


def import_lm_eval(path: Path, into: Path, *, languages: Mapping[str, str] | None = None) -> Imported:
    """What lm-eval wrote as the run's folder `into`, which appears whole or not at all.

    Args:
        path: a results file (the samples beside it are read too), a folder with such files, or a folder of these.
        into: a folder that is new or empty.
        languages: task -> BCP-47 tag; that of `tally.OTHERS` is for tasks whose language neither the documents nor their name say.

    Raises:
        InputError: a file is damaged or is none of lm-eval's.
        UsageError: `into` is there already.
    """
    told = languages or {}
    runs: list[Run] = []
    with RunWriter(into) as writer:
        for number, one in enumerate(run_files(path)):
            try:
                runs.append(read_run(one, number, told, writer))
            except RecursionError as error:
                raise InputError(
                    f"{one}: nested too deeply", "write the log without that document"
                ) from error
        base = scores_of([(run.results, run.tallies, run.kept) for run in runs], told)
        scores, whole = joined_scores(base, [run.mark for run in runs], [len(run.tallies) for run in runs])
        writer.finish(scores)
    warnings = [warning for run in runs for warning in run.warnings]
    if not whole:
        warnings.append(
            "not every file of the run was here: differences and means over all of them are left out"
        )
    left: Counter[str] = Counter()
    for run in runs:
        left += run.left
    return Imported(
        samples=sum(tally.samples for run in runs for tally in run.tallies.values()),
        tasks=tuple(dict.fromkeys(cell.task for cell in scores.cells)),
        left=dict(left),
        warnings=(*warnings, *cautions(scores)),
    )


def export_lm_eval(folder_of_run: Path, into: Path) -> list[Path]:
    """A run as lm-eval's files, `into`/MODEL/results_TIME.json and samples_TASK_TIME.jsonl; all appear at the end.

    Files that the run was imported from come out as they were. What lm-eval has no field for stands under `rumpun` in the
    documents and in the results' `config`; the documents' hashes count it in.

    Returns:
        The files.

    Raises:
        InputError: the folder holds no run.
        UsageError: a file is there already.
    """
    with RunReader(folder_of_run) as run:
        return write_runs(run, into)

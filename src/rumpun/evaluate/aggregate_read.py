"""Figures of cells, read for aggregating: what `rumpun eval score --json` printed, and folders of runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError
from rumpun.evaluate.records import SAMPLES, SCORES, Figure, Sample, Scores, read_samples, read_scores
from rumpun.evaluate.seahelm.tasks import SKILLS
from rumpun.evaluate.seahelm.tasks import tasks as seahelm_tasks
from rumpun.evaluate.tasks import tasks

__all__ = ["ANSWERS", "SEAHELM", "Given", "read_given"]

SEAHELM = "seahelm"  # what `--compat` calls it
_FAULT = "a fault of SEA-HELM"  # how a note of a cell begins that names one
ANSWERS = "answers"  # the model of loose files, where no name is given
_THEIRS = "seahelm-"  # before the name of a task whose rows a run asked with SEA-HELM's prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One task in one language for one model, as one file has it."""

    path: Path
    model: str
    digest: str = ""  # sha256 of its weights, where the file says it
    task: str
    language: str
    skill: str = ""
    figure: Figure | None = None  # normalised: 0 chance, 100 best
    why: str = ""  # why there is no figure
    compat: str = ""  # in whose way it was scored: "seahelm", or "" for ours
    runs: tuple[tuple[float, ...], ...] = ()  # each item's score, of each run; empty where the file has none
    labels: tuple[Any, ...] = ()  # right answers beside the first run
    faults: tuple[str, ...] = ()  # of SEA-HELM, in the figure
    unscored: int = 0  # items of `runs` without a score, which stand there as 0


class _Printed(msgspec.Struct, frozen=True, kw_only=True):
    """What `rumpun eval score --json` prints, as far as it is read here."""

    task: str
    language: str
    normalised: float | None
    compat: str = ""
    faults: list[str] = []
    values: list[float] = []
    labels: list[Any] = []


def read_given(paths: Sequence[Path], name: str = ANSWERS, *, items: bool = False) -> list[Given]:
    """Every cell of files and folders, in the order given; files of a folder by their names.

    Args:
        paths: what `rumpun eval score --json` printed, a folder of it, or a run's folder. Files of a folder are of the
            model that the folder is called after.
        name: the model of loose files.
        items: whether the items' scores of runs are wanted: then their samples are read.

    Raises:
        InputError: a file cannot be read or is none of these, or a folder has none.
    """
    found: list[Given] = []
    for path in paths:
        if path.is_dir():
            inside = [path / SCORES] if (path / SCORES).is_file() else _files(path)
            if not inside:
                raise InputError(
                    f"{path}: no .json file is in it",
                    "name what `rumpun eval score --json` printed, or a run",
                )
            for one in inside:
                found += _of_file(one, path.absolute().name, items)
        else:
            found += _of_file(path, name, items)
    return _told_apart(found)


def _told_apart(found: list[Given]) -> list[Given]:
    """Models of one name and other weights get their digest behind it."""
    digests: dict[str, set[str]] = {}
    for one in found:
        digests.setdefault(one.model, set()).add(one.digest)
    return [
        replace(one, model=f"{one.model} ({one.digest[:8] or 'no digest'})")
        if len(digests[one.model]) > 1
        else one
        for one in found
    ]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


def _of_file(path: Path, model: str, items: bool) -> list[Given]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})",
            "name what `rumpun eval score --json` printed, or a run",
        ) from error
    try:
        whole = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no JSON object ({error})", "print it again with --json") from error
    if isinstance(whole, dict) and "cells" in whole:
        return _of_run(path, read_scores(path), items)
    try:
        printed = msgspec.convert(whole, _Printed)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{path}: {error}", "it is neither what `rumpun eval score --json` prints nor a run's scores.json"
        ) from error
    if printed.labels and len(printed.labels) != len(printed.values):
        raise InputError(
            f"{path}: {len(printed.labels)} labels for {len(printed.values)} values",
            "print it again with --json",
        )
    value = printed.normalised
    return [
        Given(
            path=path, model=model, task=printed.task, language=printed.language, skill=_skill(printed.task),
            figure=None if value is None else Figure(value=value), why="" if value is not None else "it has no figure of its own",
            compat=printed.compat, runs=(tuple(printed.values),) if printed.values else (), labels=tuple(printed.labels),
            faults=tuple(printed.faults),
        )
    ]  # fmt: skip


def _of_run(path: Path, scores: Scores, items: bool) -> list[Given]:
    """The cells of a run, of each of its models, and those that it was asked for and has not."""
    by: dict[tuple[str, str, str], list[Sample]] = {}
    if items:
        for sample in read_samples(path.with_name(SAMPLES)):
            by.setdefault((sample.model, sample.task, sample.language), []).append(sample)
    compat = str(scores.made.get("compat") or "")
    digests = {info.name: info.digest for info in scores.models}
    found = []
    for cell in scores.cells:
        runs, labels, unscored = _of_samples(by.get((cell.model, cell.task, cell.language), []))
        task = cell.task.removeprefix(_THEIRS)
        lost = "it has no normalised score" if cell.scored else "no question got an answer"
        faults = tuple(note.partition(": ")[2] for note in cell.notes if note.startswith(_FAULT))
        found.append(
            Given(
                path=path, model=cell.model, digest=digests.get(cell.model, ""), task=task, language=cell.language,
                skill=cell.skill or _skill(task), figure=cell.normalised, why="" if cell.normalised else lost, compat=compat,
                runs=runs, labels=labels, faults=faults, unscored=unscored,
            )
        )  # fmt: skip
    found += [
        Given(
            path=path, model=info.name, digest=info.digest, task=one["task"].removeprefix(_THEIRS),
            language=one["language"], skill=_skill(one["task"].removeprefix(_THEIRS)), why=one.get("why") or "it was not run", compat=compat,
        )
        for one in scores.not_run
        for info in scores.models
        if one.get("model", info.name) == info.name and "task" in one and "language" in one
    ]  # fmt: skip
    return found


def _of_samples(samples: Sequence[Sample]) -> tuple[tuple[tuple[float, ...], ...], tuple[Any, ...], int]:
    """Items' scores run by run in the order of the first run's, its right answers, and how many had no score."""
    ids = list(dict.fromkeys(sample.id for sample in samples))
    by = {(sample.run, sample.id): sample for sample in samples}
    runs = []
    unscored = 0
    for run in sorted({sample.run for sample in samples}):
        own = [by.get((run, one)) for one in ids]
        unscored += sum(one is None or one.score is None for one in own)
        runs.append(tuple(0.0 if one is None or one.score is None else one.score for one in own))
    first = {sample.id: sample.gold for sample in reversed(samples)}
    labels = tuple(first[one] for one in ids)
    return tuple(runs), labels, unscored


def _skill(task: str) -> str:
    """The skill that a task stands for; empty where no table has it."""
    if task in tasks():
        return tasks()[task].skill
    return next((SKILLS[spec.competency] for spec in seahelm_tasks() if spec.name == task), "")

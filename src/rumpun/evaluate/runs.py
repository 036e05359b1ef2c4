"""Folders of runs: a suite put to one or two models and written down, and read again."""

import itertools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from rumpun.engines.load import Found, open_engine, resolve
from rumpun.errors import EnvironmentFault, UsageError, nearest
from rumpun.evaluate.ask import Asker, Asking
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.harmful import sealed
from rumpun.evaluate.identity import identity_of, model_info
from rumpun.evaluate.long_context import context_wanted
from rumpun.evaluate.own_files import read_files
from rumpun.evaluate.public_table import describe
from rumpun.evaluate.records import (
    SAMPLES,
    SCORES,
    ModelInfo,
    Sample,
    Scores,
    read_samples,
    read_scores,
    write_samples,
    write_scores,
)
from rumpun.evaluate.report.report import REPORT, report_html
from rumpun.evaluate.reviews import Reviewers, noted
from rumpun.evaluate.run import Plan, Settings, ask_model, plan, scores_of
from rumpun.evaluate.shards import addresses, fill
from rumpun.evaluate.tasks import chosen as tasks_of
from rumpun.evaluate.tasks import suite
from rumpun.evaluate.texts import known_language
from rumpun.records.artefacts import sha256_file
from rumpun.records.places import cache_folder, data_folder
from rumpun.steps import Progress, quiet

__all__ = ["Outcome", "plan_items", "plan_suite", "run_suite", "samples_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run."""

    scores: Scores
    folder: Path
    asked: int  # questions that engines were put
    kept: int  # that the cache answered


def plan_suite(
    name: str, settings: Settings, tasks: Sequence[str] = (), *, data: Path | None = None, progress: Progress = quiet
) -> Plan:  # fmt: skip
    """What a suite, or some tasks, will ask in the languages of the settings.

    Raises:
        UsageError: no suite, task or language of that name, or nothing to ask.
        InputError: a public set is not at hand, or an item is malformed.
    """
    chosen = tuple(dict.fromkeys(tasks))
    wanted = tasks_of(chosen) or suite(name)
    theirs = {tag for one in wanted if one.public for tag in describe(one.public).languages}
    for tag in settings.languages:
        if not known_language(tag) and tag not in theirs:
            raise UsageError(f"--languages: no language '{tag}'", "give BCP-47 tags, with commas between")
    return _asking(replace(plan(name, wanted, settings, data, progress), chosen=chosen))


def plan_items(
    files: Sequence[Path],
    settings: Settings,
    *,
    name: str = "",
    labels: Sequence[str] = (),
    config: Path | None = None,
    compat: bool = False,
    progress: Progress = quiet,
) -> Plan:
    """What files of one's own items will ask, each a task of its own.

    Args:
        files: in the native layout, or of SEA-HELM's rows.
        settings: how; with no languages, in those of the files.
        name: a task of ours whose prompt and skill the items take, or with a config SEA-HELM's name of the task.
        labels: that right labels are among.
        config: a task's config.yaml of SEA-HELM's.
        compat: answers are read and scored as SEA-HELM does.
        progress: told of files.

    Raises:
        UsageError: options that do not go together or with the items, or nothing to ask.
        InputError: a file is malformed; what and where is named.
    """
    if config and not name:
        raise UsageError("--config without --task", "name SEA-HELM's task, as its config calls it")
    if compat and not config:
        raise UsageError("--compat without --config", "name the task's config.yaml")
    if compat and settings.runs > 1:
        raise UsageError("--compat seahelm scores one run at a time", "leave --runs out")
    own = read_files(files, settings.languages, name=name, labels=labels, config=config, compat=compat)
    there = tuple(dict.fromkeys(tag for one in own for tag in one.languages))
    for tag in settings.languages:
        if not known_language(tag) and tag not in there:
            raise UsageError(f"--languages: no language '{tag}'", "give BCP-47 tags, with commas between")
    asked = [one.task for one in own]
    made = plan(
        " + ".join(f"{path.name} sha256:{sha256_file(path)}" for path in files), asked,
        replace(settings, languages=settings.languages or there), progress=progress,
        own={one.task.name: one.read for one in own},
    )  # fmt: skip
    options = {
        "items": [str(path) for path in files], "task": name, "labels": ",".join(labels), "config": str(config or ""),
        "compat": "seahelm" if compat else "",
    }  # fmt: skip
    told = [
        {
            "task": one.task.name, "file": path.name, "sha256": sha256_file(path), "items": len(one.read.items),
            "prompt": "SEA-HELM's" if one.task.helm else one.task.prompt or "own",
        } | ({"config_sha256": sha256_file(config)} if config else {})
        for path, one in zip(files, own, strict=True)
    ]  # fmt: skip
    return _asking(
        replace(made, made={**options, "files": told}),
        "mend what is named, or ask the items otherwise: --task, or a field prompt of their own"
        if made.not_run
        else f"the files have items in {', '.join(there)}",
    )


def _asking(made: Plan, hint: str = "`rumpun eval tasks` lists tasks with their languages") -> Plan:
    """A plan that asks something."""
    if not made.cells:
        whys = [f"{one['task']} in {one['language']}: {one['why']}" for one in made.not_run[:1]]
        what = "; ".join([f"nothing to ask in {', '.join(made.settings.languages)}", *whys])
        raise UsageError(what, hint)
    return made


def run_suite(
    made: Plan,
    model: str,
    against: str | None = None,
    *,
    into: Path | None = None,
    cache: Path | None = None,
    minutes: float | None = None,
    asking: Asking | None = None,
    workers: int | None = None,
    reviewers: Reviewers | None = None,
    start: Callable[[str], Progress] = lambda _: quiet,
) -> Outcome:
    """Put a plan to a model, and to the one it is compared with, and write scores.json, samples.jsonl and report.html.

    Args:
        made: what is asked.
        model: as `engines.load` resolves it.
        against: likewise; None: the model is measured alone.
        into: the folder; by default a new one in the data folder.
        cache: the file of answers; by default in the cache folder.
        minutes: after which nothing new is asked; what was not asked is named.
        asking: how hard a server is pressed.
        workers: engines at once on a Ray cluster, 0 for as many as `shards.fill` finds; a model may then be several
            addresses with commas between. None: one engine, here.
        reviewers: a judge and a guard, who look at the answers after all are there.
        start: begins a report of progress under a name.

    Raises:
        UsageError: a model is unknown, the two are one, or the folder holds something else.
        InputError: a model cannot be read.
        MissingPartError: workers are asked for, and Ray is not installed.
        EnvironmentFault: a model or the cluster is gone, or the folder cannot be written; what was answered is kept.
    """
    begun = time.monotonic()
    if into is not None:
        _check_folder(into)
    names = [model] if against is None else [model, against]
    found = _found(names, alone=workers is None, start=start)
    folder = into or _new_folder(found[0].name.rpartition("@")[2])
    _check_folder(folder)
    deadline = begun + 60 * minutes if minutes else None
    done: list[_Answered] = []
    with Cache(cache or cache_folder() / "evaluation" / "answers.sqlite") as answers:
        # one after the other, so that only one is in memory
        for name, place in zip(names, found, strict=True):
            taken = [one.info.name for one in done]
            one = _answered(made, name, place, answers, taken, workers, asking, deadline, start)
            done.append(one)
        infos = [one.info for one in done]
        looked = (reviewers or Reviewers()).look(
            [one.samples for one in done], infos, answers, asking, seed=made.settings.seed, deadline=deadline, start=start
        )  # fmt: skip
    samples = [sealed(own) for own in looked.samples]
    not_run = [*itertools.chain.from_iterable(one.not_run for one in done), *looked.not_run]
    scores = scores_of(made, infos, samples, not_run, time.monotonic() - begun)
    scores = structs.replace(scores, cells=noted(scores.cells, looked.made), made=scores.made | looked.made)
    _write(folder, scores, samples)
    asked, kept = looked.asked + sum(one.asked for one in done), looked.kept + sum(one.kept for one in done)
    return Outcome(scores=scores, folder=folder, asked=asked, kept=kept)


@dataclass(frozen=True, slots=True)
class _Answered:
    """One model's answers to a plan."""

    info: ModelInfo
    samples: list[Sample]
    not_run: list[dict[str, str]]
    asked: int
    kept: int


def _answered(  # noqa: PLR0917  (all of `run_suite`'s own)
    made: Plan, name: str, place: Found, answers: Cache, taken: Sequence[str], workers: int | None, asking: Asking | None,
    deadline: float | None, start: Callable[[str], Progress],
) -> _Answered:  # fmt: skip
    """Put the plan to one model; where its name is among the taken ones it is told apart."""
    # requests that are computed together round otherwise, by chance, and then answer otherwise
    wide = None if workers is not None else context_wanted((cell.task for cell in made.cells), place)
    engine = open_engine(place, slots=1, context_tokens=wide)
    try:
        info = model_info(place, engine)
        came = 0
        if workers is not None:
            came = fill(
                made, name, place, engine, answers, workers=workers, asking=asking, deadline=deadline,
                told=start(f"{info.name} on a cluster"),
            )  # fmt: skip
        asker = Asker(engine, identity_of(info), answers, asking, deadline=deadline)
        if info.name in taken:
            info = structs.replace(info, name=f"{info.name} (2)")
        samples, left = ask_model(made, info, asker, start(info.name))
    finally:
        engine.close()
    return _Answered(info, samples, left, came + asker.asked, asker.kept - came)


def _found(names: Sequence[str], *, alone: bool, start: Callable[[str], Progress]) -> list[Found]:
    """Where each model lies; of several addresses the first. Refuses a model beside itself."""
    firsts = names if alone else [addresses(name)[0] for name in names]
    found = [resolve(name, progress=start("finding")) for name in firsts]
    if len(found) > 1 and found[0].place == found[1].place:
        raise UsageError(f"{names[0]} and {names[1]} are the same model", "name another one with --against")
    return found


def _new_folder(model: str) -> Path:
    name = "".join(c if c.isalnum() or c in "-._+" else "-" for c in model)[:60]
    return data_folder() / "evaluations" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _check_folder(folder: Path) -> None:
    """Refuse a folder of something else, or one that could not be written when all is asked.

    A folder without scores.json that holds nothing but a run's other files is one that was cut off while it was written.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise EnvironmentFault(f"{folder}: cannot be written", "name another folder with --into")
    if folder.is_dir() and not (folder / SCORES).is_file():
        own = {f".{SAMPLES}.part", f".{SCORES}.part", SAMPLES, REPORT}
        if strange := sorted({path.name for path in folder.iterdir()} - own):
            raise UsageError(
                f"{folder}: holds {strange[0]}, which is no part of a run", "name another folder with --into"
            )


def _write(folder: Path, scores: Scores, samples: Sequence[Sequence[Sample]]) -> None:
    """scores.json goes first and comes last: a folder that has it is whole."""
    page = report_html(scores, samples[0], samples[1] if len(samples) > 1 else ())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORES).unlink(missing_ok=True)
    write_samples(folder / SAMPLES, [sample for mine in samples for sample in mine])
    (folder / REPORT).write_text(page, encoding="utf-8")
    write_scores(folder / SCORES, scores)


def samples_of(folder: Path, model: str | None, place: int) -> list[Sample]:
    """The samples of one model of a run: that of the name, or the one at the place where none is named.

    Raises:
        InputError: the folder is no run.
        UsageError: the run has no such model.
    """
    names = [info.name for info in read_scores(folder / SCORES).models]
    name = model or names[min(place, len(names) - 1)]
    if name not in names:
        raise UsageError(f"{folder}: no model '{name}' in it", nearest(name, names))
    return [sample for sample in read_samples(folder / SAMPLES) if sample.model == name]

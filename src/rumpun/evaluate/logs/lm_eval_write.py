"""A run written as lm-eval's files, a line at a time."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rumpun.errors import UsageError
from rumpun.evaluate.logs.json_text import dump, parse, unseal
from rumpun.evaluate.logs.kept import equal_scores, parts_of_scores, put_back, put_mark, sample_beyond
from rumpun.evaluate.logs.lm_eval_form import (
    HASHES,
    doc_hash,
    hashes,
    model_name,
    output_type,
    sanitised,
    scores_of,
    tasks_of,
    to_line,
)
from rumpun.evaluate.logs.lm_eval_read import Context, guessed_id, ordered_lines, read_document
from rumpun.evaluate.logs.run_folder import Group, RunReader, finished, part_of
from rumpun.evaluate.logs.tally import Z95, Tally
from rumpun.evaluate.records import Cell, Sample, Scores

__all__ = ["write_runs"]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d.-]+")
_NAME = re.compile(r"[^\w.+-]+")
_NOT_A_NAME = re.compile(r"[/\\\0]")
_TYPES = {"likelihood": "multiple_choice", "generate": "generate_until"}
# what lm-eval says of a model and its machine, and a run of ours does not
_UNSAID = (
    "git_hash", "pretty_env_info", "transformers_version", "lm_eval_version", "upper_git_hash",
    "tokenizer_pad_token", "tokenizer_eos_token", "tokenizer_bos_token", "eot_token_id", "system_instruction",
    "system_instruction_sha", "fewshot_as_multiturn", "chat_template", "chat_template_sha",
    "total_evaluation_time_seconds",
)  # fmt: skip


@dataclass(slots=True)
class _Task:
    """One samples file."""

    name: str  # as lm-eval's
    group: Group
    tally: Tally = field(default_factory=Tally)
    cells: list[Cell] = field(default_factory=list)  # of our own


@dataclass(slots=True)
class _Run:
    """One results file."""

    model: str
    number: int
    kept: Mapping[str, Any] | None  # of one that was imported
    tasks: dict[str, _Task] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    path: Path = field(default_factory=Path)
    place: int = 0  # among the results files that an import finds
    marked: bool = False  # a sample of it carries what lm-eval has no field for

    @property
    def own(self) -> bool:
        """Whether it was not imported."""
        return self.kept is None


def write_runs(reader: RunReader, into: Path) -> list[Path]:
    """See `export_lm_eval`."""
    runs = _runs(reader)
    time = reader.when.strftime("%Y-%m-%dT%H-%M-%S.%f")
    for run in runs:
        for task in run.tasks.values():
            for _, sample in reader.samples(task.group):
                task.tally.add(sample)
        run.results = _own_results(run, reader) if run.kept is None else dict(unseal(run.kept["results"]))
        told = str((run.kept or {}).get("time"))
        folder = _NOT_A_NAME.sub("-", sanitised(model_name(run.results))).strip(". ") or "model"
        run.path = into / folder / f"results_{told if _TIME.fullmatch(told) else time}.json"
    for place, run in enumerate(sorted(runs, key=lambda one: one.path)):
        run.place = place
    paths = [
        path
        for run in runs
        for path in (*(_samples_path(run, task) for task in run.tasks.values()), run.path)
    ]
    for path, times in Counter(paths).items():
        if path.exists() or times > 1:
            raise UsageError(f"{path}: is there already", "name a folder without it")
    try:
        for run in runs:
            _write_run(run, reader)
        _mark(runs, reader.scores)
        for run in runs:
            part_of(run.path).write_bytes(dump(run.results))
        return finished(paths)
    finally:
        for path in paths:
            part_of(path).unlink(missing_ok=True)


def _write_run(run: _Run, reader: RunReader) -> None:
    """Write a run's samples, and set down their hashes."""
    run.path.parent.mkdir(parents=True, exist_ok=True)
    found = {
        task.name: _write_samples(run, task, reader, part_of(_samples_path(run, task)))
        for task in run.tasks.values()
    }
    if run.own or run.marked:
        run.results["task_hashes"] = {**run.results.get("task_hashes", {}), **found}


def _samples_path(run: _Run, task: _Task) -> Path:
    time = run.path.stem.removeprefix("results_")
    return run.path.with_name(f"samples_{_NOT_A_NAME.sub('-', task.name)}_{time}.jsonl")


def _kept(sample: Sample, runs: int) -> Mapping[str, Any] | None:
    """What an import kept of a sample, where its results file is known."""
    kept = sample.more.get("lm_eval")
    if (
        isinstance(kept, dict)
        and kept.get("lines")
        and type(kept.get("run")) is int
        and 0 <= kept["run"] < runs
    ):
        return kept
    return None


def _runs(reader: RunReader) -> list[_Run]:
    """Runs that were imported, in their order; then one for each model of our own, with a task for each of its languages."""
    imported = reader.scores.made.get("lm_eval")
    kept = imported.get("runs") if isinstance(imported, dict) else None
    kept = kept if isinstance(kept, list) else []

    def key(sample: Sample) -> tuple[Any, ...]:
        if (own := _kept(sample, len(kept))) is not None:
            return own["run"], sample.task
        return sample.model, sample.task, sample.language

    groups = reader.groups(key)
    found = []
    for number, one in enumerate(kept):
        run = _Run(model_name(unseal(one["results"])), number, one)
        names = [
            *one["tasks"],
            *(task for at, task, *_ in groups if at == number and task not in one["tasks"]),
        ]
        run.tasks = {name: _Task(name, groups.pop((number, name), Group((), []))) for name in names}
        found.append(run)
    told = {(run.model, task) for run in found for task in tasks_of(unseal((run.kept or {})["results"]))}
    own: dict[str, _Run] = {}
    for cell in reader.scores.cells:
        if (cell.model, cell.task) not in told:
            groups.setdefault((cell.model, cell.task, cell.language), Group((), []))
    for (model, task, language), group in groups.items():
        run = own.setdefault(model, _Run(model, len(found) + len(own), None))
        name = again = _NAME.sub("-", f"{task}_{language}")
        while again in run.tasks:
            again = f"{name}-{len(run.tasks)}"
        cells = [c for c in reader.scores.cells if (c.model, c.task, c.language) == (model, task, language)]
        run.tasks[again] = _Task(again, group, cells=cells)
    return [*found, *own.values()]


def _own_results(run: _Run, reader: RunReader) -> dict[str, Any]:
    info = next((model for model in reader.scores.models if model.name == run.model), None)
    engine = info.engine if info else ""
    tasks = run.tasks.values()
    return {
        "results": {task.name: _metrics(task) for task in tasks},
        "group_subtasks": {task.name: [] for task in tasks},
        "configs": {task.name: _config(task) for task in tasks},
        "versions": {task.name: None for task in tasks},
        "n-shot": {},
        "higher_is_better": {task.name: {cell.metric: True for cell in task.cells} for task in tasks},
        "n-samples": {
            task.name: dict.fromkeys(("original", "effective"), len(task.tally.ids)) for task in tasks
        },
        "config": {"model": engine, "model_args": {"model": run.model}},
        "date": reader.when.timestamp(),
        **dict.fromkeys(_UNSAID),
        "max_length": info.context_tokens or None if info else None,
        "task_hashes": {},
        "model_source": engine,
        "model_name": run.model,
        "model_name_sanitized": sanitised(run.model),
    }


def _metrics(task: _Task) -> dict[str, Any]:
    found: dict[str, Any] = {"name": task.name, "alias": task.name, "sample_len": len(task.tally.ids)}
    for cell in task.cells:
        for name, figure in cell.metrics.items():
            found[f"{name},none"] = figure.value
            low, high = figure.ci95 or (0.0, 0.0)
            found[f"{name}_stderr,none"] = "N/A" if figure.ci95 is None else (high - low) / (2 * Z95)
    return found


def _config(task: _Task) -> dict[str, Any]:
    method = next(iter(task.tally.methods), "")
    cell = next(iter(task.cells), None)
    about = {"task": cell.task, "language": cell.language, "skill": cell.skill} if cell else {}
    return {"task": task.name, "output_type": _TYPES.get(method), "metadata": about}


def _lines(sample: Sample, kept: Mapping[str, Any] | None, doc_id: int) -> list[dict[str, Any]]:
    """A sample's lines, without our mark."""
    ours = to_line(sample, doc_id if kept is None else guessed_id(sample))
    if kept is None:
        return [{**ours, **hashes(ours)}]
    first, *others = kept["lines"]
    line = put_back({**ours, **hashes(put_back(ours, first))}, first)
    return [line, *(put_back(line, one) for one in others)]


def _write_samples(run: _Run, task: _Task, reader: RunReader, path: Path) -> str:
    """Write a task's lines; returns their hash over all."""
    digest = hashlib.sha256()
    places = task.group.places
    doc_ids = {number: doc_id for doc_id, (number, *_) in enumerate(places)}
    with path.open("wb") as stream:
        for place, line_number in _order(run, task, reader):
            ((at, sample),) = reader.samples(Group((), [places[place]]))
            kept = None if run.own else _kept(sample, run.number + 1)
            lines = _lines(sample, kept, doc_ids[at])
            line = lines[line_number]
            if line_number == 0:
                line = _marked(run, task, sample, lines, at)
            digest.update("".join(str(line.get(name)) for name in HASHES).encode())
            stream.write(dump(line) + b"\n")
    return digest.hexdigest()


def _order(run: _Run, task: _Task, reader: RunReader) -> Iterator[tuple[int, int]]:
    """(sample of the task, line of it) in the order of the file."""
    if run.own:
        yield from ((place, 0) for place in range(len(task.group.places)))
        return
    told: list[tuple[int, int, int]] = []
    filters: list[list[Any]] = []
    for place, (_, sample) in enumerate(reader.samples(task.group)):
        kept = _kept(sample, run.number + 1) or {"lines": [{}]}
        told += [(at, place, number) for number, at in enumerate(kept.get("at", []))]
        filters.append([line.get("filter") for line in _lines(sample, kept, 0)])
    if told:
        yield from ((place, number) for _, place, number in sorted(told))
    else:
        names = list({str(name): name for own in filters for name in own}.values())
        yield from ordered_lines(filters, names)


def _marked(
    run: _Run,
    task: _Task,
    sample: Sample,
    lines: list[dict[str, Any]],
    at: int,
) -> dict[str, Any]:
    """The first line, with what an import of these lines alone would not give."""
    context = Context(run.place, task.name, model_name(run.results), output_type(run.results, task.name), {})
    parsed = [parse(dump(line), "a line") for line in lines]
    kept = None if run.own else _kept(sample, run.number + 1)
    told = kept or {}
    base, _ = read_document(parsed, context, told.get("at"), told.get("again", 0))
    rest = sample_beyond(sample, base)
    line = lines[0]
    if kept is not None and not rest:
        return line
    run.marked = True
    mark: dict[str, Any] = {"at": at, "sample": rest}
    if line.get("doc_hash") != doc_hash(line.get("doc")):
        mark["doc_hash"] = line.get("doc_hash")
    line = put_mark(line, "doc", mark)
    return {**line, "doc_hash": doc_hash(line["doc"])}


def _mark(runs: Sequence[_Run], scores: Scores) -> None:
    """Where an import of these files alone would give other scores, put what is missing into them."""
    told = []
    for run in sorted(runs, key=lambda one: one.place):
        plain = parse(dump(run.results), "results").plain
        tallies = {name: task.tally for name, task in run.tasks.items()}
        tallies |= {name: Tally() for name in tasks_of(plain) if name not in tallies}
        told.append((plain, tallies, run.kept or {}))
    if not any(run.marked for run in runs) and equal_scores(scores_of(told, {}), scores):
        return
    log_of = [next((run.number for run in runs if run.model == cell.model), 0) for cell in scores.cells]
    for run, part in zip(runs, parts_of_scores(scores, log_of, len(runs)), strict=True):
        run.results = put_mark(run.results, "config", part)

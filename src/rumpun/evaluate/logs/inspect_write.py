"""A run written as logs of Inspect, a sample at a time."""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from rumpun.errors import UsageError
from rumpun.evaluate.logs.archive import Member
from rumpun.evaluate.logs.inspect_form import scores_of
from rumpun.evaluate.logs.inspect_read import (
    HEADER,
    JOURNAL,
    REDUCTIONS,
    START,
    SUMMARIES,
    Key,
    key_of,
    start_of,
)
from rumpun.evaluate.logs.inspect_sample import Context, Place, Summaries, Written, unpacked_of, write_sample
from rumpun.evaluate.logs.json_text import dump, parse, unseal
from rumpun.evaluate.logs.kept import equal_scores, parts_of_scores, put_mark
from rumpun.evaluate.logs.run_folder import Group, RunReader, finished, part_of
from rumpun.evaluate.logs.tally import UNKNOWN, Tally
from rumpun.evaluate.records import Cell, Sample, Scores
from rumpun.version import __version__

__all__ = ["Form", "write_logs"]

Form = Literal["eval", "json"]
_VERSION = 2  # of Inspect's log
_PACKING = 1  # of zlib: twice as quick as its usual level, and a tenth larger
_UNSAFE = re.compile(r"[^\w.-]+")
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that ZIP knows: the same run gives the same bytes


@dataclass(slots=True)
class _Log:
    """One log to be written."""

    task: str
    language: str
    model: str
    number: int
    kept: Mapping[str, Any] | None  # of a log that was imported
    group: Group
    header: dict[str, Any] = field(default_factory=dict)
    path: Path = field(default_factory=Path)
    place: int = 0  # among the logs that an import of the folder finds
    mark: dict[str, Any] | None = None

    @property
    def finished(self) -> bool:
        """Whether it has a header of its own."""
        return self.kept is None or "header" in self.kept


def write_logs(run: RunReader, into: Path, form: Form) -> list[Path]:
    """See `export_inspect`."""
    logs = _logs(run)
    tallies = []
    for log in logs:
        tally = Tally()
        for _, sample in run.samples(log.group):
            tally.add(sample)
        log.header = _header(log, run, tally)
        tallies.append(tally)
    for log, name in zip(logs, _names(logs, form), strict=True):
        log.path = into / name
        if log.path.exists():
            raise UsageError(f"{log.path}: is there already", "name a folder without it")
    for place, log in enumerate(sorted(logs, key=lambda one: one.path)):
        log.place = place
    _mark(logs, tallies, run.scores, form)
    into.mkdir(parents=True, exist_ok=True)
    try:
        for log in logs:
            (_write_eval if form == "eval" else _write_json)(log, run, part_of(log.path))
        return finished([log.path for log in logs])
    finally:
        for log in logs:
            part_of(log.path).unlink(missing_ok=True)


def _logs(run: RunReader) -> list[_Log]:
    """Logs that were imported, in their order; then one for each task, language and model of our own."""
    imported = run.scores.made.get("inspect")
    kept = imported.get("logs") if isinstance(imported, dict) else None
    kept = kept if isinstance(kept, list) else []

    def key(sample: Sample) -> tuple[Any, ...]:
        if (own := _kept(sample, len(kept))) is not None:
            return (own["log"],)
        return sample.task, sample.language, sample.model

    groups = run.groups(key)
    found = []
    for number, one in enumerate(kept):
        spec = unseal(one.get("header", one.get("start")))["eval"]
        group = groups.pop((number,), Group((number,), []))
        found.append(_Log(str(spec.get("task")), UNKNOWN, str(spec.get("model") or ""), number, one, group))
    told = {(log.task, log.model) for log in found}
    for cell in run.scores.cells:
        if (cell.task, cell.model) not in told:
            groups.setdefault((cell.task, cell.language, cell.model), Group((), []))
    for (task, language, model), group in groups.items():
        found.append(_Log(task, language, model, len(found), None, group))
    return found


def _kept(sample: Sample, logs: int) -> Mapping[str, Any] | None:
    """What an import kept of a sample, where its log is known."""
    kept = sample.more.get("inspect")
    if isinstance(kept, dict) and type(kept.get("log")) is int and 0 <= kept["log"] < logs:
        return kept
    return None


def _header(log: _Log, run: RunReader, tally: Tally) -> dict[str, Any]:
    """The header, without our mark."""
    if log.kept is not None:
        own: dict[str, Any] = unseal(log.kept["header" if log.finished else "start"])
        return own
    cells = [
        cell for cell in run.scores.cells
        if (cell.task, cell.language, cell.model) == (log.task, log.language, log.model)
    ]  # fmt: skip
    created = run.when.isoformat(timespec="seconds")
    named = dump([created, run.scores.suite, log.task, log.language, log.model])
    digest = hashlib.sha256(named).hexdigest()
    ids = sorted(tally.ids)
    place = next((model.place for model in run.scores.models if model.name == log.model), "")
    spec: dict[str, Any] = {
        "eval_id": digest[:22], "run_id": digest[22:44], "created": created, "task": log.task,
        "task_id": digest[42:64], "task_version": 0, "task_args": {},
        "dataset": {"name": log.task, "samples": len(ids), "sample_ids": ids, "shuffled": False},
        "model": log.model, "model_generate_config": {}, "model_args": {},
        "config": {"epochs": max(tally.runs, 1)}, "packages": {"rumpun": __version__},
        "metadata": {} if log.language == UNKNOWN else {"language": log.language},
        "scorers": [{"name": name} for cell in cells for name in cell.metrics],
    }  # fmt: skip
    if place:
        spec["model_base_url"] = place
    return {
        "version": _VERSION,
        "status": "success",
        "eval": spec,
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": tally.samples,
            "completed_samples": tally.samples - tally.errors,
            "scores": [score for cell in cells for score in _results(cell, tally)],
        },
        "stats": {"started_at": "", "completed_at": created, "model_usage": {}},
    }


def _results(cell: Cell, tally: Tally) -> Iterator[dict[str, Any]]:
    for name, figure in cell.metrics.items():
        metrics = {name: {"name": name, "value": figure.value, "params": {}}}
        if figure.ci95 is not None:
            for end, value in zip(("ci95_low", "ci95_high"), figure.ci95, strict=True):
                metrics[end] = {"name": end, "value": value, "params": {}}
        yield {
            "name": name,
            "scorer": name,
            "scored_samples": tally.scored,
            "unscored_samples": tally.samples - tally.scored,
            "params": {},
            "metrics": metrics,
        }


def _mark(logs: Sequence[_Log], tallies: Sequence[Tally], scores: Scores, form: Form) -> None:
    """Where an import of these logs alone would give other scores, put what is missing into them."""
    told = []
    for log, tally in sorted(zip(logs, tallies, strict=True), key=lambda pair: pair[0].place):
        header = parse(dump(log.header), "a header").plain
        kept = log.kept if log.kept is not None and log.kept.get("form") == form else {}
        told.append((header if log.finished else {**header, "status": "started"}, tally, kept))
    if equal_scores(scores_of(told, {}), scores):
        return
    own = {(log.task, log.language, log.model): log.number for log in logs}
    near = {(log.task, log.model): log.number for log in reversed(logs)}
    log_of = [
        own.get((cell.task, cell.language, cell.model), near.get((cell.task, cell.model), 0))
        for cell in scores.cells
    ]
    for log, part in zip(logs, parts_of_scores(scores, log_of, len(logs)), strict=True):
        log.mark = part


def _names(logs: Sequence[_Log], form: Form) -> list[str]:
    """As Inspect names its logs: time, task, id."""
    found: dict[str, None] = {}
    for log in logs:
        spec = log.header["eval"]
        language = "" if log.kept is not None else f"-{log.language}"
        parts = (str(spec.get("created", "")), log.task + language, str(spec.get("task_id", "")))
        name = "_".join(_UNSAFE.sub("-", part).replace("_", "-").strip("-.")[:80] or "-" for part in parts)
        again = name
        while again in found:
            again = f"{name}-{len(found)}"
        found[again] = None
    return [f"{name}.{form}" for name in found]


def _written(log: _Log, run: RunReader, summaries: Summaries) -> Iterator[Written]:
    """The samples of a log; epochs of our own are the run's number, or the next that is free."""
    context = Context(log.place, log.task, log.model, {})
    used: set[Key] = set()
    for at, sample in run.samples(log.group):
        kept = _kept(sample, log.number + 1) if log.kept is not None else None
        epoch = sample.run + 1
        if kept is None:
            while (sample.id, epoch) in used:
                epoch += 1
            used.add((sample.id, epoch))
        yield write_sample(sample, kept, context, Place(at, epoch), summaries)


def _write_eval(log: _Log, run: RunReader, path: Path) -> None:
    kept = log.kept or {}
    same_form = kept.get("form") == "eval"
    header = log.header
    marked = (
        header if log.mark is None else {**header, "eval": put_mark(header["eval"], "metadata", log.mark)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_PACKING) as archive:
        if not log.finished:
            _add(archive, START, dump(marked))
        elif not same_form or "start" in kept:
            start = kept.get("start", True)
            _add(archive, START, dump(start_of(header) if start is True else unseal(start)))
        for number, update in kept.get("config_updates", []):
            _add(archive, f"{JOURNAL}/config_updates/{number}.json", dump(unseal(update)))
        summaries: dict[Key, Any] = {}
        for written in _written(log, run, "kept" if same_form else "all"):
            _add_member(archive, written.member)
            key = key_of(written.member.name)
            if written.summary is not None and key is not None:
                summaries[key] = written.summary
        _add_summaries(archive, kept if same_form else {"summaries": True}, summaries)
        beside = kept if same_form else header
        if "reductions" in beside:
            _add(archive, REDUCTIONS, dump(unseal(beside["reductions"])))
        for name, packed in kept.get("other", {}).items():
            _add_member(archive, unpacked_of(packed, name))
        if log.finished:
            _add(archive, HEADER, dump(_without_reductions(marked, same_form=same_form)))


def _add_summaries(archive: zipfile.ZipFile, kept: Mapping[str, Any], summaries: Mapping[Key, Any]) -> None:
    for number, refs in kept.get("journal", []):
        _add(archive, f"{JOURNAL}/summaries/{number}.json", dump(_listed(refs, summaries)))
    if "summaries" in kept:
        _add(archive, SUMMARIES, dump(_listed(kept["summaries"], summaries)))


def _without_reductions(header: Mapping[str, Any], *, same_form: bool) -> dict[str, Any]:
    """A header of a `.json` log has them, one of an `.eval` log has them beside it."""
    return {key: value for key, value in header.items() if same_form or key != "reductions"}


def _listed(refs: Any, summaries: Mapping[Key, Any]) -> list[Any]:
    """Summaries again, but for those of samples that the run no longer has."""
    if refs is True:
        return list(summaries.values())
    there = (ref for ref in refs if isinstance(ref, dict) or tuple(ref) in summaries)
    return [unseal(ref["whole"]) if isinstance(ref, dict) else summaries[ref[0], ref[1]] for ref in there]


def _write_json(log: _Log, run: RunReader, path: Path) -> None:
    kept = log.kept or {}
    same_form = kept.get("form") == "json"
    header: dict[str, Any] = {key: value for key, value in log.header.items() if key != "reductions"}
    if not log.finished:
        header = {"version": _VERSION, "status": "started", **header}
    if log.mark is not None:
        header["eval"] = put_mark(header["eval"], "metadata", log.mark)
    after = {"reductions": log.header["reductions"]} if "reductions" in log.header else {}
    if not same_form and "reductions" in kept:
        after = {"reductions": unseal(kept["reductions"])}
    with path.open("wb") as stream:
        stream.write(dump(header)[:-1])
        if not same_form or "samples" in kept:
            _write_samples(stream, _written(log, run, "none"))
        if after:
            stream.write(b"," + dump(after)[1:-1])
        stream.write(b"}")


def _write_samples(stream: IO[bytes], samples: Iterator[Written]) -> None:
    stream.write(b',"samples":[')
    for number, written in enumerate(samples):
        stream.write(b"," if number else b"")
        stream.write(written.member.data)
    stream.write(b"]")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data, compresslevel=_PACKING)


def _add_member(archive: zipfile.ZipFile, member: Member) -> None:
    """A member that is packed already is put in as it is, by whatever method."""
    if not member.packed:
        _add(archive, member.name, member.data)
        return
    stream = archive.fp
    assert stream is not None
    info = zipfile.ZipInfo(member.name, _DATE)
    info.compress_type = member.method
    info.CRC = zlib.crc32(member.data)
    info.compress_size, info.file_size = len(member.packed), len(member.data)
    info.header_offset = archive.start_dir
    stream.seek(archive.start_dir)
    stream.write(info.FileHeader(zip64=False))
    stream.write(member.packed)
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info
    archive.start_dir = stream.tell()

"""lm-eval's files, read a document at a time into a run's folder."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from rumpun.errors import InputError
from rumpun.evaluate.logs.json_text import ODD, Parsed, dump, fields_of, parse, seal
from rumpun.evaluate.logs.kept import beyond, sample_again, take_mark
from rumpun.evaluate.logs.lm_eval_form import (
    HASHES,
    LINE_FIELDS,
    doc_hash,
    from_lines,
    hashes,
    metric_names,
    model_name,
    output_type,
    tasks_of,
    to_line,
    wrong_hashes,
)
from rumpun.evaluate.logs.run_folder import RunWriter
from rumpun.evaluate.logs.tally import Tally
from rumpun.evaluate.records import Sample

__all__ = [
    "Context",
    "Run",
    "guessed_id",
    "ordered_lines",
    "read_document",
    "read_run",
    "run_files",
]

_KEYS = frozenset(("doc_id", "filter", *HASHES))
_TIME = re.compile(r"(?:.*_)?(\d{4}-\d\d-\d\dT[\d.-]+)\.json", re.DOTALL)

# a line's filter; its number among the lines with text, and in the file; its offset and size
_Place = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Context:
    """What a line does not say itself."""

    run: int  # the place of its results file among those of the run
    task: str
    model: str
    kind: Any  # the task's `output_type`, where the results say it
    languages: Mapping[str, str]


@dataclass(slots=True)
class Run:
    """One results file with its samples."""

    results: dict[str, Any]  # plain
    kept: dict[str, Any]
    mark: Mapping[str, Any] | None
    tallies: dict[str, Tally] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)


def run_files(path: Path) -> list[Path]:
    """The results files that a path means: itself, those in it, or those in its folders.

    Raises:
        InputError: there are none.
    """
    if path.is_file():
        return [path]
    found = sorted(path.glob("results_*.json")) or sorted(path.glob("*/results_*.json"))
    if not found:
        raise InputError(
            f"{path}: no results_*.json is in it", "name a folder or a results file that lm-eval wrote"
        )
    return found


def guessed_id(sample: Sample) -> int:
    """The document's number that a sample of theirs has as its id."""
    return int(sample.id) if re.fullmatch(r"0|[1-9]\d{0,17}", sample.id) else 0


def read_run(path: Path, number: int, languages: Mapping[str, str], writer: RunWriter) -> Run:
    """Read a results file and the samples beside it, which go to the writer.

    Raises:
        InputError: a file is damaged or is none of lm-eval's.
    """
    try:
        parsed = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "name a results file of lm-eval"
        ) from error
    if not isinstance(parsed.value, dict) or not isinstance(parsed.value.get("results"), dict):
        raise InputError(f"{path}: no 'results' in it", "name a results file of lm-eval")
    theirs, plain = dict(parsed.value), dict(parsed.plain)
    mark = take_mark(theirs, "config")
    take_mark(plain, "config")
    time = _TIME.fullmatch(path.name)
    files = _samples_files(path.parent, time[1]) if time else {}
    run = Run(plain, {"time": time[1] if time else "", "results": seal(theirs)}, mark)
    tasks = tasks_of(plain)
    ordered = [*(task for task in tasks if task in files), *(task for task in files if task not in tasks)]
    run.kept["tasks"] = ordered
    if not ordered:
        run.warnings.append(f"{path.name}: no samples are beside it; lm-eval writes them with --log_samples")
    if parsed.odd:
        run.warnings.append(f"{path.name}: {ODD}")
    for task in ordered:
        if task not in tasks:
            run.warnings.append(f"{files[task].name}: {path.name} knows no such task")
        context = Context(number, task, model_name(plain), output_type(plain, task), languages)
        run.tallies[task] = _Samples(files[task], context, writer, run).read()
    for task in tasks:
        run.tallies.setdefault(task, Tally())
    return run


def _samples_files(folder: Path, time: str) -> dict[str, Path]:
    name = re.compile(rf"samples_(.+)_{re.escape(time)}\.jsonl", re.DOTALL)
    return {found[1]: path for path in sorted(folder.iterdir()) if (found := name.fullmatch(path.name))}


class _Samples:
    """One samples file."""

    def __init__(self, path: Path, context: Context, writer: RunWriter, run: Run) -> None:
        self._path, self._context, self._writer, self._run = path, context, writer, run
        self._wrong: Counter[str] = Counter()
        self._odd = 0

    def read(self) -> Tally:
        """Read it, document by document."""
        tally = Tally()
        try:
            with self._path.open("rb") as stream:
                documents, digest = self._documents(stream)
                in_order = _in_order(documents)
                for lines, again in documents:
                    parsed = [self._line(stream, *place) for _, *place in lines]
                    at = None if in_order else [number for _, number, *_ in lines]
                    sample, place = read_document(parsed, self._context, at, again)
                    self._writer.add(sample, place)
                    tally.add(sample)
                    self._note(parsed)
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read ({error.strerror})", "copy it again") from error
        self._warn(digest, sum(again > 0 for _, again in documents))
        return tally

    def _documents(self, stream: IO[bytes]) -> tuple[list[tuple[list[_Place], int]], str]:
        """Lines of one document together, in the order of first lines; and the hash over all lines' hashes."""
        digest = hashlib.sha256()
        found: dict[tuple[str, int], list[_Place]] = {}
        seen: Counter[tuple[str, str]] = Counter()
        offset = number = 0
        for line_number, line in enumerate(stream, 1):
            if line.strip():
                where = f"{self._path}: line {line_number}"
                plain = fields_of(line, _KEYS, where).plain
                if "doc_id" not in plain:
                    raise InputError(f"{where}: no 'doc_id'", "name a samples file of lm-eval")
                digest.update("".join(str(plain.get(name)) for name in HASHES).encode())
                document, filtered = dump(plain["doc_id"]).decode(), str(plain.get("filter"))
                again = seen[document, filtered]
                seen[document, filtered] += 1
                found.setdefault((document, again), []).append(
                    (filtered, number, line_number, offset, len(line))
                )
                number += 1
            offset += len(line)
        return [(lines, again) for (_, again), lines in found.items()], digest.hexdigest()

    def _line(self, stream: IO[bytes], _number: int, line_number: int, offset: int, size: int) -> Parsed:
        stream.seek(offset)
        return parse(stream.read(size), f"{self._path}: line {line_number}")

    def _note(self, lines: Sequence[Parsed]) -> None:
        for line in lines:
            self._wrong.update(wrong_hashes(line.value))
            self._odd += line.odd
            self._run.left.update(
                key for key in line.value if key not in LINE_FIELDS and key not in metric_names(line.value)
            )

    def _warn(self, digest: str, again: int) -> None:
        warnings = self._run.warnings
        name = self._path.name
        warnings += [f"{name}: {key} does not fit in {count} lines" for key, count in self._wrong.items()]
        told = self._run.results.get("task_hashes")
        told = told.get(self._context.task) if isinstance(told, dict) else None
        if told is not None and told != digest:
            warnings.append(
                f"{name}: its hash is not the one in task_hashes: lines were lost, added or changed"
            )
        if again:
            warnings.append(f"{name}: {again} documents stand there again, and are counted as further runs")
        if self._odd:
            warnings.append(f"{name}: {self._odd} lines: {ODD}")


def _in_order(documents: Sequence[tuple[list[_Place], int]]) -> bool:
    """Whether the file has all documents for one filter, then all for the next, as lm-eval writes it."""
    filters = dict.fromkeys(line[0] for lines, _ in documents for line in lines)
    expected = ordered_lines([[line[0] for line in lines] for lines, _ in documents], list(filters))
    numbers = [documents[document][0][place][1] for document, place in expected]
    return numbers == sorted(numbers)


def ordered_lines(documents: Sequence[Sequence[Any]], filters: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """(document, line of it) in lm-eval's order, from the filters of each document's lines."""
    for wanted in filters:
        for number, own in enumerate(documents):
            for place, one in enumerate(own):
                if one == wanted:
                    yield number, place


def read_document(
    lines: Sequence[Parsed], context: Context, at: list[int] | None, again: int
) -> tuple[Sample, int | None]:
    """The sample that a document's lines say, and its place in the run that it was exported from.

    `at` says where the lines stand, unless that is as ever; `again`: how often the document stood there before.
    """
    theirs, plain = [dict(line.value) for line in lines], [dict(line.plain) for line in lines]
    mark = take_mark(theirs[0], "doc")
    if mark is not None:
        take_mark(plain[0], "doc")
        for one in (theirs[0], plain[0]):
            told = mark["doc_hash"] if "doc_hash" in mark else doc_hash(one.get("doc"))
            one["doc_hash"] = told
            if told is None:
                del one["doc_hash"]
    base = from_lines(plain, context.task, context.model, context.kind, context.languages)
    ours = {**to_line(base, guessed_id(base)), **hashes(theirs[0])}
    kept: dict[str, Any] = {"run": context.run}
    kept["lines"] = [beyond(theirs[0], ours), *(beyond(line, theirs[0]) for line in theirs[1:])]
    if at is not None:
        kept["at"] = at
    if again:
        kept["again"] = again
    sample = msgspec.structs.replace(base, run=again, more={"lm_eval": kept})
    if mark is None:
        return sample, None
    place = mark.get("at")
    return sample_again(sample, mark.get("sample", {})), place if type(place) is int else None

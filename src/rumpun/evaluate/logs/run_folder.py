"""A run's folder, written line by line and whole or not at all; and read by group, a sample at a time."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.records import SAMPLES, SCORES, Sample, Scores, read_scores, write_scores

__all__ = ["Group", "Imported", "RunReader", "RunWriter", "finished", "part_of"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought."""

    samples: int
    tasks: tuple[str, ...]
    left: dict[
        str, int
    ]  # fields that the layout is not known to have -> how often; kept under `more` all the same
    warnings: tuple[str, ...]


class RunWriter:
    """The folder of a run, which appears when `finish` is called and never before."""

    def __init__(self, into: Path) -> None:
        if into.exists() and (not into.is_dir() or any(into.iterdir())):
            raise UsageError(f"{into}: is there already", "name a folder that is new or empty")
        self._into = into.resolve()
        self._part = part_of(self._into)
        shutil.rmtree(self._part, ignore_errors=True)
        self._part.mkdir(parents=True)
        self._stream = (self._part / SAMPLES).open("wb")
        self._places: list[tuple[int, int, int]] = []  # the place that a sample wants; its offset and size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        shutil.rmtree(self._part, ignore_errors=True)

    def add(self, sample: Sample, at: int | None = None) -> None:
        """Write one sample; `at` is its place among all of them, where it has one."""
        line = msgspec.json.encode(sample) + b"\n"
        self._places.append((len(self._places) if at is None else at, self._stream.tell(), len(line)))
        self._stream.write(line)

    def finish(self, scores: Scores) -> None:
        """Put the samples in order, write the scores, and let the folder appear."""
        self._stream.close()
        wanted = sorted(self._places)
        if wanted != self._places:
            self._sort(wanted)
        write_scores(self._part / SCORES, scores)
        if self._into.exists():
            self._into.rmdir()  # it is empty
        self._part.rename(self._into)

    def _sort(self, wanted: Sequence[tuple[int, int, int]]) -> None:
        path, sorted_ = self._part / SAMPLES, self._part / f"{SAMPLES}.sorted"
        with path.open("rb") as source, sorted_.open("wb") as goal:
            for _, offset, size in wanted:
                source.seek(offset)
                goal.write(source.read(size))
        sorted_.replace(path)


@dataclass(frozen=True, slots=True)
class Group:
    """The samples that go into one file of another tool's log."""

    key: tuple[Any, ...]
    places: list[tuple[int, int, int]]  # number of the line, from 0; its offset and size


class RunReader:
    """A run's folder."""

    def __init__(self, folder: Path) -> None:
        self.scores = read_scores(folder / SCORES)
        self._path = folder / SAMPLES
        try:
            written = (folder / SCORES).stat().st_mtime
            self._stream = self._path.open("rb")
        except OSError as error:
            raise InputError(
                f"{self._path}: cannot be read ({error.strerror})",
                "name a folder that `rumpun eval run` wrote",
            ) from error
        self.when = _when(self.scores, written)
        self._decoder = msgspec.json.Decoder(Sample)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def groups(self, key: Any) -> dict[tuple[Any, ...], Group]:
        """`key(sample)` -> its samples, in the order of the file; one pass over the file."""
        found: dict[tuple[Any, ...], Group] = {}
        self._stream.seek(0)
        offset = 0
        number = 0
        for line_number, line in enumerate(self._stream, 1):
            if line.strip():
                own = key(self._decode(line, line_number))
                found.setdefault(own, Group(own, [])).places.append((number, offset, len(line)))
                number += 1
            offset += len(line)
        return found

    def samples(self, group: Group) -> Iterator[tuple[int, Sample]]:
        """The number of each sample among all, and the sample."""
        for number, offset, size in group.places:
            self._stream.seek(offset)
            yield number, self._decode(self._stream.read(size), number + 1)

    def _decode(self, line: bytes, number: int) -> Sample:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self._path}: line {number}: {error}", "it is no file of samples of this version"
            ) from error


def _when(scores: Scores, otherwise: float) -> datetime:
    """When a run was made, by itself or by its file (seconds since 1970)."""
    try:
        found = datetime.fromisoformat(str(scores.made.get("when")))
    except ValueError:
        return datetime.fromtimestamp(otherwise, UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def part_of(path: Path) -> Path:
    """Where a file or folder stands until it is whole."""
    return path.with_name(f".{path.name}.part")


def finished(paths: Sequence[Path]) -> list[Path]:
    """Let files that were written as parts appear, all at the end."""
    for path in paths:
        part_of(path).replace(path)
    return list(paths)

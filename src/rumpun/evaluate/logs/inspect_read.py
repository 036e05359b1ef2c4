"""A log of Inspect, `.eval` or `.json`, read a sample at a time into a run's folder."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import InputError
from rumpun.evaluate.logs.archive import MEMBER_BYTES, Archive, Member, ahead
from rumpun.evaluate.logs.inspect_form import SAMPLE_FIELDS, without_end
from rumpun.evaluate.logs.inspect_sample import Context, member_of, packed_of, read_sample
from rumpun.evaluate.logs.json_split import Elements
from rumpun.evaluate.logs.json_text import ODD, Parsed, parse, same, seal
from rumpun.evaluate.logs.kept import take_mark
from rumpun.evaluate.logs.run_folder import RunWriter
from rumpun.evaluate.logs.tally import Tally

__all__ = [
    "HEADER",
    "JOURNAL",
    "REDUCTIONS",
    "START",
    "SUMMARIES",
    "Key",
    "Log",
    "key_of",
    "read_log",
    "start_of",
]

HEADER, REDUCTIONS, SUMMARIES = "header.json", "reductions.json", "summaries.json"
JOURNAL = "_journal"
START = f"{JOURNAL}/start.json"
_NUMBERED = re.compile(rf"{JOURNAL}/(summaries|config_updates)/(\d{{1,9}})\.json")
_CHUNKED = re.compile(r"samples/.+_epoch_\d+/sample\.json")
_NAME = re.compile(r"samples/(.*)_epoch_(\d{1,18})\.json", re.DOTALL)
Key = tuple[str, int]  # a sample's id and epoch


@dataclass(slots=True)
class Log:
    """What was read of one log beside its samples."""

    header: dict[str, Any]  # plain
    kept: dict[str, Any]  # all that is no sample, for an export
    mark: Mapping[str, Any] | None
    tally: Tally
    left: Counter[str]
    warnings: list[str]


def read_log(path: Path, number: int, languages: Mapping[str, str], writer: RunWriter) -> Log:
    """Read a log whole; its samples go to the writer.

    Raises:
        InputError: it is no log of Inspect, is torn, or unpacks to more than a log should.
        MissingPartError: its members are packed with Zstandard, and nothing here can unpack that.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "name a log of Inspect") from error
    samples = _Samples(path, number, languages, writer)
    if head[:2] == b"PK":
        with Archive(path) as archive:
            header, kept, mark = _Zip(path, archive, samples).read()
            if archive.superseded:
                samples.warnings.append(
                    f"{path.name}: {archive.superseded} members were written again; the last ones count"
                )
    elif head.lstrip()[:1] == b"{":
        header, kept, mark = _read_json(path, samples)
    else:
        raise InputError(
            f"{path}: neither a ZIP file nor a JSON object", "name a log of Inspect, .eval or .json"
        )
    if unfinished := without_end(header, samples.tally.samples):
        samples.warnings.append(f"{path.name}: {unfinished}")
    if samples.odd:
        samples.warnings.append(f"{path.name}: {samples.odd} samples: {ODD}")
    return Log(header, kept, mark, samples.tally, samples.left, samples.warnings)


def key_of(name: str) -> Key | None:
    """Of a sample's member."""
    found = _NAME.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def header_and_mark(theirs: Any, where: str) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """A header without our mark, and the mark.

    Raises:
        InputError: it is no header.
    """
    spec = theirs.get("eval") if isinstance(theirs, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("task"), str):
        raise InputError(f"{where}: no 'eval' with a task in it", "name a log of Inspect, .eval or .json")
    spec = dict(spec)
    mark = take_mark(spec, "metadata")
    return {**theirs, "eval": spec}, mark


def start_of(header: Mapping[str, Any]) -> dict[str, Any]:
    """What the journal of a log begins with."""
    return {key: header[key] for key in ("version", "eval", "plan") if key in header}


def refs(entries: Sequence[Any], known: Mapping[Key, Any]) -> list[Any]:
    """Summaries: the id and epoch of the sample that has the same one, or the whole."""
    return [
        list(key) if (key := _key(entry)) in known and same(known[key], entry) else {"whole": seal(entry)}
        for entry in entries
    ]


def _key(entry: Any) -> Key:
    epoch = entry.get("epoch") if isinstance(entry, dict) else None
    return str(entry.get("id")) if isinstance(entry, dict) else "", epoch if type(epoch) is int else 0


class _Samples:
    """Takes samples one after another, in both forms."""

    def __init__(self, path: Path, number: int, languages: Mapping[str, str], writer: RunWriter) -> None:
        self.tally, self.left = Tally(), Counter[str]()
        self.warnings: list[str] = []
        self.odd = 0
        self._path, self._number, self._languages, self._writer = path, number, languages, writer
        self._context: Context | None = None

    def begin(self, header: Mapping[str, Any]) -> None:
        """Say whose samples they are."""
        spec = header["eval"]
        self._context = Context(self._number, spec["task"], str(spec.get("model") or ""), self._languages)

    def add(self, member: Member, summary: Mapping[str, Any] | None) -> None:
        """Take one."""
        assert self._context is not None
        where = f"{self._path}: {member.name or f'sample {self.tally.samples + 1}'}"
        read = read_sample(member, summary, self._context, where)
        self._writer.add(read.sample, read.at)
        self.tally.add(read.sample)
        self.left.update(read.fields - SAMPLE_FIELDS)
        self.odd += read.odd


_Found = tuple[dict[str, Any], dict[str, Any], Mapping[str, Any] | None]  # header, kept, mark


class _Zip:
    """The `.eval` form."""

    def __init__(self, path: Path, archive: Archive, samples: _Samples) -> None:
        self._path, self._archive, self._samples = path, archive, samples
        self._names = archive.names

    def read(self) -> _Found:
        """Read it whole."""
        if any(map(_CHUNKED.fullmatch, self._names)):
            raise InputError(
                f"{self._path}: its samples are cut in chunks",
                "convert it with `inspect log convert`, then import",
            )
        kept: dict[str, Any] = {"form": "eval"}
        header, mark = self._header(kept)
        self._samples.begin(header)
        entries = self._list(SUMMARIES) if SUMMARIES in self._names else None
        journal = [
            (number, self._list(name)) for name, kind, number in self._numbered() if kind == "summaries"
        ]
        listed = entries if entries is not None else [entry for _, some in journal for entry in some]
        summaries = {_key(entry): entry for entry in listed if isinstance(entry, dict)}
        names = [name for name in self._names if name.startswith("samples/") and name.endswith(".json")]
        used: dict[Key, Any] = {}
        for member in self._archive.members(names):
            key = key_of(member.name)
            summary = summaries.get(key) if key is not None else None
            if key is not None and summary is not None:
                used[key] = summary
            self._samples.add(member, summary)
        if entries is not None:
            plain = [list(key) for key in used]
            kept["summaries"] = True if (own := refs(entries, used)) == plain else own
        if journal:
            kept["journal"] = [[number, refs(some, used)] for number, some in journal]
        self._others(kept, {*names})
        return header, kept, mark

    def _header(self, kept: dict[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
        """The header, plain; of an unfinished log what its journal says."""
        name = HEADER if HEADER in self._names else START
        if name not in self._names:
            raise InputError(
                f"{self._path}: neither {HEADER} nor {START} is in it",
                "name a log of Inspect, .eval or .json",
            )
        parsed = self._parse(name)
        theirs, mark = header_and_mark(parsed.value, f"{self._path}: {name}")
        plain, _ = header_and_mark(parsed.plain, name)
        if name == START:
            kept["start"] = seal(theirs)
            return {**plain, "status": "started"}, mark
        kept["header"] = seal(theirs)
        if START in self._names:
            start = self._parse(START).value
            kept["start"] = True if same(start, start_of(theirs)) else seal(start)
        if REDUCTIONS in self._names:
            kept["reductions"] = seal(self._parse(REDUCTIONS).value)
        return plain, mark

    def _parse(self, name: str) -> Parsed:
        return parse(self._archive.read(name), f"{self._path}: {name}")

    def _list(self, name: str) -> list[Any]:
        found = self._parse(name).value
        if not isinstance(found, list):
            raise InputError(
                f"{self._path}: {name}: a {type(found).__name__}, expected a list", "write the log again"
            )
        return found

    def _numbered(self) -> Iterator[tuple[str, str, int]]:
        """The journal's members, by number."""
        found = [(name, match) for name in self._names if (match := _NUMBERED.fullmatch(name))]
        for name, match in sorted(found, key=lambda pair: int(pair[1][2])):
            yield name, match[1], int(match[2])

    def _others(self, kept: dict[str, Any], seen: set[str]) -> None:
        """What is neither sample nor summary."""
        updates = []
        seen |= {HEADER, START, REDUCTIONS, SUMMARIES}
        for name, kind, number in self._numbered():
            seen.add(name)
            if kind == "config_updates":
                updates.append([number, seal(self._parse(name).value)])
        if updates:
            kept["config_updates"] = updates
        for member in self._archive.members([name for name in self._names if name not in seen]):
            kept.setdefault("other", {})[member.name] = packed_of(member)
            self._samples.left[member.name] += 1


def _read_json(path: Path, samples: _Samples) -> _Found:
    """The `.json` form."""
    where = str(path)
    with path.open("rb") as stream:
        elements = Elements(stream, "samples", MEMBER_BYTES, where)
        found = iter(elements)
        first = next(found, None)
        if first is not None:
            header = parse(bytes(elements.rest) + b"]}", where).plain
            if "eval" not in header:  # it stands after the samples: they are passed over once to read it
                for _ in found:
                    pass
                header = parse(bytes(elements.rest), where).plain
                stream.seek(0)
                elements = Elements(stream, "samples", MEMBER_BYTES, where)
                found = iter(elements)
                first = next(found, None)
            samples.begin(header_and_mark(header, where)[0])
        every = itertools.chain([] if first is None else [first], found)
        for member in ahead(lambda data: member_of("", data), every, len):
            samples.add(member, None)
    parsed = parse(bytes(elements.rest), where)
    theirs, mark = header_and_mark(parsed.value, where)
    plain, _ = header_and_mark(parsed.plain, where)
    kept: dict[str, Any] = {"form": "json"}
    if elements.found:
        kept["samples"] = True
        del theirs["samples"]
    kept["header"] = seal(theirs)
    return plain, kept, mark

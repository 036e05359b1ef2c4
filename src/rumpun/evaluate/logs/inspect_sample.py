"""One sample of an Inspect log -> a sample of ours with all that it says beyond, and back.

A sample of up to LARGE bytes is kept field by field under `more`. A larger one, nearly all of it events, is kept as it stands in
the log, packed: so a log of gigabytes does not become a `samples.jsonl` of gigabytes that every later reader must hold.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from rumpun.errors import InputError
from rumpun.evaluate.logs.archive import DEFLATE, STORED, Member, deflated, unpacked
from rumpun.evaluate.logs.inspect_form import ATTACHMENT, NEEDED, from_theirs, summary_of, to_theirs
from rumpun.evaluate.logs.json_text import dump, fields_of, parse
from rumpun.evaluate.logs.kept import beyond, put_back, put_mark, sample_again, sample_beyond, take_mark
from rumpun.evaluate.records import Sample

__all__ = [
    "LARGE",
    "Context",
    "Read",
    "Summaries",
    "Written",
    "member_of",
    "packed_of",
    "read_sample",
    "unpacked_of",
    "write_sample",
]

LARGE = 1 << 20
Summaries = Literal["all", "kept", "none"]  # of which samples a log lists one; "none" in a `.json` log
_WHERE = "metadata"  # where our mark is put


@dataclass(frozen=True, slots=True)
class Context:
    """What a sample does not say itself."""

    log: int  # its place among the logs of the run
    task: str
    model: str
    languages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample stands."""

    at: int  # among all of the run
    epoch: int  # for a sample of our own: with its id it is the only one of the log


@dataclass(frozen=True, slots=True)
class Read:
    """A sample that was read."""

    sample: Sample
    at: int | None  # its place in the run that it was exported from
    fields: frozenset[str]  # every field that the log has of it
    odd: bool  # NaN, Infinity or the like was in it


@dataclass(frozen=True, slots=True)
class Written:
    """A sample to be written."""

    member: Member
    summary: dict[str, Any] | None


def member_of(name: str, data: bytes) -> Member:
    """A member that is packed where it is large, so that it can be kept so."""
    return Member(name, DEFLATE, deflated(data) if len(data) > LARGE else b"", data)


def packed_of(member: Member) -> dict[str, Any]:
    """A member as it is packed in its log, or packed; in a JSON file the bytes become base64."""
    method, packed = member.method, member.packed
    if not packed or method == STORED:
        method, packed = DEFLATE, deflated(member.data)
    return {"method": method, "bytes": len(member.data), "data": packed}


def unpacked_of(packed: Mapping[str, Any], name: str) -> Member:
    """The member that `packed_of` was given, from a JSON file.

    Raises:
        InputError: it is damaged.
    """
    try:
        data = base64.b64decode(packed["data"], validate=True)
        method, size = int(packed["method"]), int(packed["bytes"])
        return Member(name, method, data, unpacked(method, data, size))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{name}: what was kept of it is damaged ({error})", "import the log again"
        ) from error


def read_sample(member: Member, summary: Mapping[str, Any] | None, context: Context, where: str) -> Read:
    """The sample that a member holds; `summary` is what the log lists of it.

    Raises:
        InputError: it is no sample.
    """
    if len(member.data) > LARGE:
        return _read_large(member, summary, context, where)
    parsed = parse(member.data, where)
    if not isinstance(parsed.value, dict):
        raise InputError(
            f"{where}: a {type(parsed.value).__name__}, expected a sample", "write the log again"
        )
    theirs, plain = dict(parsed.value), dict(parsed.plain)
    mark = take_mark(theirs, _WHERE)
    take_mark(plain, _WHERE)
    base = from_theirs(plain, context.task, context.model, context.languages)
    kept = beyond(theirs, to_theirs(base, base.run + 1))
    return _read(
        base, kept, plain, _Rest(member.name, summary, context.log, mark, frozenset(theirs), parsed.odd)
    )


def _read_large(member: Member, summary: Mapping[str, Any] | None, context: Context, where: str) -> Read:
    fields = fields_of(member.data, NEEDED, where)
    plain = dict(fields.plain)
    mark = take_mark(plain, _WHERE)
    if mark is not None:
        theirs = dict(parse(member.data, where).value)
        take_mark(theirs, _WHERE)
        member = member_of(member.name, dump(theirs))
    base = from_theirs(plain, context.task, context.model, context.languages)
    if ATTACHMENT in msgspec.json.encode(base.prompt).decode():
        more = fields_of(member.data, frozenset(("attachments",)), where).plain
        base = from_theirs({**plain, **more}, context.task, context.model, context.languages)
    return _read(
        base,
        {"packed": packed_of(member)},
        plain,
        _Rest(member.name, summary, context.log, mark, fields.names, fields.odd),
    )


@dataclass(frozen=True, slots=True)
class _Rest:
    """What both ways of reading have in common."""

    name: str
    summary: Mapping[str, Any] | None
    log: int
    mark: Mapping[str, Any] | None
    fields: frozenset[str]
    odd: bool


def _read(base: Sample, kept: dict[str, Any], plain: Mapping[str, Any], rest: _Rest) -> Read:
    kept = {"log": rest.log, **kept}
    if rest.name and rest.name != _name(plain):
        kept["member"] = rest.name
    if rest.summary is not None:
        kept["summary"] = beyond(rest.summary, _listed(plain))
    sample = msgspec.structs.replace(base, more={"inspect": kept})
    if rest.mark is None:
        return Read(sample, None, rest.fields, rest.odd)
    at = rest.mark.get("at")
    again = sample_again(sample, rest.mark.get("sample", {}))
    return Read(again, at if type(at) is int else None, rest.fields, rest.odd)


def _listed(plain: Mapping[str, Any]) -> dict[str, Any]:
    return summary_of({name: value for name, value in plain.items() if name in NEEDED})


def write_sample(
    sample: Sample, kept: Mapping[str, Any] | None, context: Context, place: Place, summaries: Summaries
) -> Written:
    """What `read_sample` gives this sample for; `kept` is what an import kept of it, None for a sample of our own."""
    if kept is not None and "packed" in kept:
        member = unpacked_of(kept["packed"], "a sample")
    else:
        ours = to_theirs(sample, place.epoch if kept is None else sample.run + 1)
        member = member_of("", dump(ours if kept is None else put_back(ours, kept)))
    own: Mapping[str, Any] = kept or {}
    plain = fields_of(member.data, NEEDED, "a sample").plain
    summary = None
    if summaries == "all" or (summaries == "kept" and "summary" in own):
        summary = put_back(_listed(plain), own.get("summary", {}))
    if summaries == "none":
        name, member = "", member_of("", member.data)
    else:
        name = own.get("member") or _name(plain)
        member = Member(name, member.method, member.packed, member.data)
    base = read_sample(member, summary, context, name).sample
    rest = sample_beyond(sample, base)
    if kept is None or rest:
        if len(member.data) > LARGE:  # with our mark in it, it will be packed anew
            rest = sample_beyond(sample, base, more_whole=True)
        whole = parse(member.data, name).value
        member = member_of(name, dump(put_mark(whole, _WHERE, {"at": place.at, "sample": rest})))
    return Written(member, summary)


def _name(theirs: Mapping[str, Any]) -> str:
    """As Inspect names it, but for what a name in a ZIP file must not have."""
    own = str(theirs.get("id")).replace("\\", "_").replace("\0", "_")
    own = "/".join("_" if part == ".." else part for part in own.split("/"))
    return f"samples/{own}_epoch_{theirs.get('epoch')}.json"

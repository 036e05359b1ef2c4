"""Which model a teacher is, what its bytes are, and whether its licence lets others learn from it."""

import functools
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rumpun.engines.load import Found, resolve
from rumpun.errors import InputError, UsageError
from rumpun.layer.base import base_source
from rumpun.layer.prefer.rules import joined_licences
from rumpun.records.artefacts import SourceEntry, read_manifest
from rumpun.records.licences import closed_to_learners, terms
from rumpun.steps import Progress, quiet

__all__ = ["Teacher", "find_teacher", "source_of_weights"]


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model that answers."""

    found: Found
    source: SourceEntry


def find_teacher(reference: str, stated: str, progress: Progress = quiet) -> Teacher:
    """The teacher of this reference, its licence checked before it is loaded.

    Args:
        reference: as `rumpun.engines.load.resolve` takes it.
        stated: the licence that the recipe says it has.
        progress: told of what is made first.

    Raises:
        UsageError: the name is unknown, or an address comes without a licence.
        InputError: its licence is not known, not the one stated, or forbids to train others with its answers.
    """
    found = resolve(reference, progress=progress)
    if found.kind == "url":
        if not stated:
            raise UsageError(
                f"{reference}: an address does not say its model's licence",
                "write teacher_licence = …, as the model's publisher states it",
            )
        entry = SourceEntry(name=found.name, licence=stated, url=found.place, role="teacher")
    else:
        entry = source_of_weights(found.path, reference, stated)
        if found.lineage is not None and not stated:
            manifest = read_manifest(found.lineage)
            entry = msgspec.structs.replace(
                entry,
                name=found.name,
                licence=functools.reduce(joined_licences, manifest.licences, "") or entry.licence,
            )
    _may_teach(reference, entry.licence)
    return Teacher(found, entry)


def source_of_weights(place: Path, reference: str, stated: str) -> SourceEntry:
    """A teacher's file or folder as a source; its own licence comes before a stated one.

    Raises:
        InputError: both are known and differ, or its licence forbids to train others.
    """
    entry = base_source(place, reference)
    if stated and entry.licence not in ("unknown", stated):
        raise InputError(
            f"{reference}: its licence is {entry.licence}, the recipe says teacher_licence = '{stated}'",
            "leave teacher_licence out",
        )
    entry = msgspec.structs.replace(entry, licence=stated or entry.licence, role="teacher")
    _may_teach(reference, entry.licence)
    return entry


def _may_teach(reference: str, licence: str) -> None:
    told = terms(licence)
    if not told.trains_others:
        raise InputError(
            f"{reference}: its licence {licence} forbids to train other models with what it says",
            f"name another teacher; licences that forbid it: {', '.join(closed_to_learners())}",
        )
    if not told.shippable:
        raise InputError(
            f"{reference}: its licence is {licence}, which may not stand behind a shipped layer",
            "name another teacher, or write teacher_licence = … where its publisher states a licence",
        )

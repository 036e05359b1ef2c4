"""The manifest of a corpus that rows were taken out of: its sources and figures, less what went."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import msgspec

from rumpun.corpus.withdraw.rows import ROLES, Taken
from rumpun.corpus.withdrawn import Withdrawn
from rumpun.records.artefacts import Maker, Manifest, SourceEntry

__all__ = ["STEP", "VERSION", "less"]

STEP, VERSION = "corpus.withdraw", 1


def less(
    old: Manifest,
    key: str,
    params: dict[str, Any],
    taken: Taken,
    *,
    gone: Withdrawn,
    without: Collection[str],
) -> Manifest:
    """The new corpus's manifest.

    Args:
        old: the old one's.
        key: the new id.
        params: what the new id is made of.
        taken: what went.
        gone: what was taken back.
        without: ids of parents that go out of use with the old corpus.
    """
    from rumpun.version import __version__

    sources = _sources(old, taken, gone)
    licences = sorted({s.licence for s in sources}) if old.sources else old.licences
    maker = Maker(
        step=STEP, version=VERSION, params=params | {"made_by": old.maker.params}, rumpun=__version__, tools=old.maker.tools
    )  # fmt: skip
    return Manifest(
        kind="corpus",
        id=key,
        name=old.name,
        maker=maker,
        parents=tuple(parent for parent in old.parents if parent not in without),
        sources=sources,
        licences=tuple(licences),
        languages=old.languages,
        summary=_summary(old.summary, taken),
    )


def _sources(old: Manifest, taken: Taken, gone: Withdrawn) -> tuple[SourceEntry, ...]:
    """The sources with what they still give; one of which nothing is left is no source any more."""
    rows: Counter[tuple[str, str]] = Counter()
    size: Counter[tuple[str, str]] = Counter()
    for (place, language, source), count in taken.rows.items():
        rows[source, ROLES[place]] += count
        size[source, ROLES[place]] += taken.bytes[place, language, source]
    left = []
    for entry in old.sources:
        key = (entry.name, entry.role)
        if gone.holds(entry.name, ""):
            continue
        if key not in rows:
            left.append(entry)
        elif entry.rows > rows[key]:
            left.append(
                msgspec.structs.replace(
                    entry, rows=entry.rows - rows[key], bytes=max(0, entry.bytes - size[key])
                )
            )
    return tuple(left)


def _summary(old: dict[str, Any], taken: Taken) -> dict[str, Any]:
    """The old figures, less what went: read == train + held out + dropped still adds up, "withdrawn" is a reason."""
    summary: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(old))
    for (place, language, source), count in taken.rows.items():
        size = taken.bytes[place, language, source]
        kind = {"train": "train", "heldout": "held_out"}.get(place)
        of_language = summary.get("languages", {}).get(language, {})
        if kind:
            _less(summary.get("rows", {}), kind, count)
            _less(of_language.get(kind, {}), "documents", count)
            _less(of_language.get(kind, {}), "bytes", size)
            by_source = summary.get("sources" if kind == "train" else "held_out_sources", {}).get(
                language, {}
            )
            _less(by_source.get(source, {}), "documents", count)
            _less(by_source.get(source, {}), "bytes", size)
            if by_source.get(source, {}).get("documents") == 0:
                del by_source[source]
            _more(summary.get("rows", {}), count)
            _more(of_language, count)
        else:
            _less(summary.get("chat", {}), "train" if place == "chat" else "held_out", count)
            _more(summary.get("chat", {}), count)
            if place == "chat":
                _less(of_language, "chat_rows", count)
    for (language, _, rule), count in (taken.drops + taken.refused_rows).items():
        for figures in (summary.get("rows", {}), summary.get("languages", {}).get(language, {})):
            if rule in figures.get("dropped", {}):
                _less(figures["dropped"], rule, count)
                _more(figures, count)
    return summary | {"withdrawn": taken.total()}


def _less(figures: dict[str, Any], name: str, count: int) -> None:
    if isinstance(figures.get(name), int):
        figures[name] = max(0, figures[name] - count)


def _more(figures: dict[str, Any], count: int) -> None:
    if isinstance(figures.get("dropped"), dict):
        figures["dropped"]["withdrawn"] = figures["dropped"].get("withdrawn", 0) + count

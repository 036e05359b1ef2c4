"""Taking rows back: corpus and index are made again without them, what was made from them is named, the absence is proved.

At every moment either the old corpus and its index stand whole, or the new ones do. The request itself is written down first
(`corpus.withdrawn`), so that no later build takes the rows in again. Stages of the pipeline that hold the rows too (the
documents as they were read, and what stands beside them) are moved out of use with the corpus; the next build makes
them again from the sources, without the rows.

What this cannot do: a model that was trained on the rows still was. Such artefacts are listed, so that a person decides.
"""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rumpun.corpus.find import current
from rumpun.corpus.met import heed
from rumpun.corpus.trace.step import IndexParams, index_corpus
from rumpun.corpus.withdraw.artefacts import Standing, ancestors, finish, made_from, retire
from rumpun.corpus.withdraw.manifest import STEP, VERSION, less
from rumpun.corpus.withdraw.proof import Proof, prove
from rumpun.corpus.withdraw.rows import Taken, copies_of, count_rows, rewrite
from rumpun.corpus.withdrawn import Entry, Withdrawn, record, withdrawn
from rumpun.errors import EnvironmentFault, InputError, nearest
from rumpun.records.artefacts import (
    MANIFEST,
    Manifest,
    artefact_id,
    making,
    publish,
    read_manifest,
    write_manifest,
)
from rumpun.steps import Progress, quiet

__all__ = ["Withdrawal", "withdraw"]


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, or with `dry_run` what would be."""

    entries: tuple[str, ...]  # "source NAME", "row ID", "contributor NAME"
    dry_run: bool
    corpus: str  # the old one's folder
    now: str  # the new one's folder; empty in a dry run
    index: str  # the new index's folder
    rows: dict[str, int]  # place -> rows that went: train, chat, heldout, heldout chat, drops
    by_source: dict[str, int]
    by_language: dict[str, int]
    rows_left: int
    copies_dropped: int  # rows of others, dropped as copies of what goes: the next build takes them in
    out_of_use: tuple[Standing, ...]  # moved out of use
    made_from: tuple[Standing, ...]  # stand, and were made from what was taken back
    also_in: tuple[Standing, ...]  # other corpora in the store that hold such rows
    proof: Proof | None


def withdraw(
    entries: Sequence[Entry],
    corpus: Path,
    *,
    reason: str = "",
    dry_run: bool = False,
    progress: Progress = quiet,
) -> Withdrawal:
    """Take sources, rows or contributors out of a corpus.

    Args:
        entries: what to take back.
        corpus: the folder of a written corpus; one that rows were withdrawn from already leads to what stands in its place.
        reason: kept on the list.
        dry_run: say what would be done; write nothing.
        progress: of the work.

    Raises:
        InputError: no corpus is there, or it holds nothing of the entries.
        EnvironmentFault: the store cannot be written; the old corpus stands.
    """
    folder = corpus.absolute()
    store = folder.parent
    with _alone(store, dry_run=dry_run):
        if not dry_run:
            finish(store)
        folder = current(folder)
        old = read_manifest(folder)
        if old.kind != "corpus":
            raise InputError(f"{folder}: a {old.kind}, not a corpus", "name the folder of a written corpus")
        gone = Withdrawn(tuple(msgspec.structs.replace(entry, at="", reason="") for entry in entries))
        taken = count_rows(folder, gone)
        _refuse_unknown(gone, taken, folder, old)
        indexes = _indexes(store, old.id)
        standing = _standing(store, folder, old, gone, indexes)
        told = _told(gone, taken, folder, standing)
        if dry_run:
            return told
        record(gone.entries, reason)
        made = _remake(folder, old, gone, indexes, progress)
        stages = {}
        for manifest in ancestors(store, old):
            stages[manifest.id] = ""
            if "met" in manifest.summary:  # of a reading: it must not get the id again that goes out of use
                heed(manifest.summary["met"], gone.entries)
        facts = {"reason": reason, "entries": [entry.line for entry in gone.entries]}
        retire(store, stages | made.replaced, facts)
        return msgspec.structs.replace(
            told,
            dry_run=False,
            now=str(made.corpus),
            index=str(made.index),
            proof=made.proof,
        )


@dataclass(frozen=True, slots=True)
class _Remade:
    """What stands in the place of what was there."""

    corpus: Path
    index: Path
    proof: Proof
    replaced: dict[str, str]  # folder -> folder, in the store


@contextlib.contextmanager
def _alone(store: Path, *, dry_run: bool) -> Iterator[None]:
    """One withdrawal in a store at a time; the second sees what the first left."""
    if dry_run:
        yield
        return
    import filelock

    try:
        (store / ".withdrawn").mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(store / ".withdrawn" / "lock"):
            yield
    except OSError as error:
        raise EnvironmentFault(
            f"{error.filename or store}: {error.strerror or error}",
            "free space, or mend the permissions of the store; the old corpus stands: run it again",
        ) from error


def _refuse_unknown(gone: Withdrawn, taken: Taken, folder: Path, old: Manifest) -> None:
    """Every entry is in the corpus, so that a slip of the pen is not taken for a withdrawal."""
    for entry in gone.entries:
        if entry.line in taken.seen:
            continue
        listed = next((item for item in withdrawn().entries if item.line == entry.line), None)
        if listed:
            raise InputError(
                f"{folder}: no row of the {entry.what} '{entry.name}', which was withdrawn on {listed.at[:10]}",
                "nothing is left to do; a corpus in another folder is named by --corpus",
            )
        names = sorted({source.name for source in old.sources})
        hint = (
            nearest(entry.name, names)
            if entry.what == "source" and names
            else "rumpun corpus show lists rows"
        )
        raise InputError(f"{folder}: no row of the {entry.what} '{entry.name}'", hint)


def _indexes(store: Path, corpus: str) -> list[tuple[Path, Manifest]]:
    found = []
    for path in sorted(store.glob(f"[!.]*/{MANIFEST}")):
        if (path.parent / "index.json").is_file():
            manifest = read_manifest(path.parent)
            if manifest.kind == "trace" and corpus in manifest.parents:
                found.append((path.parent, manifest))
    return found


def _standing(
    store: Path, folder: Path, old: Manifest, gone: Withdrawn, indexes: list[tuple[Path, Manifest]]
) -> dict[str, tuple[Standing, ...]]:
    """Artefacts that have to do with it, in three groups."""
    out = [_stands(old, folder, "holds the rows")]
    out += [_stands(manifest, path, "indexes the rows") for path, manifest in indexes]
    out += [_stands(m, store / m.id, "a stage that the corpus was made from") for m in ancestors(store, old)]
    also = []
    for path in sorted(store.glob(f"[!.]*/{MANIFEST}")):
        manifest = read_manifest(path.parent)
        if (
            manifest.kind == "corpus"
            and path.parent != folder
            and count_rows(path.parent, gone, sizes=False).total()
        ):
            also.append(_stands(manifest, path.parent, "holds such rows too: withdraw them there"))
    sources = [entry.name for entry in gone.entries if entry.what == "source"]
    done = {item.id for item in (*out, *also)}
    made = [item for item in made_from(store, [old.id], sources) if item.id not in done]
    return {"out_of_use": tuple(out), "also_in": tuple(also), "made_from": tuple(made)}


def _stands(manifest: Manifest, place: Path, why: str) -> Standing:
    return Standing(id=manifest.id, kind=manifest.kind, name=manifest.name, place=str(place), why=why)


def _told(
    gone: Withdrawn, taken: Taken, folder: Path, standing: dict[str, tuple[Standing, ...]]
) -> Withdrawal:
    places: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    for (place, language, source), count in taken.rows.items():
        places[place] += count
        languages[language] += count
        sources[source] += count
    if taken.dropped():
        places["drops"] = taken.dropped()
    return Withdrawal(
        entries=tuple(entry.line for entry in gone.entries),
        dry_run=True,
        corpus=str(folder),
        now="",
        index="",
        rows=dict(places),
        by_source=dict(sorted(sources.items())),
        by_language=dict(sorted(languages.items())),
        rows_left=taken.kept,
        copies_dropped=copies_of(folder, taken, gone),
        proof=None,
        **standing,
    )


def _remake(
    folder: Path, old: Manifest, gone: Withdrawn, indexes: list[tuple[Path, Manifest]], progress: Progress
) -> _Remade:
    """The new corpus and its index, proved; nothing old is touched."""
    store = folder.parent
    params = {"of": old.id, "withdrawn": sorted(entry.line for entry in gone.entries)}
    key = artefact_id("corpus", STEP, VERSION, params, [])
    spill = store / ".withdrawn" / f"{key}.texts"
    made: list[Path] = []
    try:
        with making(store, key) as (final, scratch):
            _discard(final)  # of a withdrawal that was killed: the texts that went are written down again
            work = scratch / "folder"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            with spill.open("w", encoding="utf-8") as texts:
                taken = rewrite(folder, work, gone, texts)
            stages = {stage.id for stage in ancestors(store, old)}
            manifest = less(old, key, params, taken, gone=gone, without=stages)
            _figures_and_cards(folder, work, manifest, taken)
            write_manifest(work, manifest)
            publish(work, final)
        made.append(final)
        replaced = {folder.name: key}
        for path, earlier in indexes:
            given = earlier.maker.params
            chosen = IndexParams(
                shard_bytes=given["shard_bytes"], skeleton_languages=tuple(given["skeleton_languages"])
            )
            made.append(index_corpus(final, store, chosen, progress=progress))
            replaced[path.name] = made[-1].name
        if not indexes:
            made.append(index_corpus(final, store, progress=progress))
        before = indexes[-1][0] if indexes else None
        proof = prove(final, made[-1], before, gone, spill, progress=progress)
    except BaseException:
        for path in made:  # so that no second corpus stands beside the old one
            _discard(path)
        raise
    finally:
        spill.unlink(missing_ok=True)
    return _Remade(final, made[-1], proof, replaced)


def _figures_and_cards(old: Path, new: Path, manifest: Manifest, taken: Taken) -> None:
    """What the corpus says of itself, made again."""
    if not (old / "figures.json").is_file():
        return
    from rumpun.corpus.withdraw.figures import write_figures

    write_figures(old / "figures.json", new, taken)
    if (old / "cards").is_dir():
        from rumpun.corpus.cards import render_cards

        render_cards(new, manifest, new / "cards")


def _discard(folder: Path) -> None:
    """Remove an artefact: first out of sight, so that a half removed one never looks finished."""
    if folder.is_dir():
        aside = folder.parent / ".withdrawn" / f"{folder.name}.{os.getpid()}"
        folder.replace(aside)
        shutil.rmtree(aside)

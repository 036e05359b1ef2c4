"""Public test sets by name, from the data folder, a mirror of it or a hub; and files of items by path.

Every load goes past the item lint. What cannot be scored is left out and counted, and a language that was asked for and is
not there is named as missing: nothing is put in its place.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from rumpun.errors import InputError, MissingPartError, UsageError
from rumpun.evaluate.items import read_items, rows_of
from rumpun.evaluate.public_hub import fetch, silent
from rumpun.evaluate.public_rows import Loaded, items_of, linted
from rumpun.evaluate.public_seahelm import Prompt, SeaHelmTask, items_of_seahelm, load_seahelm
from rumpun.evaluate.public_table import Public, describe, names
from rumpun.records.places import source_data

__all__ = [
    "Loaded",
    "Prompt",
    "Public",
    "SeaHelmTask",
    "describe",
    "find_set",
    "load",
    "load_path",
    "load_seahelm",
    "names",
    "rows_of_set",
]


def load(
    name: str,
    *,
    languages: Iterable[str] = (),
    folder: Path | None = None,
    repo: str | None = None,
    mend: bool = True,
    say: Callable[[str], None] = silent,
) -> Loaded:
    """The items of a public set.

    Args:
        name: one of `names()`.
        languages: BCP-47 tags; empty: all that the set has.
        folder: a mirror of the data folder, in place of the one that RUMPUN_DATA names.
        repo: a data set of a hub that is laid out like the data folder: "owner/name", or "owner/name@revision".
        mend: mojibake, doubled quotes and spaces at the ends of options are put right, and counted; False leaves all as it is.
        say: is told the size of what is to be fetched, before it is.

    Raises:
        UsageError: no set has this name, or both a folder and a repo are named.
        InputError: the file is not there, or is not what the table says.
        MissingPartError: pyarrow, or for a hub huggingface_hub, is not installed.
        EnvironmentFault: the hub does not answer.
    """
    spec = describe(name)
    if repo and folder:
        raise UsageError(f"{name}: both a folder and a hub's data set", "name one of them")
    wanted = tuple(dict.fromkeys(languages))
    path = fetch(repo, spec.file, say) if repo else find_set(spec, folder or source_data())
    items, dropped = items_of(spec, rows_of_set(path, spec), wanted)
    return linted(
        items, labels=spec.label_set or None, language_check=spec.check_language, mend=mend, languages=wanted, dropped=dropped
    )  # fmt: skip


def load_path(path: Path, *, labels: Iterable[str] = (), language: str = "", task: str = "") -> Loaded:
    """The items of a file of JSON lines, in the native layout or in SEA-HELM's.

    Args:
        path: the file; where its first row has `prompts`, it is SEA-HELM's.
        labels: that right labels must be among; empty: they are not looked at.
        language: rows of other languages are left out and counted; SEA-HELM's rows that name none are taken to be in it.
        task: SEA-HELM's name of the task, where its rows have more than one gold column.

    Raises:
        InputError: the file cannot be read, is empty, or a row is malformed.
    """
    rows = rows_of(path)
    if not rows:
        raise InputError(f"{path}: no item in it", "write one JSON object a line")
    known = tuple(labels) or None
    if "prompts" in rows[0]:
        return items_of_seahelm(path, language=language, task=task, labels=known)
    items = read_items(path)
    kept = [item for item in items if language in ("", item.language)]
    dropped = Counter(f"language {item.language}" for item in items if language not in ("", item.language))
    return linted(kept, labels=known, languages=[language] if language else [], dropped=dropped)


def find_set(spec: Public, folder: Path) -> Path:
    """The set's file in a folder that is laid out like the data folder, or holds the files side by side."""
    places = [folder / spec.file, folder / PurePosixPath(spec.file).name]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise InputError(
            f"{spec.name}: {places[0]} is not there",
            "name a mirror of the data folder, or a hub's data set (repo)",
        )
    return found


def rows_of_set(path: Path, spec: Public) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, of the columns that are read."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingPartError(f"reading {path} (pyarrow)", "corpus") from error
    try:
        with pq.ParquetFile(path) as file:
            there = set(file.schema_arrow.names)
            if lacking := [name for name in spec.columns if name not in there]:
                raise InputError(
                    f"{path}: no column '{lacking[0]}'",
                    f"{spec.name} is read by public.toml: correct one of them",
                )
            columns = [*spec.columns, *({"licence"} & there)]
            for batch in file.iter_batches(columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error})", "fetch it again") from error

"""Which bases there are: packaged, known on a hub (`catalogue.toml`), and the GGUF files of this machine.

What a hub has is listed, never fetched from here. Tokens per character are counted with a model's own tokenizer on
`samples.jsonl`, ten sentences in each of eleven languages (written by a language model, not reviewed by native
speakers), and kept by the file's sha256.
"""

import functools
import json
import os
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from rumpun.errors import InputError, RumpunError
from rumpun.records.artefacts import MANIFEST, read_manifest, sha256_file
from rumpun.records.places import cache_folder, data_folder

__all__ = [
    "LANGUAGES",
    "Entry",
    "Listing",
    "at_hand",
    "content_sha256",
    "entries",
    "find",
    "look",
    "tokens_per_character",
]

LANGUAGES = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")
Kind = Literal["packaged", "hub", "local"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One base."""

    name: str
    family: str = ""
    architecture: str = ""
    parameters: int | None = None
    active: int | None = None  # parameters at work on one token, where fewer than all
    size_bytes: int | None = None  # None: not stated by its publisher
    licence: str = ""
    kind: Kind
    repository: str = ""  # owner/name on the hub
    weights: str = ""  # owner/name of the transformers weights there, which layers are trained on
    hidden: int | None = None  # width of a token's state
    blocks: int | None = None
    context_tokens: int | None = None
    vocabulary: int | None = None  # rows of the embedding
    file: str = ""  # the GGUF there, or a pattern for it; empty: transformers weights only
    sha256: str = ""
    languages: tuple[str, ...] = ()  # as its publisher names them
    released: str = ""  # year-month
    note: str = ""
    path: str = ""  # the file on this machine; empty when it is not at hand

    @property
    def size(self) -> str:
        """The size in words, with its honesty."""
        return f"{self.size_bytes / 1e9:.2f} GB" if self.size_bytes else "size not stated"


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A base as it is listed: with tokens per character, or why there are none."""

    entry: Entry
    tokens_per_character: dict[str, float] = {}
    problem: str = ""  # why a file at hand cannot be used


@functools.cache
def _known() -> tuple[Entry, ...]:
    raw = tomllib.loads((Path(__file__).parent / "catalogue.toml").read_text(encoding="utf-8"))
    return tuple(msgspec.convert({"name": name} | table, Entry) for name, table in raw.items())


def entries() -> list[Entry]:
    """Packaged and known hub bases in the catalogue's order, then every other GGUF of this machine."""
    known = [msgspec.structs.replace(entry, path=str(at_hand(entry.name) or "")) for entry in _known()]
    taken = {entry.path for entry in known}
    return known + [_local(path) for path in _local_files() if str(path) not in taken]


def find(name: str) -> Entry | None:
    """The base of this name, in any case, or of this repository on the hub; local files by their name too."""
    wanted = name.casefold()
    for entry in _known():
        if wanted in (entry.name, entry.repository.casefold(), entry.weights.casefold()):
            return msgspec.structs.replace(entry, path=str(at_hand(entry.name) or ""))
    return next((entry for entry in map(_local, _local_files()) if entry.name.casefold() == wanted), None)


def at_hand(name: str) -> Path | None:
    """The GGUF of a finished folder `<data>/bases/<name>`, or None; the size is checked against the manifest."""
    folder = data_folder() / "bases" / name
    try:
        manifest = read_manifest(folder)
    except InputError:
        return None
    for entry in manifest.files:
        path = folder / entry.path
        if path.suffix == ".gguf" and path.is_file() and path.stat().st_size == entry.size:
            return path
    return None


def _local_files() -> list[Path]:
    """GGUF files under bases/ and models/ and of artefacts, sorted; what is still being made is left out."""
    data = data_folder()
    found = [
        *(data / "bases").glob("*.gguf"),
        *(data / "bases").glob("[!.]*/*.gguf"),
        *(data / "models").rglob("*.gguf"),
    ]
    for manifest in (data / "artefacts").glob("[!.]*/" + MANIFEST):
        found += manifest.parent.glob("*.gguf")
    return sorted(path for path in found if path.is_file())


def _local(path: Path) -> Entry:
    manifest = path.parent / MANIFEST
    licence, name = "", path.stem
    languages: tuple[str, ...] = ()
    if manifest.is_file():
        try:
            read = read_manifest(path.parent)
        except InputError:
            pass
        else:
            licence = " AND ".join(read.licences)
            languages = read.languages
            name = read.name or name
    return Entry(
        name=name,
        kind="local",
        licence=licence,
        languages=languages,
        size_bytes=path.stat().st_size,
        path=str(path),
    )


def look(entry: Entry, *, count: bool = True) -> Listing:
    """A base as it is listed; a file that cannot be read is a listed problem, not an error."""
    if not entry.path:
        return Listing(entry=entry)
    from rumpun.weights.gguf_file import describe

    path = Path(entry.path)
    try:
        about = describe(path)
        whole = msgspec.structs.replace(
            entry,
            architecture=about.architecture,
            parameters=about.parameters or entry.parameters,
            size_bytes=path.stat().st_size,
            licence=entry.licence or about.licence,
        )
        return Listing(entry=whole, tokens_per_character=tokens_per_character(path) if count else {})
    except RumpunError as error:
        return Listing(entry=entry, problem=error.message)
    except Exception as error:  # noqa: BLE001  a foreign file must not break the list, whatever its reader makes of it
        return Listing(entry=entry, problem=f"{path}: cannot be read ({type(error).__name__}: {error})")


@functools.cache
def _samples() -> dict[str, tuple[str, ...]]:
    lines = (Path(__file__).parent / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[1:]]  # the first says what they are
    return {tag: tuple(row["text"] for row in rows if row["language"] == tag) for tag in LANGUAGES}


def tokens_per_character(path: Path) -> dict[str, float]:
    """Tokens a character (Unicode code point) of a GGUF's tokenizer in each of the eleven languages.

    Counted once and kept by the file's sha256.

    Raises:
        InputError: llama.cpp cannot read the file.
    """
    kept = cache_folder() / "tokens" / f"{content_sha256(path)}.json"
    try:
        return msgspec.json.decode(kept.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError):
        pass
    from rumpun.engines.llamacpp_score import Scorer
    from rumpun.weights.gguf_file import describe

    scorer = Scorer(path, describe(path), threads=1)  # opens the vocabulary alone, however large the model
    try:
        found = {
            tag: round(sum(map(len, scorer.tokenize(texts))) / sum(map(len, texts)), 3)
            for tag, texts in _samples().items()
        }
    finally:
        scorer.close()
    _write(kept, msgspec.json.encode(found))
    return found


def content_sha256(path: Path) -> str:
    """The sha256 of a file: its manifest's where one stands beside it, else hashed once per size and time."""
    stat = path.stat()
    try:
        for entry in read_manifest(path.parent).files:
            if path.parent / entry.path == path and entry.size == stat.st_size:
                return entry.sha256
    except InputError:
        pass
    import hashlib

    key = hashlib.sha256(f"{path.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()[:32]
    kept = cache_folder() / "hashes" / key
    if kept.is_file() and len(known := kept.read_text()) == 64:
        return known
    digest = sha256_file(path)
    _write(kept, digest.encode())
    return digest


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)

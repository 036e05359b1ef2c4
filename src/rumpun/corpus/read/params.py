"""What a recipe may say to `corpus.read`."""

import re
from dataclasses import dataclass, field

from rumpun.corpus.languages import known
from rumpun.corpus.read.formats import FORMATS
from rumpun.corpus.read.formats.decode import known_encoding
from rumpun.corpus.read.policy import OnBadInput
from rumpun.errors import nearest
from rumpun.records.private import PREFIX, private_name

__all__ = ["Files", "HubSet", "InlineText", "ReadParams"]

_COLUMNS = ("id", "text", "language", "source", "licence", "url", "domain", "contributor")
_DOCUMENTS = ("file", "paragraph", "line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A file, or a folder of them, outside the inventory.

    `language`, `source`, `licence` and `domain` stand in for what the rows lack; a `source` named here stands before
    what the rows say. Compression (gzip, zstd) is seen from the bytes.
    """

    path: str  # absolute, or relative to the working folder or the checkout
    format: str = ""  # jsonl, parquet, text, html, warc; empty: by each file's name
    language: str = ""
    source: str = ""  # empty: the file's own name without suffixes
    licence: str = ""
    domain: str = ""
    columns: dict[str, str] = field(
        default_factory=dict
    )  # ours -> theirs: { text = "content", contributor = "author" }
    documents: str = "file"  # of text files: a document is the file, a paragraph or a line
    encoding: str = ""  # of text and JSON Lines, where it is not UTF-8
    sha256: str = ""  # of a single file: another one is refused
    private: bool = False  # rows that never leave this machine; `source` is then private-1 or the like


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSet:
    """A data set on a Hugging Face hub (HF_ENDPOINT may name another), by its Parquet or JSON Lines files."""

    hf: str  # owner/name
    revision: str  # a commit, 40 hex digits: a branch moves
    config: str = ""  # a subset; empty: files outside any, or the only one
    split: str = "train"
    language: str = ""
    source: str = ""  # empty: owner/name
    licence: str = ""
    domain: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    max_download_bytes: int = (
        2_000_000_000  # a larger set is refused with its size before anything is fetched
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineText:
    """A document written in the recipe itself."""

    text: str
    language: str
    source: str = "inline"
    licence: str = "CC0-1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadParams:
    """Parameters of `corpus.read`. Bytes of a document are as it stands in its file."""

    languages: tuple[str, ...] = ()  # BCP-47; empty takes every language. Rows that name none are read too
    # where text comes from
    from_inventory: bool = True  # read the data folder's inventory*.toml
    data: str = ""  # another data folder; default RUMPUN_DATA or the one beside the checkout
    sources: tuple[str, ...] = ()  # names in the inventory; empty takes every text source of the languages
    exclude_sources: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ("lexicon",)  # word lists and dictionaries are not running text
    seed_text: bool = False  # sentences written for the project (kind "seed")
    text_from_pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)  # language -> parallel sources
    files: tuple[Files, ...] = ()
    hubs: tuple[HubSet, ...] = ()
    texts: tuple[InlineText, ...] = ()
    # what is done with input that cannot be read
    on_bad_input: OnBadInput = "report"
    max_bytes_per_document: int = 8_000_000

    def check(self) -> None:
        """Refuse what cannot be meant."""
        tags = [*self.languages, *self.text_from_pairs, *(item.language for item in self.texts)]
        places: list[Files | HubSet] = [*self.files, *self.hubs]
        tags += [place.language for place in places if place.language]
        for tag in tags:
            if tag not in known():
                raise ValueError(f"language '{tag}' is unknown ({nearest(tag, list(known()))})")
        if self.max_bytes_per_document < 1:
            raise ValueError(f"max_bytes_per_document = {self.max_bytes_per_document}: expected 1 or more")
        both = set(self.sources) & set(self.exclude_sources)
        if both:
            raise ValueError(f"source '{min(both)}' is both in sources and in exclude_sources")
        for item in self.files:
            _check_files(item)
            _check_private(item, self.on_bad_input)
        for hub in self.hubs:
            _check_hub(hub)
        for place in places:
            _check_columns(place)


def _check_files(item: Files) -> None:
    if item.format and item.format not in FORMATS:
        raise ValueError(f"files: format = {item.format!r} ({nearest(item.format, list(FORMATS))})")
    if item.documents not in _DOCUMENTS:
        raise ValueError(f"files: documents = {item.documents!r} ({nearest(item.documents, _DOCUMENTS)})")
    if item.sha256 and not re.fullmatch(r"[0-9a-f]{64}", item.sha256):
        raise ValueError(f"files: sha256 = {item.sha256!r}: expected 64 hex digits")
    if item.encoding and not known_encoding(item.encoding):
        raise ValueError(f"files: encoding = {item.encoding!r}: not a text encoding such as 'cp874'")


def _check_private(item: Files, on_bad_input: OnBadInput) -> None:
    if not item.private:
        if item.source.startswith(PREFIX):
            raise ValueError(
                f"files: source = {item.source!r} without private = true: add it, or name the source otherwise"
            )
        return
    if not private_name(item.source):
        raise ValueError(
            f"files: source = {item.source!r} of private rows: expected a name that tells nothing, such as 'private-1'"
        )
    if on_bad_input == "stop":
        raise ValueError(
            'on_bad_input = "stop" with private rows: the error would show them; leave it at "report"'
        )


def _check_hub(item: HubSet) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", item.hf):
        raise ValueError(f"hubs: hf = {item.hf!r}: expected owner/name")
    if not re.fullmatch(r"[0-9a-f]{40}", item.revision):
        raise ValueError(
            f"hubs: {item.hf}: revision = {item.revision!r}: name a commit (40 hex digits), since a branch moves"
        )


def _check_columns(item: Files | HubSet) -> None:
    for ours in item.columns:
        if ours not in _COLUMNS:
            raise ValueError(f"columns: '{ours}' ({nearest(ours, _COLUMNS)})")

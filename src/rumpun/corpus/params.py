"""What a recipe may say to `corpus.build`."""

from dataclasses import dataclass, field

from rumpun.corpus.languages import known
from rumpun.errors import nearest

__all__ = ["BuildParams", "FileSource", "InlineText"]

_SHARES = (
    "max_share_per_source", "max_share_per_domain", "max_share_machine_translated", "min_letter_share",
    "min_script_share", "held_out_chat_share", "max_share_per_pair_domain",
)  # fmt: skip
_AT_LEAST_ONE = (
    "max_bytes_per_language", "min_characters", "max_characters_per_document", "held_out_run_words",
    "held_out_run_letters",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A file or folder outside the inventory: JSON Lines, Parquet or plain text (one document a file).

    `language`, `source`, `licence` and `domain` stand in for columns that the rows lack.
    """

    path: str  # absolute, or relative to the working folder or the checkout
    language: str = ""
    source: str = ""
    licence: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineText:
    """A document written in the recipe itself."""

    text: str
    language: str
    source: str = "inline"
    licence: str = "CC0-1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildParams:
    """Parameters of `corpus.build`. Bytes are of UTF-8 text; characters are Unicode code points."""

    languages: tuple[str, ...]  # BCP-47
    # where text comes from
    from_inventory: bool = True  # read the data folder's inventory*.toml
    data: str = ""  # another data folder; default RUMPUN_DATA or the one beside the checkout
    sources: tuple[str, ...] = ()  # names; empty takes every text source of the languages
    exclude_sources: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ("lexicon",)  # word lists and dictionaries are not running text
    seed_text: bool = False  # sentences written for the project (kind "seed")
    text_from_pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)  # language -> parallel sources
    files: tuple[FileSource, ...] = ()
    texts: tuple[InlineText, ...] = ()
    # what is held out, by source
    held_out_sources: dict[str, tuple[str, ...]] = field(default_factory=dict)  # language -> sources
    held_out_documents_per_language: int = 200
    held_out_bytes_per_language: int = 200_000
    held_out_run_words: int = 13  # a training document that shares such a run is dropped
    held_out_run_letters: int = 50  # the same where words stand without spaces
    # how much of each
    max_bytes_per_language: int = 4_000_000
    language_bytes: dict[str, int] = field(default_factory=dict)  # other budgets for some languages
    max_share_per_source: float = 0.5  # of the language's budget
    max_share_per_domain: float = 0.6
    domain_shares: dict[str, float] = field(default_factory=dict)  # other shares for some domains, pairs too
    max_share_machine_translated: float = 0.15  # all sources whose names end in -mt together
    # what a document must be
    min_characters: int = 20
    max_characters_per_document: int = 8_000  # longer ones are split at paragraph borders
    min_letter_share: float = 0.5  # letters and marks among characters that are not spaces
    min_script_share: float = 0.5  # of the letters, in the language's own script
    # chat rows
    chat_seed: bool = False  # seed/chat-*.jsonl
    held_out_chat_share: float = 0.06  # of the keys, by whole topics
    pairs: bool = False  # parallel text as translation both ways
    pair_rows_per_language: int = 2_000
    max_share_per_pair_domain: float = 0.25  # of pair_rows_per_language
    instruct: bool = False  # mechanically made task rows
    instruct_rows_per_language: int = 200
    max_characters_per_turn: int = 2_000

    def check(self) -> None:
        """Refuse unknown languages, shares outside 0 to 1 and sizes that take nothing."""
        if not self.languages:
            raise ValueError("languages is empty; name at least one, such as 'id'")
        self._check_languages()
        shares = {name: getattr(self, name) for name in _SHARES}
        shares |= {f"domain_shares.{domain}": share for domain, share in self.domain_shares.items()}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} = {share}: expected a share from 0 to 1")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected 1 or more")
        if self.max_characters_per_document < self.min_characters:
            raise ValueError(
                f"max_characters_per_document = {self.max_characters_per_document}:"
                f" expected at least min_characters = {self.min_characters}"
            )
        both = set(self.sources) & set(self.exclude_sources)
        if both:
            raise ValueError(f"source '{min(both)}' is both in sources and in exclude_sources")

    def _check_languages(self) -> None:
        tags = [*self.languages, *self.text_from_pairs, *self.held_out_sources, *self.language_bytes]
        tags += [item.language for item in self.texts] + [f.language for f in self.files if f.language]
        for tag in tags:
            if tag not in known():
                raise ValueError(f"language '{tag}' is unknown ({nearest(tag, list(known()))})")

    def budget(self, language: str) -> int:
        """Bytes of training text that this language may have."""
        return self.language_bytes.get(language, self.max_bytes_per_language)

"""What a recipe may say to `corpus.mix`."""

import functools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rumpun.corpus.languages import check_tags
from rumpun.corpus.mix.mixture import Caps
from rumpun.errors import nearest

__all__ = ["MixParams", "classes", "source_class"]

_SHARES = ("max_share_per_source", "max_share_per_domain", "max_share_machine_translated")
_NOT_NEGATIVE = (
    "budget", "max_per_language", "epochs", "temperature", "source_exponent", "quality_strength",
    "held_out_documents_per_language", "held_out_bytes_per_language",
)  # fmt: skip


@functools.cache
def _table() -> tuple[dict[str, str], dict[str, str]]:
    """Kind -> class, domain -> class."""
    raw = tomllib.loads((Path(__file__).parent / "mixture.toml").read_text(encoding="utf-8"))
    return raw["kinds"], {domain: name for name, domains in raw["classes"].items() for domain in domains}


def classes() -> list[str]:
    """The names of all source classes."""
    kinds, domains = _table()
    return sorted({*kinds.values(), *domains.values(), "other"})


def source_class(kind: str, domain: str) -> str:
    """The class of a source of this kind and domain; "other" where the table has neither."""
    kinds, domains = _table()
    return kinds.get(kind) or domains.get(domain) or "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class MixParams:
    """Parameters of `corpus.mix`. Sizes are in `unit`; shares are of a language's budget."""

    languages: tuple[str, ...] = ()  # BCP-47; empty takes every language that has a kept document
    # how much
    unit: Literal["bytes", "tokens"] = "bytes"  # of UTF-8 text, or of the tokenizer
    tokenizer: str = ""  # as corpus.write's; tokens are counted on a sample a source
    budget: int = 0  # of all languages together; 0: no such limit
    max_per_language: int = 0  # 0: no such limit
    language_budgets: dict[str, int] = field(default_factory=dict)  # other limits for some languages
    # which languages
    weights: Literal["natural", "temperature", "unimax", "ratios"] = "natural"
    temperature: float = 0.3  # languages weigh size ** temperature (mT5: 0.3)
    language_ratios: dict[str, float] = field(default_factory=dict)  # for weights = "ratios"
    epochs: float = 1.0  # a document at most so many times (up to 4 cost little: Muennighoff et al. 2023)
    language_epochs: dict[str, float] = field(default_factory=dict)
    # which sources
    class_ratios: dict[str, dict[str, float]] = field(
        default_factory=dict
    )  # language or "*" -> class -> ratio
    source_classes: dict[str, str] = field(default_factory=dict)  # source -> class, before the table
    source_exponent: float = 1.0  # sources of one class weigh size ** exponent
    max_share_per_source: float = 1.0
    max_share_per_domain: float = 1.0
    domain_shares: dict[str, float] = field(default_factory=dict)  # other shares for some domains
    max_share_machine_translated: float = 0.15  # all sources whose names end in -mt together
    # which documents
    head_share: float = 0.25  # of a language's bytes, the best by quality
    tail_share: float = 0.25  # the least good
    quality_strength: float = (
        0.5  # the head weighs e**strength, the tail e**-strength; 0: quality plays no part
    )
    # what is held out, by source
    held_out_sources: dict[str, tuple[str, ...]] = field(default_factory=dict)  # language -> sources
    held_out_documents_per_language: int = 200
    held_out_bytes_per_language: int = 200_000
    held_out_characters_per_document: int = 8_000  # of a longer one only the beginning is measured
    held_out_run_words: int = 13  # a training document that shares such a run is dropped
    held_out_run_letters: int = 50  # the same where words stand without spaces

    def check(self) -> None:
        """Refuse unknown languages and classes, shares outside 0 to 1, negative sizes, and ratios that are not asked for."""
        tags = [*self.languages, *self.language_budgets, *self.language_ratios, *self.language_epochs]
        tags += [*self.held_out_sources, *(tag for tag in self.class_ratios if tag != "*")]
        check_tags(tags)
        self._check_numbers()
        for name in [*self.source_classes.values(), *(n for r in self.class_ratios.values() for n in r)]:
            if name not in classes():
                raise ValueError(f"source class '{name}' is unknown ({nearest(name, classes())})")
        if self.weights == "ratios" and not sum(self.language_ratios.values()) > 0:
            raise ValueError('weights = "ratios" with no language_ratios above 0')
        if self.language_ratios and self.weights != "ratios":
            raise ValueError('language_ratios are given, so weights must be "ratios"')
        if self.unit == "tokens" and not self.tokenizer:
            raise ValueError('unit = "tokens" needs a tokenizer')

    def _check_numbers(self) -> None:
        shares = {name: getattr(self, name) for name in _SHARES}
        shares |= {f"domain_shares.{domain}": share for domain, share in self.domain_shares.items()}
        for tag, ratios in self.class_ratios.items():
            shares |= {f"class_ratios.{tag}.{name}": ratio for name, ratio in ratios.items()}
            shares[f"the sum of class_ratios.{tag}"] = round(sum(ratios.values()), 9)
        shares["head_share + tail_share"] = round(self.head_share + self.tail_share, 9)
        shares |= {"head_share": self.head_share, "tail_share": self.tail_share}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} = {share}: expected a share from 0 to 1")
        sizes = {name: getattr(self, name) for name in _NOT_NEGATIVE}
        for table in ("language_budgets", "language_ratios", "language_epochs"):
            sizes |= {f"{table}.{key}": value for key, value in getattr(self, table).items()}
        for name, size in sizes.items():
            if size < 0:
                raise ValueError(f"{name} = {size}: expected 0 or more")
        if not self.held_out_characters_per_document or not min(
            self.held_out_run_words, self.held_out_run_letters
        ):
            raise ValueError("held_out_characters_per_document and the lengths of runs must be 1 or more")

    def limit(self, language: str) -> float:
        """How much this language may give; infinity where nothing limits it."""
        found = self.language_budgets.get(language, self.max_per_language)
        return float(found) if found or language in self.language_budgets else float("inf")

    def caps(self, language: str) -> Caps:
        """The caps within one language."""
        return Caps(
            epochs=self.language_epochs.get(language, self.epochs),
            source_share=self.max_share_per_source,
            domain_share=lambda domain: self.domain_shares.get(domain, self.max_share_per_domain),
            machine_share=self.max_share_machine_translated,
        )

    def ratios(self, language: str) -> dict[str, float]:
        """Source class -> ratio for one language."""
        return self.class_ratios.get(language, self.class_ratios.get("*", {}))

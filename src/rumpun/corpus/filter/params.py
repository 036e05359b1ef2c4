"""What a recipe may say of corpus.filter."""

from dataclasses import dataclass, field
from typing import Literal

from rumpun.corpus.filter.thresholds import EVERY, check_given, rules
from rumpun.corpus.languages import check_tags
from rumpun.errors import nearest

__all__ = ["FilterParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterParams:
    """Rules, thresholds and policies; every default is stated in rules.toml or here."""

    thresholds: dict[str, dict[str, float]] = field(
        default_factory=dict
    )  # language, or "all" -> rule -> value
    without: tuple[str, ...] = ()  # rules that are not asked
    languages: tuple[str, ...] = ()  # that are kept; empty: all
    exclude_domains: tuple[str, ...] = ()
    trusted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # language -> sources whose documents alone its thresholds are derived from; else all that are in their language
    least_documents: int = 200  # with fewer trusted documents a language asks its sisters
    other_language: Literal["drop-other", "drop-sisters", "keep"] = "drop-other"
    # drop-other: a text in a sister language of the declared one stays; drop-sisters: it goes too
    terms: Literal["ship", "any"] = "ship"  # ship: only licences under which a layer may be given away
    personal: Literal["mask", "drop", "keep"] = "mask"  # drop: a document with any personal data goes
    personal_least_score: float = 0.6  # spans found with less are left alone (facts of the room personal)
    cut_frequent_lines: bool = True  # those that are a page's frame, by lines.boilerplate

    def given(self) -> dict[str, dict[str, float]]:
        """The thresholds that the recipe sets, the policy on personal data among them."""
        if self.personal != "drop":
            return self.thresholds
        every = {"personal.count": 0.0} | self.thresholds.get(EVERY, {})
        return self.thresholds | {EVERY: every}

    def check(self) -> None:
        """Refuse what cannot be meant."""
        names = [rule.name for rule in rules()]
        for name in self.without:
            if name not in names:
                raise ValueError(f"without: no rule is called '{name}' ({nearest(name, names)})")
        check_tags(self.languages, "languages")
        check_tags(self.trusted, "trusted")
        check_tags((tag for tag in self.thresholds if tag != EVERY), "thresholds")
        check_given(self.given())
        if self.least_documents < 1:
            raise ValueError(f"least_documents = {self.least_documents}: expected 1 or more")
        if not 0 <= self.personal_least_score <= 1:
            raise ValueError(f"personal_least_score = {self.personal_least_score}: expected 0 to 1")

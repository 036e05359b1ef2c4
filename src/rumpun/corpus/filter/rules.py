"""Which rules each document of a part fails, from columns of attributes alone; whole columns at a time.

What needs all documents at once, the duplicates, is `filter_groups`. Shapes: N documents of a part, R rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.filter.params import FilterParams
from rumpun.corpus.filter.thresholds import LINES, Rule, Threshold, rules
from rumpun.corpus.letters import Int
from rumpun.corpus.tag.lines import boilerplate, spans_of
from rumpun.language.tables import languages
from rumpun.records.licences import shippable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["GROUPED", "Judge", "Judged", "Part", "column", "relation"]

GROUPED = ("exact.duplicate", "url.duplicate", "near.duplicate")  # decided over all documents at once
SAME, SISTER, OTHER, UNKNOWN = 0, 1, 2, 3


def column(table: "pa.Table", name: str) -> NDArray[np.float64]:
    """[N] a numeric column as float64, NaN for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: NDArray[np.float64] = pc.cast(table[name], pa.float64()).to_numpy(zero_copy_only=False)
    return found


def _stem(tag: str) -> str:
    return tag.split("-", maxsplit=1)[0]


def _sisters(tag: str) -> tuple[str, ...]:
    own = languages().get(tag)
    return own.sisters if own else ()


def relation(declared: str, identified: str, answers: Sequence[str]) -> int:
    """How an identified language stands to the declared one.

    Args:
        declared: a tag, or "" where the source declares none.
        identified: what the identifier said.
        answers: every tag that it can say; one that it cannot say is never held against a text.
    """
    if not declared or identified in ("", "und"):
        return UNKNOWN
    if _stem(declared) == _stem(identified):
        return SAME
    if _stem(declared) not in {_stem(tag) for tag in answers}:
        return UNKNOWN
    if identified in _sisters(declared) or declared in _sisters(identified):
        return SISTER
    return OTHER


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part's columns: documents without their texts, attributes, and links where there are any."""

    documents: "pa.Table"
    attributes: "pa.Table"
    links: "pa.Table | None"

    def has(self, name: str) -> bool:
        """Whether the attributes have a column."""
        return name in self.attributes.schema.names


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a part's documents failed, duplicates aside."""

    tags: list[str]  # [N] the language that each document counts under
    failed: NDArray[np.uint64]  # [N] a bit for each rule, by its place in rules.toml
    value: NDArray[np.float64]  # [N] of the first rule failed; NaN where it has none
    characters: Int  # [N] after frequent lines are cut


class Judge:
    """Applies rules to parts.

    Args:
        params: of the recipe.
        answers: tags that the identifier could say.
    """

    def __init__(self, params: FilterParams, answers: Sequence[str]) -> None:
        self._params = params
        self._answers = list(answers)
        self.rules: tuple[Rule, ...] = tuple(rule for rule in rules() if rule.name not in params.without)
        self.places = {rule.name: place for place, rule in enumerate(self.rules)}

    def tags(self, part: Part) -> list[str]:
        """[N] the language that each document counts under: declared, or else identified, or else `und`."""
        declared: list[str] = part.documents["language"].to_pylist()
        if not part.has("language.label"):
            return [tag or "und" for tag in declared]
        found = part.attributes["language.label"].to_pylist()
        return [own or other or "und" for own, other in zip(declared, found, strict=True)]

    def related(self, part: Part) -> Int:
        """[N] how the identified language stands to the declared one."""
        if not part.has("language.label"):
            return np.full(part.documents.num_rows, UNKNOWN, dtype=np.int64)
        (declared, own), (identified, found) = (
            _coded(column) for column in (part.documents["language"], part.attributes["language.label"])
        )
        width = max(1, len(identified))
        pairs, place = np.unique(own * width + found, return_inverse=True)
        kinds = [
            relation(declared[pair // width], identified[pair % width], self._answers)
            for pair in pairs.tolist()
        ]
        return np.array(kinds, dtype=np.int64)[place]

    def trusted(self, part: Part) -> NDArray[np.bool_]:
        """[N] documents that thresholds are derived from: of the named sources, or else those in their own language."""
        tags = self.tags(part)
        sources = part.documents["source"].to_pylist()
        named = self._params.trusted
        kinds = self.related(part)
        own = np.array(
            [
                source in named[tag] if tag in named else kind in (SAME, UNKNOWN)
                for tag, source, kind in zip(tags, sources, kinds.tolist(), strict=True)
            ],
            dtype=np.bool_,
        )
        for name in ("figures.replacement", "figures.control"):
            if part.has(name):
                own &= ~(column(part.attributes, name) > 0)
        return own

    def judge(self, part: Part, thresholds: Mapping[str, Mapping[str, Threshold]]) -> Judged:
        """Every rule over a part."""
        tags = self.tags(part)
        count, limits = len(tags), _Limits(tags, thresholds)
        failed = np.zeros(count, dtype=np.uint64)
        value = np.full(count, np.nan)
        characters = self._left(part)
        for place, rule in enumerate(self.rules):
            found = self._policy(rule.name, part, tags) if rule.how == "policy" else None
            figure = np.full(count, np.nan)
            if rule.name == "lines.short" and part.has("figures.characters"):
                limit = limits.of("figures.characters")
                figure = characters.astype(np.float64)
                found = (characters < limit) & (characters < column(part.attributes, "figures.characters"))
            elif rule.column and part.has(rule.column):
                figure = column(part.attributes, rule.column)
                limit = limits.of(rule.name)
                with np.errstate(invalid="ignore"):  # a null figure and a rule that is off fail nothing
                    found = figure < limit if rule.side == "low" else figure > limit
                if rule.lines and part.has(LINES):
                    found &= column(part.attributes, LINES) >= rule.lines
                if rule.name == "language.other":
                    found &= self._elsewhere(part)
            if found is None:
                continue
            first = found & (failed == 0)
            value[first] = figure[first]
            failed[found] |= np.uint64(1 << place)
        return Judged(tags, failed, value, characters)

    def _elsewhere(self, part: Part) -> NDArray[np.bool_]:
        """[N] documents in another language than declared, whose lines do not say otherwise."""
        if self._params.other_language == "keep":
            return np.zeros(part.documents.num_rows, dtype=np.bool_)
        kinds = self.related(part)
        found: NDArray[np.bool_] = kinds == OTHER
        if self._params.other_language == "drop-sisters":
            found |= kinds == SISTER
        if part.has("language.lines"):
            found &= ~(column(part.attributes, "language.lines") >= 0.5)
        return found

    def _policy(self, name: str, part: Part, tags: Sequence[str]) -> NDArray[np.bool_] | None:
        import pyarrow as pa

        params, documents = self._params, part.documents
        if name == "licence.terms" and params.terms == "ship":
            return _of(documents["licence"], lambda licence: not shippable(licence))
        if name == "language.unasked" and params.languages:
            return _of(pa.chunked_array([pa.array(tags)]), lambda tag: tag not in params.languages)
        if name == "domain.excluded" and params.exclude_domains:
            return _of(documents["domain"], lambda domain: domain in params.exclude_domains)
        if name == "figures.empty" and part.has("figures.lines"):
            bare: NDArray[np.bool_] = column(part.attributes, "figures.lines") == 0
            return bare
        return None

    def _left(self, part: Part) -> Int:
        """[N] characters that stay once frequent lines are cut."""
        if not part.has("figures.characters"):
            return np.zeros(part.documents.num_rows, dtype=np.int64)
        left = column(part.attributes, "figures.characters").astype(np.int64)
        for row, ends, numbers in frequent(part) if self._params.cut_frequent_lines else ():
            left[row] -= sum(end - start for start, end in spans_of(ends, numbers))
        return left


def frequent(part: Part) -> list[tuple[int, list[int], list[int]]]:
    """(row, ends of its lines, numbers of those to cut) of every document with frequent lines."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if (
        part.links is None
        or "lines.frequent" not in part.links.schema.names
        or not part.has("figures.line_ends")
    ):
        return []
    numbers = part.links["lines.frequent"]
    rows = np.flatnonzero(pc.fill_null(pc.list_value_length(numbers), 0).to_numpy(zero_copy_only=False))
    places = pa.array(rows)
    ends, hashes = (
        part.attributes[name].take(places).to_pylist()
        for name in ("figures.line_ends", "figures.line_hashes")
    )
    found = []
    for row, own_ends, own_hashes, many in zip(
        rows.tolist(), ends, hashes, numbers.take(places).to_pylist(), strict=True
    ):
        cut = boilerplate(own_ends, own_hashes, many)
        if cut:
            found.append((row, own_ends, cut))
    return found


def _coded(column: "pa.ChunkedArray") -> tuple[list[str], Int]:
    """The different values of a column of strings, null as "", and [N] the place of each row's among them."""
    import pyarrow.compute as pc

    coded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    places: Int = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return coded.dictionary.to_pylist(), places


def _of(column: "pa.ChunkedArray", holds: Callable[[str], bool]) -> NDArray[np.bool_]:
    """[N] whether something holds of each value; asked once for each different one."""
    names, places = _coded(column)
    return np.array([holds(name) for name in names], dtype=np.bool_)[places]


class _Limits:
    """The thresholds of a part's documents, rule by rule."""

    def __init__(self, tags: Sequence[str], thresholds: Mapping[str, Mapping[str, Threshold]]) -> None:
        names = sorted(set(tags))
        place = {tag: n for n, tag in enumerate(names)}
        self._of = [thresholds[tag] for tag in names]
        self._codes = np.array([place[tag] for tag in tags], dtype=np.int64)

    def of(self, rule: str) -> NDArray[np.float64]:
        """[N] the threshold of each document's language; NaN where the rule is off."""
        values = [found[rule].value for found in self._of]
        table = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        return table[self._codes]

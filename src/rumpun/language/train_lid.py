"""The step `language.train_lid`: train the identifier's Latin model and measure the whole identifier.

Sources named under `held_out` are kept out of training in every language and only measured. A language with one
source is split by rows (`split_rows`), and its figures say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.records.licences import shippable
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    from rumpun.language.heads import Heads
    from rumpun.language.snippets import Pool

__all__ = ["LidParams", "train"]

_PLACES = ("text/*.parquet", "parallel/*.parquet", "seed/*.jsonl")
_SPLIT_TEST_SHARE = 5  # every fifth row of a language that is split by rows is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class LidParams:
    """What the recipe may say."""

    latin: tuple[str, ...]  # languages that the linear model tells apart
    scripted: tuple[str, ...]  # languages that their script names; measured only
    held_out: dict[str, tuple[str, ...]]  # language -> sources that are measured and never trained on
    left_out: tuple[str, ...] = ()  # sources that are not used at all
    split_rows: tuple[str, ...] = ()  # languages with one source, split by rows
    aliases: dict[str, str] = field(default_factory=dict)  # tag in the data -> tag here
    buckets: int = 65_536
    ngram_lengths: tuple[int, ...] = (1, 2, 3, 4, 5)
    snippets: int = 6_000  # for each language
    size_exponent: float = 0.25  # a source counts by its characters to this power: 0 is evenly, 1 by size
    lengths_characters: tuple[int, ...] = (12, 160)  # shortest and longest snippet in training
    measured_characters: tuple[int, ...] = (20, 50, 100)
    measured_snippets: int = 500  # for each language and length
    epochs: int = 4
    rate: float = 0.5

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if (
            len(self.lengths_characters) != 2
            or not 0 < self.lengths_characters[0] < self.lengths_characters[1]
        ):
            raise ValueError(
                f"lengths_characters = {list(self.lengths_characters)}: expected [shortest, longest]"
            )
        if self.epochs < 1 or self.snippets < 1:
            raise ValueError(f"epochs = {self.epochs}, snippets = {self.snippets}: expected 1 or more")


def _identity(_: LidParams) -> Mapping[str, Any]:
    folder = source_data()
    paths = [path for place in _PLACES for path in sorted(folder.glob(place))]
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}


@step(kind="identifier", version=1, identity=_identity, part="train")
def train(params: LidParams, work: Work) -> Outcome:
    """Train, measure and write `identifier.safetensors` and `identifier.json`."""
    import numpy as np

    from rumpun.language.heads import write_heads
    from rumpun.language.snippets import read_pools

    aliases, wanted = params.aliases, frozenset(params.latin + params.scripted)
    everything = read_pools(source_data(), aliases, wanted)
    used = [p for p in everything if p.source not in params.left_out and shippable(p.licence)]
    learn, measured = _parted(used, params)
    heads = _fitted(params, learn, work)
    figures = _measure(params, measured, heads, work.seed)
    sources = _sources([*learn, *measured])
    heads.facts["held_out"] = figures
    heads.facts["licences"] = sorted({source.licence for source in sources if source.role == "text"})
    heads.facts["sources"] = sorted({source.name for source in sources if source.role == "text"})
    write_heads(work.folder, "identifier", heads)
    return Outcome(
        sources=sources,
        languages=(*params.latin, *params.scripted),
        summary={"held_out": figures, "snippets": heads.facts["snippets"], "threshold": heads.facts["least"]},
        tools={"numpy": np.__version__},
        name="identifier",
    )


def _parted(pools: "list[Pool]", params: LidParams) -> "tuple[list[Pool], list[Pool]]":
    """(to learn from, to measure with)."""
    from rumpun.language.snippets import Pool

    kept_out = {source for names in params.held_out.values() for source in names}
    learn = [p for p in pools if p.source not in kept_out and p.language in params.latin]
    measured = [p for p in pools if p.source in params.held_out.get(p.language, ())]
    for pool in [p for p in learn if p.language in params.split_rows]:
        test = pool.texts[::_SPLIT_TEST_SHARE]
        measured.append(Pool(pool.language, pool.source, pool.licence, test))
        pool.texts = [text for n, text in enumerate(pool.texts) if n % _SPLIT_TEST_SHARE]
    return learn, measured


def _fitted(params: LidParams, pools: "list[Pool]", work: Work) -> "Heads":
    """Heads trained on the pools, with a temperature from every tenth snippet, which is kept out of the fit."""
    import numpy as np

    from rumpun.language.heads import Heads, quantised
    from rumpun.language.identifier import LEAST
    from rumpun.language.ngrams import hashed
    from rumpun.language.softmax import fit, temperature

    texts, labels = _drawn(params, pools, work.seed)
    bare = [tag for n, tag in enumerate(params.latin) if not (labels == n).any()]
    if bare:
        raise InputError(
            f"no text to learn {', '.join(bare)} from: every source is held out, left out or missing",
            "free a source of theirs in the recipe, or take them out of `latin`",
        )
    counts = hashed(texts, buckets=params.buckets, lengths=params.ngram_lengths).normalised()
    kept = np.arange(len(texts)) % 10 == 0
    learn = _rows(counts, np.flatnonzero(~kept))
    weights, bias = fit(
        learn,
        labels[~kept],
        len(params.latin),
        epochs=params.epochs,
        rate=params.rate,
        seed=work.seed,
        progress=work.progress,
    )
    small, scale = quantised(weights)
    facts: dict[str, Any] = {
        "least": LEAST,
        "snippets": {tag: int((labels == n).sum()) for n, tag in enumerate(params.latin)},
    }
    heads = Heads(params.latin, params.ngram_lengths, small, scale, bias, facts)
    check = [texts[n] for n in np.flatnonzero(kept)]
    facts["temperature"] = temperature(heads.logits(check), labels[kept])
    return heads


def _rows(counts: Any, chosen: Any) -> Any:
    import numpy as np

    from rumpun.language.ngrams import Counts
    from rumpun.language.softmax import matrix

    part = matrix(counts)[chosen]
    return Counts(
        part.indptr.astype(np.int64),
        part.indices.astype(np.int64),
        part.data.astype(np.float32),
        counts.buckets,
    )


def _drawn(params: LidParams, pools: "list[Pool]", seed: int) -> tuple[list[str], Any]:
    """Snippets of every language, and the place of each one's language; a source counts by a small power of its size."""
    import numpy as np

    from rumpun.language.snippets import cut

    texts: list[str] = []
    labels: list[int] = []
    shortest, longest = params.lengths_characters
    for number, language in enumerate(params.latin):
        own = [p for p in pools if p.language == language]
        whole = sum(p.characters**params.size_exponent for p in own)
        for pool in own:
            share = round(params.snippets * pool.characters**params.size_exponent / whole)
            drawn = cut(pool, share, (shortest, longest), seed)
            texts += drawn
            labels += [number] * len(drawn)
    return texts, np.array(labels, np.int64)


def _measure(params: LidParams, pools: "list[Pool]", heads: "Heads", seed: int) -> dict[str, Any]:
    """Length -> accuracy and F1 of each language, macro-F1, and how the mistakes fell."""
    from rumpun.language.identifier import identify_all
    from rumpun.language.snippets import cut

    figures: dict[str, Any] = {}
    for length in params.measured_characters:
        truth: list[str] = []
        said: list[str] = []
        for language in (*params.latin, *params.scripted):
            own = [p for p in pools if p.language == language]
            each = -(-params.measured_snippets // max(1, len(own)))
            texts = [t for p in own for t in cut(p, each, (length - 2, length + 2), seed)]
            truth += [language] * len(texts)
            said += [found.language for found in identify_all(texts, heads)]
        figures[str(length)] = _scores(truth, said, (*params.latin, *params.scripted))
    return figures


def _scores(truth: list[str], said: list[str], languages: tuple[str, ...]) -> dict[str, Any]:
    by_language: dict[str, Any] = {}
    pairs = list(zip(truth, said, strict=True))
    for tag in languages:
        own = [s for t, s in pairs if t == tag]
        right, called = own.count(tag), said.count(tag)
        wrong = {s: own.count(s) for s in sorted(set(own)) if s != tag}
        by_language[tag] = {
            "snippets": len(own),
            "accuracy": round(right / len(own), 4) if own else None,
            "f1": round(2 * right / (len(own) + called), 4) if own else None,
            "taken_for": dict(sorted(wrong.items(), key=lambda item: -item[1])[:3]),
        }
    known = [row["f1"] for row in by_language.values() if row["f1"] is not None]
    right = sum(t == s for t, s in pairs)
    return {
        "accuracy": round(right / max(1, len(pairs)), 4),
        "macro_f1": round(sum(known) / max(1, len(known)), 4),
        "languages": by_language,
    }


def _sources(pools: "list[Pool]") -> tuple[SourceEntry, ...]:
    rows: dict[tuple[str, str], list[int]] = {}
    for pool in pools:
        size = rows.setdefault((pool.source, pool.licence), [0, 0])
        size[0] += len(pool.texts)
        size[1] += sum(len(text.encode()) for text in pool.texts)
    return tuple(
        SourceEntry(name=name, licence=licence, rows=size[0], bytes=size[1])
        for (name, licence), size in sorted(rows.items())
    )

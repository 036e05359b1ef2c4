"""The step `corpus.train_quality`: documents -> a linear model a language that tells named good texts from the rest.

Which sources are good is said by name in the recipe, since nobody's taste should be hidden in code. Within a language every
source weighs by a small power of its size, so that the model learns a kind of text and not one site. Sources named under
`held_out` are measured and never learnt from; where a language names none, every tenth document is, and its figure, which
flatters then, says so. `held_out` in each model's facts gives the area under the curve.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.tag.lines import mixed
from rumpun.corpus.tag.taggers.language import sample
from rumpun.corpus.tag.taggers.quality import CHARACTERS
from rumpun.errors import InputError
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    from rumpun.language.heads import Heads
    from rumpun.language.ngrams import Counts

__all__ = ["QualityParams", "auc", "train_quality"]

_GOOD, _REST = 0, 1
_STEEPEST = 8.0  # logit of the surest held-out text: a score of 0.9997
_AT_ONCE = 256  # texts hashed together
_KEPT_OUT = 10  # every tenth document is measured, not learnt from


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityParams:
    """What the recipe may say."""

    positives: dict[str, tuple[str, ...]]  # language -> sources that are good
    negatives: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # language -> sources of the rest; where it is not named, all its other sources
    held_out: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # language -> sources of both sides that are measured and never learnt from
    documents: int = 3_000  # of each side of a language, at most
    least_documents: int = 100  # with fewer on either side a language gets no model
    buckets: int = 32_768
    ngram_lengths: tuple[int, ...] = (2, 3, 4, 5)
    epochs: int = 4
    rate: float = 0.5

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not self.positives:
            raise ValueError("positives: name the good sources of at least one language")
        for tag, names in self.positives.items():
            both = set(names) & set(self.negatives.get(tag, ()))
            if both:
                raise ValueError(f"'{min(both)}' is among positives and negatives of {tag}")
        if self.documents < self.least_documents or self.least_documents < 2 * _KEPT_OUT:
            raise ValueError(
                f"documents = {self.documents}, least_documents = {self.least_documents}: expected"
                f" {2 * _KEPT_OUT} or more, and not fewer documents than the least"
            )


@step(kind="quality", version=1, part="corpus", needs=("documents",))
def train_quality(params: QualityParams, work: Work) -> Outcome:
    """Fit one model a language and write `<language>.json` and `<language>.safetensors`.

    Raises:
        InputError: no language has enough documents on both sides.
    """
    from rumpun.language.heads import write_heads

    pools = _read(params, work)
    summary: dict[str, Any] = {}
    for number, (tag, pool) in enumerate(sorted(pools.items())):
        counts = {"positives": len(pool.learn[_GOOD]), "rest": len(pool.learn[_REST])}
        if min(counts.values()) < params.least_documents:
            summary[tag] = counts | {"model": False, "why": f"fewer than {params.least_documents} documents"}
            continue
        heads = _fitted(params, pool, work.seed)
        write_heads(work.folder, tag, heads)
        summary[tag] = counts | {"model": True} | heads.facts
        work.progress(number + 1, len(pools), f"quality of {tag}")
    if not any(found["model"] for found in summary.values()):
        said = ", ".join(f"{tag}: {found['positives']} and {found['rest']}" for tag, found in summary.items())
        raise InputError(
            f"no language has {params.least_documents} documents on both sides ({said or 'no documents'})",
            "name more sources under positives, or lower least_documents",
        )
    return Outcome(
        languages=tuple(sorted(tag for tag, found in summary.items() if found["model"])),
        summary=summary,
        tools={"numpy": np.__version__},
    )


@dataclass(frozen=True, slots=True)
class _Pool:
    """One language's texts; good and rest of each."""

    learn: list[list[str]]
    check: list[list[str]]
    by: str  # how the texts of `check` were kept out


def _read(params: QualityParams, work: Work) -> dict[str, _Pool]:
    """Language -> texts of both sides, those with the smallest hash of their key."""
    from rumpun.corpus.parts import each_part

    chosen: dict[tuple[str, int, str], list[tuple[int, str]]] = {}
    for table in each_part(work.input("documents").folder, ["key", "text", "language", "source"]):
        order = mixed(table["key"].to_numpy().astype(np.uint64)).tolist()
        rows = zip(order, *(table[name].to_pylist() for name in ("text", "language", "source")), strict=True)
        for rank, text, tag, source in rows:
            side = _side(params, tag, source)
            if side is None or not text.strip():
                continue
            pool = chosen.setdefault((tag, side, source), [])
            pool.append((rank, sample(text, CHARACTERS)))
            if len(pool) > 2 * params.documents:
                pool.sort()
                del pool[params.documents :]

    def side_of(tag: str, side: int, *, held: bool) -> list[str]:
        out = params.held_out.get(tag, ())
        pools = {
            source: sorted(pool)
            for (t, s, source), pool in chosen.items()
            if (t, s) == (tag, side) and (source in out) == held
        }
        return _drawn(pools, params.documents)

    found: dict[str, _Pool] = {}
    for tag in sorted({tag for tag, _, _ in chosen}):
        learn = [side_of(tag, side, held=False) for side in (_GOOD, _REST)]
        check = [side_of(tag, side, held=True) for side in (_GOOD, _REST)]
        by = "sources"
        if not all(check):
            by, check = "rows", [side[::_KEPT_OUT] for side in learn]
            learn = [[text for n, text in enumerate(side) if n % _KEPT_OUT] for side in learn]
        found[tag] = _Pool(learn, check, by)
    return found


def _side(params: QualityParams, tag: str, source: str) -> int | None:
    if tag not in params.positives:
        return None
    if source in params.positives[tag]:
        return _GOOD
    if tag not in params.negatives or source in params.negatives[tag]:
        return _REST
    return None


def _drawn(pools: Mapping[str, Sequence[tuple[int, str]]], most: int) -> list[str]:
    """At most so many texts; each source gives by the square root of its size, and what one lacks the others give."""
    weights = {source: len(pool) ** 0.5 for source, pool in pools.items()}
    taken = dict.fromkeys(pools, 0)
    left = min(most, sum(len(pool) for pool in pools.values()))
    while left:
        open_ = [source for source in sorted(pools) if taken[source] < len(pools[source])]
        whole = sum(weights[source] for source in open_)
        for source in open_:
            share = min(max(1, int(left * weights[source] / whole)), len(pools[source]) - taken[source], left)
            taken[source] += share
            left -= share
            whole -= weights[source]
            if not left:
                break
    texts = [item for source in sorted(pools) for item in pools[source][: taken[source]]]
    return [text for _, text in sorted(texts)]


def _hashed(texts: Sequence[str], params: QualityParams) -> "Counts":
    """Normalised counts, hashed some hundred texts at a time: the arrays of all n-grams at once would take gigabytes."""
    from rumpun.language.ngrams import Counts, hashed

    parts = [
        hashed(texts[n : n + _AT_ONCE], buckets=params.buckets, lengths=params.ngram_lengths).normalised()
        for n in range(0, len(texts), _AT_ONCE)
    ]
    sizes = np.concatenate([np.diff(part.indptr) for part in parts])
    return Counts(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.values for part in parts]),
        params.buckets,
    )


def _fitted(params: QualityParams, pool: _Pool, seed: int) -> "Heads":
    from rumpun.language.heads import Heads, quantised
    from rumpun.language.softmax import fit, temperature
    from rumpun.steps import quiet

    learn, check = pool.learn, pool.check
    counts = _hashed([*learn[_GOOD], *learn[_REST]], params)
    labels = np.repeat(np.array([_GOOD, _REST]), [len(side) for side in learn])
    weights, bias = fit(counts, labels, 2, epochs=params.epochs, rate=params.rate, seed=seed, progress=quiet)
    # one head: the difference of the two classes' logits is the logit of "good"
    small, scale = quantised((weights[:, _GOOD] - weights[:, _REST])[:, None])
    facts: dict[str, Any] = {}
    heads = Heads(
        ("good",),
        params.ngram_lengths,
        small,
        scale,
        (bias[[_GOOD]] - bias[[_REST]]).astype(np.float32),
        facts,
    )
    texts = [*check[_GOOD], *check[_REST]]
    logits = np.concatenate(
        [heads.logits(texts[n : n + _AT_ONCE])[:, 0] for n in range(0, len(texts), _AT_ONCE)]
    )
    truth = np.repeat(np.array([_GOOD, _REST]), [len(side) for side in check])
    # few documents told apart without a mistake would push all scores to 0 and 1, where ranks are lost
    calm = float(np.quantile(np.abs(logits), 0.99)) / _STEEPEST
    facts["temperature"] = max(
        1.0, calm, temperature(np.stack([logits, np.zeros_like(logits)], axis=1), truth)
    )
    facts["held_out"] = {
        "by": pool.by,
        "documents": len(truth),
        "auc": round(auc(logits[truth == _GOOD], logits[truth == _REST]), 4),
        "sha256": hashlib.sha256("\0".join(check[_GOOD] + check[_REST]).encode()).hexdigest()[:16],
    }
    return heads


def auc(good: NDArray[np.floating[Any]], rest: NDArray[np.floating[Any]]) -> float:
    """The chance that a good text scores above one of the rest; ties count a half."""
    both = np.concatenate([good, rest])
    _, place, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal scores, from 1
    wins = ranks[place][: len(good)].sum() - len(good) * (len(good) + 1) / 2
    return float(wins / (len(good) * len(rest)))

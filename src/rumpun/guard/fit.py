"""Fit the guard's heads: logistic regressions over [the encoder's vector | hashed n-grams].

Within a language both sides weigh the same, so that a language is never itself a reason; safe rows of a language without
unsafe rows are left out of the fit (they would teach that the language is safe). N-grams weigh little beside the
vector: they are words of a few languages, the vector is meaning in all.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.guard.normalise import normalised
from rumpun.guard.taxonomy import HARM, taxonomy
from rumpun.guard.windows import windows
from rumpun.language.ngrams import hashed
from rumpun.language.softmax import matrix

if TYPE_CHECKING:
    from rumpun.guard.rows import Row

__all__ = ["Fitted", "Settings", "balance", "fit_heads", "paired"]

Floats = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the heads are fitted."""

    buckets: int
    lengths: tuple[int, ...]
    ngram_size: float  # the n-grams' length beside the vector's of 1
    regularisation: float  # C of scikit-learn's logistic regression
    category_regularisation: float
    category_rows_min: int
    blur: float = 0.0  # noise added to vectors in the fit: what alignment between languages is uncertain by


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Weights of every head, in float32."""

    labels: tuple[str, ...]
    dense: Floats
    ngrams: Floats
    bias: Floats
    rows: dict[str, int]  # head -> unsafe rows it learnt from
    off: dict[str, str]  # category without a head -> why


def balance(rows: "Sequence[Row]", own: "npt.NDArray[np.bool_]") -> "npt.NDArray[np.float64]":
    """A weight for each row, 1 on average: the two sides of a language weigh the same, a language by the root of its smaller side.

    Rows of a language with one side alone weigh nothing.

    Raises:
        InputError: no language has both sides.
    """
    sides = [(row.language, bool(mine)) for row, mine in zip(rows, own, strict=True)]
    size: dict[tuple[str, bool], float] = defaultdict(float)
    for side, row in zip(sides, rows, strict=True):
        size[side] += row.weight
    count = Counter(sides)
    found = np.array(
        [
            row.weight / size[side] * min(count[side[0], True], count[side[0], False]) ** 0.5
            for side, row in zip(sides, rows, strict=True)
        ]
    )
    if not found.sum():
        raise InputError(
            "no language has rows of both sides", "name sets with harmful and safe rows in `fit`"
        )
    whole: npt.NDArray[np.float64] = found * len(rows) / found.sum()
    return whole


def paired(rows: "Sequence[Row]") -> "list[Row]":
    """What the heads learn from: prompts of languages that have real harmful and safe ones, and rows made by script.

    Safe rows of a language without harmful ones would teach that the language is safe. Answers are left out: there are
    safe ones alone.
    """
    prompts = [row for row in rows if row.role == "prompt"]
    spoken = Counter((row.language, row.unsafe) for row in prompts if not row.augmented)
    return [
        row
        for row in prompts
        if row.augmented or (spoken[row.language, True] and spoken[row.language, False])
    ]


def fit_heads(
    rows: "Sequence[Row]", embed: Embed, settings: Settings, seed: int, say: Callable[[str], None]
) -> Fitted:
    """One head for harm, and one for each category with rows enough.

    Args:
        rows: rows of the fit.
        embed: unit vectors of texts.
        settings: how.
        seed: of the noise.
        say: told which head is fitted.

    Raises:
        InputError: no language has both sides.
    """
    from scipy.sparse import csr_matrix, hstack

    rows = paired(rows)
    if not rows:
        raise InputError(
            "no language has rows of both sides", "name sets with harmful and safe rows in `fit`"
        )
    texts = [windows(normalised(row.text))[0] for row in rows]
    vectors = embed(texts)
    if settings.blur:
        draw = np.random.default_rng(seed)
        vectors = vectors + draw.normal(0, settings.blur / vectors.shape[1] ** 0.5, vectors.shape).astype(
            np.float32
        )
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = matrix(hashed(texts, buckets=settings.buckets, lengths=settings.lengths).normalised())
    whole = hstack([csr_matrix(vectors), counts * settings.ngram_size], format="csr")
    names, off = _with_rows(rows, settings.category_rows_min)
    labels = (HARM, *names)
    dense = np.zeros((vectors.shape[1], len(labels)), np.float32)
    ngrams = np.zeros((settings.buckets, len(labels)), np.float32)
    bias = np.zeros(len(labels), np.float32)
    learnt: dict[str, int] = {}
    for place, label in enumerate(labels):
        say(label)
        used, own = _task(rows, label)
        weights, bias[place] = _regression(
            whole[used], own, balance([rows[n] for n in used], own),
            settings.regularisation if label == HARM else settings.category_regularisation,
        )  # fmt: skip
        dense[:, place] = weights[: vectors.shape[1]]
        ngrams[:, place] = weights[vectors.shape[1] :] * settings.ngram_size
        learnt[label] = int(own.sum())
    return Fitted(labels, dense, ngrams, bias, learnt, off)


def _with_rows(rows: "Sequence[Row]", least: int) -> tuple[list[str], dict[str, str]]:
    known = Counter(name for row in rows if not row.augmented for name in row.categories)
    names, off = [], {}
    for name, category in taxonomy().categories.items():
        if known[name] >= least:
            names.append(name)
        elif not category.by_words:
            off[name] = f"{known[name]} rows, {least} are needed"
    return names, off


def _task(rows: "Sequence[Row]", label: str) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]":
    """Places of the rows that one head learns from, and which of them are its own.

    Unsafe rows without a category tell a category's head nothing and are left out of it.
    """
    if label == HARM:
        used = np.array(
            [
                n
                for n, r in enumerate(rows)
                if not r.unsafe or not r.categories or set(r.categories) - {"jailbreak"}
            ]
        )
        return used, np.array([rows[n].unsafe for n in used])
    used = np.array([n for n, row in enumerate(rows) if not row.unsafe or row.categories])
    return used, np.array([label in rows[n].categories for n in used])


def _regression(
    features: Any, own: "npt.NDArray[np.bool_]", weights: "npt.NDArray[np.float64]", c: float
) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=300, tol=1e-4)
    model.fit(features, own, sample_weight=weights)
    return np.asarray(model.coef_[0], np.float32), float(model.intercept_[0])

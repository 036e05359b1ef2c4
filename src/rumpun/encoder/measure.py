"""How well vectors carry meaning from language to language: retrieval of translations, topics by an English head.

Whatever makes vectors can be measured: an encoder, the teacher, n-gram counts. Sources measured here are never fitted.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rumpun.measure.rates import wilson

if TYPE_CHECKING:
    from rumpun.encoder.pairs import Pair

__all__ = ["CANDIDATES", "Embed", "retrieval", "topics"]

Embed = Callable[[Sequence[str]], "npt.NDArray[np.float32]"]  # texts -> unit vectors [texts, width]
CANDIDATES = 1000


def retrieval(embed: Embed, pairs: "Sequence[Pair]", english: "Embed | None" = None) -> list[dict[str, Any]]:
    """Accuracy at 1 of finding the other side among 1,000, for each source and language, both ways.

    The candidates of a source are its own sentences, filled up to 1,000 with those of the other sources given (fewer
    where there are no more; `candidates` says how many). Copies of a sentence count as one.

    Args:
        embed: vectors of the language's side.
        pairs: rows of sources that were never fitted.
        english: vectors of the English side; by default `embed`.

    Returns:
        An entry for each source and language: source, language, rows, candidates, and `to_english` and `from_english`,
        each {"share", "low", "high"} with its 95 % Wilson interval.
    """
    sides = {text: n for n, text in enumerate(dict.fromkeys(p.english for p in pairs))}
    vectors = (english or embed)(list(sides))
    every = np.arange(len(sides))
    found = []
    for source, language in sorted({(p.source, p.language) for p in pairs}):
        mine = {p.english: p for p in pairs if (p.source, p.language) == (source, language)}
        mine = dict(list(mine.items())[:CANDIDATES])
        right = np.asarray([sides[p.english] for p in mine.values()])
        of_source = {sides[p.english] for p in pairs if p.source == source}
        ordered = [
            *right,
            *sorted(of_source - set(right.tolist())),
            *(n for n in every if n not in of_source),
        ]
        pool = np.asarray(ordered[:CANDIDATES])
        texts = embed([p.text for p in mine.values()])
        scores = texts @ vectors[pool].T  # the row's own side stands at the row's own place
        own = np.arange(len(right))
        others = [
            p.text for p in pairs if p.language == language and (p.source != source or p.english not in mine)
        ][: CANDIDATES - len(right)]
        back = embed(others) if others else texts[:0]
        reverse = vectors[right] @ np.concatenate([texts, back]).T
        found.append(
            {
                "source": source,
                "language": language,
                "rows": len(right),
                "candidates": len(pool),
                "to_english": _share(scores.argmax(1) == own),
                "from_english": _share(reverse.argmax(1) == own) | {"candidates": reverse.shape[1]},
            }
        )
    return found


def _share(right: "npt.NDArray[np.bool_]") -> dict[str, Any]:
    low, high = wilson(int(right.sum()), len(right))
    return {"share": round(float(right.mean()), 4), "low": round(low, 4), "high": round(high, 4)}


def topics(
    embed: Embed,
    fit: Sequence[tuple[str, str]],
    rows: Sequence[tuple[str, str, str]],
    english: "Embed | None" = None,
) -> list[dict[str, Any]]:
    """Accuracy of a topic head that learnt from English alone, for each language.

    Args:
        embed: vectors of the measured texts.
        fit: (English text, topic).
        rows: (language, text, topic).
        english: vectors of the English texts of the fit; by default `embed`.
    """
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=10, max_iter=2000).fit(
        (english or embed)([t for t, _ in fit]), [y for _, y in fit]
    )
    found = []
    for language in sorted({language for language, _, _ in rows}):
        mine = [(text, topic) for spoken, text, topic in rows if spoken == language]
        right = head.predict(embed([t for t, _ in mine])) == np.asarray([y for _, y in mine])
        found.append({"language": language, "rows": len(mine), "accuracy": _share(right)})
    return found

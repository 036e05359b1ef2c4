"""Where the language changes within Latin script: the likeliest walk through a line's words.

A word's evidence is its share of the line's logits at the length of a few words. A walk from word to word that changes
language pays for the change: a little between English and another language, where people switch in mid-sentence; more
between sisters, whose words are half the same. Only lines in which some few words in a row clearly speak another
language than the whole line are walked; the others have one span.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rumpun.language.identifier_model import Model, Scores, softmax
from rumpun.language.identifier_words import Words

__all__ = ["Part", "family", "parts_of", "restless"]

_ENGLISH = ("en", "en-SG")
_PHILIPPINE = ("tl", "ceb", "ilo", "war", "hil", "pam", "bik")
_ALONE = ("vi", "hmn", "ta-Latn", "tet")
_WINDOW = 3  # words on each side that are looked at together
_TYPICAL = 150  # features of some five words: how strongly one word speaks
# prices of a change, chosen on lines that bench/identify_mixed.py makes of the validation sources: lower ones cut plain lines
_CHANGE = 1.5  # nats, between English and another language, or languages of two families
_SISTERS = 3.0  # nats, within a family
_RESTLESS = 2.0  # nats that a window must say more for another language, for the line to be walked
_INSERTED = 2.0  # nats, that Latin words in a line of another script are English


class Part(NamedTuple):
    """From a code point on, a language."""

    start: int
    language: str
    probability: float
    letters: int = 0  # of Latin script


def family(label: str) -> str:
    """A language that stands for this one and its sisters."""
    for sisters in (_ENGLISH, _PHILIPPINE):
        if label in sisters:
            return sisters[0]
    return label if label in _ALONE else "id"


def _strength(model: Model) -> float:
    return float(model.gain * _TYPICAL**-model.power)


def restless(
    model: Model, words: Words, scores: Scores, best: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which texts have words in a row that speak another language than the whole by more than a change costs."""
    found = np.zeros(len(best), np.bool_)
    if not len(words):
        return found
    sums = np.zeros((len(words) + 1, len(model.labels)), np.float64)
    np.cumsum(scores.sums, axis=0, out=sums[1:])
    edges = np.searchsorted(words.row, np.arange(len(best) + 1))
    place = np.flatnonzero(
        (np.arange(len(words)) - edges[words.row]) % _WINDOW == 0
    )  # windows overlap by half
    row = words.row[place]
    low = np.maximum(place - _WINDOW, edges[row])
    high = np.minimum(place + _WINDOW + 1, edges[row + 1])
    window = (sums[high] - sums[low]).astype(np.float32)
    gain = window.max(axis=1) - window[np.arange(len(place)), best[row]]
    found[row[gain * _strength(model) > _RESTLESS]] = True
    return found


def parts_of(
    model: Model, words: Words, scores: Scores, inside: npt.NDArray[np.int64], main: str
) -> list[Part]:
    """The parts of one run of Latin script, by the numbers of its words; each begins with a word."""
    sums, features = scores.sums[inside], scores.features[inside]
    labels = _candidates(model, sums, main)
    prior = model.prior.copy()
    if main not in model.labels and "en" in model.labels:
        prior[model.labels.index("en")] += _INSERTED
    evidence = sums[:, labels] * _strength(model) + prior[labels] / len(sums)
    path = [labels[n] for n in _walk(evidence.tolist(), _costs([model.labels[n] for n in labels]))]
    heads = [0, *(n for n in range(1, len(path)) if path[n] != path[n - 1])]
    whole, count = np.add.reduceat(sums, heads, axis=0), np.add.reduceat(features, heads)
    odds = softmax(model.logits(whole, count) - model.prior + prior)
    letters = np.add.reduceat(words.length[inside], heads).tolist()
    starts = words.start[inside[heads]].tolist()
    said = [path[head] for head in heads]
    return [
        Part(start, model.labels[label], float(odds[n, label]), size)
        for n, (start, label, size) in enumerate(zip(starts, said, letters, strict=True))
    ]


def _candidates(model: Model, sums: npt.NDArray[np.float32], main: str) -> list[int]:
    """The main language, English, and what any window of words speaks most."""
    size = min(len(sums), 2 * _WINDOW + 1)
    whole = np.concatenate((np.zeros((1, sums.shape[1]), np.float32), sums.cumsum(axis=0)))
    windows = whole[size:] - whole[:-size]
    wanted = set(windows.argmax(axis=1).tolist())
    if main in model.labels:
        wanted.add(model.labels.index(main))
    if "en" in model.labels and main != "en-SG":
        wanted.add(model.labels.index("en"))
    if main == "en-SG":
        wanted.discard(model.labels.index("en"))  # Singlish is not English by turns
    return sorted(wanted)


def _costs(labels: Sequence[str]) -> list[list[float]]:
    families = [family(label) for label in labels]
    return [
        [
            0.0 if one == two else _SISTERS if families[one] == families[two] else _CHANGE
            for one in range(len(labels))
        ]
        for two in range(len(labels))
    ]


def _walk(evidence: list[list[float]], costs: list[list[float]]) -> list[int]:
    """The walk of most evidence less costs (Viterbi): a label for each word. Costs [to][from]."""
    best, came = evidence[0], []
    for said in evidence[1:]:
        ways = [[b - c for b, c in zip(best, row, strict=True)] for row in costs]
        steps = [way.index(max(way)) for way in ways]
        best = [way[step] + new for way, step, new in zip(ways, steps, said, strict=True)]
        came.append(steps)
    path = [best.index(max(best))]
    for steps in reversed(came):
        path.append(steps[path[-1]])
    return path[::-1]

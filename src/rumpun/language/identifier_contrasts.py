"""Words, and pairs of words, that tell sister languages apart, written down by hand: what the trained weights must at least say of them.

A file of `identifier_contrasts/` names a group of sisters and the words that some of them use and the others do not
(`sure`), use far more often (`likely`), or use alike (`even`). After training, the weight of such a word is moved until
the word as a whole, with its n-grams, says what its class asks for, in nats at the strength of a word in a short line. Only the
labels of the group are moved, so that a word of Malay against Indonesian is no evidence against Javanese. How many nats a
class asks for is chosen on validation text. At run time there is nothing but the weights.
"""

import dataclasses
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from rumpun.language.identifier_model import Floats, Model, placed
from rumpun.language.identifier_words import finish, pairs, words_of

__all__ = ["CLASSES", "CONTRASTS", "Contrast", "chosen_nats", "contrasted", "read_contrasts"]

CONTRASTS = Path(__file__).parent / "identifier_contrasts"
CLASSES = {
    "sure": (-9.0, 1.0, 2.0, 2.5, 3.0),  # nats that may be asked for, at least
    "likely": (-9.0, 0.25, 0.5, 0.75, 1.0),
    "even": (9.0, 0.5, 0.25),  # at most
}
_TYPICAL = 150  # features of a line of some five words
_POSSESSIVE = "nya"  # what `~` after a word of Indonesian or Malay stands for


@dataclasses.dataclass(frozen=True, slots=True)
class Contrast:
    """One word."""

    word: str  # or two, with a space
    kind: str  # of CLASSES
    using: tuple[str, ...]  # labels that use it
    group: tuple[str, ...]  # labels among which it is evidence
    lifted: float  # share of what is missing that those using it are given; the rest is taken from the others


def read_contrasts(folder: Path = CONTRASTS) -> list[Contrast]:
    """Every word of every file; one that stands twice in a file counts where it stands first.

    Raises:
        ValueError: a file names a class or a label that it does not have.
    """
    found: list[Contrast] = []
    for path in sorted(folder.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        group, lifted, seen = tuple(table["labels"]), float(table.get("lifted", 0)), set()
        for kind in (key for key in table if isinstance(table[key], dict)):
            for labels, listed in table[kind].items():
                using = tuple(labels.split())
                if kind not in CLASSES or not set(using) <= set(group):
                    raise ValueError(f"{path}: [{kind}] {labels}: expected {list(CLASSES)} and {list(group)}")
                for word in _written(listed):
                    if word not in seen:
                        seen.add(word)
                        found.append(Contrast(word, kind, using, group, lifted))
    return found


def _written(listed: str) -> Iterator[str]:
    for entry in listed.lower().split():
        word = entry.removesuffix("~").replace("-", " ")
        yield word
        if entry.endswith("~"):
            yield word + _POSSESSIVE


def contrasted(model: Model, contrasts: Sequence[Contrast], nats: dict[str, float]) -> Model:
    """The model with the words of the contrasts saying at least, or at most, so many nats within their groups.

    A word that was not learnt takes the slot that its hash falls on from the feature there.
    """
    weights, prints = model.weights.copy(), model.prints.copy()
    known = [c for c in contrasts if len(set(c.group) & set(model.labels)) > 1]
    found = words_of([c.word for c in known])
    first = np.flatnonzero(~found.follows)
    second = found.key[np.minimum(first + 1, len(found) - 1)]
    alone = np.diff(first, append=len(found)) == 1
    hashes = np.where(alone, finish(found.key[first], "word"), pairs(found.key[first], second))
    slots, marks = placed(hashes, len(prints))
    taken: set[int] = set()
    owners = []
    for number, (slot, mark) in enumerate(zip(slots.tolist(), marks.tolist(), strict=True)):
        if slot in taken and prints[slot] != mark:
            continue
        taken.add(slot)
        owners.append(number)
        if prints[slot] != mark:
            prints[slot], weights[slot] = mark, 0
    ready = dataclasses.replace(model, weights=weights, prints=prints, _wide=[])
    strength = model.gain * _TYPICAL**-model.power
    said = np.add.reduceat(ready.scores(found).sums, first) * strength
    step = model.scale * strength
    for number in owners:
        contrast, old = known[number], weights[slots[number]].astype(np.float32)
        moved = _moved(said[number], model.labels, contrast, nats[contrast.kind])
        beyond = float(np.maximum(0, (-127 - old) * step - moved).max())
        if beyond > 0:  # the others cannot fall so far: those that use the word rise instead
            moved[[n for n, label in enumerate(model.labels) if label in contrast.using]] += beyond
        weights[slots[number]] = np.clip(np.rint(old + moved / step), -127, 127)
    return dataclasses.replace(ready, weights=weights, _wide=[])


def _moved(said: Floats, labels: tuple[str, ...], contrast: Contrast, nats: float) -> Floats:
    """[labels] what must be added to what a word says."""
    moved = np.zeros(len(labels), np.float32)
    group = [n for n, label in enumerate(labels) if label in contrast.group]
    if contrast.kind == "even":
        middle = said[group].mean()
        moved[group] = np.clip(said[group], middle - nats / 2, middle + nats / 2) - said[group]
        return moved
    using = [n for n in group if labels[n] in contrast.using]
    others = [n for n in group if labels[n] not in contrast.using]
    if not using or not others:
        return moved
    missing = max(0.0, nats - float(said[using].min() - said[others].max()))
    lift = missing * contrast.lifted
    moved[using] = lift
    moved[others] = np.minimum(0, said[using].min() + lift - nats - said[others])
    return moved


def chosen_nats(
    model: Model, contrasts: Sequence[Contrast], loss: Callable[[Model], float]
) -> dict[str, float]:
    """For each class the nats, of those that may be asked for, with the least loss, one class after another."""
    nats = {kind: options[0] for kind, options in CLASSES.items()}
    for kind, options in CLASSES.items():
        nats[kind] = min(options, key=lambda n: loss(contrasted(model, contrasts, nats | {kind: n})))
    return nats

"""What a training step sees: texts drawn by language and kind, made noisy now and then, in batches of like length.

The order is a function of the seed and the round alone, so that a run that was cut off goes on with the same batches.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rumpun.encoder.noise import Noise

__all__ = ["Batch", "Material", "rounds"]

_SORTED_TOGETHER = 40  # batches' worth of rows that are sorted by length together


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one step: subword ids, and the place of each row's English side among the teacher's vectors."""

    ids: list[list[int]]
    targets: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything that may be drawn."""

    texts: Sequence[str]
    languages: Sequence[str]
    groups: Sequence[str]
    targets: Sequence[int]
    tokenizer: Any
    noise: Noise
    longest: int  # subwords

    def cells(self) -> dict[str, dict[str, list[int]]]:
        """Language -> group -> places of rows."""
        found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, (language, group) in enumerate(zip(self.languages, self.groups, strict=True)):
            found[language][group].append(place)
        return found


def quotas(
    cells: Mapping[str, Mapping[str, Sequence[int]]],
    languages: Mapping[str, float],
    groups: Mapping[str, float],
    rows: int,
    repeats_max: float,
) -> dict[tuple[str, str], int]:
    """How many rows each (language, group) brings to a round of about `rows`.

    A language has its share of the rows, a group its share of the language; a cell is repeated `repeats_max` times in a
    round at most, and what it cannot bring goes to the language's other groups.
    """
    whole = sum(languages.get(name, 0) for name in cells)
    found: dict[tuple[str, str], int] = {}
    for name, mine in cells.items() if whole else ():
        left = rows * languages.get(name, 0) / whole
        open_ = {group: groups.get(group, 0) for group in mine if groups.get(group, 0) > 0}
        taken = dict.fromkeys(open_, 0.0)
        while left >= 1 and open_:
            total = sum(open_.values())
            full = []
            for group, share in open_.items():
                want = left * share / total
                room = len(mine[group]) * repeats_max - taken[group]
                taken[group] += min(want, room)
                if want >= room:
                    full.append(group)
            left = rows * languages.get(name, 0) / whole - sum(taken.values())
            if not full:
                break
            for group in full:
                del open_[group]
        found |= {(name, group): round(n) for group, n in taken.items()}
    return found


def rounds(
    material: Material,
    wanted: Mapping[tuple[str, str], int],
    *,
    tokens_a_batch: int,
    seed: int,
    first: int = 0,
) -> Iterator[list[Batch]]:
    """Round after round without end, from number `first`; each a list of batches."""
    cells = material.cells()
    number = first
    while True:
        draw = random.Random(f"{seed} {number}")  # noqa: S311  (a seeded draw, no secret)
        drawn: list[int] = []
        for (language, group), n in sorted(wanted.items()):
            rows = cells[language][group]
            whole, rest = divmod(n, len(rows))
            drawn += rows * whole + draw.sample(rows, rest)
        draw.shuffle(drawn)
        yield _batches(material, drawn, tokens_a_batch, draw)
        number += 1


def _batches(material: Material, drawn: Sequence[int], tokens: int, draw: random.Random) -> list[Batch]:
    texts = [material.noise.apply(material.texts[n], material.languages[n], draw) for n in drawn]
    ids = [
        row.ids if len(row.ids) <= material.longest else [*row.ids[: material.longest - 1], row.ids[-1]]
        for row in material.tokenizer.encode_batch(texts)
    ]
    found: list[Batch] = []
    step = max(1, _SORTED_TOGETHER * tokens // 20)
    for start in range(0, len(ids), step):
        order = sorted(range(start, min(start + step, len(ids))), key=lambda n: len(ids[n]))
        batch: list[int] = []
        for n in order:
            if batch and (len(batch) + 1) * len(ids[n]) > tokens:
                found.append(Batch([ids[m] for m in batch], [material.targets[drawn[m]] for m in batch]))
                batch = []
            batch.append(n)
        found.append(Batch([ids[m] for m in batch], [material.targets[drawn[m]] for m in batch]))
    draw.shuffle(found)
    return found

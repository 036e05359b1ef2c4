"""What a training step sees: texts drawn by language and kind, made noisy now and then, in batches of like length.

The order is a function of the seed and the round alone, so that a run that was cut off goes on with the same batches
(but for `loose` splits, which the tokenizer draws by itself), and rounds can be made ahead by other processes.
"""

import os
import random
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from rumpun.encoder.noise import Noise

__all__ = ["Batch", "Material", "rounds"]

_DROPOUT = 0.1  # of merges in loose splits, as Provilkov et al. 2020 (arXiv 1910.13267) found best

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
    loose: float = 0.0  # share of rows whose words are split in other ways than the shortest

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
    ahead: int = 0,
) -> Generator[list[Batch], None, None]:
    """Round after round without end, from number `first`; each a list of batches.

    So many processes make rounds `ahead`; without any, a round is made when it is asked for. Close the iterator to end them.
    """
    maker = _Rounds(material, wanted, tokens_a_batch, seed)
    number = first
    if not ahead:
        while True:
            yield maker.make(number)
            number += 1
    # spawned: a fork of a process that holds a GPU's context or the tokenizer's threads is not safe
    makers = ProcessPoolExecutor(ahead, get_context("spawn"), initializer=_Rounds.keep, initargs=(maker,))
    waiting: list[Future[list[Batch]]] = []
    try:
        while True:
            while len(waiting) < ahead:
                waiting.append(makers.submit(_Rounds.kept, number))
                number += 1
            yield waiting.pop(0).result()
    finally:
        makers.shutdown(cancel_futures=True)


class _Rounds:
    """Makes any round."""

    _own: "_Rounds"  # of a process that makes rounds ahead

    def __init__(
        self, material: Material, wanted: Mapping[tuple[str, str], int], tokens: int, seed: int
    ) -> None:
        self.material, self.wanted, self.tokens, self.seed = material, dict(wanted), tokens, seed
        self.cells = {name: dict(groups) for name, groups in material.cells().items()}
        self.loose = _loose(material.tokenizer) if material.loose else None

    def keep(self) -> None:
        """Be the maker of this process; it is one of many, so its tokenizer has one thread."""
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        _Rounds._own = self

    @staticmethod
    def kept(number: int) -> list[Batch]:
        return _Rounds._own.make(number)

    def make(self, number: int) -> list[Batch]:
        draw = random.Random(f"{self.seed} {number}")  # noqa: S311  (a seeded draw, no secret)
        drawn: list[int] = []
        for (language, group), n in sorted(self.wanted.items()):
            rows = self.cells[language][group]
            whole, rest = divmod(n, len(rows))
            drawn += rows * whole + draw.sample(rows, rest)
        draw.shuffle(drawn)
        noise, texts, languages = self.material.noise, self.material.texts, self.material.languages
        ids = self._split([noise.apply(texts[n], languages[n], draw) for n in drawn], draw)
        return _batches(ids, [self.material.targets[n] for n in drawn], self.tokens, draw)

    def _split(self, texts: list[str], draw: random.Random) -> list[list[int]]:
        """The subwords of each text, cut at the longest; of a share of them, split in another way."""
        found = [row.ids for row in self.material.tokenizer.encode_batch(texts)]
        if self.loose is not None:
            some = [n for n in range(len(texts)) if draw.random() < self.material.loose]
            for n, row in zip(some, self.loose.encode_batch([texts[n] for n in some]), strict=True):
                found[n] = row.ids
        longest = self.material.longest
        return [row if len(row) <= longest else [*row[: longest - 1], row[-1]] for row in found]


def _loose(tokenizer: Any) -> Any:
    """A copy of the tokenizer that leaves out merges by chance."""
    from tokenizers import Tokenizer

    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.model.dropout = _DROPOUT
    return copy


def _batches(ids: list[list[int]], targets: list[int], tokens: int, draw: random.Random) -> list[Batch]:
    found: list[Batch] = []
    step = max(1, _SORTED_TOGETHER * tokens // 20)
    for start in range(0, len(ids), step):
        order = sorted(range(start, min(start + step, len(ids))), key=lambda n: len(ids[n]))
        batch: list[int] = []
        for n in order:
            if batch and (len(batch) + 1) * len(ids[n]) > tokens:
                found.append(Batch([ids[m] for m in batch], [targets[m] for m in batch]))
                batch = []
            batch.append(n)
        found.append(Batch([ids[m] for m in batch], [targets[m] for m in batch]))
    draw.shuffle(found)
    return found

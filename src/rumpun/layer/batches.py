"""Which tokens a training step sees: a function of the seed and the step alone, so resuming needs no stored position.

Text: a language's documents are shuffled anew for each pass and laid end to end; sequence k is the k-th piece of that
endless row, so no token is padding. Chat: whole conversations are laid into a sequence while they fit, the rest of it
is end-of-text tokens that are not learnt. Which source a sequence comes from is one shuffled list for the whole run.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.layer.params import TrainParams
from rumpun.layer.source import CHAT, Source

__all__ = ["Batches", "Plan", "make_plan", "shares"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many sequences each source gives."""

    steps: int
    counts: Mapping[str, int]  # source -> sequences
    asked: (
        int  # sequences that the recipe's tokens would make; more than planned where every source met its cap
    )


def shares(sources: Sequence[Source], params: TrainParams) -> dict[str, float]:
    """Share of the sequences that each source should have, before the cap on passes."""
    weights = {
        s.name: params.language_weights.get(s.name, 0.0)
        if params.language_weights
        else s.bytes**params.balance
        for s in sources
        if s.name != CHAT
    }
    total = sum(weights.values()) or 1.0
    chat = params.chat_share if any(s.name == CHAT for s in sources) else 0.0
    found = {name: (1 - chat) * weight / total for name, weight in weights.items()}
    return found | ({CHAT: chat} if chat else {})


def make_plan(sources: Sequence[Source], params: TrainParams) -> Plan:
    """Share the recipe's tokens out over the sources, none more often than `epochs_max`."""
    asked = params.tokens // (params.sequence_tokens * params.batch_sequences) * params.batch_sequences
    wanted = shares(sources, params)
    caps = {s.name: int(params.epochs_max * s.tokens / params.sequence_tokens) for s in sources}
    counts = dict.fromkeys(wanted, 0)
    open_names = [name for name, share in wanted.items() if share > 0]
    left = asked
    while left > 0 and open_names:
        total = sum(wanted[name] for name in open_names)
        given = {name: int(left * wanted[name] / total) for name in open_names}
        given[max(open_names, key=lambda name: wanted[name])] += left - sum(given.values())
        for name, count in given.items():
            counts[name] = min(caps[name], counts[name] + count)
        left = asked - sum(counts.values())
        open_names = [name for name in open_names if counts[name] < caps[name]]
    steps = sum(counts.values()) // params.batch_sequences
    over = sum(counts.values()) - steps * params.batch_sequences
    largest = max(counts, key=lambda name: counts[name])
    counts[largest] -= min(over, counts[largest])
    return Plan(steps=sum(counts.values()) // params.batch_sequences, counts=counts, asked=asked)


def _random(*made_of: object) -> np.random.Generator:
    digest = hashlib.sha256(repr(made_of).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


class _Row:
    """The endless row of one source, cut into sequences."""

    def __init__(self, source: Source, width: int, seed: int) -> None:
        self.source, self.width, self.seed = source, width, seed
        self.orders: dict[int, tuple[Ints, Ints]] = {}

    def order(self, epoch: int) -> tuple[Ints, Ints]:
        """(documents in the order of this pass, where each begins in it)."""
        if epoch not in self.orders:
            if len(self.orders) > 2:
                self.orders.clear()
            documents = _random(self.seed, self.source.name, epoch).permutation(len(self.source.lengths))
            begins = np.concatenate([[0], np.cumsum(self.source.lengths[documents])])
            self.orders[epoch] = documents, begins
        return self.orders[epoch]

    def sequence(self, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Tokens [width] of the number-th sequence, and which of them are learnt."""
        total = self.source.tokens
        epoch, at = divmod(number * self.width, total)
        pieces: list[npt.NDArray[Any]] = []
        need = self.width
        while need:
            documents, begins = self.order(epoch)
            place = int(np.searchsorted(begins, at, side="right")) - 1
            low = at - int(begins[place])
            high = min(low + need, int(begins[place + 1] - begins[place]))
            pieces.append(self.source.read(int(documents[place]), low, high))
            need -= high - low
            at += high - low
            if at == total:
                epoch, at = epoch + 1, 0
        return np.concatenate(pieces), np.ones(self.width, dtype=np.bool_)


class _Chat(_Row):
    """Whole conversations, laid into sequences while they fit; a longer one is cut at the sequence's end."""

    def __init__(self, source: Source, width: int, seed: int) -> None:
        super().__init__(source, width, seed)
        self.epochs: dict[int, list[list[int]]] = {}

    def packed(self, epoch: int) -> list[list[int]]:
        if epoch not in self.epochs:
            rows: list[list[int]] = []
            room = 0
            for document in self.order(epoch)[0]:
                length = int(min(self.source.lengths[document], self.width))
                if length > room:
                    rows.append([])
                    room = self.width
                rows[-1].append(int(document))
                room -= length
            self.epochs[epoch] = rows
        return self.epochs[epoch]

    def sequence(self, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        epoch = 0
        while number >= len(self.packed(epoch)):
            number -= len(self.packed(epoch))
            epoch += 1
        last = int(self.source.lengths[0])
        tokens = np.full(self.width, self.source.read(0, last - 1, last))  # the end-of-text token
        learn = np.zeros(self.width, dtype=np.bool_)
        at = 0
        for document in self.packed(epoch)[number]:
            length = int(min(self.source.lengths[document], self.width))
            tokens[at : at + length] = self.source.read(document, 0, length)
            learn[at : at + length] = self.source.learnt(document, 0, length)
            at += length
        return tokens, learn


class Batches:
    """The batches of a whole run, by step."""

    def __init__(self, sources: Sequence[Source], plan: Plan, params: TrainParams, seed: int) -> None:
        self.names = [s.name for s in sources if plan.counts.get(s.name)]
        self.size, self.width = params.batch_sequences, params.sequence_tokens
        kinds = {s.name: _Chat if s.chat else _Row for s in sources}
        self.rows = [kinds[s.name](s, self.width, seed) for s in sources if plan.counts.get(s.name)]
        listed = np.repeat(np.arange(len(self.names)), [plan.counts[name] for name in self.names])
        self.chosen: Ints = _random(seed, "order").permutation(listed)
        self.numbers = np.zeros(len(self.chosen), dtype=np.int64)
        for which in range(len(self.names)):
            mine = self.chosen == which
            self.numbers[mine] = np.arange(int(mine.sum()))

    def batch(self, step: int) -> tuple[Ints, Ints, Ints]:
        """(tokens [b, width], targets [b, width], source of each sequence [b]); a target below zero is not learnt.

        A sequence's last token has no target: the next sequence need not go on from it.
        """
        tokens = np.empty((self.size, self.width), dtype=np.int64)
        targets = np.full((self.size, self.width), -1, dtype=np.int64)
        places = range(step * self.size, (step + 1) * self.size)
        for line, place in enumerate(places):
            ids, learn = self.rows[self.chosen[place]].sequence(int(self.numbers[place]))
            tokens[line] = ids
            targets[line, :-1] = np.where(learn[1:], tokens[line, 1:], -1)
        return tokens, targets, self.chosen[places.start : places.stop]

"""Which tokens a training step sees: a function of the seed and the step alone, so resuming needs no stored position.

Text: a language's documents are shuffled anew for each pass and laid end to end; sequence k is the k-th piece of that
endless row, so no token is padding. Chat: whole conversations are laid into a sequence while they fit, the rest of it
is end-of-text tokens that are not learnt. Which source a sequence comes from is one shuffled list for the whole run.

Positions restart where a document begins, and a token sees its own document alone (Krell et al. 2021, section 3): transformers
makes the mask from them. A text's document begins with the end-of-text token before it, as where it is scored; a conversation,
and a text of a base that has a token for it, with its own first token.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.layer.params import RunParams
from rumpun.layer.source import CHAT, Source

__all__ = ["Batches", "Plan", "make_plan", "over_cap", "shares"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many sequences each source gives."""

    steps: int
    counts: Mapping[str, int]  # source -> sequences
    asked: (
        int  # sequences that the recipe's tokens would make; more than planned where every source met its cap
    )


def shares(sources: Sequence[Source], params: RunParams) -> dict[str, float]:
    """Share of the sequences that each source should have, before the cap on passes.

    Raises:
        InputError: a language is named that has no text.
    """
    languages = [s.name for s in sources if s.name != CHAT]
    for key, named in (
        ("language_weights", params.language_weights),
        ("replay.languages", params.replay.languages),
    ):
        lacking = [
            name for name in named if name not in languages and params.language_weights.get(name, 1.0) > 0
        ]
        if lacking:
            raise InputError(
                f"{key}: no text in {', '.join(lacking)}, the corpus has {', '.join(languages)}",
                "name its languages alone, or add text",
            )
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
    found = _with_replay(found, weights, params, 1 - chat)
    return found | ({CHAT: chat} if chat else {})


def _with_replay(
    found: dict[str, float], weights: Mapping[str, float], params: RunParams, text: float
) -> dict[str, float]:
    """Raise the languages of replay to their floor, and lower the others alike."""
    mine = [name for name in found if name in params.replay.languages]
    floor, now = params.replay.share, sum(found[name] for name in mine)
    if not mine or now >= floor:
        return found
    if floor > text:
        raise InputError(
            f"replay.share = {floor:g} and chat_share = {params.chat_share:g} are more than the whole",
            "lower one of them",
        )
    total = sum(weights[name] for name in mine)
    inside = {name: weights[name] / total if total else 1 / len(mine) for name in mine}
    others = text - now
    return {
        name: floor * inside[name] if name in inside else share * (text - floor) / others if others else 0.0
        for name, share in found.items()
    }


def make_plan(sources: Sequence[Source], params: RunParams, taken: Mapping[str, int] | None = None) -> Plan:
    """Share the recipe's tokens out over the sources, none more often than `epochs_max`.

    `taken` counts the sequences that earlier runs had of a source; they count towards the cap.
    """
    asked = params.tokens // (params.sequence_tokens * params.batch_sequences) * params.batch_sequences
    wanted = shares(sources, params)
    caps = {
        s.name: max(
            0, int(params.epochs_max * s.tokens / params.sequence_tokens) - (taken or {}).get(s.name, 0)
        )
        for s in sources
    }
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


def over_cap(sources: Sequence[Source], params: RunParams, plan: Plan) -> dict[str, dict[str, float]]:
    """Sources that the mixture would have seen more often than `epochs_max` lets it: passes wanted, and given."""
    found = {}
    for source in sources:
        per_pass = source.tokens / params.sequence_tokens
        wanted = shares(sources, params).get(source.name, 0.0) * plan.asked / per_pass
        given = plan.counts.get(source.name, 0) / per_pass
        if wanted > given + 1 / per_pass and wanted > params.epochs_max:
            found[source.name] = {"wanted": round(wanted, 2), "given": round(given, 2)}
    return found


def _random(*made_of: object) -> np.random.Generator:
    digest = hashlib.sha256(repr(made_of).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


Piece = tuple[npt.NDArray[Any], npt.NDArray[np.bool_], list[int]]  # tokens, learnt, where documents begin


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

    def sequence(self, number: int) -> Piece:
        """The number-th sequence."""
        total = self.source.tokens
        epoch, at = divmod(number * self.width, total)
        pieces: list[npt.NDArray[Any]] = []
        begins: list[int] = []
        need = self.width
        while need:
            documents, starts = self.order(epoch)
            place = int(np.searchsorted(starts, at, side="right")) - 1
            low = at - int(starts[place])
            high = min(low + need, int(starts[place + 1] - starts[place]))
            if low == 0:
                begins.append(self.width - need)
            pieces.append(self.source.read(int(documents[place]), low, high))
            need -= high - low
            at += high - low
            if at == total:
                epoch, at = epoch + 1, 0
        return np.concatenate(pieces), np.ones(self.width, dtype=np.bool_), begins


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

    def sequence(self, number: int) -> Piece:
        epoch = 0
        while number >= len(self.packed(epoch)):
            number -= len(self.packed(epoch))
            epoch += 1
        last = int(self.source.lengths[0])
        tokens = np.full(self.width, self.source.read(0, last - 1, last))  # the end-of-text token
        learn = np.zeros(self.width, dtype=np.bool_)
        at, begins = 0, []
        for document in self.packed(epoch)[number]:
            begins.append(at)
            length = int(min(self.source.lengths[document], self.width))
            tokens[at : at + length] = self.source.read(document, 0, length)
            learn[at : at + length] = self.source.learnt(document, 0, length)
            at += length
        return tokens, learn, begins


class Batches:
    """The batches of a whole run, by step; `taken` counts the sequences of each source that earlier runs had."""

    def __init__(
        self,
        sources: Sequence[Source],
        plan: Plan,
        params: RunParams,
        seed: int,
        taken: Mapping[str, int] | None = None,
    ) -> None:
        self.masking, self.before = params.document_masking, dict(taken or {})
        self.names = [s.name for s in sources if plan.counts.get(s.name)]
        self.size, self.width = params.batch_sequences, params.sequence_tokens
        kinds = {s.name: _Chat if s.chat else _Row for s in sources}
        self.rows = [kinds[s.name](s, self.width, seed) for s in sources if plan.counts.get(s.name)]
        listed = np.repeat(np.arange(len(self.names)), [plan.counts[name] for name in self.names])
        self.chosen: Ints = _random(seed, "order").permutation(listed)
        self.numbers = np.zeros(len(self.chosen), dtype=np.int64)
        for which, name in enumerate(self.names):
            mine = self.chosen == which
            self.numbers[mine] = np.arange(int(mine.sum())) + self.before.get(name, 0)

    def batch(self, step: int) -> tuple[Ints, Ints, Ints]:
        """(tokens [b, width], targets [b, width], source of each sequence [b]); a target below zero is not learnt.

        A sequence's last token has no target: the next sequence need not go on from it.
        """
        tokens = np.empty((self.size, self.width), dtype=np.int64)
        targets = np.full((self.size, self.width), -1, dtype=np.int64)
        places = range(step * self.size, (step + 1) * self.size)
        for line, place in enumerate(places):
            row = self.rows[self.chosen[place]]
            ids, learn, begins = row.sequence(int(self.numbers[place]))
            tokens[line] = ids
            targets[line, :-1] = np.where(learn[1:], tokens[line, 1:], -1)
            if self.masking and row.source.begins:  # what begins a text cannot be told from another one's end
                targets[line, [at - 1 for at in begins if at]] = -1
        return tokens, targets, self.chosen[places.start : places.stop]

    def positions(self, step: int) -> Ints | None:
        """Each token's place [b, width] in its document's part of the sequence; None where documents see one another."""
        if not self.masking:
            return None
        found = np.empty((self.size, self.width), dtype=np.int64)
        for line, place in enumerate(range(step * self.size, (step + 1) * self.size)):
            row = self.rows[self.chosen[place]]
            begins = row.sequence(int(self.numbers[place]))[2]
            starts = np.zeros(self.width, dtype=np.int64)
            for at in begins:
                first = at if row.source.begins else max(0, at - 1)
                starts[first:] = first
            found[line] = np.arange(self.width) - starts
        return found

    def taken(self, steps: int) -> dict[str, int]:
        """Sequences of each source that this run, after so many steps, and those before it have had."""
        counts = np.bincount(self.chosen[: steps * self.size], minlength=len(self.names)).tolist()
        mine = dict(zip(self.names, counts, strict=True))
        return {name: self.before.get(name, 0) + mine.get(name, 0) for name in {**self.before, **mine}}

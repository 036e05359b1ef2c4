"""What training asks of a machine, from shapes alone: floating-point operations a token, bytes of memory.

Operations (a multiplication and an addition are two). A weight costs 2 forward, 2 for the gradient of its input and 2 for its
own: 6 N a token (Kaplan et al. 2020) in full training. A frozen weight's own gradient is not formed: 4 N, and each low-rank
product 4 r (i + o) for its two gradients. Attention over a sequence of t tokens: 4 t per head dimension
and block forward, twice that backward; half of it where no mask keeps documents apart, since a causal kernel skips what
lies ahead. Gradient checkpointing adds the blocks' forward once more. The loss takes logits and their gradient in one pass: 4 V d,
and 2 V d more for a trained output. Text that the base is asked of too (`recall`) costs its forward pass once more, and the output.

Letters: i input width, o output width, r rank, t tokens of a sequence, V vocabulary, d width, k added tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rumpun.layer.params import FullParams, RunParams, TrainParams
from rumpun.layer.shape import Shape

__all__ = [
    "CHUNK_TOKENS",
    "LONGEST_KEPT",
    "PASS_TOKENS",
    "Load",
    "memory_of",
    "operations",
    "pass_that_fits",
    "shared_memory",
    "trained_numbers",
]

PASS_TOKENS: Mapping[str, int] = {"cpu": 512, "cuda": 32_768}  # of one pass, where the recipe names none
CHUNK_TOKENS: Mapping[str, int] = {"cpu": 512, "cuda": 8_192}  # whose logits are held at once
LONGEST_KEPT = 512  # tokens of a sequence whose attention weights are kept on a processor (`attention`)
_PROCESS = 650_000_000  # bytes of Python with torch and transformers loaded
_KEPT = 1_000_000_000  # bytes of a card that no tensor gets: the driver's context and gaps between tensors


@dataclass(frozen=True, slots=True)
class Load:
    """What is trained on what."""

    shape: Shape
    params: RunParams
    added: int = 0  # tokens of new vocabulary

    @property
    def full(self) -> bool:
        """Whether every weight is trained."""
        return isinstance(self.params, FullParams)

    @property
    def products(self) -> TrainParams | None:
        """What is said of low-rank products, where there are some."""
        return self.params if isinstance(self.params, TrainParams) else None

    @property
    def targets(self) -> list[tuple[int, int]]:
        """(output, input) of one block's modules that carry a product."""
        named = self.products.targets if self.products else ()
        return [size for name, size in self.shape.modules.items() if name in named]

    @property
    def table_numbers(self) -> int:
        """Numbers of the output's table, added tokens among them; as many again in an embedding of its own."""
        return self.shape.table_numbers + self.added * self.shape.hidden

    @property
    def batch_tokens(self) -> int:
        """Tokens of one optimiser step."""
        return self.params.batch_sequences * self.params.sequence_tokens

    @property
    def steps(self) -> int:
        """Optimiser steps, where the corpus has text enough."""
        return self.params.tokens // self.batch_tokens

    @property
    def tokens(self) -> int:
        """Tokens of all steps."""
        return self.steps * self.batch_tokens

    @property
    def recalled(self) -> float:
        """Share of the tokens that the base is asked of, as far as the recipe says: where bytes decide it, replay's floor."""
        replay, weights = self.params.replay, self.params.language_weights
        if not replay.base_weight:
            return 0.0
        named = sum(weights.get(name, 0.0) for name in replay.languages) / (sum(weights.values()) or 1.0)
        return max(replay.share, named * (1 - self.params.chat_share))

    def pass_tokens(self, place: str) -> int:
        """Tokens of one pass on a "cpu" or on "cuda"."""
        width = self.params.sequence_tokens
        rows = max(1, (self.params.micro_tokens or PASS_TOKENS[place]) // width)
        return min(rows, self.params.batch_sequences) * width


def trained_numbers(load: Load) -> int:
    """Numbers that the optimiser changes."""
    shape, params = load.shape, load.products
    tables = 1 if shape.tied else 2
    if load.full:
        return shape.blocks * shape.block_numbers + tables * load.table_numbers
    products = params.rank * shape.blocks * sum(out + into for out, into in load.targets) if params else 0
    embedding = params.embeddings_rank * (shape.vocabulary + shape.hidden) if params else 0
    return products + embedding + load.added * shape.hidden * tables


def operations(load: Load) -> dict[str, float]:
    """Floating-point operations a token, by what they are for."""
    shape, params = load.shape, load.params
    inner = shape.heads * shape.head_dim
    rank, low = (load.products.rank, load.products.embeddings_rank) if load.products else (0, 0)
    again = 1 if params.gradient_checkpointing else 0
    own = 2 if load.full else 0
    attention = 4.0 * params.sequence_tokens * inner * shape.blocks / (1 if params.document_masking else 2)
    products = 4 * rank * shape.blocks * sum(out + into for out, into in load.targets)
    sums = 2 * rank * shape.blocks * sum(out * into for out, into in load.targets) / load.batch_tokens
    embedding = low * (6 * (shape.vocabulary + shape.hidden) * shape.tied + 6 * shape.hidden)
    base = 2.0 * (shape.blocks * shape.block_numbers + shape.table_numbers) + attention
    return {
        "blocks": (4.0 + own + 2 * again) * shape.blocks * shape.block_numbers,
        "output": 4.0 * load.table_numbers + 2.0 * (load.table_numbers if own else load.added * shape.hidden),
        "attention": (3 + again) * attention,
        "products": float(products + embedding),
        "sums": float(sums),
    } | ({"recall": load.recalled * base} if load.recalled else {})


def memory_of(load: Load, *, place: str, number_bytes: int, pass_tokens: int = 0) -> dict[str, int]:
    """Bytes held at the peak of a step, by what they are for.

    Args:
        load: what is trained on what.
        place: "cpu" or "cuda".
        number_bytes: 2 where it computes in bfloat16, 4 in float32.
        pass_tokens: of one pass; 0: the recipe's, or the place's usual ones.
    """
    shape = load.shape
    chunk = min(CHUNK_TOKENS[place], pass_tokens or load.pass_tokens(place))
    tokens = shape.vocabulary + load.added
    low = load.products.embeddings_rank if load.products else 0
    softmax = 4 if place == "cuda" else 0  # in float32; on a processor of few rows at a time
    wide = (
        tokens * (shape.hidden + low) * number_bytes if low else 0
    )  # the table with a product's factor beside it
    logits = chunk * tokens * (number_bytes + softmax) + wide
    held = {
        "activations": _kept_a_token(load, place, number_bytes) * (pass_tokens or load.pass_tokens(place)),
        "logits": logits,
        "process": _PROCESS if place == "cpu" else _KEPT,
    }
    if load.full:
        numbers, tables = (
            trained_numbers(load),
            2 * load.table_numbers * 4,
        )  # the output's gradient, made and scaled
        best = 4 if place == "cpu" and load.params.measures and load.params.keep == "best" else 0
        copies = numbers * number_bytes if number_bytes == 2 else 0
        return {"weights": copies, "trained": numbers * (16 + best), **held, "logits": logits + tables}
    kept = _frozen_memory(load, number_bytes)
    if base := _base_beside(load, number_bytes):
        kept["weights"] += base
        held["logits"] += chunk * shape.vocabulary * number_bytes
    return {**kept, **held}


def shared_memory(load: Load, number_bytes: int) -> tuple[int, int]:
    """(bytes of one card that several share out, bytes that each holds besides while a block of them computes)."""
    if not load.full:
        return _frozen_memory(load, number_bytes)["weights"], 0
    blocks = load.shape.blocks * load.shape.block_numbers
    copies = number_bytes if number_bytes == 2 else 0
    # a block and the next in the type that computes, and a gradient; each card's own parts are cast as they are gathered
    return blocks * (16 + copies), 3 * load.shape.block_numbers * number_bytes


def _frozen_memory(load: Load, number_bytes: int) -> dict[str, int]:
    """Bytes of frozen weights and of what is trained beside them."""
    shape = load.shape
    wide = sum(out * into for out, into in load.targets) * shape.blocks  # kept in float32, and summed
    frozen = wide * (4 + number_bytes) + (shape.blocks * shape.block_numbers - wide) * number_bytes
    tables = shape.table_numbers * (1 if shape.tied else 2) * number_bytes
    if number_bytes == 2 or load.added:  # the output is a copy
        tables += load.table_numbers * number_bytes
    # value, gradient, AdamW's two moments, float32 each
    return {"weights": frozen + tables, "trained": trained_numbers(load) * 16}


def _base_beside(load: Load, number_bytes: int) -> int:
    """Bytes of the base that is asked of replayed text: one of its own in every process."""
    return load.shape.numbers * number_bytes if load.params.replay.base_weight else 0


def _kept_a_token(load: Load, place: str, number_bytes: int) -> int:
    """Bytes that the blocks keep of one token for the backward pass."""
    shape, params = load.shape, load.params
    outs, narrow = shape.heads * shape.head_dim, shape.key_heads * shape.head_dim
    gated = "gate_proj" in shape.modules
    # inputs of q, k, v and of the feed-forward part; q, k, v, attention's answer and o's input; the feed-forward part
    numbers = 2 * shape.hidden + 3 * outs + 2 * narrow + (4 if gated else 2) * shape.inner
    if place == "cpu" and params.sequence_tokens <= LONGEST_KEPT:  # every head's weights, and the mask's row
        numbers += params.sequence_tokens * (shape.heads + 1)
    elif params.document_masking:  # the mask's row, and keys and values repeated for every head
        numbers += params.sequence_tokens + 2 * (outs - narrow)
    block = numbers * number_bytes + 2 * shape.hidden * 4  # norms in float32, whatever the precision
    if params.gradient_checkpointing:
        return shape.blocks * shape.hidden * number_bytes + block
    return shape.blocks * block


def pass_that_fits(load: Load, *, place: str, number_bytes: int, memory_bytes: int) -> int:
    """The most tokens of one pass that this memory holds, in whole sequences; 0 where not even one fits."""
    width = load.params.sequence_tokens
    for rows in range(load.pass_tokens(place) // width, 0, -1):
        held = memory_of(load, place=place, number_bytes=number_bytes, pass_tokens=rows * width)
        if sum(held.values()) <= memory_bytes:
            return rows * width
    return 0

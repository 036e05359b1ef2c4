"""What a recipe says of preference pairs and of training with them; read without torch."""

from dataclasses import dataclass
from typing import Literal

from rumpun.layer.params import TrainParams

__all__ = ["RULES", "Method", "PairsParams", "PreferParams", "Table"]

Method = Literal["dpo", "ipo", "simpo", "orpo"]
Rule = Literal["language", "sister", "cut", "repeat", "other"]
RULES: tuple[Rule, ...] = ("language", "sister", "cut", "repeat", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file of conversations that say the same in several languages."""

    path: (
        str  # lines {"key", "th": {"user", "assistant"}, "en": {…}, …}; here, or in the folder of source text
    )
    source: str  # its name in lineages, the one that the corpus has for it
    licence: str  # SPDX


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsParams:
    """Where preference pairs come from."""

    files: tuple[
        str, ...
    ] = ()  # of pairs: JSON Lines with messages, chosen, rejected, language, source, licence
    tables: tuple[Table, ...] = ()  # conversations in several languages, for pairs made by rule
    rules: tuple[Rule, ...] = RULES  # how rejected answers are made of chat rows; empty: only `files`
    languages: tuple[str, ...] = ()  # BCP-47; empty: every one
    chat_sources: tuple[str, ...] = ()  # beginnings of the names of chat rows' sources; empty: every row
    pairs_per_rule: int = 300  # of one language at most
    min_characters: int = 40  # of an answer that is cut or repeated
    held_out_share: float = 0.1  # of the prompts: all pairs of a prompt are held out together

    def check(self) -> None:
        """Refuse values that give no pairs."""
        faults = [
            (not (self.files or self.rules), "files and rules are empty: no pairs"),
            (len(set(self.rules)) != len(self.rules), "rules: one stands twice"),
            (self.pairs_per_rule < 1, f"pairs_per_rule = {self.pairs_per_rule}, expected 1 or more"),
            (self.min_characters < 2, f"min_characters = {self.min_characters}, expected 2 or more"),
            (not 0 <= self.held_out_share < 1, f"held_out_share = {self.held_out_share}, expected 0 to below 1"),
        ]  # fmt: skip
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferParams:
    """How a layer learns to prefer. Rank, alpha and targets are those of the layer that it goes on from."""

    base: str = "base"  # as in layer.train
    method: Method = "dpo"
    beta: float = 0.1  # dpo, ipo: how near the start it stays, smaller is farther; simpo: scale (2 is usual); orpo: weight of the odds
    target_margin: float = 0.0  # simpo's gamma; 0.3 to 1.6 of beta are usual
    label_smoothing: float = 0.0  # dpo: share of pairs that are taken to be the wrong way round
    likelihood_weight: float = (
        0.0  # of the chosen answers' cross-entropy beside the loss; orpo has it already
    )
    epochs: float = 1.0  # passes over the pairs
    batch_pairs: int = 16  # of one optimiser step
    sequence_tokens: int = 1024  # of prompt and answer; a longer pair is left out and counted
    micro_tokens: int = 0  # of one pass at most; 0: 512 on a processor, 32,768 on a GPU
    learning_rate: float = 5e-5  # peak
    embeddings_learning_rate: float = 5e-6  # peak for rows of added tokens
    warmup_share: float = 0.1
    decay_share: float = 0.1
    weight_decay: float = 0.0
    beta2: float = 0.98
    gradient_clip: float = 1.0
    gradient_checkpointing: bool = False  # less memory, about a third more time
    checkpoint_seconds: int = 60
    precision: Literal["auto", "bfloat16", "float32"] = "auto"

    def check(self) -> None:
        """Refuse values that cannot be trained with."""
        faults = [
            (self.beta <= 0, f"beta = {self.beta}, expected a positive number"),
            (self.target_margin < 0, f"target_margin = {self.target_margin}, expected 0 or more"),
            (self.target_margin > 0 and self.method != "simpo", f"target_margin is for simpo, method = '{self.method}'"),
            (not 0 <= self.label_smoothing < 0.5, f"label_smoothing = {self.label_smoothing}, expected 0 to below 0.5"),
            (self.label_smoothing > 0 and self.method != "dpo", f"label_smoothing is for dpo, method = '{self.method}'"),
            (self.likelihood_weight < 0, f"likelihood_weight = {self.likelihood_weight}, expected 0 or more"),
            (self.epochs <= 0, f"epochs = {self.epochs}, expected a positive number"),
            (self.batch_pairs < 1, f"batch_pairs = {self.batch_pairs}, expected 1 or more"),
        ]  # fmt: skip
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)
        self.training(rank=1, alpha=1.0, targets=(), embeddings_rank=0).check()

    def training(
        self, *, rank: int, alpha: float, targets: tuple[str, ...], embeddings_rank: int
    ) -> TrainParams:
        """The same as the training loop's parameters, for products of this shape."""
        return TrainParams(
            base=self.base, tokens=self.sequence_tokens * self.batch_pairs, sequence_tokens=self.sequence_tokens,
            batch_sequences=self.batch_pairs, micro_tokens=self.micro_tokens, rank=rank, alpha=alpha, targets=targets,
            embeddings_rank=embeddings_rank, embeddings_learning_rate=self.embeddings_learning_rate,
            learning_rate=self.learning_rate, warmup_share=self.warmup_share, decay_share=self.decay_share,
            weight_decay=self.weight_decay, beta2=self.beta2, gradient_clip=self.gradient_clip,
            checkpoint_seconds=self.checkpoint_seconds, precision=self.precision,
            gradient_checkpointing=self.gradient_checkpointing,
        )  # fmt: skip

"""What a recipe says of the layer's steps; read without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

__all__ = [
    "KEPT_STATE", "TARGETS", "TRAINING", "ExtendParams", "FullParams", "MergeParams", "PruneParams", "Replay", "RunParams",
    "TrainParams", "TuneParams",
]  # fmt: skip

TRAINING = (
    "layer.train",
    "layer.tune",
    "layer.full",
    "layer.distil_logits",
    "layer.prefer",
)  # steps; each names its base
KEPT_STATE = "kept_state.safetensors"  # beside a layer, for runs that go on from it; never released
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A floor for the languages that a base should not forget."""

    languages: tuple[str, ...] = ()  # tags
    share: float = 0.0  # of all sequences, at least; 0.05 to 0.25 are usual (Ibrahim et al. 2024)
    base_weight: float = 0.0  # of the base's own distributions beside the text's next tokens (Li and Hoiem 2016); 0: the text alone


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParams:
    """What every training run on a corpus has. The device is no part of it: RUMPUN_DEVICE, or a GPU where there is one."""

    base: str = "base"  # "base" (embedded), "tiny" (random, from the seed), a GGUF, a transformers folder, a catalogue name
    tokens: int = 60_000  # training tokens in all, rounded down to whole batches
    sequence_tokens: int = 256  # documents are packed, so none of them is padding
    batch_sequences: int = 16  # sequences of one optimiser step
    micro_tokens: int = 0  # tokens of one pass at most; 0: 512 on a processor, 32,768 on a GPU
    learning_rate: float = 1e-3  # peak
    warmup_share: float = 0.05  # of all steps, linear from 0
    schedule: Literal["cosine", "wsd"] = "cosine"  # wsd: warm-up, stable, decay (Hu et al. 2024)
    decay_share: float = 0.1  # of the peak, reached at the end
    decay_steps_share: float = (
        0.2  # wsd: of all steps; 1: from the first one, as in a branch; 0.1 to 0.2 are usual
    )
    weight_decay: float = 0.0  # decoupled
    beta2: float = 0.98  # AdamW's second decay; 0.999 is too slow for a few hundred steps
    gradient_clip: float = 1.0  # norm over all trained numbers; 0: none
    chat_share: float = 0.0  # of the sequences, from chat.jsonl; loss on the assistant's tokens alone
    chat_sources: tuple[str, ...] = ()  # beginnings of the names of chat rows' sources; empty: every row
    chat_system: dict[str, str] = field(
        default_factory=dict  # tag -> a system text before chat rows that are answered in that language and have none
    )
    chat_system_share: float = 0.5  # of those rows; the others stand without, so that both are learnt
    language_weights: dict[str, float] = field(default_factory=dict)  # tag -> weight; empty: bytes ** balance
    balance: float = (
        0.5  # exponent of a language's bytes where no weights are given; 1: as found, 0: all alike
    )
    epochs_max: float = (
        4.0  # passes over one language's text at most (Muennighoff et al. 2023); the rest is shared out
    )
    replay: Replay = field(default_factory=Replay)
    document_masking: bool = True  # tokens see their own document alone
    minutes_max: float = 0.0  # of training, after which a stage ends at a step; 0: no limit
    measure_steps: int = 0  # between measurements on held-out documents; 0: none by steps
    measure_seconds: int = 0  # the same by the clock; a run cut off may then measure elsewhere
    measure_documents: int = 20  # of a language
    stop_forgetting: float = 0.0  # bits per byte that a language of replay (English) may lose; 0: never stop
    stop_patience: int = 0  # measurements without a better mean, after which to stop; 0: never
    keep: Literal["best", "last"] = "best"  # which measured step is written; without measurements the last
    gradient_checkpointing: bool = False  # less memory, about a third more time
    checkpoint_seconds: int = 60
    precision: Literal["auto", "bfloat16", "float32"] = (
        "auto"  # auto: bfloat16 where the machine computes in it
    )

    def check(self) -> None:
        """Refuse values that cannot be trained with."""
        for wrong, words in (*self._own_faults(), *self._faults()):
            if wrong:
                raise ValueError(words)

    def _own_faults(self) -> list[tuple[bool, str]]:
        """Of what one kind of training has beside."""
        return []

    def _faults(self) -> list[tuple[bool, str]]:
        return [
            (self.sequence_tokens < 8, f"sequence_tokens = {self.sequence_tokens}, expected 8 or more"),
            (self.batch_sequences < 1, f"batch_sequences = {self.batch_sequences}, expected 1 or more"),
            (self.micro_tokens < 0, f"micro_tokens = {self.micro_tokens}, expected 0 or more"),
            (self.tokens < self.sequence_tokens * self.batch_sequences,
             f"tokens = {self.tokens}, expected at least one batch: {self.sequence_tokens} * {self.batch_sequences} = {self.sequence_tokens * self.batch_sequences}"),
            (not 0 < self.learning_rate < 1, f"learning_rate = {self.learning_rate}, expected between 0 and 1"),
            (not 0 <= self.warmup_share <= 1, f"warmup_share = {self.warmup_share}, expected 0 to 1"),
            (not 0 <= self.decay_share <= 1, f"decay_share = {self.decay_share}, expected 0 to 1"),
            (self.weight_decay < 0, f"weight_decay = {self.weight_decay}, expected 0 or more"),
            (not 0 < self.beta2 < 1, f"beta2 = {self.beta2}, expected between 0 and 1"),
            (self.gradient_clip < 0, f"gradient_clip = {self.gradient_clip}, expected 0 or more"),
            (not 0 <= self.chat_share <= 1, f"chat_share = {self.chat_share}, expected 0 to 1"),
            (not all(words.strip() for words in self.chat_system.values()), "chat_system: a text is empty"),
            (bool(self.chat_system) and 0 in (self.chat_share, self.chat_system_share),
             "chat_system is given, and chat_share or chat_system_share is 0"),
            (not 0 <= self.chat_system_share <= 1, f"chat_system_share = {self.chat_system_share}, expected 0 to 1"),
            (any(weight < 0 for weight in self.language_weights.values()), "language_weights: a weight is below zero"),
            (not 0 <= self.balance <= 1, f"balance = {self.balance}, expected 0 to 1"),
            (self.epochs_max <= 0, f"epochs_max = {self.epochs_max}, expected a positive number"),
            (self.checkpoint_seconds < 1, f"checkpoint_seconds = {self.checkpoint_seconds}, expected 1 or more"),
            (not 0 < self.decay_steps_share <= 1, f"decay_steps_share = {self.decay_steps_share}, expected above 0, to 1"),
            (self.schedule == "wsd" and self.decay_steps_share < 1 < self.warmup_share + self.decay_steps_share,
             f"warmup_share = {self.warmup_share} and decay_steps_share = {self.decay_steps_share} are more than all steps"),
            (not 0 <= self.replay.share <= 1, f"replay.share = {self.replay.share}, expected 0 to 1"),
            (self.replay.share > 0 and not self.replay.languages, f"replay.share = {self.replay.share} of no languages, name some"),
            (not 0 <= self.replay.base_weight <= 1, f"replay.base_weight = {self.replay.base_weight}, expected 0 to 1"),
            (self.replay.base_weight > 0 and not self.replay.languages,
             f"replay.base_weight = {self.replay.base_weight} of no languages, name some"),
            (self.minutes_max < 0, f"minutes_max = {self.minutes_max}, expected 0 or more"),
            (min(self.measure_steps, self.measure_seconds, self.stop_patience) < 0,
             "measure_steps, measure_seconds and stop_patience: expected 0 or more"),
            (self.measure_documents < 1, f"measure_documents = {self.measure_documents}, expected 1 or more"),
            (self.stop_forgetting < 0, f"stop_forgetting = {self.stop_forgetting}, expected 0 or more"),
            (not self.measures and (self.stop_forgetting > 0 or self.stop_patience > 0),
             "stop_forgetting and stop_patience need measure_steps or measure_seconds"),
        ]  # fmt: skip

    @property
    def chat_read(self) -> dict[str, Any]:
        """What decides which chat rows are read, and how: kept in a layer's summary, for runs that go on in the text."""
        told = {"chat_system": dict(self.chat_system), "chat_system_share": self.chat_system_share}
        return {"chat_sources": list(self.chat_sources)} | (told if self.chat_system else {})

    @property
    def measures(self) -> bool:
        """Whether the run is measured while it goes on."""
        return self.measure_steps > 0 or self.measure_seconds > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainParams(RunParams):
    """How a layer is trained. `learning_rate`: LoRA's usual 2e-4 to 2e-3, the upper end for short runs."""

    rank: int = 32
    alpha: float = 64.0  # products are scaled by alpha / rank
    targets: tuple[str, ...] = TARGETS  # none: the rows of added tokens alone
    embeddings_rank: int = 0  # of a product on the (tied) embedding, at most `rank`; 0: none
    embeddings_learning_rate: float = 5e-4  # peak for the rows of added tokens, where a layer brings some
    keep_state: bool = False  # beside the layer, at the end of the stable phase: runs may branch from it

    def _own_faults(self) -> list[tuple[bool, str]]:
        unknown = [name for name in self.targets if name not in TARGETS]
        return [
            (bool(unknown), f"targets: '{', '.join(unknown)}', expected some of {', '.join(TARGETS)}"),
            (len(set(self.targets)) != len(self.targets), "targets: one stands twice"),
            (self.rank < 1, f"rank = {self.rank}, expected 1 or more"),
            (not 0 <= self.embeddings_rank <= self.rank, f"embeddings_rank = {self.embeddings_rank}, expected 0 to rank = {self.rank}"),
            (self.alpha <= 0, f"alpha = {self.alpha}, expected a positive number"),
            (not 0 < self.embeddings_learning_rate < 1, f"embeddings_learning_rate = {self.embeddings_learning_rate}, expected between 0 and 1"),
        ]  # fmt: skip

    @property
    def scale(self) -> float:
        """What every product is multiplied by."""
        return self.alpha / self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class FullParams(RunParams):
    """How every weight of a base is trained."""

    learning_rate: float = (
        1e-4  # peak; a tenth of what low-rank products take (Schulman et al. 2025, "LoRA Without Regret")
    )
    weight_decay: float = (
        0.1  # of the matrices of blocks alone, as GPT-3 and Llama 2; not of norms, biases and rows of tokens
    )
    beta2: float = 0.95  # as GPT-3 and Llama 2
    checkpoint_seconds: int = 600  # each writes 12 bytes a number, and 4 more of the best measured ones
    stored_precision: Literal["float32", "bfloat16", "float16", "same"] = (
        "float32"  # of the weights that are written; same: as the base's files have them
    )
    shard_bytes: int = 5_000_000_000  # of one file of weights at most
    OTHERS: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("rank", "alpha", "targets", "embeddings_rank", "embeddings_learning_rate", "keep_state", "go_on"),
        "leave it out: it is of layer.train's low-rank products, and layer.full trains every weight",
    )  # keys of other steps -> why they are none here

    def _own_faults(self) -> list[tuple[bool, str]]:
        return [
            (self.shard_bytes < 1, f"shard_bytes = {self.shard_bytes}, expected 1 or more"),
            (self.replay.base_weight > 0, f"replay.base_weight = {self.replay.base_weight}: it is of a layer's training, leave it out"),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneParams(TrainParams):
    """How a layer is trained further, from what an earlier step learnt."""

    go_on: Literal["weights", "data", "state"] = (
        "weights"  # from the layer's numbers; data: and where its text ended; state: and its optimiser, not warmed up again
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeParams:
    """Merging has no choices yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendParams:
    """How a base's vocabulary is extended."""

    base: str = "base"  # "base" (embedded), a GGUF, a transformers folder, a catalogue name
    tokens_max: int = 8_000  # new tokens; each brings a row, 1,152 bytes on the embedded base
    clusters_max: int = 2_000  # of them, found before the text is cut; a SentencePiece vocabulary needs none
    tokens_per_character: float = 0.35  # a language that has reached it asks for no more merges
    language_weights: dict[str, float] = field(default_factory=dict)  # tag -> weight; empty: bytes ** balance
    balance: float = 0.3  # exponent of a language's bytes where no weights are given
    bytes_max: int = 1_000_000  # read of each language
    kept_languages: tuple[str, ...] = ("en",)  # the base's own: their tokens stay as they are
    kept_files: tuple[str, ...] = ()  # paths or globs of more text that stays so, such as code
    parallel_sources: tuple[str, ...] = ("seed-news",)  # held-out ones that say the same in every language
    initialise: Literal["mean", "first", "last"] = "first"  # of the base's pieces; docs/decisions/0017

    def check(self) -> None:
        """Refuse values that nothing can be learnt with."""
        faults = [
            (self.tokens_max < 1, f"tokens_max = {self.tokens_max}, expected 1 or more"),
            (self.clusters_max < 0, f"clusters_max = {self.clusters_max}, expected 0 or more"),
            (self.tokens_per_character < 0, f"tokens_per_character = {self.tokens_per_character}, expected 0 or more"),
            (any(weight < 0 for weight in self.language_weights.values()), "language_weights: a weight is below zero"),
            (not 0 <= self.balance <= 1, f"balance = {self.balance}, expected 0 to 1"),
            (self.bytes_max < 1, f"bytes_max = {self.bytes_max}, expected 1 or more"),
        ]  # fmt: skip
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneParams:
    """Which added tokens of a layer go."""

    languages: tuple[str, ...]  # tags; their tokens go
    base: str = (
        "base"  # that the layer stands on: "base" (embedded), a GGUF, a transformers folder, a catalogue name
    )
    share: float = (
        0.5  # of a token's uses in as much text of every language: above it, it is these languages'
    )
    bytes_max: int = 1_000_000  # read of each language
    parallel_sources: tuple[str, ...] = ("seed-news",)  # as in `ExtendParams`

    def check(self) -> None:
        """Refuse values that nothing can be pruned with."""
        faults = [
            (not self.languages, "languages is empty, expected at least one tag"),
            (not 0 <= self.share < 1, f"share = {self.share}, expected 0 to below 1"),
            (self.bytes_max < 1, f"bytes_max = {self.bytes_max}, expected 1 or more"),
        ]
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)

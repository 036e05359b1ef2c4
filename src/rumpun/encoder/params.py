"""What a recipe may say of the training of an encoder."""

from dataclasses import dataclass

__all__ = ["EncoderParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderParams:
    """What the recipe may say."""

    languages: dict[str, float]  # share of the rows, English among them
    groups: dict[str, float]  # share of a language's rows
    begin_from: str = ""  # an encoder to go on from: a folder with student.safetensors or encoder.onnx
    layers: tuple[int, ...] = ()  # which layers of what it begins from, in order; empty for all
    minutes_max: float = 0.0  # of training; 0 for as many as `rows` need
    rows: int = 200_000  # rows seen in all
    rows_a_round: int = 40_000
    repeats_max: float = 3.0  # of one row in a round
    tokens_a_batch: int = 3072
    longest_tokens: int = 64
    rate: float = 1e-4  # of the layers
    rate_words: float = 5e-4  # of the subwords' vectors
    rate_end: float = 0.1  # the last rate, against the first
    warm_steps: int = 100
    temperature: float = 0.05
    ranking: float = 1.0  # weight of the ranking loss
    pull: float = 5.0  # weight of one minus the cosine
    negatives: int = 4096  # drawn at random
    near: int = 16  # negatives nearest to each right vector, besides those
    alike: float = 0.9  # cosine above which a sentence says the same: no negative
    labelled: float = 0.0  # weight of the labels' loss, where a step gives labelled texts
    labelled_rows: int = 16  # of them in each batch
    rate_probe: float = 1e-2
    plain: float = (
        0.0  # weight of the loss of words left out, where a step gives sentences without translations
    )
    plain_rows: int = 24  # of them in each batch
    plain_share: float = 0.5  # of a sentence's subwords
    way: float = 1.0  # how far of the way from the encoder begun from to where training ended; below 1 keeps more of it
    dropout: float = 0.0  # of the layers' outputs
    loose: float = 0.0  # share of rows whose words are split in other ways than the shortest
    latin: float = 0.1
    slips: float = 0.05
    mixing: float = 0.5
    mixing_languages: tuple[str, ...] = ()  # empty: those of `languages`

    def check(self) -> None:
        """Refuse what cannot be meant."""
        for name in ("rows", "rows_a_round", "tokens_a_batch", "longest_tokens", "negatives"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected 1 or more")
        if not 0 < self.way <= 1:
            raise ValueError(f"way = {self.way}: expected a share above 0, at most 1")
        for name in ("languages", "groups"):
            shares = getattr(self, name).values()
            if min(shares, default=0) < 0 or sum(shares) <= 0:
                raise ValueError(f"{name} = {getattr(self, name)}: expected shares, one of them above 0")

"""What a recipe may say to `corpus.write`."""

from dataclasses import dataclass, field

from rumpun.corpus.chat.params import ChatParams

__all__ = ["CardParams", "WriteParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardParams:
    """What only its makers can say of a corpus; what is empty is shown as not stated."""

    title: str = ""  # empty: the artefact's name
    description: str = ""
    creator: str = ""  # a person, a group or an office
    contact: str = ""
    url: str = ""  # where the corpus is published
    version: str = "1.0.0"  # MAJOR.MINOR.PATCH
    citation: str = ""  # BibTeX
    use_cases: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    social_impact: str = ""
    maintenance: str = ""
    collected_from: str = ""  # date, YYYY-MM-DD
    collected_to: str = ""
    plots: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParams:
    """Parameters of `corpus.write`."""

    # packed shards
    tokenizer: str = (
        ""  # a tokenizer.json, a folder that holds one, or a base ("base", a GGUF); empty packs nothing
    )
    end_of_text: str = ""  # the token between documents; empty: the tokenizer's usual one
    shard_tokens: int = 1 << 28  # 512 MB at two bytes a token
    # chat rows
    chat_languages: tuple[str, ...] = ()
    data: str = ""  # another data folder; default RUMPUN_DATA or the one beside the checkout
    chat_seed: bool = False  # seed/chat-*.jsonl
    held_out_chat_share: float = 0.06  # of the keys, by whole topics
    pairs: bool = False  # parallel text as translation both ways
    pair_rows_per_language: int = 2_000
    max_share_per_pair_domain: float = 0.25  # of pair_rows_per_language
    domain_shares: dict[str, float] = field(default_factory=dict)  # other shares for some domains
    max_share_machine_translated: float = 0.15
    exclude_sources: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ("lexicon",)
    instruct: bool = False  # mechanically made task rows
    instruct_rows_per_language: int = 200
    safe_answers: tuple[str, ...] = ()  # safety sets of inventory-eval.toml: their prompts, safely answered
    safe_rows_per_language: int = 400
    max_characters_per_turn: int = 2_000
    min_characters: int = 20
    # what is said of it
    card: CardParams = field(default_factory=CardParams)

    def check(self) -> None:
        """Refuse unknown languages, shares outside 0 to 1, and chat rows in no language."""
        if self.shard_tokens < 1:
            raise ValueError(f"shard_tokens = {self.shard_tokens}: expected 1 or more")
        self.chat({}).check()

    @property
    def chats(self) -> bool:
        """Whether any chat rows are asked for."""
        return self.chat({}).chats

    def chat(self, held_out_sources: dict[str, tuple[str, ...]]) -> ChatParams:
        """The parameters that reading chat rows goes by; `held_out_sources` are the mixture's."""
        names = (
            "data", "chat_seed", "held_out_chat_share", "pairs", "pair_rows_per_language", "max_share_per_pair_domain",
            "domain_shares", "max_share_machine_translated", "exclude_sources", "exclude_domains", "instruct",
            "instruct_rows_per_language", "safe_answers", "safe_rows_per_language", "max_characters_per_turn", "min_characters",
        )  # fmt: skip
        given = {name: getattr(self, name) for name in names}
        return ChatParams(languages=self.chat_languages, held_out_sources=held_out_sources, **given)

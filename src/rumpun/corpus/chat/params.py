"""What chat rows are made from, and how many: the fields of `corpus.write` that are about them."""

from dataclasses import dataclass, field

from rumpun.corpus.languages import check_tags

__all__ = ["ChatParams"]

_SHARES = ("held_out_chat_share", "max_share_per_pair_domain", "max_share_machine_translated")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatParams:
    """Parameters of chat rows; characters are Unicode code points."""

    languages: tuple[str, ...]  # BCP-47
    data: str = ""  # another data folder; default RUMPUN_DATA or the one beside the checkout
    exclude_sources: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ("lexicon",)
    held_out_sources: dict[str, tuple[str, ...]] = field(default_factory=dict)  # language -> sources
    chat_seed: bool = False  # seed/chat-*.jsonl
    held_out_chat_share: float = 0.06  # of the keys, by whole topics
    pairs: bool = False  # parallel text as translation both ways
    pair_rows_per_language: int = 2_000
    max_share_per_pair_domain: float = 0.25  # of pair_rows_per_language
    domain_shares: dict[str, float] = field(default_factory=dict)  # other shares for some domains
    max_share_machine_translated: float = 0.15  # all sources whose names end in -mt together
    instruct: bool = False  # mechanically made task rows
    instruct_rows_per_language: int = 200
    safe_answers: tuple[str, ...] = ()  # safety sets of inventory-eval.toml: their prompts, safely answered
    safe_rows_per_language: int = 400
    max_characters_per_turn: int = 2_000
    min_characters: int = 20
    min_letter_share: float = 0.5  # letters and marks among characters that are not spaces
    min_script_share: float = 0.5  # of the letters, in the language's own script

    def check(self) -> None:
        """Refuse unknown languages, shares outside 0 to 1 and sizes that take nothing."""
        check_tags(self.languages, "chat_languages")
        shares = {name: getattr(self, name) for name in _SHARES}
        shares |= {f"domain_shares.{domain}": share for domain, share in self.domain_shares.items()}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} = {share}: expected a share from 0 to 1")
        for name in ("min_characters", "max_characters_per_turn"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected 1 or more")
        if self.chats and not self.languages:
            raise ValueError("chat_languages is empty, though chat rows are asked for; name at least one")

    @property
    def chats(self) -> bool:
        """Whether any chat rows are asked for."""
        return self.chat_seed or self.pairs or self.instruct or bool(self.safe_answers)

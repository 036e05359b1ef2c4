"""Unequal vocabularies: the union of what byte-level and other BPE tokenizers know, and where each parent has its rows.

The first tokenizer keeps its numbers; tokens of the others come behind them in their own order, and so do merges. Each
parent's merges stay in their order among themselves; where two parents' added merges would cut one text differently, the
earlier parent's come first, so that a later parent's texts may be cut otherwise than it was trained on: tokens that no text
reaches any more are counted (`unreached`). Where the tokenizer is a SentencePiece vocabulary, which joins whatever spells a
token, tokens of two parents may be parts of each other: every way to make a token is listed then.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rumpun.errors import InputError
from rumpun.weights.tokenizer_spm import completed

__all__ = ["Vocabulary", "read_vocabulary", "special_clashes", "union", "unreached"]

_CUTS: Final = ("normalizer", "pre_tokenizer", "decoder")  # must be equal: they decide what a token's text is
_ROLES: Final = ("bos_token", "eos_token", "pad_token", "unk_token")
_ADDED: Final = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "special": False,
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One `tokenizer.json`."""

    where: str  # for messages
    table: Mapping[str, Any]  # the file
    numbers: Mapping[str, int]  # token -> its row, added ones too
    added: Mapping[str, Mapping[str, Any]]  # content -> its entry in the file
    merges: tuple[tuple[str, str], ...]  # a part may hold a space, so they are no strings "a b"
    roles: Mapping[str, str]  # "eos_token" -> token

    @property
    def size(self) -> int:
        """Rows that the tokens need."""
        return 1 + max(self.numbers.values(), default=-1)

    @property
    def scored(self) -> bool:
        """Whether it is a SentencePiece vocabulary: letters that it lacks fall to bytes, not into byte letters."""
        return bool(self.table["model"].get("byte_fallback"))

    def same_as(self, other: "Vocabulary") -> bool:
        """Whether both give the same rows to the same text."""
        return (
            self.numbers == other.numbers
            and self.merges == other.merges
            and self.added.keys() == other.added.keys()
        )

    def extended(
        self, tokens: Sequence[str], merges: Sequence[str], where: str, rows: int = 0
    ) -> "Vocabulary":
        """With a layer's tokens and merges behind: a token that a merge makes is learnt, another found in the text.

        `rows` of the table that they stand behind, those that only fill it up among them, as in a GGUF.

        Raises:
            InputError: the tokenizer is no BPE, or a token or merge stands in it already.
        """
        _need_bpe(self)
        for words in (f"the token '{t}' stands in the base already" for t in tokens if t in self.numbers):
            raise InputError(f"{where}: {words}", "make the layer's vocabulary again for this base")
        old, pairs = set(self.merges), tuple(_pair(merge) for merge in merges)
        for words in (f"the merge '{' '.join(m)}' stands in the base already" for m in pairs if m in old):
            raise InputError(f"{where}: {words}", "make the layer's vocabulary again for this base")
        made = {left + right for left, right in (*self.merges, *pairs)}
        start = max(self.size, rows)
        numbers = dict(self.numbers) | {token: start + place for place, token in enumerate(tokens)}
        if self.scored:
            pairs = completed(pairs, numbers.keys() - self.added.keys())
        found = [] if self.scored else [token for token in tokens if token not in made]
        added = dict(self.added) | {token: {"content": token, **_ADDED} for token in found}
        return Vocabulary(where, self.table, numbers, added, (*self.merges, *pairs), self.roles)

    def whole(self) -> dict[str, Any]:
        """The `tokenizer.json` of these tokens and merges."""
        model = dict(self.table["model"])
        old = model.get("vocab", {})
        listed = all(
            entry["content"] in old for entry in self.table.get("added_tokens") or ()
        )  # as a GGUF does
        kept = {t: n for t, n in self.numbers.items() if listed or t in old or t not in self.added}
        model["vocab"] = dict(sorted(kept.items(), key=lambda item: item[1]))
        model["merges"] = [list(pair) for pair in self.merges]
        added = [{"id": self.numbers[token], **_without_id(entry)} for token, entry in self.added.items()]
        return dict(self.table) | {
            "model": model,
            "added_tokens": sorted(added, key=lambda entry: int(entry["id"])),
        }


def _without_id(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "id"}


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """A folder's tokenizer; None where it has no `tokenizer.json`.

    Raises:
        InputError: the file is no tokenizer.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    try:
        table = json.loads(path.read_bytes())
        vocab = table["model"].get("vocab")
        if isinstance(vocab, list):  # a unigram's: [[token, score], …]
            vocab = {entry[0]: place for place, entry in enumerate(vocab)}
        numbers = {str(t): int(n) for t, n in vocab.items()}
        added = {str(e["content"]): e for e in table.get("added_tokens") or []}
        numbers |= {t: int(e["id"]) for t, e in added.items()}
        merges = tuple(_pair(merge) for merge in table["model"].get("merges") or ())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no tokenizer ({error})", "fetch the model again") from error
    if len(set(numbers.values())) != len(numbers):
        raise InputError(f"{path}: two tokens have one number", "fetch the model again")
    return Vocabulary(str(path), table, numbers, added, merges, _roles(folder))


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    """Either of the forms that files have: "a b", or ["a", "b"]."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _roles(folder: Path) -> dict[str, str]:
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_bytes())
        found = {role: table.get(role) for role in _ROLES}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: no JSON object", "fetch the model again") from error
    return {r: str(t["content"] if isinstance(t, dict) else t) for r, t in found.items() if t}


def union(vocabularies: Sequence[Vocabulary]) -> Vocabulary:
    """Every token and merge of all, the first's numbers kept.

    Raises:
        InputError: they cut text differently, one is no BPE, or a token is special in one and plain text in another.
    """
    first = vocabularies[0]
    if all(first.same_as(other) for other in vocabularies[1:]):
        return first
    numbers, added, merges = dict(first.numbers), dict(first.added), dict.fromkeys(first.merges)
    end = first.size
    for other in vocabularies:
        _need_bpe(other)
        for key in _CUTS:
            if first.table.get(key) != other.table.get(key):
                raise InputError(
                    f"{first.where} and {other.where} cut text differently ({key})",
                    "merge models whose tokenizers come from one base",
                )
        _refuse_clashes(first, other, numbers, added)
        for token, _ in sorted(other.numbers.items(), key=lambda item: item[1]):
            if token not in numbers:
                numbers[token] = end
                end += 1
        added |= {token: entry for token, entry in other.added.items() if token not in added}
        merges |= dict.fromkeys(other.merges)
    joins = completed(merges, numbers.keys() - added.keys()) if first.scored else tuple(merges)
    return Vocabulary(first.where, first.table, numbers, added, joins, first.roles)


def _refuse_clashes(
    first: Vocabulary, other: Vocabulary, numbers: Mapping[str, int], added: Mapping[str, Mapping[str, Any]]
) -> None:
    for token in sorted(numbers.keys() & other.numbers.keys()):
        one, two = (bool(table.get(token, {}).get("special")) for table in (added, other.added))
        if one != two:
            steers, plain = ("earlier parents", other.where) if one else (other.where, "earlier parents")
            raise InputError(
                f"the token '{token}' is special in {steers} and plain text in {plain}",
                f"mend one of the tokenizers ({first.where} is the one that is kept)",
            )


def _need_bpe(vocabulary: Vocabulary) -> None:
    kind = vocabulary.table["model"].get("type", "BPE" if vocabulary.merges else "unknown")
    if kind != "BPE":
        raise InputError(
            f"{vocabulary.where}: a tokenizer of type {kind}, only BPE tokenizers can be joined",
            "merge models with equal tokenizers",
        )


def special_clashes(vocabularies: Sequence[Vocabulary]) -> list[str]:
    """Where parents use different tokens for one role; the first that names one is kept. One sentence each."""
    found = []
    for role in _ROLES:
        named = {v.where: v.roles[role] for v in vocabularies if role in v.roles}
        if len(set(named.values())) > 1:
            where, kept = next(iter(named.items()))
            others = sorted(set(named.values()) - {kept})
            found.append(f"{role}: '{kept}' of {where} is kept, others have {', '.join(map(repr, others))}")
    return found


def unreached(vocabulary: Vocabulary) -> list[str]:
    """Tokens that merging never gives for their own text, though one of the merges makes them."""
    from tokenizers.models import BPE

    model = vocabulary.whole()["model"]
    cut = BPE(
        vocab=model["vocab"],
        merges=list(vocabulary.merges),
        ignore_merges=bool(model.get("ignore_merges")),
    )
    made = dict.fromkeys(left + right for left, right in vocabulary.merges)
    return [t for t in made if t not in vocabulary.added and [p.value for p in cut.tokenize(t)] != [t]]

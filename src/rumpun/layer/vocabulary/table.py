"""What text costs before and after: tokens a character, and against English where texts say the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from rumpun.layer.vocabulary.texts import Texts

__all__ = ["changed_tokens", "cost_table", "shown"]


def cost_table(before: Any, after: Any, texts: Texts) -> list[dict[str, Any]]:
    """One row a language, from its held-out text.

    Keys: language, characters, tokens_before, tokens_after, per_character_before, per_character_after; and, from the
    texts that say the same in every language, cost_before and cost_after: tokens against the base's for the English
    text, None where there is none.

    Args:
        before: a `tokenizers.Tokenizer`.
        after: the same with new tokens.
        texts: what is measured.
    """
    english = _tokens(before, texts.parallel.get("en", ()))
    rows = []
    for tag in sorted(texts.train.keys() | texts.held_out.keys()):
        found = texts.held_out.get(tag, [])
        characters = sum(len(text) for text in found)
        counts = {"before": _tokens(before, found), "after": _tokens(after, found)}
        same = texts.parallel.get(tag, ())
        rows.append(
            {"language": tag, "characters": characters}
            | {f"tokens_{when}": count for when, count in counts.items()}
            | {f"per_character_{when}": _ratio(count, characters) for when, count in counts.items()}
            | {
                f"cost_{when}": _ratio(_tokens(tokenizer, same), english)
                for when, tokenizer in (("before", before), ("after", after))
            }
        )
    return rows


def _tokens(tokenizer: Any, texts: Sequence[str]) -> int:
    return sum(len(found.ids) for found in tokenizer.encode_batch(list(texts), add_special_tokens=False))


def _ratio(count: int, of: int) -> float | None:
    return round(count / of, 4) if count and of else None


def changed_tokens(before: Any, after: Any, texts: Sequence[str]) -> int:
    """How many of these texts get other tokens than before."""
    pairs = zip(
        before.encode_batch(list(texts), add_special_tokens=False),
        after.encode_batch(list(texts), add_special_tokens=False),
        strict=True,
    )
    return sum(one.ids != other.ids for one, other in pairs)


def shown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in lines for a terminal."""
    form = "{:8} {:>11} {:>14} {:>14} {:>13} {:>13}"
    lines = [form.format("", "characters", "tokens/char", "with layer", "cost × en", "with layer")]
    for row in rows:
        cells = (
            row[key] for key in ("per_character_before", "per_character_after", "cost_before", "cost_after")
        )
        lines.append(
            form.format(
                row["language"], f"{row['characters']:,}", *("" if c is None else f"{c:.3f}" for c in cells)
            )
        )
    return lines

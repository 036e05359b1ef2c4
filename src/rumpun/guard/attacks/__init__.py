"""Changes that people make to a text so that a guard does not see what a reader sees; for measuring guards.

Each is a function text -> text with a name (`Attack`): seeded, deterministic, and for certain scripts only.
Reading order: `attack` (what one is), `characters`, `marks`, `burmese` (signs exchanged), `writing` (romanised, mixed),
`wrapping` (encodings, padding). They compose no request: what is attacked is text that the caller has.
"""

from collections.abc import Mapping, Sequence

from rumpun.guard.attacks.attack import Attack
from rumpun.guard.attacks.burmese import ZAWGYI
from rumpun.guard.attacks.characters import (
    CASE_MIX,
    DIGITS,
    FULLWIDTH,
    HOMOGLYPH,
    LEETSPEAK,
    REPEAT,
    SPACING,
    ZERO_WIDTH,
)
from rumpun.guard.attacks.marks import MARK_ORDER
from rumpun.guard.attacks.wrapping import BASE64, HEX, ROT13, padding
from rumpun.guard.attacks.writing import ROMANISED, mixed

__all__ = ["ATTACKS", "Attack", "attacks_for", "mixed", "padding"]

ATTACKS: Mapping[str, Attack] = {  # those that need nothing from the caller
    attack.name: attack
    for attack in (
        ZERO_WIDTH, HOMOGLYPH, FULLWIDTH, MARK_ORDER, ZAWGYI, SPACING, LEETSPEAK, DIGITS, REPEAT, CASE_MIX,
        ROMANISED, BASE64, HEX, ROT13,
    )
}  # fmt: skip


def attacks_for(
    language: str, lexicon: Mapping[str, Sequence[str]] | None = None, harmless: Sequence[str] = ()
) -> list[Attack]:
    """Every attack for texts of a language: those of ATTACKS, code-mixing, and padding where there is harmless text.

    Args:
        language: BCP-47; code-mixing depends on it.
        lexicon: word -> words for code-mixing; without it only particles and short forms are mixed in.
        harmless: texts to pad with.
    """
    found = [*ATTACKS.values(), mixed(language, lexicon or {})]
    return [*found, padding(harmless)] if harmless else found

"""Burmese syllables as SEA-HELM cuts them.

Source: src/rouge_score/tokenizers.py, after Ding et al. 2019 (https://doi.org/10.1145/3325885).
"""

__all__ = ["syllables"]

_ASAT, _DOT, _STACK = "\u103a", "\u1037", "\u1039"
_ON_BASE = frozenset(
    "\u102b\u102c\u102d\u102e\u102f\u1030\u1031\u1032\u1036\u1037\u1038\u103a\u103b\u103c\u103d\u103e"
)
_RHYME_MAX = 3  # code points of a unit with asat that closes the syllable before it; a longer one is a vowel of its own


def syllables(text: str) -> list[str]:
    """Syllables of a text without its spaces: signs glued to their base, closing consonants to their syllable.

    A code point that is no dependent sign is a unit of its own, so Latin words and digits fall into single characters.
    SEA-HELM's fault is kept: of two closing consonants in a row, the second stays alone.
    """
    text = text.replace("\u200c", " ").replace(_DOT + _ASAT, _ASAT + _DOT)
    units: list[str] = []
    for char in "".join(text.lower().split()):
        if char in _ON_BASE and units:
            units[-1] += char
        else:
            units.append(char)
    for n in range(1, len(units)):
        if _ASAT in units[n] and len(units[n]) <= _RHYME_MAX:
            units[n - 1] += units[n]  # also into a slot that was itself just emptied
            units[n] = ""
    return " ".join(unit for unit in units if unit).replace(f" {_STACK} ", _STACK).split()

"""Burmese in the Zawgyi encoding: how sure a line is to be in it, and the same line in Unicode.

Zawgyi is a font that uses the code points of the Myanmar block for other shapes, in the order in which they are seen:
the same string means different syllables in the two encodings, and no converter can be right without knowing which it
reads. So a line is judged first.

The judgement (`probability`) adds the log odds of signatures, each a place that one encoding writes all the time and
the other cannot write: E (U+1031) before its consonant, medial RA before its consonant, an asat (Zawgyi U+1039) with no
consonant behind it or one of another row, against E behind its syllable, kinzi, medial HA U+103E and asat with a tone
mark. The odds are set by hand and measured on text (docs/languages.md), not trained. A line with no signature of Zawgyi
has probability 0.

The conversion follows the published correspondence of the two encodings (the same that Unicode CLDR's transform
Zawgyi-my and the Rabbit rules describe), syllable by syllable, in code of our own; the marks are then put in Unicode's
order by `normalise_marks.burmese`. Mon, Karen and Shan use the code points that Zawgyi took: never judge text that is
known to be in those languages.
"""

import math
import re
import unicodedata
from collections.abc import Iterable

from rumpun.language.offsets import Edit, rewrite

__all__ = ["CARRIER", "CONSONANT", "STACKABLE", "at_least", "convert", "probability", "signed"]

# character classes
CONSONANT = "\u1000-\u1021\u1025\u1027\u1029\u103f\u104e"
_RA = "\u103b\u107e-\u1084"  # Zawgyi's medial RA, in its widths; written before the consonant
# what E and medial YA may stand behind in Unicode, in any language of the script
CARRIER = (
    CONSONANT
    + "\u1022-\u102a\u103a-\u103e\u105a-\u1061\u1065\u1066\u106e-\u1070\u1075-\u1082\u108e\uaa60-\uaa7f"
)
STACKABLE = "\u1000-\u102a\u103f\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081"  # may stand below
_FOR: tuple[tuple[float, str, str], ...] = (  # log odds, a sign, and what must hold behind it
    (3.0, "\u1031", f"(?<![{CARRIER}].)[{CONSONANT}{_RA}]"),  # E before its consonant
    (5.0, "\u103b", f"(?<![{CARRIER}].)[{CONSONANT}]"),  # RA before its consonant
    (
        1.5,
        "\u107e-\u1084",
        f"[{CONSONANT}](?!\u103a)",
    ),  # its other widths, letters and vowels of Shan in Unicode
    (
        5.0,
        "\u1039",
        f"(?![{STACKABLE}])",
    ),  # asat
)
# an asat before a consonant of another row of the alphabet: Burmese in Unicode stacks within a row only
_ROWS = (
    "\u1000-\u1003",
    "\u1005-\u100a",
    "\u100b-\u100f",
    "\u1010-\u1014",
    "\u1015-\u1019",
    "\u101c",
    "\u101e",
    "\u1020",
)
_ACROSS = (
    "(?:"
    + "|".join(f"(?<=[{row}].)(?![{row}])" for row in _ROWS)
    + f"|(?<![{''.join(_ROWS)}\u103a].))[\u1000-\u1021]"
)
_STACK = re.compile(f"\u1039{_ACROSS}")
_STACK_ODDS, _STACKS = (
    2.0,
    2,
)  # and how many count: Mon stacks across rows, and must never be sure by them alone
_AGAINST: tuple[tuple[float, str], ...] = (  # the commonest first: text of Shan has signatures all the time
    (4.0, "[\u1022\u1075-\u1081][\u102d-\u1031\u1035\u103a\u1082-\u1088]"),  # a Shan letter with its mark
    (4.0, "\u103a[\u1087-\u108a]"),  # a Shan tone behind a final
    (3.0, f"\u1031(?![{CONSONANT}{_RA}\u1031\u106a\u106b\u106e\u106f\u1086\u108f-\u1092\u1097])"),  # E last
    (3.0, "\u1037\u103a|\u103a\u1038"),  # asat with a tone mark
    (4.0, "\u1004\u103a\u1039[\u1000-\u1021]"),  # kinzi
    (3.0, "\u103e"),  # medial HA, a code point that Zawgyi does not use
    (3.0, "[\u102b\u102c]\u103a"),  # AA with asat
    (1.0, f"[{CONSONANT}]\u103a(?![\u1000-\u109f])"),  # asat last
)
_SIGNATURES = re.compile(
    f"[{''.join(sign for _, sign, _ in _FOR)}](?:{'|'.join(f'(?<=[{sign}]){then}' for _, sign, then in _FOR)})"
)
_PRO = tuple((odds, re.compile(f"[{sign}]{then}")) for odds, sign, then in _FOR)
_CON = tuple((odds, re.compile(pattern)) for odds, pattern in _AGAINST)
_MOST = 30.0  # log odds, either way


def probability(line: str) -> float:
    """How probable it is that a line is in Zawgyi, 0 to 1. Text without a signature of Zawgyi has 0."""
    if not signed(line):
        return 0.0
    odds = _odds_for(line) - sum(weight * len(pattern.findall(line)) for weight, pattern in _CON)
    return 1 / (1 + math.exp(-max(-_MOST, min(_MOST, odds))))


def at_least(line: str, least: float) -> bool:
    """Whether `probability(line)` is `least` or more; nothing more is counted once it cannot be."""
    if not signed(line):
        return False
    odds, needed = _odds_for(line), math.log(least / (1 - least))
    for weight, pattern in _CON:
        if odds < needed:
            return False
        odds -= weight * len(pattern.findall(line))
    return odds >= needed


def signed(text: str) -> bool:
    """Whether a text has a signature of Zawgyi at all."""
    return bool(_SIGNATURES.search(text))


def _odds_for(line: str) -> float:
    odds = sum(weight * len(pattern.findall(line)) for weight, pattern in _PRO)
    return odds + _STACK_ODDS * min(_STACKS, len(_STACK.findall(line)))


_BASES = {
    "\u106a": "\u1009",
    "\u106b": "\u100a",
    "\u106e": "\u100d\u1039\u100d",
    "\u106f": "\u100d\u1039\u100e",
    "\u1086": "\u103f",
    "\u108f": "\u1014",
    "\u1090": "\u101b",
    "\u1091": "\u100f\u1039\u100d",
    "\u1092": "\u100b\u1039\u100c",
    "\u1097": "\u100b\u1039\u100b",
}
_KINZI = "\u1004\u103a\u1039"
_KINZIS = {
    "\u1064": "",
    "\u108b": "\u102d",
    "\u108c": "\u102e",
    "\u108d": "\u1036",
}  # with the vowel in the same shape
_STACKED = {  # consonants below the line
    "\u1060": "\u1000", "\u1061": "\u1001", "\u1062": "\u1002", "\u1063": "\u1003", "\u1065": "\u1005",
    "\u1066": "\u1006", "\u1067": "\u1006", "\u1068": "\u1007", "\u1069": "\u1008", "\u106c": "\u100b",
    "\u106d": "\u100c", "\u1070": "\u100f", "\u1071": "\u1010", "\u1072": "\u1010", "\u1073": "\u1011",
    "\u1074": "\u1011", "\u1075": "\u1012", "\u1076": "\u1013", "\u1077": "\u1014", "\u1078": "\u1015",
    "\u1079": "\u1016", "\u107a": "\u1017", "\u107b": "\u1018", "\u1093": "\u1018", "\u107c": "\u1019",
    "\u1085": "\u101c", "\u1096": "\u1010\u103d",
}  # fmt: skip
_MARKS = {
    "\u1033": "\u102f",
    "\u1034": "\u1030",
    "\u1039": "\u103a",  # asat
    "\u103a": "\u103b",  # ya
    "\u107d": "\u103b",
    "\u103c": "\u103d",  # wa
    "\u103d": "\u103e",  # ha
    "\u1087": "\u103e",
    "\u1088": "\u103e\u102f",
    "\u1089": "\u103e\u1030",
    "\u108a": "\u103d\u103e",
    "\u105a": "\u102b\u103a",
    "\u108e": "\u102d\u1036",
    "\u1094": "\u1037",
    "\u1095": "\u1037",
}
_MARK = "\u102b-\u1030\u1032-\u103a\u103c\u103d\u105a\u1060-\u1069\u106c\u106d\u1070-\u107d\u1085\u1087-\u108e\u1093-\u1096"
_BASE = "\u1000-\u102a\u103f\u1040\u1047\u106a\u106b\u106e\u106f\u1086\u108f-\u1092\u1097"
_SYLLABLE = re.compile(
    f"(\u104e)(?:\u1004\u1039\u1038)?|([\u1031{_RA}]*)([{_BASE}])([{_MARK}]*)|[{_MARK}\u1031{_RA}]+"
)
_RA_SIGNS = frozenset("\u103b\u107e\u107f\u1080\u1081\u1082\u1083\u1084")


def _nfc(parts: Iterable[str]) -> str:
    return unicodedata.normalize("NFC", "".join(parts))


def _mark(mark: str) -> str:
    if mark in _STACKED:
        return "\u1039" + _STACKED[mark]
    return _MARKS.get(mark, mark)


def _syllable(found: re.Match[str]) -> str:
    aforementioned, before, base, marks = found.groups()
    if aforementioned:  # one shape in Zawgyi, written out in Unicode
        return "\u104e\u1004\u103a\u1038"
    if base is None:  # marks with nothing to stand on
        return _nfc("\u103c" if sign in _RA_SIGNS else _mark(sign) for sign in found.group())
    kinzi = _KINZI if any(mark in _KINZIS for mark in marks) else ""
    stacked = "".join(_mark(mark) for mark in marks if mark in _STACKED)
    others = "".join(_KINZIS.get(mark, _mark(mark)) for mark in marks if mark not in _STACKED)
    if base == "\u1025" and others.startswith(("\u103a", "\u1037\u103a")):
        base = "\u1009"  # U before asat is NYA
    elif base in "\u1040\u1047" and (before or marks.strip("\u1037\u1038\u1094\u1095")):
        base = "\u101d" if base == "\u1040" else "\u101b"  # a digit that carries a mark is a letter
    ra = "\u103c" if any(sign != "\u1031" for sign in before) else ""
    e = "\u1031" * before.count("\u1031")
    return _nfc((kinzi, _BASES.get(base, base), stacked, ra, e, others))


def convert(line: str) -> tuple[str, list[Edit]]:
    """A line that is in Zawgyi, in Unicode, and the edits; marks are not yet in Unicode's order.

    Converting text that is in Unicode already damages it: ask `probability` first.
    """
    return rewrite(line, _SYLLABLE, _syllable)

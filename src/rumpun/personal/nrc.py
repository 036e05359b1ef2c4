"""Myanmar's NRC number in both scripts: 12/OUKAMA(N)123456, ၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆.

State or region 1 to 14, the township's three syllables or letters, the class in brackets, six digits. No check digit is
public; the layout stands for itself. The townships themselves are not checked.
"""

import re
from collections.abc import Iterator

from rumpun.personal.found import Candidate

__all__ = ["nrc_numbers"]

_GAP = "[ \u200b]?"
_STATE = r"(?<![0-9/])(?:1[0-4]|0?[1-9])"
_LATIN = r"[A-Za-z]{2,5}(?:[ -]?[A-Za-z]{1,5}){0,2}"
_BURMESE = "(?:[\u1000-\u1021\u1025\u1027\u1029\u108f][\u102b-\u103e\u1060-\u108e]{0,4}){2,4}"
_CLASS = "(?:[A-Za-z]{1,8}|[\u1000-\u109f]{1,14})"
_BRACKETED = re.compile(
    rf"{_STATE}{_GAP}/{_GAP}(?:{_LATIN}|{_BURMESE}){_GAP}[(\[]{_GAP}{_CLASS}{_GAP}[)\]]{_GAP}[0-9]{{6}}(?![0-9])"
)
_BARE = re.compile(rf"{_STATE}/[A-Z]{{5,9}}[NEPTFS][ -]?[0-9]{{6}}(?![0-9])")


def nrc_numbers(folded: str) -> Iterator[Candidate]:
    """NRC numbers in a folded text."""
    if "/" not in folded:
        return
    for match in _BRACKETED.finditer(folded):
        yield Candidate("MM_NRC", *match.span(), 0.9, "mm", ["state/township(class) and six digits"])
    for match in _BARE.finditer(folded):
        yield Candidate("MM_NRC", *match.span(), 0.65, "mm", ["state/township, class, six digits"])

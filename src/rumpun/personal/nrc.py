"""Myanmar's NRC number in both scripts: 12/OUKAMA(N)123456, ၁၂/ဥကမ(နိုင်)၁၂၃၄၅၆.

State or region 1 to 14, the township's three syllables or letters, the class in brackets, six digits. No check digit is
public; the layout stands for itself. The townships themselves are not checked.
"""

import re
from collections.abc import Iterator

from rumpun.personal.found import Candidate

__all__ = ["nrc_numbers"]

_GAP = "[ \u200b]?"
_STATE = re.compile("(?<![0-9/])(?:1[0-4]|0?[1-9])[ \u200b]?\\Z")
_LATIN = r"[A-Za-z]{2,5}(?:[ -]?[A-Za-z]{1,5}){0,2}"
_BURMESE = "(?:[\u1000-\u1021\u1025\u1027\u1029\u108f][\u102b-\u103e\u1060-\u108e]{0,4}){2,4}"
_CLASS = "(?:[A-Za-z]{1,8}|[\u1000-\u109f]{1,14})"
_SIX = "[0-9]{3}[ \u200b-]?[0-9]{3}"
_BRACKETED = re.compile(
    rf"/{_GAP}(?:{_LATIN}|{_BURMESE}){_GAP}[(\[]{_GAP}{_CLASS}{_GAP}[)\]]{_GAP}{_SIX}(?![0-9])"
)
_BARE = re.compile(
    rf"/{_GAP}(?:[A-Z]{{5,9}}|[A-Za-z]{{5,9}}[ -])(?:[NEPFSTC]|TH|Naing|NAING)[ -]?{_SIX}(?![0-9])"
)


def nrc_numbers(folded: str) -> Iterator[Candidate]:
    """NRC numbers in a folded text."""
    place = folded.find("/")
    while place >= 0:
        state = _STATE.search(folded[max(0, place - 4) : place])
        if state:
            start = place - len(state.group())
            if match := _BRACKETED.match(folded, place):
                yield Candidate(
                    "MM_NRC", start, match.end(), 0.9, "mm", ["state/township(class) and six digits"]
                )
            elif match := _BARE.match(folded, place):
                yield Candidate(
                    "MM_NRC", start, match.end(), 0.65, "mm", ["state/township, class, six digits"]
                )
        place = folded.find("/", place + 1)

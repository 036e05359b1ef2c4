"""Mask a text while it streams in: nothing is sent before it is sure that it is no part of an identifier."""

import re

from rumpun.personal.fold import HOT, folded
from rumpun.personal.mask import Masker
from rumpun.personal.runs import REACH

__all__ = ["MaskStream", "held"]

_BEHIND = REACH + 10  # code points: words behind a number speak for it, and an NRC number's digits come last
_WORD_MOST, _ADDRESS_MOST, _URL_MOST, _ZONE_MOST, _QR_MOST, _NUMBER_MOST = 96, 640, 2048, 140, 512, 220
_CONTEXT = 240  # code points of what was sent that are still looked at
# a word with letters that a digit behind them would make Latin ones, or zeros: Cyrillic, Greek, Burmese WA and RA
_LETTERS = "!-~\u0370-\u052f\u0531-\u0587\u13a0-\u13f5\uab70-\uabbf\u101b\u101d"
_WORD = re.compile(rf"[{_LETTERS}\u200b]+\Z")
_CAPITALS = re.compile(
    r"(?<![A-Za-z0-9])[A-Z\u0370-\u052f\u0531-\u0587\u13a0-\u13f5][A-Z]?[ .\u00b7\u200b-]\Z"
)
_GAP = r"(?:[ .\u00b7()-]|\u200b++){0,3}+"
_NUMBER = re.compile(
    rf"(?:(?<![A-Za-z0-9])[A-Z]{{1,2}}[ .\u00b7\u200b-]|[A-Za-z+(]{{0,3}})[0-9](?:{_GAP}[0-9])*+"
)
_OPEN = re.compile(rf"{_GAP}[A-Za-z\u101b\u101d]{{0,2}}\Z|[ \u200b]?/")
_ZONE = re.compile(r"[A-Z0-9<]{5,}<[A-Z0-9<\r\n]*\Z")


def held(text: str) -> int:
    """How many code points at the end of a text to hold back, since what follows may make them personal data.

    The last word; a number of six digits or more until the words behind it are seen; an address, a payment code or a
    machine-readable zone that is not complete. Never more than 2,048.
    """
    tail = folded(text[-_URL_MOST:])
    size = len(tail)
    cut = size
    word = _CAPITALS.search(tail[-4:]) or _WORD.search(tail[-_WORD_MOST:])
    if word:
        cut = size - len(word.group())
    address = max(tail.rfind(" "), tail.rfind("\n"), tail.rfind("\t")) + 1
    if "://" in tail[address:]:
        cut = min(cut, address)
    elif "@" in tail[address:]:
        cut = min(cut, max(address, size - _ADDRESS_MOST))
    numbers = list(_NUMBER.finditer(tail, max(0, size - _BEHIND - _NUMBER_MOST)))
    for number in numbers:
        digits = sum(sign.isdigit() for sign in number.group())
        if size - number.end() <= _BEHIND and (digits >= 6 or _OPEN.match(tail, number.end())):
            cut = min(cut, number.start())
            break
    zone = _ZONE.search(tail, max(0, size - _ZONE_MOST))
    if zone:
        cut = min(cut, zone.start())
    code = tail.rfind("000201", max(0, size - _QR_MOST))
    if code >= 0 and "6304" not in tail[code : max(code, size - 4)]:
        cut = min(cut, code)
    within = next((number.start() for number in numbers if number.start() < cut < number.end()), cut)
    return size - within


class MaskStream:
    """Text in as it comes; masked text out.

    What it sends is the masked text from its start; the rest comes with `flush`. An identifier is never sent in part.
    It sees less than the whole text at once: a word of context more than 240 code points back is forgotten.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._text = ""
        self._sent = 0  # place in _text up to which all is sent

    def feed(self, text: str) -> str:
        """Add text and take what is sure by now."""
        self._text += text
        return self._take(len(self._text) - held(self._text))

    def flush(self) -> str:
        """Take what is left."""
        out = self._take(len(self._text))
        self._text, self._sent = "", 0
        return out

    def _take(self, cut: int) -> str:
        if cut <= self._sent:
            return ""
        pieces = []
        found = self._masker.found(self._text) if HOT.search(self._text, self._sent) else []
        for item in found:
            if item.end <= self._sent:
                continue
            if item.end > cut:
                cut = max(self._sent, min(cut, item.start))
                break
            pieces.append(self._text[self._sent : item.start])
            pieces.append(
                self._masker.replacement(item.type, self._text[max(item.start, self._sent) : item.end])
            )
            self._sent = item.end
        pieces.append(self._text[self._sent : cut])
        self._sent = max(self._sent, cut)
        drop = max(0, self._sent - _CONTEXT)
        self._text, self._sent = self._text[drop:], self._sent - drop
        return "".join(pieces)

"""Faults of one text: empty, spaces at its edge, damaged signs, brackets that do not close, quotes left doubled."""

import re
import unicodedata

__all__ = ["csv_quoted", "damage", "decoded", "edge", "empty", "same", "trimmed", "unclosed", "unquoted"]

# signs that take no room: zero width spaces, joiners, marks of direction, the soft hyphen, the byte order mark
_UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_HIDDEN = re.compile(f"[{_UNSEEN}]")
_EDGE = _UNSEEN + "".join(chr(point) for point in range(0x3001) if chr(point).isspace())
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# UTF-8 that was read as Windows-1252 or Latin-1: a first byte and its followers, each as the sign it was taken for
_FOLLOWS = "\u0080-\u00bf" + "".join(
    sorted({bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0xA0)})
)
_MOJIBAKE = re.compile(
    f"[\u00c2-\u00df][{_FOLLOWS}]|[\u00e0-\u00ef][{_FOLLOWS}]{{2}}|[\u00f0-\u00f4][{_FOLLOWS}]{{3}}"
)
# a letter with a mark may stand before one of these in sound text: a quotation mark, a dash, a dot, a space
_SOUND = set("\u00a0\u00aa\u00ab\u00b7\u00ba\u00bb‘’“”‹›–—…")
_LOST = "Ä¢"  # the rest of a bullet that was read as Mac Roman
_MANY = 3  # of such pairs are no chance

_CASED = 3  # code points, in which capitals may be all that differs

_PAIRS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "（": "）",
    "［": "］",
    "「": "」",
    "『": "』",
    "《": "》",
    "【": "】",
}
_CLOSES = {closing: opening for opening, closing in _PAIRS.items()}
_BRACKET = re.compile(f"[{re.escape(''.join((*_PAIRS, *_CLOSES)))}]")
_LOOSE = re.compile(
    r"[:;=][-'^o]?[()\[\]{}]+(?=[\s.,!?]|$)"  # :-)
    r"|[\[(][^()\[\]]{0,20}[,;][^()\[\]]{0,20}[\])]"  # [0, 1)
)
_MARK = re.compile(r"(?:^|[\s,;:.])\w{1,3}\Z")  # of a list: a) 1) iv)


def same(text: str) -> str:
    """A text as it is compared: composed, lower case, single spaces, without signs that are not seen.

    The case of the shortest is kept: Aa is not AA.
    """
    seen = " ".join(_HIDDEN.sub("", unicodedata.normalize("NFC", text)).split())
    return seen if len(seen) <= _CASED else seen.casefold()


def empty(text: str) -> bool:
    """Whether there is nothing to read in it."""
    return not text.strip(_EDGE)


def edge(text: str) -> str:
    """The white or unseen signs at a text's two ends, as code points; "" where there are none."""
    found = text[: len(text) - len(text.lstrip(_EDGE))] + text[len(text.rstrip(_EDGE)) :]
    return " ".join(f"U+{ord(sign):04X}" for sign in found)


def damage(text: str) -> str:
    """What of a text came out wrong on its way ("" where nothing did): a lost sign, a control sign, mojibake."""
    if "\ufffd" in text:
        return "U+FFFD stands for a sign that was lost"
    if found := _CONTROL.search(text):
        return f"the control sign U+{ord(found[0]):04X}"
    wrong = _mojibake(text)
    return f"UTF-8 read as another encoding: {wrong[0]!r}" if wrong else ""


def _mojibake(text: str) -> list[str]:
    """The runs of a text that are UTF-8 read as another encoding, each once, a sure one first; none where none is sure."""
    runs = dict.fromkeys(found[0] for found in _MOJIBAKE.finditer(text))
    sure = [run for run in runs if run.startswith("â€") or not _SOUND & set(run[1:])]
    return list(dict.fromkeys([*sure, *runs])) if sure or len(runs) >= _MANY else []


def decoded(text: str) -> str:
    """A text with its mojibake read as the UTF-8 that it was, where that can be told."""
    for run in _mojibake(text):
        if run != _LOST:
            text = text.replace(run, b"".join(map(_byte, run)).decode("utf-8", "replace"))
    return text


def _byte(sign: str) -> bytes:
    return bytes([ord(sign)]) if ord(sign) < 256 else sign.encode("cp1252")


def trimmed(text: str) -> str:
    """A text without white or unseen signs at its ends."""
    return text.strip(_EDGE)


def unclosed(text: str) -> str:
    """A bracket that is opened and not closed, or closed and not opened; "" where none is.

    Smileys, marks of a list and half-open intervals are let be.
    """
    stack: list[str] = []
    bare = _LOOSE.sub(" ", text)
    for found in _BRACKET.finditer(bare):
        sign, place = found[0], found.start()
        if sign in _PAIRS:
            stack.append(sign)
        elif stack and stack[-1] == _CLOSES[sign]:
            stack.pop()
        elif stack or not _MARK.search(bare[max(0, place - 4) : place]):
            return sign
    return stack[0] if stack else ""


def csv_quoted(text: str) -> bool:
    """Whether a text still stands in the quotes of a CSV file, its own doubled."""
    return len(text) > 2 and text[0] == text[-1] == '"' and _doubled(text[1:-1])


def unquoted(text: str) -> str:
    """The text that a CSV file's quotes stand around."""
    return text[1:-1].replace('""', '"')


def _doubled(inside: str) -> bool:
    runs = re.findall('"+', inside)
    return bool(runs) and all(len(run) % 2 == 0 for run in runs)

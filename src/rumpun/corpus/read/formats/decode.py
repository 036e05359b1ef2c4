"""Bytes -> text: UTF-8 where it is UTF-8, else the encoding that was declared, else the one that fits clearly, else none.

The older encodings of the region: cp874 (Thai, TIS-620), cp1258 (Vietnamese), gb18030 and big5hkscs (Chinese), cp1252
(Latin-1 as it is met). Each is scored by how far the decoded text looks like the writing it is for; text whose lines mix
encodings is decoded line by line. Nothing is guessed below FITS, and nothing is replaced.
"""

import codecs
import functools
from collections.abc import Callable

__all__ = ["CANDIDATES", "Decoder", "decoded_or_replaced", "known_encoding"]

FITS = 0.75  # score from which an encoding is taken; 1 is text without one odd character
CLEARLY = 0.08  # by which it must lead the next
_OF_LANGUAGE = {"th": "cp874", "vi": "cp1258", "zh": "gb18030"}
_HINTED = 0.1  # what a declared language adds to its encoding

# labels that mean a wider encoding in practice (WHATWG Encoding, https://encoding.spec.whatwg.org/#names-and-labels)
_LABELS = {
    "iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252",
    "tis-620": "cp874", "tis620": "cp874", "iso-8859-11": "cp874", "windows-874": "cp874", "dos-874": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030", "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs", "x-x-big5": "big5hkscs", "cn-big5": "big5hkscs", "shift_jis": "cp932", "euc-kr": "cp949",
    "windows-1258": "cp1258", "unicode": "utf-8", "utf8": "utf-8",
}  # fmt: skip


@functools.cache
def known_encoding(label: str) -> str:
    """The codec for a label as pages and recipes write it, or "" where there is none."""
    name = label.strip().strip("\"'").lower()
    name = _LABELS.get(name, name)
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    return found.name if getattr(found, "_is_text_encoding", True) else ""


def _as(name: str, data: bytes) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None


class Decoder:
    """Decodes the documents of one file; a clear finding in one document helps with the short ones after it.

    Args:
        declared: the encoding that the recipe or the page names, or "".
        language: the BCP-47 tag that the source declares, or "".
    """

    def __init__(self, declared: str = "", language: str = "") -> None:
        self._declared = known_encoding(declared) if declared else ""
        self._expected = _OF_LANGUAGE.get(language, "")

    def text(self, data: bytes) -> tuple[str, str] | None:
        """(text, encoding it was in: "" for UTF-8 and what was declared), or None where nothing fits clearly."""
        found = _as("utf-8", data)
        if found is not None:
            return found, ""
        if self._declared:
            found = _as(self._declared, data)
            if found is not None:
                return found, ""
        lines = data.split(b"\n")
        whole = [_as("utf-8", line) if not line.isascii() else "" for line in lines]
        if any(whole):
            return self._mixed(lines)
        name = self._best(data)
        if name:
            self._expected = self._expected or name
            return data.decode(name), name
        return self._mixed(lines) if len(lines) > 1 else None

    def _mixed(self, lines: list[bytes]) -> tuple[str, str] | None:
        """Line by line: UTF-8 as it is, the others by the encoding of all of them together, or else each by its own."""
        odd = [n for n, line in enumerate(lines) if _as("utf-8", line) is None]
        together = self._best(b"\n".join(lines[n] for n in odd))
        texts: list[str] = []
        names: list[str] = []
        for line in lines:
            found = _as("utf-8", line)
            if found is None:
                name = together or self._best(line)
                if not name:
                    return None
                names.append(name)
                found = line.decode(name)
            texts.append(found)
        said = "+".join(sorted(set(names)))
        utf8 = len(odd) < len(lines) and any(
            not line.isascii() for n, line in enumerate(lines) if n not in set(odd)
        )
        return "\n".join(texts), f"utf-8+{said}" if utf8 else said

    def _best(self, data: bytes) -> str:
        sample = data if len(data) <= _SAMPLE else data[:_SAMPLE].rpartition(b"\n")[0] or data[:_SAMPLE]
        scores = {}
        for name, score in CANDIDATES.items():
            if _as(name, data) is not None:
                text = sample.decode(name, "ignore")
                scores[name] = score(text, sample) + (_HINTED if name == self._expected else 0)
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        if not ranked or ranked[0][1] < FITS:
            return ""
        if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < CLEARLY:
            same = sample.decode(ranked[0][0], "ignore") == sample.decode(ranked[1][0], "ignore")
            return ranked[0][0] if same else ""
        return ranked[0][0]


_SAMPLE = 64 << 10  # bytes that are scored


def decoded_or_replaced(data: bytes, decoder: Decoder) -> tuple[str, str]:
    """As `Decoder.text`; where nothing fits, UTF-8 with marks in place of the broken bytes (for web pages alone)."""
    found = decoder.text(data)
    if found is not None:
        return found
    return data.decode("utf-8", "replace"), "utf-8 with replacements"


_LEADING = frozenset("เแโใไ")
_UPPER_LOWER = frozenset("ัิีึืฺุู")
_TONES_OF_THAI = frozenset("็่้๊๋์ํ๎")
_FOLLOWING = frozenset("ะาำๅ")
_RARE = frozenset("ฃฅฦฺ๎๏๚๛฿")


def _thai(text: str, _: bytes) -> float:
    """Thai letters that stand as Thai is written: marks on consonants, leading vowels before consonants."""
    high = good = 0
    before = " "
    for letter in text + " ":
        consonant = "ก" <= letter <= "ฮ"
        if before in _LEADING and not consonant:
            good -= 1
        if letter > "\x7f":
            high += 1
            held = "ก" <= before <= "ฮ"
            if letter in _RARE:
                pass
            elif letter in _UPPER_LOWER:
                good += held
            elif letter in _TONES_OF_THAI:
                good += held or before in _UPPER_LOWER
            elif letter in _FOLLOWING:
                good += held or before in _UPPER_LOWER or before in _TONES_OF_THAI or before in _FOLLOWING
            elif consonant or letter in _LEADING or "ฯ" <= letter <= "๙":
                good += not (before.isascii() and before.isalpha())
            else:
                good += letter in "‘’“”•–—…\xa0"
        before = letter
    return good / high if high else 0.0


_VIETNAMESE = frozenset("àáâãèéêìíòóôõùúýăđĩũơưÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝĂĐĨŨƠƯ")
_ONLY_VIETNAMESE = frozenset("ăđơưĂĐƠƯ\u0300\u0301\u0303\u0309\u0323")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_VOWELS = frozenset("aeiouyăâêôơưAEIOUYĂÂÊÔƠƯ")
_MARKS = frozenset("‘’“”„•–—…«»\xa0©®°€£§·₫")


def _vietnamese(text: str, _: bytes) -> float:
    """Vietnamese letters among Latin ones, tones on vowels; without any that is Vietnamese alone it is no candidate."""
    high = good = evidence = 0
    before = " "
    for letter in text:
        if letter > "\x7f":
            high += 1
            if letter in _TONES:
                good += before in _VOWELS
                evidence += before in _VOWELS
            elif letter in _VIETNAMESE:
                good += 1
                evidence += letter in _ONLY_VIETNAMESE
            else:
                good += letter in _MARKS
        before = letter
    return good / high if high and evidence * 4 >= high else 0.0


def _western(text: str, _: bytes) -> float:
    """Accented letters that stand by themselves among plain Latin ones."""
    high = good = letters = 0
    around = f" {text} "
    for n, letter in enumerate(text, 1):
        if letter > "\x7f":
            high += 1
            left, right = around[n - 1], around[n + 1]
            if letter.isalpha():
                letters += 1
                beside = (left.isascii() and left.isalpha()) + (right.isascii() and right.isalpha())
                good += beside > 0 and letter not in "ÐÞðþªº×÷"
            else:
                good += letter in _MARKS or letter in "¡¿½¼¾²³"
    plain = sum(letter.isascii() and letter.isalpha() for letter in text)
    if (
        not high or letters * 4 > plain
    ):  # more than one in five letters accented: no Western European language
        return 0.0
    return 0.98 * good / high


def _pairs(low: int, high: int, trail: int) -> Callable[[str, bytes], float]:
    """Share of double bytes whose first is among the frequent characters of an encoding and whose second is allowed."""

    def score(_: str, data: bytes) -> float:
        pairs = good = n = 0
        while n < len(data):
            if data[n] < 0x80:
                n += 1
                continue
            pairs += 1
            if n + 1 < len(data):
                lead, next_ = data[n], data[n + 1]
                common = low <= lead <= high or (0xA1 <= lead <= 0xA3)
                good += common and (next_ >= 0xA1 or (trail == 0x40 and 0x40 <= next_ <= 0x7E))
            n += 2
        return good / pairs if pairs else 0.0

    return score


# GB 2312 keeps its 3,755 frequent characters in rows B0 to D7, Big5 its 5,401 in rows A4 to C6
CANDIDATES: dict[str, Callable[[str, bytes], float]] = {
    "cp874": _thai,
    "gb18030": _pairs(0xB0, 0xD7, 0xA1),
    "big5hkscs": _pairs(0xA4, 0xC6, 0x40),
    "cp1258": _vietnamese,
    "cp1252": _western,
}

"""The guard's own normaliser: what the models see of a text, with the tricks of spelling taken off.

In order: format characters (zero-width ones, tags, variation selectors) go; compatibility forms (full-width, enclosed,
mathematical letters) become plain; the language room's normal form (Zawgyi, order of marks); Vietnamese marks put in
their order; look-alikes of Latin letters inside mixed words; case folded; traditional Chinese characters simplified; native digits that stand for letters, then
native digits as 0 to 9; and what `spelling` takes off: letters spaced out, digits for letters inside a Latin word,
letters repeated. Applied to every text in training and in use alike. Offsets are not kept. Ordinary text loses only case,
compatibility forms and native digits.

`views` gives further readings where a text may be meant otherwise; a guard takes the largest score of all of them.
"""

import re
import unicodedata

import regex

from rumpun.guard.spelling import plain_spelling
from rumpun.guard.wrapped import unwrapped
from rumpun.language import zawgyi
from rumpun.language.hanzi import simplified
from rumpun.language.homoglyphs import LATIN_SHAPES, matched
from rumpun.language.normalise import normalise

__all__ = ["normalised", "views"]

_ROUNDS = 6  # what one trick hid may be another trick; random text has needed three at most
_FORMAT = regex.compile(
    r"[\p{Cf}\p{Cc}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    r"\U000e0000-\U000e0fff\u0334-\u0338\p{Me}--[\n\t\r]]",
    regex.V1,
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_COMPATIBLE = regex.compile(  # SARA AM stays whole, and the lunate sigma, which passes for c
    r"[[\p{NFKC_Quick_Check=No}\U0001f150-\U0001f169\U0001f170-\U0001f189]--[\u0e33\u0eb3\u03f2\u03f9]]",
    regex.V1,
)
_ENCLOSED = {  # letters that NFKC leaves, or gives with their brackets
    chr(first + n): chr(0x61 + n) for first in (0x249C, 0x1F110, 0x1F150, 0x1F170) for n in range(26)
}
_OTHER_ALPHABETS = re.compile(f"[\u0370-\u052f\u0531-\u0587\u13a0-\u13f5\uab70-\uabbf{LATIN_SHAPES}]")
_NATIVE_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)

_MARKED_DIGIT = re.compile("[0-9][\u0300-\u036f\u0e31-\u0e4e\u0eb1-\u0ece\u102b-\u103e\u17b4-\u17d3]")

_STACKED = regex.compile(r"\p{Latin}[\u0300-\u036f]+")
_SHAPE = "\u0302\u0306\u031b"  # circumflex, breve, horn: part of a Vietnamese letter, below its tone

# Signs of a script that stand for letters like them (Unicode Technical Standard 39, confusables), or the other way
_TAMIL = {"\u0be7": "க", "\u0be8": "உ", "\u0bea": "ச", "\u0bed": "எ", "\u0bee": "அ"}
_MISTAKEN = regex.compile(
    r"(?<!\p{Nd})(?:"
    r"(?P<tamil>[\u0be7\u0be8\u0bea\u0bed\u0bee]{1,3}(?!\p{Nd}))"
    r"(?:(?<=[\u0b82-\u0bcd]\p{Nd}{1,3})|(?=[\u0bbe-\u0bcd])|(?<!\p{Nd}.)(?=[\u0b82-\u0bb9]))"
    r"|(?P<my>\u1040)(?<![.,].)(?:(?=[\u1000-\u103e])|(?<=[\u1000-\u103e].)(?!\p{Nd}))"
    r"|(?P<ra>\u1047)(?=[\u1000-\u1021]\u1037?\u103a)"
    r"|(?P<th>\u0e50)(?:(?=[\u0e30-\u0e3a\u0e45\u0e47-\u0e4e])|(?<=[\u0e01-\u0e4e].)(?!\p{Nd}))"
    r"|(?P<lo>\u0ed0)(?:(?=[\u0eb0-\u0ebd\u0ec8-\u0ecd])|(?<=[\u0e81-\u0ece].)(?!\p{Nd})))"
    r"|(?<![\u0e24\u0e26])(?P<aa>\u0e45)|(?<=\p{Nd})(?P<digit>\u101d)(?![\u1000-\u103e])"
)
_MEANT = {"my": "ဝ", "ra": "ရ", "th": "อ", "lo": "ວ", "aa": "า", "digit": "0"}
_MISTAKEN_LOOK = re.compile("[\u0be7-\u0bee\u0e45\u0e50\u0ed0\u1040\u1047\u101d]")

_UNSURE = 0.02  # probability of Zawgyi, or of the contrary, from which a text is read the other way too
_SURE = 0.99  # as the language room has it


def normalised(text: str) -> str:
    """Normalise a text; doing it twice gives the same as doing it once."""
    return _read(text)[1]


def views(text: str) -> list[str]:
    """The normalised text, then at most three other readings worth judging, without repetition.

    They are: what base64, hexadecimal digits or tag characters hide; the text with spaced, doubtful and repeated letters
    read more freely; and Burmese in the other encoding where it is unsure which it is in.
    """
    folded, plain = _read(text)
    others = (
        normalised(unwrapped(text)),
        plain_spelling(folded, freely=True),
        normalised(_other_encoding(text)),
    )
    return list(dict.fromkeys((plain, *(other for other in others if other))))


def _read(text: str) -> tuple[str, str]:
    """The text folded once, and normalised."""
    first = None
    for _ in range(_ROUNDS):
        folded, settled = _folded(text)
        first = folded if first is None else first
        plain = plain_spelling(folded)
        if plain == text or (settled and plain == folded):
            return first, plain
        text = plain
    return first or "", text


def _folded(text: str) -> tuple[str, bool]:
    """The text character by character (no format characters, one form, case and kind of digit), and whether that is all.

    Where letters were taken for others, another look at the result may find more.
    """
    if text.isascii():
        return _CONTROLS.sub("", text).lower(), True
    plain = _COMPATIBLE.sub(_compatible, _FORMAT.sub("", text))
    if _OTHER_ALPHABETS.search(plain):
        plain = matched(plain)
    stored = normalise(plain)
    folded = _STACKED.sub(_stacked, stored.text).casefold()
    settled = not (stored.changes or _OTHER_ALPHABETS.search(folded))
    if _MISTAKEN_LOOK.search(folded):
        read = _MISTAKEN.sub(_meant, folded)
        settled, folded = settled and read == folded, read
    read = _NATIVE_DIGIT.sub(lambda found: str(unicodedata.decimal(found.group(), found.group())), folded)
    if read != folded and (
        _MARKED_DIGIT.search(read) or zawgyi.signed(read)
    ):  # a digit that stood for a letter
        settled = False
    return simplified(unicodedata.normalize("NFC", read)), settled


def _compatible(found: "regex.Match[str]") -> str:
    sign = found.group()
    return _ENCLOSED.get(sign) or unicodedata.normalize("NFKC", sign)


def _stacked(found: "regex.Match[str]") -> str:
    """Vietnamese: the mark that makes the letter before the one that makes the tone, whatever order they came in."""
    apart = unicodedata.normalize("NFD", found.group())
    marks = sorted(apart[1:], key=lambda mark: mark not in _SHAPE)
    return unicodedata.normalize("NFC", apart[0] + "".join(marks))


def _meant(found: "regex.Match[str]") -> str:
    kind = str(found.lastgroup)
    return "".join(_TAMIL[sign] for sign in found.group()) if kind == "tamil" else _MEANT[kind]


def _other_encoding(text: str) -> str:
    """A Burmese text read as Zawgyi where the normaliser took it for Unicode, or the contrary; "" where it is sure."""
    if not zawgyi.signed(text):
        return ""
    chance = zawgyi.probability(text)
    if _UNSURE <= chance < _SURE:
        return zawgyi.convert(text)[0]
    return normalise(text, zawgyi="never").text if _SURE <= chance < 1 - _UNSURE / 100 else ""

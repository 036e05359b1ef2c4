"""Letters of other alphabets that pass for Latin ones inside a Latin word, and letters in presentation forms.

A word with Latin letters in which every other letter is Cyrillic, Greek or full-width and has a Latin double is
written in Latin throughout, if at least half of its letters are Latin already. So «pаypal» with a Cyrillic «а» is
mended; Russian and Greek words, «TNFα», «kΩ» and words wholly in full-width letters (as Chinese text has them) are
not touched. The pairs are a part of Unicode Technical Standard 39's confusables: those that look the same in ordinary
fonts. Replacing is one code point for one.

`matched` is for comparing and judging, never for storing: it takes letters that look less alike as well (Armenian,
Cherokee, small capitals, Greek small letters), and a word of doubles alone where another word of the text is mixed.
"""

import unicodedata

import regex

from rumpun.language.offsets import Edit, rewrite

__all__ = ["FOREIGN", "LATIN_SHAPES", "PRESENTATION", "latin_words", "letters", "lookalikes", "matched"]

_LOOKALIKES = (
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухԁԛԝһ"  # Cyrillic
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"  # Greek
)
_DOUBLES = "ABESIJKMHOPCTYXaesijopcyxdqwhABEZHIKMNOPTYXo"
_LATIN = dict(zip(_LOOKALIKES, _DOUBLES, strict=True)) | {
    chr(0xFEE0 + code): chr(code) for code in (*range(0x41, 0x5B), *range(0x61, 0x7B))
}
FOREIGN = (
    r"\u0370-\u03ff\u0400-\u052f\uff21-\uff3a\uff41-\uff5a"  # a character class: where doubles may come from
)
PRESENTATION = r"\ufb50-\ufbb1\ufe80-\ufefc"  # Arabic letters in the shapes of their places
_FOREIGN_LETTERS = regex.compile(rf"[{FOREIGN}]")
_INSIDE = rf"\p{{Latin}}\p{{M}}{FOREIGN}"
_WORD = regex.compile(rf"(?<![{_INSIDE}])(?:(?![{FOREIGN}])[\p{{Latin}}\p{{M}}])*+[{FOREIGN}][{_INSIDE}]*")
_SHAPES = regex.compile(rf"[{PRESENTATION}]")
_WIDER = _LATIN | dict(
    zip(
        "вгикмнптьѕѵѡүҽөғӏӀԍαβγεζηικνρστυχωϲϳօսոհցզյՏՍՕԼᎪᏴᏟᎠᎬᏀᎻᎥᎫᏦᏞᎷᏢᏒᏚᎢᏙᏔᏃ",
        "brukmhntbsvwyeoflIgabyeznikvpotuxwcjounhgqjSUOLABCDEGHiJKLMPRSTVWZ",
        strict=True,
    )
)
_LATIN_FORMS = dict(  # Latin letters that stand for plain ones: small capitals, and those of phonetics
    zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡıɩʋⱱƖƦƲ", "abcdefghijklmnoprstuvwyzagiivvirv", strict=True)
)
LATIN_SHAPES = "".join(_LATIN_FORMS)
_LETTER = r"\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u13a0-\u13f5\uab70-\uabbf"
_OTHER = regex.compile(rf"[{_LETTER}]")
_LETTERS = regex.compile(rf"[\p{{Latin}}\p{{M}}{_LETTER}]+")
_FORMS = regex.compile(f"[{LATIN_SHAPES}]")


def _word(found: "regex.Match[str]") -> str:
    word: str = found.group()
    foreign = _FOREIGN_LETTERS.findall(word)
    own = sum(1 for sign in word if sign.isalpha()) - len(foreign)
    others = [sign for sign in word if sign.isalpha() and sign not in _LATIN and not _is_latin(sign)]
    if own < len(foreign) or not own or others:
        return word
    return "".join(_LATIN.get(sign, sign) for sign in word)


def _is_latin(sign: str) -> bool:
    return sign.isascii() or "LATIN" in unicodedata.name(sign, "")


def latin_words(text: str) -> tuple[str, list[Edit]]:
    """The text with mixed words in Latin letters, and the edits."""
    return rewrite(text, _WORD, _word)


def letters(text: str) -> tuple[str, list[Edit]]:
    """The text with Arabic presentation forms as letters, and the edits."""
    return rewrite(text, _SHAPES, lambda found: unicodedata.normalize("NFKC", found.group()))


def lookalikes() -> dict[str, tuple[str, ...]]:
    """Latin letter -> the letters of other alphabets that `matched` takes for it."""
    found: dict[str, tuple[str, ...]] = {}
    for sign, double in _WIDER.items():
        if not "\uff00" <= sign <= "\uffef":
            found[double] = (*found.get(double, ()), sign)
    return found


def matched(text: str) -> str:
    """The text with look-alikes of Latin letters as Latin letters: for matching only.

    A word is read as Latin where it has a Latin letter and nothing but doubles beside; a Greek letter at its end
    («IFNγ») is left. Where one word is so mixed, short words and words made of doubles alone are read as Latin too.
    """
    text = _FORMS.sub(lambda found: _LATIN_FORMS[found.group()], text)
    if not _OTHER.search(text):
        return text
    disguised = any(_mixed(word) for word in _LETTERS.findall(text))
    return str(_LETTERS.sub(lambda found: _read(found.group(), disguised=disguised), text))


def _mixed(word: str) -> bool:
    others = _OTHER.findall(word)
    if not others or any(sign not in _WIDER for sign in others):
        return False
    first = word.index(others[0])
    cyrillic = any("\u0400" <= sign <= "\u052f" for sign in others)
    latin = [place for place, sign in enumerate(word) if sign.isalpha() and not _OTHER.match(sign)]
    return len(word) > 2 and bool(latin) and (cyrillic or latin[-1] > first)


def _read(word: str, *, disguised: bool) -> str:
    if _mixed(word) or (disguised and all(sign in _WIDER for sign in _OTHER.findall(word))):
        return "".join(_WIDER.get(sign, sign) for sign in word)
    return word

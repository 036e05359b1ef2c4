"""Syllables, or what comes close, from spelling alone: one pattern, no dictionary.

- Thai and Lao: clusters that no break may divide (after the Thai character clusters of Theeramunkong and others, 2000):
  a consonant with its vowels and tone, and with its final where the vowel sign demands one. Other finals stand alone.
- Khmer: a base with its subscripts, vowels and signs (an orthographic syllable); finals stand alone.
- Burmese: a consonant starts a syllable unless it is stacked or carries an asat (the rule of sylbreak). Shan likewise.
- Han: each character. Tamil, Javanese, Balinese and other Indic scripts: each grapheme cluster.
- Latin and other alphabets are left alone: a run of letters is one unit, and so is a run of digits of any script.
"""

import regex

__all__ = ["syllables"]


def _tai(block: int) -> str:
    """The clusters of Thai (0xE00), or of Lao, whose block has the same plan 0x80 higher."""

    def at(*codes: int) -> str:
        return "".join(chr(block + code) for code in codes)

    lao = block == 0xE80
    c = (
        r"[\u0E81\u0E82\u0E84\u0E86-\u0E8A\u0E8C-\u0EA3\u0EA5\u0EA7-\u0EAE\u0EDC-\u0EDF][\u0EBC\u0EBA]?"
        if lao
        else r"[\u0E01-\u0E2E]\u0E3A?"
    )
    c = f"(?:{c})"
    t = f"[{at(0x48)}-{at(0x4B)}]?"
    e, ae, ai = at(0x40), at(0x41), at(0x44)  # vowels before the consonant
    a, han, aa, am = at(0x30), at(0x31), at(0x32), at(0x33)
    i, uue, wo, yo, o = at(0x34), at(0x37), at(0x27), at(0x22), at(0x2D)
    if lao:
        yo = r"[\u0E8D\u0EBD]"
    short = at(0x3B) if lao else at(0x47)  # mai kon, maitaikhu
    closed = short + han if lao else short  # signs that demand a final behind a vowel before the consonant
    upper = f"[{i}-{uue}]"
    clusters = (
        f"{e}{c}{{1,2}}[{han}{at(0x35)}]?{t}{yo}{a}?" if lao else f"{e}{c}{{1,2}}{at(0x35)}{t}{yo}{a}?",
        f"{e}{c}{{1,2}}{uue}{t}{o}{a}?",
        f"[{e}{ae}{at(0x42)}]{c}{{1,2}}[{closed}]{t}{c}",
        f"{e}{c}{{1,2}}{upper}{t}{c}?",
        f"[{e}-{ai}]{c}{{1,2}}?{t}(?:{aa}?{a}|{o}{a}|{aa})",
        f"[{e}-{ai}]{c}{t}",
        f"{c}{short}{t}(?:{wo}{a}?|{c})" if lao else f"{c}{short}(?:{o}{t}{c})?",
        f"{c}{han}{t}(?:{wo}{a}?|{c})",
        f"{c}{uue}{t}{o}",
        *((f"{c}{t}\u0ebd",) if lao else ()),  # iya inside a syllable
        f"{c}(?:{upper}|[{at(0x38)}{at(0x39)}{at(0x4D)}])?{t}[{a}{aa}{am}]?",
    )
    silent = f"(?:{c}[{i}{at(0x38)}]?{at(0x4C)})*"  # consonants under a sign that silences them
    marks = f"[{a}-{am}{i}-{at(0x3C)}{at(0x47)}-{at(0x4E)}]"
    return f"(?:{'|'.join(clusters)}){silent}{marks}*|{marks}+"


_KHMER = r"[\u1780-\u17B3](?:\u17D2[\u1780-\u17B3]|[\u17B4-\u17D3\u17DD\u200C\u200D])*"
_C = r"[\u1000-\u102A\u103F\u104E\u1050-\u1055\u105A-\u105D\u1061\u1065\u1066\u106E-\u1070\u1075-\u1081\u108E\uA9E0-\uA9FE\uAA60-\uAA7A]"
_M = r"[\u102B-\u103E\u1056-\u1059\u105E-\u1060\u1062-\u1064\u1067-\u106D\u1071-\u1074\u1082-\u108D\u108F\u109A-\u109D\uA9E5\uAA7B-\uAA7D]"
_BURMESE = rf"{_C}{_M}*+(?:(?<=\u1039){_C}{_M}*+|{_C}(?=\u1037?\u103A|\u1039){_M}*+)*"
_ALONE = r"\p{Han}\p{Tamil}\p{Javanese}\p{Balinese}\p{Sundanese}\p{Buginese}\p{Devanagari}\p{Bengali}\p{Sinhala}\p{Telugu}\p{Malayalam}\p{Kannada}\p{Hiragana}\p{Katakana}\p{Tai_Tham}\p{Cham}\p{Tagalog}\p{Batak}"
_OWN = rf"\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}{_ALONE}"
_AFOREMENTIONED = "\u104e"  # a sign, but the first of a Burmese syllable
_SYLLABLE = regex.compile(
    rf"(?V1)\p{{Nd}}+|{_tai(0xE00)}|{_tai(0xE80)}|{_KHMER}|{_BURMESE}"
    rf"|(?=[[{_ALONE}]&&[\p{{L}}\p{{M}}]])\X"
    rf"|(?:[\p{{L}}\p{{M}}](?<![{_OWN}]))+|\p{{L}}\p{{M}}*"
)


def syllables(text: str) -> list[tuple[int, int]]:
    """[start, end) of each syllable, in code points and in order; signs and white space belong to none."""
    return [found.span() for found in _SYLLABLE.finditer(text) if found.group() != _AFOREMENTIONED]

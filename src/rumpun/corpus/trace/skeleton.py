"""Consonant skeletons: where Malay in Jawi (Arabic letters) and in Rumi (Latin letters) meet.

Jawi leaves most vowels out, so a word is compared by its consonants alone: `kitab` and `كتاب` are both `ktb`. Vowels, w, y,
hamza and ain are left out on both sides; the letters that Arabic keeps apart and Rumi does not (s and ص, t and ط) are one.
Words are compared one by one: a match is a run of words with the same skeletons. It says that the words may be the same,
and the answer names it "script", never "exact".
"""

import functools
import unicodedata

import regex

__all__ = ["MIN_LETTERS", "MIN_WORDS", "is_arabic", "skeleton", "words"]

MIN_WORDS = 3  # of a query, with a skeleton
MIN_LETTERS = 9  # of its skeleton: 3 letters a word, or more words
_LOOKED_AT = 1000  # code points that say which script a text is in

_JAWI = {
    "ب": "b", "ت": "t", "ث": "s", "ج": "j", "چ": "c", "ح": "h", "خ": "x", "د": "d", "ذ": "z", "ر": "r", "ز": "z",
    "س": "s", "ش": "S", "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "غ": "G", "ڠ": "N", "ف": "f", "ڤ": "p", "ق": "k",
    "ک": "k", "ك": "k", "ݢ": "g", "ڬ": "g", "گ": "g", "ل": "l", "م": "m", "ن": "n", "ه": "h", "ة": "t", "ڽ": "Y",
    "ۏ": "v", "پ": "p",
}  # fmt: skip
_RUMI = {
    "ng": "N", "ny": "Y", "sy": "S", "sh": "S", "kh": "x", "gh": "G", "dz": "z", "dh": "d", "th": "s", "q": "k", "x": "ks",
} | {letter: letter for letter in "bcdfghjklmnprstvz"}  # fmt: skip
_RUMI_PARTS = regex.compile("|".join(sorted(_RUMI, key=len, reverse=True)))
_ARABIC_WORD = regex.compile(r"(\p{Script=Arabic}[\p{Script=Arabic}\p{M}\u0640]*?)([2٢۲]?)(?![\p{L}\p{M}])")
_LATIN_WORD = regex.compile(r"(\p{Script=Latin}[\p{Script=Latin}\p{M}'\u2019\u02bc]*)([2\u00b2]?)")
_ARABIC = regex.compile(r"\p{Script=Arabic}")
_LETTER = regex.compile(r"\p{L}")


def is_arabic(text: str) -> bool:
    """Whether at least half of the letters at a text's beginning are Arabic."""
    begin = text[:_LOOKED_AT]
    if begin.isascii() or not _ARABIC.search(begin):
        return False
    return len(_ARABIC.findall(begin)) * 2 >= len(_LETTER.findall(begin))


def words(text: str) -> list[tuple[str, int, int]]:
    """(skeleton, start, end) of every word that has one; a reduplicated word stands twice. Positions are code points."""
    arabic = is_arabic(text)
    found: list[tuple[str, int, int]] = []
    for match in (_ARABIC_WORD if arabic else _LATIN_WORD).finditer(text):
        bones = _bones(match.group(1), arabic=arabic)
        if bones:
            found += [(bones, match.start(), match.end())] * (2 if match.group(2) else 1)
    return found


@functools.lru_cache(maxsize=1 << 16)
def _bones(word: str, *, arabic: bool) -> str:
    spelled = unicodedata.normalize("NFKD", word).casefold()
    letters = "".join(character for character in spelled if not unicodedata.combining(character))
    if arabic:
        return "".join(_JAWI.get(letter, "") for letter in letters)
    return "".join(_RUMI[part] for part in _RUMI_PARTS.findall(letters))


def skeleton(text: str) -> bytes:
    """A text's words' skeletons, ASCII, a space before each and one after the last; empty where it has none."""
    bones = [bone for bone, _, _ in words(text)]
    return f" {' '.join(bones)} ".encode("ascii") if bones else b""

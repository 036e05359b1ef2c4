"""Khmer in Latin letters: consonants, subscripts, and vowels by the series of the consonant before them."""

import random
import re

from rumpun.language.romanise_tai import spaced

__all__ = ["khmer"]

_CONSONANTS = {  # letter -> sound, series (A is the first, O the second)
    "ក": ("k", "a"), "ខ": ("kh", "a"), "គ": ("k", "o"), "ឃ": ("kh", "o"), "ង": ("ng", "o"), "ច": ("ch", "a"),
    "ឆ": ("chh", "a"), "ជ": ("ch", "o"), "ឈ": ("chh", "o"), "ញ": ("nh", "o"), "ដ": ("d", "a"), "ឋ": ("th", "a"),
    "ឌ": ("d", "o"), "ឍ": ("th", "o"), "ណ": ("n", "a"), "ត": ("t", "a"), "ថ": ("th", "a"), "ទ": ("t", "o"),
    "ធ": ("th", "o"), "ន": ("n", "o"), "ប": ("b", "a"), "ផ": ("ph", "a"), "ព": ("p", "o"), "ភ": ("ph", "o"),
    "ម": ("m", "o"), "យ": ("y", "o"), "រ": ("r", "o"), "ល": ("l", "o"), "វ": ("v", "o"), "ឝ": ("s", "a"),
    "ឞ": ("s", "a"), "ស": ("s", "a"), "ហ": ("h", "a"), "ឡ": ("l", "a"), "អ": ("", "a"),
}  # fmt: skip
_VOWELS = {  # vowel -> in the first series, in the second
    "": (("a", "or"), ("o", "or")), "ា": (("a",), ("ea", "ia")), "ិ": (("e", "i"), ("i",)), "ី": (("ey", "ei"), ("i", "ee")),
    "ឹ": (("oe", "eu"), ("eu", "oe")), "ឺ": (("eu", "oe"), ("eu", "ue")), "ុ": (("o",), ("u", "ou")), "ូ": (("o", "ou"), ("u", "ou")),
    "ួ": (("uo", "our"),) * 2, "ើ": (("aeu", "ae"), ("er", "eu")), "ឿ": (("oeu", "eua"),) * 2, "ៀ": (("ie", "ea"),) * 2,
    "េ": (("e", "eh"), ("e", "eh")), "ែ": (("ae", "e"), ("e", "ea")), "ៃ": (("ai", "ay"), ("ei", "ey")), "ោ": (("ao", "aor"), ("o", "or")),
    "ៅ": (("av", "ao"), ("ov", "ow")), "ុំ": (("om",), ("um", "om")), "ំ": (("am", "orm"), ("um", "om")), "ាំ": (("am", "aam"), ("oam", "um")),
    "ះ": (("ah", "as"), ("eah", "as")), "ោះ": (("oh", "os"), ("uoh", "us")), "េះ": (("eh", "es"), ("eh", "es")), "ាំង": (("ang",), ("eang", "ang")),
}  # fmt: skip
_OPEN = {"ឥ": "e", "ឦ": "ei", "ឧ": "u", "ឩ": "u", "ឪ": "ov", "ឫ": "rue", "ឬ": "reu", "ឭ": "lue", "ឮ": "leu", "ឯ": "ae", "ឰ": "ai", "ឱ": "ao", "ឲ": "aoy", "ឳ": "av"}  # fmt: skip
_FINAL = {"ក": "k", "ខ": "k", "គ": "k", "ឃ": "k", "ង": "ng", "ច": "ch", "ជ": "ch", "ញ": "nh", "រ": "r", "ស": "s", "យ": "y", "វ": "v", "ល": "l", "ហ": "h"}  # fmt: skip
_STACK = re.compile(
    "([\u1780-\u17a2])((?:\u17d2[\u1780-\u17a2])*)([\u17c9\u17ca]?)([\u17b6-\u17c8]*)([\u17cb-\u17d1\u17dd]*)"
)
_SILENT = "\u17cd"  # over a letter that is not read
_REPEAT = "ៗ"


def khmer(text: str, dice: random.Random) -> str:
    """A run of Khmer letters, as one writer would type it."""
    habit = {key: tuple(dice.choice(form) for form in forms) for key, forms in _VOWELS.items()}
    plain = dice.random() < 0.4  # leaves the breath out: k for kh, t for th
    quiet = dice.random() < 0.3  # leaves final r out
    together = dice.choice((1, 2, 3))  # syllables written together
    found: list[str] = []
    place, opened = 0, False  # whether the last syllable can still take a final
    while place < len(text):
        match, sign = _STACK.match(text, place), text[place]
        if not match:
            place += 1
            if sign == _REPEAT and found:
                found.append(found[-1])
            elif not "\u17b4" <= sign <= "\u17d3":
                found.append(_OPEN.get(sign, sign))
            opened = sign in _OPEN
            continue
        place = match.end()
        base, below, shift, vowel, signs = match.groups()
        if _SILENT in signs:
            continue
        bare = not (below or vowel or shift)
        if bare and found and (opened or place == len(text)):
            found[-1] += "" if base == "រ" and quiet else _FINAL.get(base, _CONSONANTS[base][0])
            opened = False
            continue
        stack = [base, *below[1::2]]
        sound = "".join(_CONSONANTS[letter][0] for letter in stack)
        sound = re.sub("(?<=[kpt])h(?=[^aeiou])", "", sound) if plain else sound
        form = habit.get(vowel) or habit.get(vowel[:1], habit[""])
        found.append(sound + form[_series(stack, shift)])
        opened = not any(mark in vowel for mark in "\u17c6\u17c7\u17c8")
    return spaced(found, together)


def _series(stack: list[str], shift: str) -> int:
    """0 for the first series, 1 for the second: the strongest letter of a stack rules, and a shifter overrules it."""
    if shift:
        return 0 if shift == "\u17c9" else 1
    strong = [letter for letter in stack if letter not in "ងញនមយរលវ"] or stack[:1]
    return 0 if _CONSONANTS[strong[-1]][1] == "a" else 1

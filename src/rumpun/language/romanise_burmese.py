"""Burmese in Latin letters: onset with its medials, then the rime with its final, as people type it; no tones."""

import random
import re

from rumpun.language.romanise_tai import spaced

__all__ = ["burmese"]

_CONSONANTS = {
    "က": "k", "ခ": "kh", "ဂ": "g", "ဃ": "g", "င": "ng", "စ": "s", "ဆ": "s", "ဇ": "z", "ဈ": "z", "ဉ": "ny", "ည": "ny",
    "ဋ": "t", "ဌ": "ht", "ဍ": "d", "ဎ": "d", "ဏ": "n", "တ": "t", "ထ": "ht", "ဒ": "d", "ဓ": "d", "န": "n", "ပ": "p",
    "ဖ": "ph", "ဗ": "b", "ဘ": "b", "မ": "m", "ယ": "y", "ရ": "y", "လ": "l", "ဝ": "w", "သ": "th", "ဟ": "h", "ဠ": "l",
    "အ": "", "ဿ": "th",
}  # fmt: skip
_ALTERNATIVES = {"ဖ": ("ph", "hp", "f"), "ထ": ("ht", "t"), "ခ": ("kh", "k"), "ဆ": ("s", "hs"), "ရ": ("y", "r"), "သ": ("th", "t")}  # fmt: skip
_OPEN = {"ဣ": "i", "ဤ": "i", "ဥ": "u", "ဦ": "oo", "ဧ": "ay", "ဩ": "aw", "ဪ": "aw", "၏": "i", "၍": "ywe", "၌": "hnaik", "၎": "la"}  # fmt: skip
# vowel signs (in Unicode's order, without tone) + final -> how the rime is typed
_RIMES: dict[str, tuple[str, ...]] = {
    "": ("a",), "ာ": ("ar", "a"), "ါ": ("ar", "a"), "ိ": ("i",), "ီ": ("i", "ee"), "ု": ("u",), "ူ": ("u", "oo"), "ေ": ("ay", "e"),
    "ဲ": ("e", "ae"), "ော": ("aw", "or"), "ေါ": ("aw", "or"), "ော်": ("aw",), "ေါ်": ("aw",), "ို": ("o",), "ံ": ("an",), "ုံ": ("one", "on"),
    "ိံ": ("ein",), "က်": ("et",), "င်": ("in",), "စ်": ("it", "ic"), "ည်": ("i", "ay", "e"), "ဉ်": ("in",), "တ်": ("at", "ut"), "ပ်": ("at", "ap"),
    "န်": ("an",), "မ်": ("an", "am"), "ယ်": ("e", "al"), "ောက်": ("auk", "out"), "ေါက်": ("auk", "out"), "ောင်": ("aung",), "ေါင်": ("aung",),
    "ိုက်": ("ike", "aik"), "ိုင်": ("ine", "aing"), "ိတ်": ("ate", "eit"), "ိပ်": ("ate", "eik"), "ိန်": ("ain", "ein"), "ိမ်": ("ain", "ein"),
    "ုတ်": ("ote", "ok"), "ုပ်": ("ote", "ok"), "ုန်": ("one",), "ုမ်": ("one",), "ာန်": ("an",), "ာဏ်": ("an",), "ဏ်": ("an",),
    "ဒ်": ("at",), "ဘ်": ("at",), "လ်": ("al", "el"), "သ်": ("at",), "ိဇ်": ("it",),
}  # fmt: skip
_WITH_WA = {"တ်": "ut", "ပ်": "ut", "န်": "un", "မ်": "un", "က်": "wet", "ံ": "un"}
_SYLLABLE = re.compile(
    "(?:([\u1000-\u1021\u103f])([\u103b-\u103e]*)([\u102b-\u1032\u1036\u1037\u103a\u1038]*)"
    "((?:[\u1000-\u1021]\u1037?\u103a[\u1037\u1038]*)?)((?:\u1039(?=[\u1000-\u1021]))?))"
)
_TONES = re.compile("[\u1037\u1038]")


class _Writer:
    """One writer."""

    def __init__(self, dice: random.Random) -> None:
        self._rimes = {
            key: forms[0] if dice.random() < 0.6 else dice.choice(forms) for key, forms in _RIMES.items()
        }
        self._letters = _CONSONANTS | {
            key: forms[0] if dice.random() < 0.6 else dice.choice(forms)
            for key, forms in _ALTERNATIVES.items()
        }
        self._together = dice.choice((1, 1, 2, 99))  # syllables written together: most type them apart

    def write(self, text: str) -> str:
        """A run of letters, syllable by syllable."""
        found: list[str] = []
        place = 0
        while place < len(text):
            match = _SYLLABLE.match(text, place)
            if match:
                base, medials, marks, final, stacked = match.groups()
                nasal = bool(stacked) and not final and not marks
                found.append(self._syllable(base, medials, marks, final, bare=nasal))
                place = match.end()
            else:
                sign = text[place]
                if sign in _OPEN:
                    found.append(_OPEN[sign])
                elif not "\u102b" <= sign <= "\u103e":
                    found.append(sign)
                place += 1
        return spaced(found, self._together)

    def _syllable(self, base: str, medials: str, marks: str, final: str, *, bare: bool) -> str:
        return self._onset(base, medials) + ("" if bare else self._rime(medials, marks, final))

    def _onset(self, base: str, medials: str) -> str:
        sound = self._letters[base]
        glide = "\u103b" in medials or "\u103c" in medials
        if glide and base == "ခ":
            sound = "ch"
        elif glide and base == "ရ":
            sound = "sh"
        elif glide and sound != "y":
            sound += "y"
        if "\u103e" in medials:
            sound = "sh" if base == "ရ" or (base == "လ" and glide) else "h" + sound
        return sound

    def _rime(self, medials: str, marks: str, final: str) -> str:
        vowel, final = _TONES.sub("", marks), _TONES.sub("", final)
        wa = "\u103d" in medials
        if wa and vowel + final in _WITH_WA:
            return _WITH_WA[vowel + final]
        form = self._rimes.get(vowel + final) or self._rimes.get(vowel, "a") + self._letters.get(
            final[:1], ""
        )
        return ("w" if wa else "") + form


def burmese(text: str, dice: random.Random) -> str:
    """A run of Burmese letters, as one writer would type it."""
    return _Writer(dice).write(text)

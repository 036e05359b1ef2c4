"""Thai and Lao in Latin letters: initial, vowel, final, as RTGS and everyday typing have them; no tones."""

import random
import re
from collections.abc import Sequence

__all__ = ["lao", "spaced", "thai"]

_INITIAL = {
    "ก": "k", "ข": "kh", "ฃ": "kh", "ค": "kh", "ฅ": "kh", "ฆ": "kh", "ง": "ng", "จ": "j", "ฉ": "ch", "ช": "ch", "ซ": "s",
    "ฌ": "ch", "ญ": "y", "ฎ": "d", "ฏ": "t", "ฐ": "th", "ฑ": "th", "ฒ": "th", "ณ": "n", "ด": "d", "ต": "t", "ถ": "th",
    "ท": "th", "ธ": "th", "น": "n", "บ": "b", "ป": "p", "ผ": "ph", "ฝ": "f", "พ": "ph", "ฟ": "f", "ภ": "ph", "ม": "m",
    "ย": "y", "ร": "r", "ล": "l", "ว": "w", "ศ": "s", "ษ": "s", "ส": "s", "ห": "h", "ฬ": "l", "อ": "", "ฮ": "h",
    "ฤ": "rue", "ฦ": "lue",
}  # fmt: skip
_LAO_INITIAL = {
    "ญ": "ny",
    "ช": "x",
    "ว": "v",
    "จ": "ch",
}  # beside the Thai ones, at the same place of the block
_FINAL = {"ก": "k", "ข": "k", "ค": "k", "ฆ": "k", "ง": "ng", "ญ": "n", "ณ": "n", "น": "n", "ร": "n", "ล": "n", "ฬ": "n",
          "บ": "p", "ป": "p", "พ": "p", "ฟ": "p", "ภ": "p", "ม": "m", "ย": "i", "ว": "o"}  # fmt: skip
_LAO_FINAL = {"ญ": "y", "ร": "r"}
_STOP = "t"  # any other consonant at the end
_SECOND = {"ร": "กขคตปผพทสซจศ", "ล": "กขคปผพ", "ว": "กขคสท"}  # second consonants, and what they stand behind
_LED = "งญนมยรลว"  # what a silent HO HIP leads

_C = "[ก-ฮ]"
_T = "[่-๋]?"
# the spelling of a syllable's vowel, longest first, and how it is typed: the first form is the usual one
_VOWELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("เ{c}ีย{t}ะ?", ("ia", "ear")), ("เ{c}ื{t}อะ?", ("uea", "ua", "eua")), ("{c}ั{t}วะ?", ("ua", "uor")),
    ("เ{c}{t}าะ", ("o", "aw", "or")), ("เ{c}{t}อะ?", ("oe", "er")), ("เ{c}{t}า", ("ao", "aw", "au")),
    ("เ{c}{t}ย", ("oei", "oey")), ("เ{c}ิ{t}", ("oe", "er")), ("เ{c}็", ("e",)), ("แ{c}็", ("ae",)), ("โ{c}{t}ะ", ("o",)),
    ("แ{c}{t}ะ?", ("ae", "air")), ("เ{c}{t}ะ?", ("e", "ay")), ("โ{c}{t}", ("o", "oh")), ("[ใไ]{c}{t}ย?", ("ai", "y")),
    ("{c}ั{t}ย", ("ai",)), ("{c}ั{t}", ("a", "u")), ("{c}{t}ำ", ("am", "um")), ("{c}{t}าย", ("ai", "aai")), ("{c}{t}า", ("a", "aa", "ar")),
    ("{c}{t}ะ", ("a",)), ("{c}ิ{t}", ("i",)), ("{c}ี{t}", ("i", "ee")), ("{c}ึ{t}", ("ue", "eu")), ("{c}ื{t}อ?", ("ue", "eu")),
    ("{c}ุ{t}", ("u", "oo")), ("{c}ู{t}", ("u", "oo")), ("{c}็{t}อ?", ("o", "or")), ("{c}{t}อ(?![ะ-ู])", ("o", "or", "aw")),
    ("{c}รร(?=[ก-ฮ])", ("a", "u")), ("{c}รร", ("an",)), ("{c}{t}ว(?={final})", ("ua",)),
)  # fmt: skip
_LAO_VOWELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("เ{c}ั{t}ฝ", ("ia",)), ("{c}{t}\u0e3d", ("ia", "ea")), ("เ{c}ั{t}ย", ("ia",)), ("เ{c}ั{t}", ("e",)), ("แ{c}ั{t}", ("ae",)), ("โ{c}ั{t}", ("o",)), ("เ{c}ี{t}", ("oe", "er")), ("เ{c}\u0e3b{t}า", ("ao", "aw")), ("{c}\u0e3b{t}วะ?", ("ua", "oua")),
    ("{c}\u0e3b{t}", ("o",)), ("{c}ํ{t}", ("o", "or", "aw")), ("เ{c}ื{t}อ", ("uea", "eua")),
)  # fmt: skip


def _compiled(
    vowels: tuple[tuple[str, tuple[str, ...]], ...], first: str
) -> tuple[re.Pattern[str], tuple[tuple[str, ...], ...]]:
    final = f"{_C}(?![ะ-ฺ็ํ])"
    one = "|".join(
        "(?P<v{n}>{body})".format(n=n, body=spelling.format(c=f"(?P<c{n}>{first})", t=_T, final=final))
        for n, (spelling, _) in enumerate(vowels)
    )
    return re.compile(one), tuple(forms for _, forms in vowels)


_CLUSTER = (
    "(?:ห["
    + _LED
    + "]|"
    + "|".join(f"[{before}]{second}" for second, before in _SECOND.items())
    + f"|{_C})\u0e3c?"
)
_THAI = _compiled(_VOWELS, _CLUSTER)
_LAO = _compiled((*_LAO_VOWELS, *_VOWELS), _CLUSTER)
_SILENT = re.compile(f"{_C}[ิุ]?์")
_REPEAT, _VOCALIC = "ๆ", "ฤฦ"
_CLOSED = ("ai", "ao", "am", "um", "an", "oei", "oey")


def spaced(syllables: Sequence[str], together: int) -> str:
    """Syllables as words of so many, which is where nobody knows better; a number is a word of its own."""
    words: list[list[str]] = [[]]
    for syllable in syllables:
        if len(words[-1]) >= together or (words[-1] and words[-1][-1].isdecimal() != syllable.isdecimal()):
            words.append([])
        words[-1].append(syllable)
    return " ".join("".join(word) for word in words)


class _Writer:
    """One writer of one language."""

    def __init__(self, dice: random.Random, *, lao_letters: bool) -> None:
        self._pattern, forms = _LAO if lao_letters else _THAI
        self._vowels = [dice.choice(form) if dice.random() < 0.4 else form[0] for form in forms]
        self._initial = _INITIAL | (_LAO_INITIAL if lao_letters else {})
        self._final = _FINAL | (_LAO_FINAL if lao_letters else {})
        if dice.random() < 0.4:
            self._initial |= {"พ": "p", "ผ": "p", "ภ": "p", "ท": "t", "ธ": "t", "ถ": "t"}
        if dice.random() < 0.3:
            self._initial |= {"จ": "ch" if self._initial["จ"] == "j" else "j", "ก": "g"}
        if dice.random() < 0.3:
            self._final |= {"ย": "y", "ว": "w"}
        self._together = dice.choice((2, 3, 99))  # syllables written together

    def write(self, text: str) -> str:
        """A run of letters, syllable by syllable."""
        text = _SILENT.sub("", text)
        syllables: list[str] = []
        place, opened = 0, False  # whether the last syllable can still take a final
        while place < len(text):
            match, sign = self._pattern.match(text, place), text[place]
            if match:
                syllables.append(self._voiced(match))
                opened = not (
                    syllables[-1].endswith(_CLOSED) or match.group().endswith(("\u0e30", "\u0e37อ", "่อ"))
                )
                place = match.end()
                continue
            place += 1
            if sign in self._initial and opened:
                syllables[-1] += self._final.get(sign, _STOP)
                opened = False
            elif sign in self._initial:
                closed = text[place : place + 1] or " "
                alone = closed in self._initial and not self._pattern.match(text, place)
                third = (text[place + 1 : place + 2] or " ") in self._initial and not self._pattern.match(
                    text, place + 1
                )
                if alone and not third:  # «khon»; of three, the first is open: «thanon»
                    syllables.append(self._initial[sign] + "o" + self._final.get(closed, _STOP))
                    place += 1
                else:
                    syllables.append(self._initial[sign] + "a" * (sign not in _VOCALIC))
            elif sign == _REPEAT and syllables:
                syllables.append(syllables[-1])
            elif not "\u0e2f" <= sign <= "\u0e4e":
                syllables.append(sign)
                opened = False
        return spaced(syllables, self._together)

    def _voiced(self, match: "re.Match[str]") -> str:
        number = next(n for n in range(len(self._vowels)) if match.group(f"v{n}") is not None)
        return self._consonants(match.group(f"c{number}")) + self._vowels[number]

    def _consonants(self, letters: str) -> str:
        letters = letters.replace("\u0e3c", "ล")
        if len(letters) == 1:
            return self._initial[letters]
        first, second = letters[0], letters[-1]
        if first == "ห" and second in _LED:
            return self._initial[second]
        return self._initial[first] + self._initial[second]


def thai(text: str, dice: random.Random) -> str:
    """A run of Thai letters, as one writer would type it."""
    return _Writer(dice, lao_letters=False).write(text)


_DOWN = {point: chr(point - 0x80) for point in range(0xE81, 0xECF)} | {0xEDC: "หน", 0xEDD: "หม"}


def lao(text: str, dice: random.Random) -> str:
    """A run of Lao letters, as one writer would type it."""
    return _Writer(dice, lao_letters=True).write(text.translate(_DOWN))

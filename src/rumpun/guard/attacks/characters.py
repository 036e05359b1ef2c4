"""Attacks that exchange or add signs: hidden signs, look-alikes, other forms, spaces, digits for letters, repeats, case."""

import random
from collections.abc import Callable, Mapping

import regex

from rumpun.guard.attacks.attack import ANY, Attack
from rumpun.guard.spelling import LEET
from rumpun.language.homoglyphs import lookalikes
from rumpun.language.segment_syllables import syllables
from rumpun.language.tables import languages

__all__ = ["CASE_MIX", "DIGITS", "FULLWIDTH", "HOMOGLYPH", "LEETSPEAK", "REPEAT", "SPACING", "ZERO_WIDTH"]

_WORD = regex.compile(r"[\p{L}\p{M}]+")
_LATIN_WORD = regex.compile(r"(?<![\p{L}\p{M}\p{N}@#/.])[\p{Latin}\p{M}]+(?![\p{L}\p{M}\p{N}@/]|\.\p{L})")
_LETTER = regex.compile(r"\p{L}\p{M}*+")
_LEADING = frozenset("เแโใไເແໂໃໄ")  # vowels before their consonant, which nobody draws out
_UNSPACED = regex.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_EDGE = "\0"  # where a word that is spaced out begins and ends
_HYPHENS = frozenset("-'’./@")  # what ties a word to another
_EDGES = regex.compile("(?P<gap>\0? \0|\0 )|\0")

_HIDDEN = (
    "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u2063", "\ufe00", "\ufe0e", "\U000e0100",
    "\U000e0061", "\U000e0020",
)  # fmt: skip


def _zero_width(text: str, dice: random.Random) -> str:
    signs = dice.sample(_HIDDEN, 3)
    share = dice.choice((0.2, 0.5, 1.0))

    def word(found: "regex.Match[str]") -> str:
        letters: str = found.group()
        return letters[0] + "".join(
            (dice.choice(signs) if dice.random() < share else "") + letter for letter in letters[1:]
        )

    return str(_WORD.sub(word, text))


def _homoglyph(text: str, dice: random.Random) -> str:
    doubles = lookalikes()
    share = dice.choice((0.2, 0.4, 0.7))
    return "".join(
        dice.choice(doubles[sign]) if sign in doubles and dice.random() < share else sign for sign in text
    )


_FORMS: tuple[tuple[int, int], ...] = (  # first capital, first small letter
    (0xFF21, 0xFF41),  # full-width
    (0x1D400, 0x1D41A), (0x1D468, 0x1D482), (0x1D5A0, 0x1D5BA), (0x1D5D4, 0x1D5EE), (0x1D670, 0x1D68A),  # mathematical
    (0x24B6, 0x24D0), (0x1F130, 0x1F130), (0x1F150, 0x1F150), (0x1F170, 0x1F170), (0x249C, 0x249C),  # enclosed
)  # fmt: skip


def _fullwidth(text: str, dice: random.Random) -> str:
    capital, small = dice.choice(_FORMS)
    share = dice.choice((0.3, 1.0))

    def form(sign: str) -> str:
        if not (sign.isascii() and sign.isalpha()) or dice.random() >= share:
            return sign
        return chr((small if sign.islower() else capital) + ord(sign.lower()) - ord("a"))

    return "".join(map(form, text))


def _spacing(text: str, dice: random.Random) -> str:
    style = dice.choice(("all", "words", "words", "signs"))
    if style == "all":
        return " ".join(_pieces(text))
    sign = " " if style == "words" else dice.choice(".-_*")

    def word(found: "regex.Match[str]") -> str:
        parts = _pieces(found.group()) if style == "words" else _LETTER.findall(found.group())
        hyphened = _HYPHENS.intersection(
            text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
        )
        if len(parts) < 4 or hyphened or dice.random() < 0.5:
            return str(found.group())
        return _EDGE * (style == "words") + sign.join(parts) + _EDGE * (style == "words")

    # a wider gap beside other words, so that a reader sees where the spaced one ends
    return str(_EDGES.sub(lambda found: "  " if found.group("gap") else "", _WORD.sub(word, text)))


def _pieces(text: str) -> list[str]:
    """Letters with their marks, or syllables in scripts without spaces; every other sign alone."""
    found: list[str] = []
    place = 0
    for start, end in syllables(text):
        found += text[place:start]
        piece = text[start:end]
        found += [piece] if _UNSPACED.match(piece) else regex.findall(r"\X", piece)
        place = end
    return [*found, *text[place:]]


_LATIN_SIGNS: dict[str, tuple[str, ...]] = {}
for _sign, _letter in LEET.items():
    if _sign not in "!|":
        _LATIN_SIGNS[_letter] = (*_LATIN_SIGNS.get(_letter, ()), _sign)
_OWN_SIGNS: Mapping[str, str] = {  # letters and the signs of the same script that look like them
    "க": "௧", "உ": "௨", "ச": "௪", "எ": "௭", "அ": "௮", "ဝ": "၀", "ရ": "၇", "อ": "๐", "า": "ๅ", "ວ": "໐",
}  # fmt: skip


def _leet(text: str, dice: random.Random) -> str:
    share = dice.choice((0.3, 0.6, 0.9))

    def word(found: "regex.Match[str]") -> str:
        letters: str = found.group()
        if len(letters) < 4 or dice.random() < 0.3:
            return letters
        return "".join(
            dice.choice(_LATIN_SIGNS[low])
            if (low := letter.lower()) in _LATIN_SIGNS and dice.random() < share
            else letter
            for letter in letters
        )

    changed = str(_LATIN_WORD.sub(word, text))
    return "".join(_OWN_SIGNS[s] if s in _OWN_SIGNS and dice.random() < share else s for s in changed)


def _digits(text: str, dice: random.Random) -> str:
    rows = sorted({signs for language in languages().values() for signs in language.digits.values()})
    own = [
        signs
        for signs in rows
        if any(abs(ord(sign) - ord(signs[0])) < 0x80 for sign in text if sign.isalpha())
    ]
    signs = dice.choice(own or [*rows, "０１２３４５６７８９", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"])
    return text.translate({0x30 + n: sign for n, sign in enumerate(signs)})


def _repeat(text: str, dice: random.Random) -> str:
    share = dice.choice((0.15, 0.4))

    def word(found: "regex.Match[str]") -> str:
        letters = _LETTER.findall(found.group())
        if len(letters) < 3 or dice.random() >= share:
            return str(found.group())
        places = [n for n, letter in enumerate(letters) if letter[0] not in _LEADING]
        place = places[-1] if dice.random() < 0.5 else dice.choice(places)
        letters[place] *= dice.randint(4, 7)
        return "".join(letters)

    return str(_WORD.sub(word, text))


def _case_mix(text: str, dice: random.Random) -> str:
    turn: Callable[[int], bool] = dice.choice((lambda n: bool(n % 2), lambda n: dice.random() < 0.5))  # noqa: ARG005
    return "".join(
        (sign.upper() if turn(n) else sign.lower())
        if len(sign.upper()) == 1 and len(sign.lower()) == 1
        else sign
        for n, sign in enumerate(text)
    )


ZERO_WIDTH = Attack(
    name="zero_width", kind="character", scripts=(ANY,), change=_zero_width,
    about="signs that nobody sees between letters: zero-width spaces and joiners, soft hyphens, tags, variation selectors",
)  # fmt: skip
HOMOGLYPH = Attack(
    name="homoglyph", kind="character", scripts=("Latn",), change=_homoglyph,
    about="Latin letters as Cyrillic, Greek, Armenian and Cherokee ones that look like them",
)  # fmt: skip
FULLWIDTH = Attack(
    name="fullwidth", kind="character", scripts=("Latn",), change=_fullwidth,
    about="Latin letters in full width, as mathematical letters, or enclosed",
    needs=regex.compile("[A-Za-z]"),
)  # fmt: skip
SPACING = Attack(
    name="spacing", kind="character", scripts=(ANY,), change=_spacing,
    about="spaces or signs between the letters, or between the syllables in scripts without spaces",
)  # fmt: skip
LEETSPEAK = Attack(
    name="leet", kind="character", scripts=("Latn", "Taml", "Mymr", "Thai", "Laoo"), change=_leet,
    about="digits and signs for letters: of Latin, and of the script's own (Tamil, Burmese, Thai, Lao)",
)  # fmt: skip
DIGITS = Attack(
    name="digits", kind="character", scripts=(ANY,), change=_digits, needs=regex.compile("[0-9]"),
    about="digits 0 to 9 as digits of the script, or of any other",
)  # fmt: skip
REPEAT = Attack(
    name="repeat", kind="character", scripts=(ANY,), change=_repeat, about="letters repeated four to seven times",
)  # fmt: skip
CASE_MIX = Attack(
    name="case_mix",
    kind="character",
    scripts=("Latn",),
    change=_case_mix,
    about="capitals and small letters in turn",
)

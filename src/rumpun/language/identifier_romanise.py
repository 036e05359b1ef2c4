"""Tamil as it is typed in Latin letters, made from Tamil script: training text for the label `ta-Latn`.

Nobody types by a standard: each text draws one writer's habits (long vowels doubled or not, த as th or t, ழ as zh or l
…) and keeps to them mostly. Stops are voiced after a nasal and between vowels, as they are spoken. The table of letters
is that of the Unicode Standard's Tamil block.
"""

import random

__all__ = ["romanised"]

_VOWELS = {"அ": "a", "ஆ": "aa", "இ": "i", "ஈ": "ii", "உ": "u", "ஊ": "uu", "எ": "e", "ஏ": "ee", "ஐ": "ai", "ஒ": "o", "ஓ": "oo", "ஔ": "au"}  # fmt: skip
_SIGNS = {"ா": "aa", "ி": "i", "ீ": "ii", "ு": "u", "ூ": "uu", "ெ": "e", "ே": "ee", "ை": "ai", "ொ": "o", "ோ": "oo", "ௌ": "au", "்": ""}  # fmt: skip
_LONG = {
    "aa": ("a", "aa"),
    "ii": ("i", "ee", "ii"),
    "uu": ("u", "oo"),
    "ee": ("e", "ae", "ee"),
    "oo": ("o", "oa"),
}
_HARD = {"க": ("k", "g"), "ச": ("ch", "s"), "ட": ("t", "d"), "த": ("th", "dh"), "ப": ("p", "b")}
_LETTERS = {
    "ங": ("n",), "ஞ": ("nj", "gn", "ny"), "ண": ("n",), "ந": ("n",), "ன": ("n",), "ம": ("m",), "ய": ("y",), "ர": ("r",),
    "ற": ("r",), "ல": ("l",), "ள": ("l",), "ழ": ("zh", "l"), "வ": ("v", "w"), "ஜ": ("j",), "ஷ": ("sh",), "ஸ": ("s",), "ஹ": ("h",),
}  # fmt: skip
_NASALS = "ஙஞணநனம"


def romanised(text: str, dice: random.Random) -> str:
    """The text with Tamil letters as one writer would type them; other signs stay."""
    habit = {key: dice.choice(forms) for key, forms in (*_LONG.items(), *_LETTERS.items())}
    plain = dice.random() < 0.5  # writes t and d where others write th and dh
    found: list[str] = []
    size = len(text)
    for place, sign in enumerate(text):
        after = text[place + 1] if place + 1 < size else ""
        before = text[place - 1] if place else ""
        if sign in _VOWELS:
            found.append(_vowel(_VOWELS[sign], habit, dice))
        elif sign in _SIGNS:
            found.append(_vowel(_SIGNS[sign], habit, dice))
        elif sign in _HARD or sign in _LETTERS:
            consonant = (
                _hard(text, place, plain=plain) if sign in _HARD else _kept(habit[sign], _LETTERS[sign], dice)
            )
            found.append(consonant + ("" if after in _SIGNS and after else "a"))
        else:
            found.append(sign)
        if sign == "ற" and before == "்" and text[place - 2 : place - 1] == "ற":
            found[-2:] = ["", "tr" + found[-1][1:]]
    return "".join(found)


def _vowel(vowel: str, habit: dict[str, str], dice: random.Random) -> str:
    return _kept(habit[vowel], _LONG[vowel], dice) if vowel in _LONG else vowel


def _kept(usual: str, forms: tuple[str, ...], dice: random.Random) -> str:
    return usual if dice.random() < 0.85 else dice.choice(forms)


def _hard(text: str, place: int, *, plain: bool) -> str:
    sign, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    hard, soft = _HARD[sign]
    first = not before or not ("\u0b80" <= before <= "\u0bff")
    doubled = before == "்" and text[place - 2 : place - 1] == sign
    stopped = after == "்"
    nasal = before == "்" and text[place - 2 : place - 1] in _NASALS
    if sign == "ச":
        form = hard if doubled or stopped else soft
    elif sign == "த" and plain:
        form = "t" if first or doubled or stopped else "d" if nasal else "th"
    else:
        form = hard if first or doubled or stopped else soft if nasal or sign in "கட" else hard
    return form

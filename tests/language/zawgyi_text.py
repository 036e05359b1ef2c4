"""Burmese in Unicode -> the same text in Zawgyi, for tests: the reverse of the published correspondence.

With a table of its own: `rumpun.guard.attacks.burmese` asks the converter for its shapes, and so could not judge it.

An approximation: one shape of each stacked consonant and of each medial RA, as a plain keyboard would write them.
"""

import re

STACKED = {
    "က": "\u1060", "ခ": "\u1061", "ဂ": "\u1062", "ဃ": "\u1063", "စ": "\u1065", "ဆ": "\u1066", "ဇ": "\u1068",
    "ဈ": "\u1069", "ဋ": "\u106c", "ဌ": "\u106d", "ဏ": "\u1070", "တ": "\u1071", "ထ": "\u1073", "ဒ": "\u1075",
    "ဓ": "\u1076", "န": "\u1077", "ပ": "\u1078", "ဖ": "\u1079", "ဗ": "\u107a", "ဘ": "\u107b", "မ": "\u107c",
    "လ": "\u1085",
}  # fmt: skip
MARKS = {"\u103a": "\u1039", "\u103b": "\u103a", "\u103d": "\u103c", "\u103e": "\u103d"}
SYLLABLE = re.compile(
    "(\u1004\u103a\u1039)?([\u1000-\u1021\u103f])((?:\u1039[\u1000-\u1021])*)([\u102b-\u1032\u1036-\u1038\u103a-\u103e]*)"
)


def _syllable(found):
    kinzi, base, stack, marks = found.groups()
    before = "\u1031" * marks.count("\u1031") + ("\u103b" if "\u103c" in marks else "")
    base = "\u1086" if base == "ဿ" else base
    below = "".join(STACKED.get(sign, "\u1039" + sign) for sign in stack[1::2])
    rest = "".join(MARKS.get(sign, sign) for sign in marks if sign not in "\u1031\u103c")
    return before + base + ("\u1064" if kinzi else "") + below + rest


def zawgyi(text):
    """A Unicode Burmese text as Zawgyi."""
    return SYLLABLE.sub(_syllable, text).replace("၎င္း", "\u104e")

"""Signs that nobody sees: controls, joiners, zero-width spaces, soft hyphens, marks of direction; and line ends.

What stays: a joiner (ZWJ, ZWNJ) between letters of a script that shapes by it (Arabic, the Indic scripts, Javanese,
Balinese, Sundanese, Mongolian), in Khmer before a mark, and ZWJ between emoji; ZERO WIDTH SPACE between letters of
Thai, Lao, Khmer, Burmese and their neighbours, where it marks a word's end (or not even there, if asked); variation
selectors; the tags of a flag. Everything else of these signs is taken out: in Latin, Burmese, Thai or Chinese it only
makes equal words unequal, or hides text.
"""

import re
from collections.abc import Callable

import regex

from rumpun.language.offsets import Edit, rewrite

__all__ = ["HIDDEN", "LINE_ENDS", "ends_word", "hidden", "line_ends"]

LINE_ENDS = "\r\x0b\x0c\x85\u2028\u2029"  # become a line feed; so does CR LF
HIDDEN = (  # a character class
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f"
)
_LINE_END = re.compile("\r\n|[" + LINE_ENDS + "]")
_RUN = re.compile(f"\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f|[{HIDDEN}]+")
_ZWSP, _ZWNJ, _ZWJ = "\u200b", "\u200c", "\u200d"
_SHAPES = regex.compile(
    r"(?V1)[[\u0600-\u08ff\u0900-\u0dff\u1800-\u18af\u1a20-\u1aaf\u1b00-\u1bbf\ua980-\ua9df\ufb50-\ufdff\ufe70-\ufefc]"
    r"&&[\p{L}\p{M}]]"
)
_UNSPACED = regex.compile(
    r"(?V1)[[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1980-\u1aaf\ua980-\ua9ff\uaa60-\uaa7f]&&[\p{L}\p{M}]]"
)
_KHMER_MARK = re.compile("[\u17b6-\u17d3\u17dd]")
_INSIDE_NEXT = regex.compile(
    r"[\p{M}\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3]"
)  # no word begins with these
_INSIDE_BEFORE = re.compile("[\u0e40-\u0e44\u0ec0-\u0ec4\u17d2\u1039]")  # no word ends with these
_EMOJI = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]")


def line_ends(text: str) -> tuple[str, list[Edit]]:
    """Every kind of line end as one line feed."""
    return rewrite(text, _LINE_END, lambda _: "\n")


def hidden(text: str, *, word_marks: bool) -> tuple[str, list[Edit]]:
    """The text without the signs that do nothing; `word_marks` keeps ZERO WIDTH SPACE where it ends a word."""
    return rewrite(text, _RUN, _chooser(text, word_marks=word_marks))


def _chooser(text: str, *, word_marks: bool) -> Callable[[re.Match[str]], str]:
    def choose(found: re.Match[str]) -> str:
        run = found.group()
        before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        if run[0] == "\U0001f3f4":
            return run
        if not before or not after:
            return ""
        if word_marks and _ZWSP in run and ends_word(before, after):
            return _ZWSP
        joiner = next((sign for sign in run if sign in (_ZWNJ, _ZWJ)), "")
        return joiner if joiner and _joins(joiner, before, after) else ""

    return choose


def ends_word(before: str, after: str) -> bool:
    """Whether a word of a script without spaces may end between two code points."""
    return bool(
        _UNSPACED.match(before)
        and _UNSPACED.match(after)
        and not _INSIDE_BEFORE.match(before)
        and not _INSIDE_NEXT.match(after)
    )


def _joins(joiner: str, before: str, after: str) -> bool:
    if "\u1780" <= before <= "\u17dd":
        return bool(_KHMER_MARK.match(after))
    if _SHAPES.match(before) and _SHAPES.match(after):
        return True
    return joiner == _ZWJ and bool(_EMOJI.match(before) and _EMOJI.match(after))

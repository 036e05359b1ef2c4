"""Letters spaced out, digits for letters and repeated letters, read as the words that they stand for.

Ordinary text must come through unchanged, so each rule asks for a pattern that it does not have: four single letters with
the same sign between them; a digit inside a Latin word that can be read with the letter in its place; a letter four times
in a row (three in Latin words, if they are no Roman numeral, no initials and no Tagalog «naaalala»).
"""

import re

import regex

from rumpun.language.segment_syllables import syllables

__all__ = ["LEET", "plain_spelling"]

LEET = {  # sign -> the Latin letter that it stands for
    "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s", "!": "i", "|": "l",
}  # fmt: skip
_SIGNS = "013457-9@$!|"
_SMALL = "a-z\u00df-\u024f\u1e00-\u1eff"  # Latin letters, folded
_LEET_LOOK = re.compile(f"[{_SMALL}][{_SIGNS}]{{1,2}}[{_SMALL}]")
_LEET_FREELY_LOOK = re.compile(f"[{_SMALL}][{_SIGNS}]|[{_SIGNS}][{_SMALL}]")
_TOKEN = regex.compile(
    rf"(?<![^\s\"'(\[«“‘,.])[\p{{Latin}}\p{{M}}{_SIGNS}]{{3,}}+(?![\p{{L}}\p{{N}}@$/_&=]|[.\-:@][\p{{L}}\p{{N}}])"
)
_RUN = re.compile(rf"[{_SIGNS}]+")
_NO_DIGIT = re.compile("[@$|]")
_VOWELS = frozenset("aeiouyàáâãèéêìíòóôõùúýăĩũơư")
_LETTERS_LEAST, _SHORT = 3, 5  # letters of a word that may hold signs; below so many it is short
_SIGNS_MOST = 4  # signs in a row

_SINGLE = regex.compile(r"(\p{Ps}|\p{Pi}|[\"'])*\p{L}\p{M}*+(\p{P}*)")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_LIGATURES = re.compile("\u0eab([\u0e99\u0ea1])")  # HO with NO or MO, which NFKC has taken apart
_AGAIN = "ๆໆៗ"  # stands apart from the word that it repeats
_CLUSTER = re.compile(f"([\"'(«“‘])*[{_UNSPACED}]{{1,8}}([^\\w\\s]*)")
_RUN_LEAST, _RUN_LEAST_FREELY = 4, 2  # letters in a row that are spaced out
_SPACED_LOOK, _SPACED_FREELY_LOOK = (
    re.compile(
        rf"(?:(?<!\S)(?:\S[^\w\s]?|[\u0b80-\u0bb9][\u0bbe-\u0bcd]{{1,2}}[^\w\s]?|[{_UNSPACED}]{{2,8}}[^\w\s]?) +){{{least - 1}}}"
    )
    for least in (_RUN_LEAST, _RUN_LEAST_FREELY)
)
_OWN = 0.6  # share of these that are of a script without spaces, where wider gaps are not to be expected
_FIRST_UNSPACED = "\u0e00"
_BEHIND = regex.compile(
    r"[\p{Pe}\p{Pf}\p{Po}--[\"'¿¡#@&*]]", regex.V1
)  # punctuation that follows a word at once
_BEFORE = regex.compile(r"[\p{Ps}\p{Pi}]$")
_HAN_APART = regex.compile(r"\p{Han}([ .\-_*·•~])\p{Han}(?:\1\p{Han}){2,}+")
_HAN_LOOK = re.compile("[\u3400-\u9fff][ .\\-_*·•~][\u3400-\u9fff][ .\\-_*·•~]")
_HAN = regex.compile(r"\p{Han}")
_HAN_BEFORE = regex.compile(r"[\p{Han}\p{P}]$")
_GAP = re.compile("( +)")
_MOSTLY, _MOSTLY_LEAST = 0.9, 8  # share of a line's pieces that are one character, and how many there must be
_DOTTED_LOOK = re.compile(r"[.\-_*·•~][^\s.\-_*·•~]{1,5}[.\-_*·•~][^\s.\-_*·•~]{1,5}[.\-_*·•~]")
_ONE = r"(?:\u0eab[\u0e99\u0ea1]|\p{L})"  # a letter; HO with NO or MO is one in Lao
_LETTER = rf"{_ONE}[\p{{M}}\u0e33\u0eb3]*+"
_DOTTED = regex.compile(
    rf"(?<![\w.\-*·•~]){_LETTER}([.\-_*·•~]){_LETTER}(?:\1{_LETTER}){{2,}}+(?![\w\-*·•~])"
)

_REPEATED_LOOK = re.compile(r"([^\d\s])\1\1")
_REPEATED_MARKED = re.compile(r"([^\d\s][\u0300-\u036f\u0b80-\u17ff]{1,5}?)\1\1")
_REPEATED_LATIN = regex.compile(r"(?P<one>\p{Latin}\p{M}*+)(?P=one){2,}")
_REPEATED = regex.compile(
    rf"(?P<one>(?!\p{{Latin}}){_ONE}\p{{M}}*+)(?P=one){{3,}}|(?P<mark>\p{{M}})(?P=mark){{2,}}"
)
_SHOUTED = re.compile(r"([!?])\1{3,}")
_BLANK = re.compile(r"([ \t\n])\1{2,}")
_BLANKS = ("   ", "\t\t\t", "\n\n\n")
_SPARED_RUN = 3
_SPARED = regex.compile(  # three in a row in Roman numerals, in initials of four letters at most, and Tagalog «naaalala»
    r"(?<!\w)(?:[mdclxvi]+|\p{Latin}{3,4})(?!\w)|(?<=\p{L})aaa(?=\p{L})"
)


def plain_spelling(text: str, *, freely: bool = False) -> str:
    """A folded text (one case, digits 0 to 9) without the tricks.

    `freely` reads more of it so: two spaced letters are enough, a digit at the edge of a word may be a letter, and a repeated
    letter is kept twice.
    """
    if (_SPACED_FREELY_LOOK if freely else _SPACED_LOOK).search(text):
        least = _RUN_LEAST_FREELY if freely else _RUN_LEAST
        text = "\n".join(_joined(line, least) for line in text.split("\n"))
    if _HAN_LOOK.search(text):
        text = _HAN_APART.sub(lambda found: found.group().replace(found.group(1), ""), text)
    if _DOTTED_LOOK.search(text):
        text = _DOTTED.sub(_undotted, text)
    if (_LEET_FREELY_LOOK if freely else _LEET_LOOK).search(text):
        text = _TOKEN.sub(lambda found: _letters(found.group(), freely=freely), text)
    if _REPEATED_LOOK.search(text) or (not text.isascii() and _REPEATED_MARKED.search(text)):
        text = _squeezed(text, 2 if freely else 1)
    if any(blank in text for blank in _BLANKS):
        text = _BLANK.sub(r"\1\1", text)
    return text


def _joined(line: str, least: int) -> str:
    """Runs of single letters (or syllables, in scripts without spaces) as words.

    Where the words are known by wider gaps, these become one space; none stays before the punctuation behind a run.
    """
    pieces = _GAP.split(line)
    words, gaps = pieces[::2], pieces[1::2]
    if len(words) < least:
        return line
    kinds = [_single(word) for word in words]
    ones = [bool(kind) or len(word) == 1 for word, kind in zip(words, kinds, strict=True)]
    if len(words) >= _MOSTLY_LEAST and sum(ones) >= _MOSTLY * len(words):
        own = sum(1 for word, kind in zip(words, kinds, strict=True) if kind and word >= _FIRST_UNSPACED)
        if own >= _OWN * sum(ones) or any(len(gap) > 1 for gap in gaps):
            tied = [ones[n] and ones[n + 1] and kinds[n] != "last" for n in range(len(gaps))]
            between = [
                " " if len(gap) > 1 else "" if tied[n] else _gap(words[n], gap, words[n + 1])
                for n, gap in enumerate(gaps)
            ]
            return "".join(word + gap for word, gap in zip(words, [*between, ""], strict=True)).strip(" ")
    found: list[str] = []
    place = 0
    while place < len(words):
        end = place + 1
        if kinds[place]:
            while end < len(words) and gaps[end - 1] == " " and kinds[end - 1] == "open" and kinds[end]:
                end += 1
        if end - place < (_RUN_LEAST if words[place] >= _FIRST_UNSPACED else least):
            end = place + 1
            found += words[place:end] + gaps[place:end]
        else:
            word = "".join(words[place:end])
            if found:
                found[-1] = _gap(found[-2], gaps[place - 1], word)
            found += [word, *(_gap(word, gap, words[end]) for gap in gaps[end - 1 : end])]
        place = end
    return "".join(found)


def _gap(before: str, gap: str, after: str) -> str:
    """What is between a run of letters and its neighbour, when the run is joined."""
    glued = (
        _BEHIND.match(after) or _BEFORE.search(before) or (_HAN.match(after) and _HAN_BEFORE.search(before))
    )
    return "" if glued else " " if gap.strip(" ") == "" else gap


def _single(word: str) -> str:
    """Whether a piece is one letter or syllable: "open", or "last" with punctuation behind it; "" for anything else."""
    if (
        not word
        or len(word) > 10
        or word[0] in _AGAIN
        or (word[0] < "\u0300" and word[:2].isalpha() and len(word) > 1)
    ):
        return ""
    found = _SINGLE.fullmatch(word)
    if not found:
        found = _CLUSTER.fullmatch(word)
        if not found or len(syllables(_LIGATURES.sub(_ligature, word))) != 1:
            return ""
    return "last" if found.group(2) else "open"


def _ligature(found: re.Match[str]) -> str:
    return "\u0edc" if found.group(1) == "\u0e99" else "\u0edd"


def _undotted(found: "regex.Match[str]") -> str:
    """The letters without the signs between them; two letters in turn with hyphens («a-b-a-b») are a rhyme, no word."""
    sign = found.group(1)
    letters: str = found.group().replace(sign, "")
    return found.group() if sign == "-" and len(set(letters)) <= 2 else letters


def _letters(token: str, *, freely: bool) -> str:
    """A token with letters for digits, where the signs inside it can be read so.

    One sign inside (or the same twice) has to fit between its neighbours; several apart are no number in any case.
    `freely`, a sign at the edge is enough.
    """
    body = token.rstrip("!")
    runs = list(_RUN.finditer(body))
    inner = [run for run in runs if run.start() > 0 and run.end() < len(body)]
    letters = sum(1 for sign in body if sign.isalpha())
    if freely:
        meant = bool(inner) or (letters >= _LETTERS_LEAST and all(len(run.group()) == 1 for run in runs))
    elif len(inner) == 1:
        strictly = len(runs) == 1 and (letters < _SHORT or inner[0].group() == "@")
        run = inner[0].group()
        meant = letters >= _LETTERS_LEAST and (
            _readable(body, inner[0], strictly=strictly)
            if len(set(run)) == 1
            else bool(_NO_DIGIT.search(run))
        )
    else:
        meant = letters > 1 and len(inner) > 1
    if not meant or any(len(run.group()) > _SIGNS_MOST for run in runs):
        return token
    return "".join(LEET.get(sign, sign) for sign in body) + token[len(body) :]


def _readable(body: str, run: re.Match[str], *, strictly: bool) -> bool:
    """Whether a vowel stands beside a consonant (between two, `strictly`), or a consonant beside a vowel."""
    vowels = [body[run.start() - 1] in _VOWELS, body[run.end()] in _VOWELS]
    if LEET[run.group()[0]] not in _VOWELS:
        return any(vowels)
    return not any(vowels) if strictly else not all(vowels)


def _squeezed(text: str, kept: int) -> str:
    """Letters that are repeated, as often as `kept`; marks once; signs three times."""
    spared = {place for found in _SPARED.finditer(text) for place in range(*found.span())}

    def latin(found: "regex.Match[str]") -> str:
        run: str = found.group()
        if found.start() in spared and len(run) == _SPARED_RUN:
            return run
        return str(found.group("one")) * kept

    text = _REPEATED_LATIN.sub(latin, text)
    text = _REPEATED.sub(
        lambda found: (found.group("one") or found.group("mark")) * (kept if found.group("one") else 1), text
    )
    return str(_SHOUTED.sub(r"\1\1\1", text))

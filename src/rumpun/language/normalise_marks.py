"""The order of dependent marks inside a syllable: Thai, Lao, Khmer and Burmese.

The same syllable can be stored in several orders that look alike; canonical equivalence (NFC) mends few of them, since
most of these marks have combining class 0. Where the orders come from:

- Thai and Lao: Unicode Standard, chapter 16, and the compatibility decompositions of SARA AM and AM; a tone mark is
  stored before the whole vowel.
- Khmer: Unicode Standard, chapter 16, and the published Khmer encoding structure (SIL, khmer-character-specification):
  robat, subscripts with RO last, register shifter, joiner, vowels before, below, above, behind, signs, final signs.
- Burmese: Unicode Technical Note 11 (Hosken): medials YA RA WA HA, E, upper vowel, lower vowel, AA, ANUSVARA, dot below,
  ASAT, visarga. An ASAT before the vowel (a contraction) stays where it is. Only the marks of Burmese are moved; a mark
  of Mon, Karen or Shan ends the run, and AI and ANUSVARA stand where Mon has them, which is no matter in Burmese.

Each script has a `…_LOOK` pattern, cheap and loose, that clean text does not match, and a function that mends. Mending
twice is mending once.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping

from rumpun.language.offsets import Edit, rewrite

__all__ = [
    "BURMESE_CLASSES",
    "BURMESE_LOOK",
    "KHMER_CLASSES",
    "KHMER_LOOK",
    "LAO_LOOK",
    "PAIRS",
    "THAI_LOOK",
    "Mended",
    "burmese",
    "khmer",
    "lao",
    "thai",
]

_RUNS = 4096  # runs of marks whose order is kept in memory: a language has some hundred
Mended = tuple[str, list[tuple[str, list[Edit]]]]  # the text, and each step in turn: its rule and its edits


def _inversions(*classes: str) -> str:
    """A pattern for a mark of a later class directly before one of an earlier class."""
    pairs = "|".join(f"(?<=[{late}])[{''.join(classes[:n])}]" for n, late in enumerate(classes) if n)
    return f"(?=[{''.join(classes[:-1])}])(?:{pairs})"


def _sorter(*classes: str) -> Callable[[str], str]:
    """A function that sorts a run of marks by class and leaves the order inside a class."""
    place = {
        mark: n
        for n, marks in enumerate(classes)
        for mark in re.findall(f"[{marks}]", "".join(map(chr, range(0xE00, 0x1800))) + "\u200c\u200d")
    }

    @functools.lru_cache(maxsize=_RUNS)
    def sort(run: str) -> str:
        return "".join(sorted(run, key=place.__getitem__))

    return sort


def _steps(text: str, *rules: tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]]) -> Mended:
    done = []
    for name, pattern, replace in rules:
        text, edits = rewrite(text, pattern, replace)
        done.append((name, edits))
    return text, done


class _Tai:
    """Thai, and Lao, whose block has the same plan 0x80 higher."""

    def __init__(
        self, name: str, *, lower: tuple[str, ...], upper: str, tone: str, last: str, letters: str
    ) -> None:
        nikhahit, aa, am, e, ae = tuple(letters)
        classes = (*lower, upper, tone, last)
        marks = "".join(classes)
        self.classes = classes
        self.look = re.compile(
            f"[{marks}{am}{e}](?:{_inversions(*classes)}|(?<={nikhahit})[{tone}]*{aa}|(?<={am})[{tone}]|(?<={e}){e})"
        )
        sort = _sorter(*classes)
        order = (f"{name}.order", re.compile(f"[{marks}]{{2,}}"), lambda found: sort(found.group()))
        self._rules = (
            order,
            (f"{name}.am", re.compile(f"(?:{nikhahit}([{tone}]*){aa}|{am})([{tone}]*)"),
             lambda found: (found.group(1) or "") + found.group(2) + am),
            order,
            (f"{name}.double_e", re.compile(e + e), lambda _: ae),
        )  # fmt: skip

    def __call__(self, text: str) -> Mended:
        return _steps(text, *self._rules)


thai = _Tai(
    "thai",
    lower=("\u0e3a", "\u0e38\u0e39"),  # phinthu (combining class 9), SARA U and UU (103)
    upper="\u0e31\u0e34-\u0e37\u0e47\u0e4d",
    tone="\u0e48-\u0e4b",  # combining class 107
    last="\u0e4c\u0e4e",  # thanthakhat, yamakkan
    letters="\u0e4d\u0e32\u0e33\u0e40\u0e41",
)
lao = _Tai(
    "lao",
    lower=("\u0ebc", "\u0eba", "\u0eb8\u0eb9"),  # semivowel LO, PALI VIRAMA (9), U and UU (118)
    upper="\u0eb1\u0eb4-\u0eb7\u0ebb\u0ecd",
    tone="\u0ec8-\u0ecb",  # combining class 122
    last="\u0ecc\u0ece",
    letters="\u0ecd\u0eb2\u0eb3\u0ec0\u0ec1",
)
THAI_LOOK, LAO_LOOK = thai.look, lao.look

_ROBAT, _SHIFT, _JOIN = "\u17cc", "\u17c9\u17ca", "\u200c\u200d"
KHMER_CLASSES = (
    _ROBAT,
    _SHIFT,
    _JOIN,
    "\u17be-\u17c5",  # vowels written before the base, or around it
    "\u17bb-\u17bd",  # below
    "\u17b7-\u17ba",  # above
    "\u17b6",  # behind
    "\u17c6\u17cb\u17cd-\u17d1\u17d3\u17dd",  # signs above
    "\u17c7\u17c8",  # signs behind
)
_KHMER_MARKS = "".join(KHMER_CLASSES)
KHMER_LOOK = re.compile(
    f"[{_KHMER_MARKS}\u17d2\u17a3\u17a4](?:{_inversions(*KHMER_CLASSES)}"
    f"|(?<=[{''.join(KHMER_CLASSES[1:])}])\u17d2|(?<=\u17d2)(?:.\u17cc|\u179a\u17d2)"
    "|(?<=\u17c1)[\u17bb-\u17bd]?[\u17b6\u17b8]|(?<=[\u17a3\u17a4]))"
)
_KHMER_RUN = re.compile(f"(?:\u17d2[\u1780-\u17b3]|[{_KHMER_MARKS}]){{2,}}")
_KHMER_TOKEN = re.compile(f"\u17d2([\u1780-\u17b3])|([{_ROBAT}])|[{_KHMER_MARKS}]")
_KHMER_COMPOUND = re.compile("\u17c1([\u17bb-\u17bd]?)([\u17b6\u17b8])")
_KHMER_OLD = re.compile("[\u17a3\u17a4]")  # deprecated
_KHMER_NEW: Mapping[str, str] = {"\u17a3": "\u17a2", "\u17a4": "\u17a2\u17b6"}
_sort_khmer = _sorter(*KHMER_CLASSES)


def _khmer_run(found: re.Match[str]) -> str:
    robat, subscripts, ro, rest = "", "", "", ""
    for token in _KHMER_TOKEN.finditer(found.group()):
        if token.group(2):
            robat += token.group()
        elif not token.group(1):
            rest += token.group()
        elif token.group(1) == "\u179a":
            ro += token.group()
        else:
            subscripts += token.group()
    rest = _sort_khmer(rest)
    joiners = re.search(f"[{_JOIN}]+", rest)
    if joiners:  # one joiner, and only between a letter or mark of Khmer and a mark
        before = (
            found.string[max(0, found.start() - 1) : found.start()]
            + robat
            + subscripts
            + ro
            + rest[: joiners.start()]
        )
        kept = joiners.end() < len(rest) and "\u1780" <= before[-1:] <= "\u17dd"
        rest = rest[: joiners.start()] + rest[joiners.start()] * kept + rest[joiners.end() :]
    rest = _KHMER_COMPOUND.sub(
        lambda two: ("\u17c4" if two.group(2) == "\u17b6" else "\u17be") + two.group(1), rest
    )
    return robat + subscripts + ro + _sort_khmer(rest)


def khmer(text: str) -> Mended:
    """Khmer syllables in the order of the encoding structure; two-part vowels as one; deprecated letters replaced."""
    return _steps(
        text,
        ("khmer.deprecated", _KHMER_OLD, lambda found: _KHMER_NEW[found.group()]),
        ("khmer.order", _KHMER_RUN, _khmer_run),
    )


_MEDIALS = "\u103b-\u103e"
BURMESE_CLASSES = (
    "\u103b", "\u103c", "\u103d", "\u103e",  # medials ya, ra, wa, ha
    "\u1031",  # e
    "\u102d\u102e",  # upper vowels
    "\u102f\u1030",  # lower vowels
    "\u102b\u102c",  # aa
    "\u1032",  # ai: alone in Burmese, behind another vowel in Mon
    "\u1036",  # anusvara, likewise
    "\u1037",  # dot below: combining class 7, so NFC has it before asat (9)
    "\u103a",  # asat
    "\u1038",  # visarga
)  # fmt: skip
_BURMESE_MARKS = "".join(BURMESE_CLASSES)
_CARRIED = "\u102b-\u1032\u1036\u103a-\u103e"  # marks that a digit cannot carry
_BURMESE_ALIKE = re.compile(
    f"[\u1040\u1047](?=[{_CARRIED}])|\u1044(?=\u1004\u103a\u1038)|\u1025(?=\u1037?\u103a)"
)
BURMESE_LOOK = re.compile(
    f"[{_BURMESE_MARKS}\u1025\u1040\u1044\u1047](?:{_inversions(*BURMESE_CLASSES)}"
    f"|(?<=[\u1040\u1047])[{_CARRIED}]|(?<=\u1044)\u1004\u103a\u1038|(?<=\u1025)\u1037?\u103a)"
)
_ALIKE: Mapping[str, str] = {
    "\u1040": "\u101d",  # zero that carries a mark: the letter WA
    "\u1047": "\u101b",  # seven that carries a mark: RA
    "\u1044": "\u104e",  # four before "ng": the sign AFOREMENTIONED
    "\u1025": "\u1009",  # U before asat: NYA
}
_sort_burmese = _sorter(*BURMESE_CLASSES)


# the marks behind a letter; an E behind a vowel belongs to no run: it was typed before the letter that it is read with
_BURMESE_RUN = re.compile(
    f"(?<![{_BURMESE_MARKS}])[{_MEDIALS}\u1031]*(?:(?!\u1031)[{_BURMESE_MARKS}])*(?<=[{_BURMESE_MARKS}]{{2}})"
)
_CONTRACTION = re.compile(f"[{_MEDIALS}]*\u103a")  # an asat before the vowel stays there


@functools.lru_cache(maxsize=_RUNS)
def _burmese_order(run: str) -> str:
    contracted = _CONTRACTION.match(run)
    if contracted:
        head = contracted.end() - 1
        run = _sort_burmese(run[:head]) + "\u103a" + _sort_burmese(run[head + 1 :])
    else:
        run = _sort_burmese(run)
    return unicodedata.normalize("NFC", run)


def burmese(text: str, *, lookalikes: bool = True) -> Mended:
    """Burmese marks in the order of the technical note; digits and letters that stand for one another put right."""
    order = ("burmese.order", _BURMESE_RUN, lambda found: _burmese_order(found.group()))
    if not lookalikes:
        return _steps(text, order)
    return _steps(text, order, ("burmese.lookalike", _BURMESE_ALIKE, lambda found: _ALIKE[found.group()]))


# neighbours, as character classes, that call for a closer look besides those whose classes stand the wrong way round
PAIRS = (
    ("\u0e4d", "\u0e32"), ("\u0e48-\u0e4b", "\u0e48-\u0e4b"), ("\u0e33", "\u0e48-\u0e4b"), ("\u0e40", "\u0e40"),
    ("\u0ecd", "\u0eb2"), ("\u0ec8-\u0ecb", "\u0ec8-\u0ecb"), ("\u0eb3", "\u0ec8-\u0ecb"), ("\u0ec0", "\u0ec0"),
    ("\u17b6-\u17cb\u17cd-\u17d1\u17d3\u17dd", "\u17d2"), ("\u17c1", "\u17b6\u17b8\u17bb-\u17bd"),
    ("\u1040\u1047", _CARRIED), ("\u1025", "\u102e\u103a"), ("\u103a", "\u103a"), ("\u0bc6\u0bc7", "\u0bbe"), ("\u0b92\u0bc6", "\u0bd7"),
)  # fmt: skip
BEFORE_ASAT = (
    f"{_MEDIALS}\u102b-\u1030\u1032\u1036"  # what an asat stands before in a contraction (E is none of it)
)
# three in a row that do, where the first two alone do not; a later one holds where two begin alike
TRIPLES = (
    ("\u0e4d", "\u0e48-\u0e4b", "\u0e32"),
    ("\u0ecd", "\u0ec8-\u0ecb", "\u0eb2"),
    ("\u17d2", "\u1780-\u17b3", "\u17cc"),
    ("\u17d2", "\u179a", "\u17cc\u17d2"),
    (f"\u1031{BEFORE_ASAT[len(_MEDIALS) :]}\u1037", "\u103a", BEFORE_ASAT),
    ("\u1044", "\u1004", "\u103a"),
    ("\u1025", "\u1037", "\u103a"),
)

"""Text as it should be stored: one spelling for what looks the same, and a map back to the original.

The steps, in order: NFC; line ends; signs that nobody sees; Burmese in Zawgyi to Unicode, line by line, where the
detector is sure; the order of marks in Thai, Lao, Khmer and Burmese; Arabic presentation forms and letters of other
alphabets inside Latin words; native digits, where asked. What each mends, and what none of them touches (spelling,
spaces, old and new tone places of Vietnamese), is told in docs/languages.md.

Laws, tested on every script: normalising twice is normalising once; canonically equivalent texts become equal; the
result is in NFC; a text with nothing to mend comes back as the same object; every code point of the result has its
span in the original. Text with nothing to mend costs a few scans for code points that might need it.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rumpun.errors import UsageError, nearest
from rumpun.language import homoglyphs, zawgyi
from rumpun.language.normalise_marks import (
    BURMESE_LOOK,
    KHMER_LOOK,
    LAO_LOOK,
    THAI_LOOK,
    Mended,
    burmese,
    khmer,
)
from rumpun.language.normalise_marks import lao as lao_order
from rumpun.language.normalise_marks import thai as thai_order
from rumpun.language.normalise_nfc import MAYBE, compose
from rumpun.language.normalise_signs import HIDDEN, LINE_ENDS, hidden, line_ends
from rumpun.language.offsets import Edit, Offsets

__all__ = ["VERSION", "Normalised", "Options", "normalise", "normalise_all"]

VERSION = 1  # raised whenever the same text may come out otherwise; part of a record's lineage

# languages whose letters stand at the code points that Zawgyi took for others
_OTHER_MYANMAR = frozenset(
    {"shn", "mnw", "ksw", "kar", "pwo", "kjp", "blk", "kyu", "rbb", "pll", "aio", "phk", "kht"}
)
_LEAST = {"sure": 0.99, "likely": 0.5, "never": 2.0}  # probability from which a line counts as Zawgyi


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `normalise` does beyond what it always does."""

    zawgyi: Literal["sure", "likely", "never"] = "sure"  # least probability: 0.99, 0.5, or none is enough
    digits: bool = False  # native decimal digits to 0-9
    homoglyphs: bool = (
        True  # look-alikes of other alphabets, presentation forms, Burmese digits used as letters
    )
    word_marks: Literal["keep", "drop"] = "keep"  # ZERO WIDTH SPACE at a word's end in scripts without spaces

    def __post_init__(self) -> None:
        for name, value, known in (
            ("zawgyi", self.zawgyi, tuple(_LEAST)),
            ("word_marks", self.word_marks, ("keep", "drop")),
        ):
            if value not in known:
                raise UsageError(f"{name} = {value!r} is unknown", nearest(str(value), known))


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised text."""

    text: str  # the very object that was given, where nothing was mended
    offsets: Offsets  # back to the original, in code points
    changes: Mapping[str, int] = field(default_factory=dict)  # rule -> places mended; empty where nothing was


_CLOSER = (  # code points that call for a closer look
    f"{HIDDEN}{LINE_ENDS}\u0e31\u0e33-\u0e3a\u0e40\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec0\u0ec8-\u0ece"
    "\u1022-\u103e\u1040\u1044\u1047\u105a-\u1097\u17a3\u17a4\u17b4-\u17d3\u17dd"
    f"{homoglyphs.FOREIGN}{homoglyphs.PRESENTATION}{MAYBE}"
)
_CLOSER_LOOK = re.compile(f"[{_CLOSER}]")
_SIGNS_LOOK = re.compile(f"[{HIDDEN}{LINE_ENDS}]")
_BEYOND_THAI = re.compile(
    f"[\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff{homoglyphs.FOREIGN}{homoglyphs.PRESENTATION}]"
)
_LETTERS_LOOK = re.compile(f"[{homoglyphs.FOREIGN}{homoglyphs.PRESENTATION}]")
_ASCII_LOOK = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_LONG = 400  # code points from which one look at arrays is quicker than several patterns
_ORDERS = ((THAI_LOOK, thai_order), (LAO_LOOK, lao_order), (KHMER_LOOK, khmer))
_BURMESE_RULES = ("zawgyi", "burmese.order", "burmese.lookalike")
_MYANMAR_LOOK = re.compile("[\u1022-\u103e\u1040\u1044\u1047\u105a-\u1097]")


def normalise(
    text: str,
    language: str | None = None,
    *,
    zawgyi: Literal["sure", "likely", "never"] = "sure",
    digits: bool = False,
    homoglyphs: bool = True,
    word_marks: Literal["keep", "drop"] = "keep",
) -> Normalised:
    """One text in its normal form; the keywords are the fields of `Options`.

    `language` is its BCP-47 tag where it is known: text known to be in a language that shares Zawgyi's code points
    (Shan, Mon, Karen …) is never taken for Zawgyi.
    """
    options = Options(zawgyi=zawgyi, digits=digits, homoglyphs=homoglyphs, word_marks=word_marks)
    return _normalise(text, language, options)


def normalise_all(
    texts: Sequence[str], languages: Sequence[str | None] | None = None, options: Options | None = None
) -> list[Normalised]:
    """Each text in its normal form; `languages` are their tags, as many as there are texts."""
    options = options or Options()
    tags = [None] * len(texts) if languages is None else languages
    clean = [_quick(text, options) for text in texts]
    unsure = [number for number, sure in enumerate(clean) if not sure]
    for number, found in zip(unsure, _looks([texts[n] for n in unsure], options), strict=True):
        clean[number] = found
    rows = zip(texts, tags, clean, strict=True)
    return [_same(text) if sure else _worked(text, tag, options) for text, tag, sure in rows]


def _normalise(text: str, language: str | None, options: Options) -> Normalised:
    if _quick(text, options) or (len(text) > _LONG and _looks([text], options)[0]):
        return _same(text)
    return _worked(text, language, options)


def _same(text: str) -> Normalised:
    return Normalised(text, Offsets(len(text)))


def _worked(text: str, language: str | None, options: Options) -> Normalised:
    work = _Work(text, language, options)
    work.run()
    return (
        Normalised(work.text, Offsets(len(text), work.steps), work.changes) if work.changes else _same(text)
    )


def _quick(text: str, options: Options) -> bool:
    """Whether a scan or two show that there is nothing to mend."""
    if text.isascii():
        return not _ASCII_LOOK.search(text)
    return not (options.digits or _CLOSER_LOOK.search(text)) and unicodedata.is_normalized("NFC", text)


def _looks(texts: Sequence[str], options: Options) -> list[bool]:
    """Whether a look at arrays shows it, of each text."""
    from rumpun.language.normalise_look import clean_each

    if options.digits:
        return [False] * len(texts)
    found = clean_each(texts)
    if options.word_marks == "drop":
        found = [clean and "\u200b" not in text for clean, text in zip(found, texts, strict=True)]
    return found


class _Work:
    """A text on its way, with the edits that each step made."""

    def __init__(self, text: str, language: str | None, options: Options) -> None:
        self.text = text
        self.steps: list[list[Edit]] = []
        self.changes: dict[str, int] = {}
        self._options = options
        tag = (language or "").partition("-")[0]
        self._zawgyi = _LEAST["never" if tag in _OTHER_MYANMAR else options.zawgyi]

    def run(self) -> None:
        """All steps."""
        self._compose()
        for _ in range(4):  # what was Zawgyi may hold more to mend once it can be read; once more is enough
            if _SIGNS_LOOK.search(self.text):
                self._done("line_end", *line_ends(self.text))
                self._done("hidden", *hidden(self.text, word_marks=self._options.word_marks == "keep"))
                self._compose()
            converted = self.changes.get("zawgyi", 0)
            others = _BEYOND_THAI.search(self.text)  # one scan instead of one for each of the others
            judged = self._zawgyi <= 1 and zawgyi.signed(self.text)
            if others and (judged or BURMESE_LOOK.search(self.text)):
                self._burmese()
            if self.changes.get("zawgyi", 0) == converted:
                break
        for look, mend in _ORDERS if others else _ORDERS[:1]:
            if look.search(self.text):
                self._by_line(mend, look)
        if others and self._options.homoglyphs and _LETTERS_LOOK.search(self.text):
            self._done("presentation", *homoglyphs.letters(self.text))
            self._done("homoglyph", *homoglyphs.latin_words(self.text))
        if self._options.digits:
            self._digits()
        if self.changes:
            self._compose()

    def _done(self, rule: str, text: str, edits: list[Edit]) -> None:
        self.text = text
        if edits:
            self.steps.append(edits)
            self.changes[rule] = self.changes.get(rule, 0) + len(edits)

    def _compose(self) -> None:
        self._done("nfc", *compose(self.text))

    def _by_line(
        self, mend: Callable[[str], Mended], look: re.Pattern[str], clean: Sequence[bool] = ()
    ) -> None:
        """Mend each line that the look finds something in, and join the edits of each step.

        In a long text few lines need any; those that are known to be `clean` are not looked at.
        """
        lines = self.text.split("\n")
        steps: list[tuple[str, list[Edit]]] = []
        shifts: list[int] = []  # how much longer the lines before are at the start of each step
        start = 0
        for number, line in enumerate(lines):
            if not (clean and clean[number]) and look.search(line):
                lines[number], found = mend(line)
                if found and not steps:
                    steps, shifts = [(rule, []) for rule, _ in found], [0] * len(found)
                grown = 0
                for step, (_, edits) in enumerate(found):
                    at = start + shifts[step]
                    steps[step][1].extend((at + a, at + b, length) for a, b, length in edits)
                    shifts[step] += grown
                    grown += sum(length - (b - a) for a, b, length in edits)
            start += len(line) + 1
        text = "\n".join(lines) if any(edits for _, edits in steps) else self.text
        for rule, edits in steps:
            self._done(rule, text, edits)

    def _burmese(self) -> None:
        """Zawgyi to Unicode where it is sure, marks in order; a line that would read as Zawgyi is left."""
        from rumpun.language.normalise_look import clean_each

        lines = self.text.split("\n")
        self._by_line(self._burmese_line, _MYANMAR_LOOK, clean_each(lines) if len(lines) > 1 else ())

    def _burmese_line(self, line: str) -> Mended:
        """One line; it is left as it is where the result would be sure to be Zawgyi."""
        mended = line
        steps: dict[str, list[Edit]] = {rule: [] for rule in _BURMESE_RULES}
        judged = self._zawgyi <= 1
        if judged and zawgyi.at_least(line, self._zawgyi):
            mended, steps["zawgyi"] = zawgyi.convert(line)
        if BURMESE_LOOK.search(mended):
            mended, done = burmese(mended, lookalikes=self._options.homoglyphs)
            steps |= dict(done)
        if judged and mended is not line and zawgyi.at_least(mended, self._zawgyi):
            return line, []
        return mended, list(steps.items())

    def _digits(self) -> None:
        folded = self.text.translate(_digits())
        if folded != self.text:  # one for one: no offset moves
            self.changes["digit"] = sum(1 for a, b in zip(folded, self.text, strict=True) if a != b)
            self.text = folded


@functools.cache
def _digits() -> dict[int, str]:
    """Code point of every native digit that the tables name -> the digit 0 to 9."""
    from rumpun.language.tables import languages

    return {
        ord(sign): str(value)
        for language in languages().values()
        for signs in language.digits.values()
        for value, sign in enumerate(signs)
    }

"""Words for metrics: the same for texts that look the same, in whatever script they are written.

Normalised (`rumpun.language.normalise`: NFC, the order of marks), without case, native digits as 0 to 9, punctuation and
white space left out. Each run of one script is cut by what knows that script, whatever language the text is said to be in,
so that a Thai name in an Indonesian answer is words as well: Thai, Lao and Khmer by the field's segmenters where they are
installed, then as Burmese by ICU, then by rumpun's own list. A Han character is a word of its own: scores of Chinese
question answering and summaries are told by character (CMRC 2018, LCSTS), and no dictionary can disagree with another.
Elsewhere words stand between spaces; a hyphen divides, an apostrophe does not.

Which segmenter it was belongs beside every figure: another one finds other words.
"""

import functools
import itertools
import unicodedata

import regex

from rumpun.language.normalise import normalise
from rumpun.language.segment import Segmenter
from rumpun.language.segment import segmenter as named
from rumpun.language.tables import languages
from rumpun.parts import installed

__all__ = ["occurrences", "segmenter", "spaced", "words"]

# script -> segmenters, the best first, with the module each needs and the language it is asked for
_BEST = {
    "Thai": (("newmm", "pythainlp"), ("icu", "icu")),
    "Laoo": (("laonlp", "laonlp"), ("icu", "icu")),
    "Khmr": (("khmercut", "khmercut"), ("icu", "icu")),
    "Mymr": (("icu", "icu"),),
}
_LANGUAGE = {"Thai": "th", "Laoo": "lo", "Khmr": "km", "Mymr": "my"}
_RUN = regex.compile(
    r"(?V1)(?P<Thai>[\p{Thai}&&[\p{L}\p{M}]]+)|(?P<Laoo>[\p{Lao}&&[\p{L}\p{M}]]+)"
    r"|(?P<Khmr>[\p{Khmer}&&[\p{L}\p{M}]]+)|(?P<Mymr>[[\p{Myanmar}&&[\p{L}\p{M}]]\u104E]+)"
    r"|[^[[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]&&[\p{L}\p{M}]]\u104E]+"
)
_SAYS = regex.compile(r"[\p{L}\p{N}]")  # a mark alone says nothing


@functools.cache
def _of_script(script: str | None) -> Segmenter:
    for name, module in _BEST.get(script or "", ()):
        if installed(module):
            return named(name, _LANGUAGE[script] if script and name == "icu" else None)
    return named("pure")


def segmenter(language: str) -> str:
    """What finds the words of a language's own script, with its version: «newmm (pythainlp 5.4.0)», «pure 1, list 1»."""
    known = languages()
    found = known.get(language) or known.get(language.partition("-")[0])
    return _of_script(found.scripts[0] if found else None).version


def words(text: str, language: str) -> list[str]:
    """The words of a text, in order; none for a text of signs alone.

    `language` (BCP-47) is the one that the text should be in: it tells Shan from Burmese in an old encoding.
    """
    found = []
    for run in _RUN.finditer(_same(text, language)):
        part = run.group()
        found += [part[start:end] for start, end in _of_script(run.lastgroup).words(part)]
    return [word for word in found if _SAYS.search(word)]


def _same(text: str, language: str | None = None) -> str:
    plain = normalise(text, language, digits=True, word_marks="drop").text.casefold()
    return unicodedata.normalize("NFC", plain)


_HAN = regex.compile(r"\p{Han}")
_PART = regex.compile(r"[\p{L}\p{M}\p{N}]")
_HAN_EDGE = regex.compile(r"(?<=\S)(?=\p{Han})|(?<=\p{Han})(?=\S)")


def spaced(text: str) -> str:
    """The text with a space between words of scripts that have none; nothing else is changed."""
    found = ""
    for run in _RUN.finditer(text):
        part = run.group()
        if not run.lastgroup:
            found += _HAN_EDGE.sub(" ", part)
            continue
        places = [start for start, _ in _of_script(run.lastgroup).words(part) if start] + [len(part)]
        before, after = text[: run.start()][-1:], text[run.end() : run.end() + 1]
        found += " " if before.isalnum() and not found.endswith(" ") else ""
        found += " ".join(part[a:b] for a, b in itertools.pairwise([0, *places]))
        found += " " if after.isalnum() else ""
    return found


def occurrences(text: str, word: str) -> int:
    """How often a word, or words side by side, stand in a text, apart and whole; both are compared as `words` does.

    Between spaces a word is whole where no letter, mark or digit touches it. In Thai, Lao, Khmer and Burmese it is where
    the segmenter or rumpun's own list has an edge at both its ends: «ตา» is no word of «ตาราง».
    """
    flat, sought = (" ".join(_same(one).split()) for one in (text, word))
    found = at = 0
    edges: set[int] | None = None
    while sought and (at := flat.find(sought, at)) >= 0:
        end = at + len(sought)
        if edges is None:
            edges = _edges(flat)
        whole = all(place in edges or not _touch(flat, place) for place in (at, end))
        found += whole
        at = end if whole else at + 1
    return found


def _touch(text: str, place: int) -> bool:
    """Whether what stands on both sides of a place is of one word."""
    return 0 < place < len(text) and bool(_PART.match(text, place - 1)) and bool(_PART.match(text, place))


def _edges(text: str) -> set[int]:
    """Where words of scripts without spaces begin or end, by the segmenter and by rumpun's own; and runs of a script."""
    found: set[int] = set()
    for run in _RUN.finditer(text):
        if run.lastgroup:
            for one in (_of_script(run.lastgroup), named("pure")):
                spans = one.words(run.group())
                found.update(run.start() + place for span in spans for place in span)
        else:
            found.update(run.start() + place.start() for place in _HAN.finditer(run.group()))
            found.update(run.start() + place.end() for place in _HAN.finditer(run.group()))
    return found

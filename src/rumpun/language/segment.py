"""Words behind one port, whatever finds them: ICU, the pure fallback, or a linguistic segmenter of the field.

`segmenter(name)` gives one by name, `segmenter_for(language)` the one that the language's table asks for where it is
installed, and the pure one elsewhere. `version` names library and data, so that it can stand in a record's lineage:
two segmenters, or two versions of one, do not find the same words. Syllables are in `segment_syllables`, graphemes in
`graphemes`, sentences in `sentences`.
"""

import functools
from typing import Protocol

from rumpun.errors import MissingPartError, UsageError, nearest
from rumpun.language.segment_syllables import syllables
from rumpun.language.tables import SEGMENTERS, languages
from rumpun.parts import installed

__all__ = ["Segmenter", "segmenter", "segmenter_for", "syllables"]

# name -> the module that must be importable, and the part that brings it
_NEEDS = {
    "icu": ("icu", "icu"),
    "newmm": ("pythainlp", "segment"),
    "khmercut": ("khmercut", "segment"),
    "laonlp": ("laonlp", "segment"),
}


class Segmenter(Protocol):
    """What finds words."""

    name: str

    @property
    def version(self) -> str:
        """Library, version and data: «icu 72.1», «newmm (pythainlp 5.4.0)»."""

    def words(self, text: str) -> list[tuple[int, int]]:
        """[start, end) of each word in code points, in order and apart.

        A word holds a letter, a mark or a digit; white space and punctuation belong to none.
        """


@functools.lru_cache(maxsize=64)
def segmenter(name: str, language: str | None = None) -> Segmenter:
    """The segmenter of that name; `language` (BCP-47) tells ICU which rules to take.

    Raises:
        UsageError: no segmenter has that name.
        MissingPartError: its library is not installed.
    """
    if name not in SEGMENTERS:
        raise UsageError(f"no segmenter is called '{name}'", nearest(name, SEGMENTERS))
    if name == "pure":
        from rumpun.language.segment_pure import PureSegmenter

        return PureSegmenter()
    module, part = _NEEDS[name]
    if not installed(module):
        raise MissingPartError(f"the segmenter '{name}'", part)
    from rumpun.language import segment_libraries

    return segment_libraries.load(name, language)


def segmenter_for(language: str | None) -> Segmenter:
    """The segmenter that the language's table asks for where it is installed; the pure one elsewhere."""
    known = languages()
    tag = language or ""
    found = known.get(tag) or known.get(tag.partition("-")[0])
    name = found.segmenter if found else "icu"
    if name != "pure" and not installed(_NEEDS[name][0]):
        name = "pure"
    return segmenter(name, language if name == "icu" else None)

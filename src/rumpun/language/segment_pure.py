"""Words without any library: by white space where a script has it, by a word list elsewhere.

Thai, Lao, Khmer and Burmese: the cheapest way through the text, where a word costs the logarithm of its rank in
`segment_words.json` and a cluster outside it costs more than any word; neighbouring unknown clusters are one word. The
list holds the commonest words only, so rare ones come apart or run together: see docs/languages.md for how often its
breaks agree with ICU's. Han: each character is a word. Other scripts: letters, marks and digits side by side, with an
apostrophe between letters, and a comma or full stop between digits; a hyphen divides.
"""

import functools
import json
import math
from pathlib import Path

import regex

__all__ = ["PureSegmenter"]

_VERSION = 1  # of the rules; the list has its own
_LIST = Path(__file__).parent / "segment_words.json"
_LISTED = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_APART = rf"{_LISTED}\p{{Han}}"
_RUN = regex.compile(
    rf"(?V1)(?P<listed>(?:[[{_LISTED}]&&[\p{{L}}\p{{M}}]]|\u104E(?=\u1004))+)|\p{{Han}}|\p{{Nd}}+(?:[.,]\p{{Nd}}+)*"
    rf"|[[\p{{L}}\p{{M}}\p{{N}}]--[{_APART}]]+(?:['’][[\p{{L}}\p{{M}}]--[{_APART}]]+)*"
)
# clusters: no word begins inside one
_CLUSTER = regex.compile(
    r"[\u0E40-\u0E44\u0EC0-\u0EC4]*+[\p{L}\u104E]?"
    r"(?:[\p{M}\u0E30\u0E32\u0E33\u0E45\u0EB0\u0EB2\u0EB3\u0EBD]|(?<=[\u1039\u17D2])\p{L}"
    r"|[\u1000-\u1021\u1075-\u1081](?=\u1037?\u103A)|[\u0E01-\u0E2E\u0E81-\u0EAE](?=[\u0E34\u0E38\u0EB4]?[\u0E4C\u0ECC]))*+"
    r"|\p{M}+"
)
_BLOCKS = {
    "\u0e00": "th",
    "\u0e80": "lo",
    "\u1000": "my",
    "\u1780": "km",
}  # the first 128 code points of each block


@functools.cache
def _lists() -> tuple[str, dict[str, dict[str, float]]]:
    """The list's version, and for each language word -> cost."""
    table = json.loads(_LIST.read_text(encoding="utf-8"))
    costs = {}
    for language, words in table["words"].items():
        scale = math.log(len(words) + 1)
        costs[language] = {word: math.log((rank + 1) * scale) for rank, word in enumerate(words)}
    return str(table["version"]), costs


@functools.cache
def _longest(language: str) -> int:
    return max(map(len, _lists()[1][language]), default=0)


class PureSegmenter:
    """Words by the rules above, the same for every language."""

    name = "pure"

    @property
    def version(self) -> str:
        """The rules' version and the list's."""
        return f"pure {_VERSION}, list {_lists()[0]}"

    def words(self, text: str) -> list[tuple[int, int]]:
        """[start, end) of each word, in code points."""
        found = []
        for run in _RUN.finditer(text):
            if run.lastgroup == "listed":
                found += _cheapest(run.group(), run.start())
            else:
                found.append(run.span())
        return found


def _cheapest(run: str, offset: int) -> list[tuple[int, int]]:
    """Words of a run of letters of one of the listed scripts (of the first letter's, where they are mixed)."""
    first = ord(run[0])
    language = next((tag for low, tag in _BLOCKS.items() if ord(low) <= first < ord(low) + 0x80), "")
    costs = _lists()[1].get(language, {})
    longest = _longest(language) if costs else 0
    unknown = 2 * math.log((len(costs) + 2) * math.log(len(costs) + 2))
    places = [0, *(found.end() for found in _CLUSTER.finditer(run) if found.end() > found.start())]
    best = [0.0] + [math.inf] * (len(places) - 1)
    back = [0] * len(places)
    known = [True] * len(places)
    for end in range(1, len(places)):
        best[end], back[end], known[end] = best[end - 1] + unknown, end - 1, False
        start = end - 1
        while start >= 0 and places[end] - places[start] <= longest:
            cost = costs.get(run[places[start] : places[end]])
            if cost is not None and best[start] + cost < best[end]:
                best[end], back[end], known[end] = best[start] + cost, start, True
            start -= 1
    return _back(places, back, known, offset)


def _back(places: list[int], back: list[int], known: list[bool], offset: int) -> list[tuple[int, int]]:
    """The way back from the last place: known words, and unknown clusters side by side as one."""
    words: list[tuple[int, int]] = []
    at, open_end = len(places) - 1, -1
    while at > 0:
        start = back[at]
        if known[at]:
            if open_end >= 0:
                words.append((offset + places[at], offset + places[open_end]))
                open_end = -1
            words.append((offset + places[start], offset + places[at]))
        elif open_end < 0:
            open_end = at
        at = start
    if open_end >= 0:
        words.append((offset, offset + places[open_end]))
    return words[::-1]

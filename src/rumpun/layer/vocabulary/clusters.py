"""Tokens found in the text before it is cut: letters with their marks, which the base's cut would tear apart.

GPT-2's cut knows letters and takes combining marks for punctuation, so a Burmese, Khmer or Tamil word falls apart at
every vowel sign and no merge can heal it. A token of type user-defined is found first. Two libraries find them in two
ways: tokenizers from left to right, the longest first; llama.cpp one token after the other, the longest first, over the
whole text. Both give the same where occurrences are nested or apart, that is, where no token's end is another's (or its
own) beginning: `Apart` keeps the set so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import regex

__all__ = ["Apart", "finder", "learn_clusters", "runs"]

# letters and marks of scripts other than Latin, where a space may stand before; what a reader takes for one sign
_RUN = regex.compile(r" ?(?:(?![\p{Latin}\p{Han}])[\p{L}\p{M}])+")
_SIGN = regex.compile(r" (?=\p{L})|\p{L}\p{M}*|\p{M}+")
_WORD = regex.compile(r" ?\p{L}+| ?\p{M}+| ")
_MARK = regex.compile(r"\p{M}")
_LONGEST = 4  # signs of a token, a space before it counted
_ROUNDS = 6  # gains are taken anew in each
_SEEN_MIN = 4  # occurrences


class Apart:
    """A growing set of strings of which none ends as another, or itself, begins."""

    def __init__(self) -> None:
        self.begins: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    def takes(self, text: str) -> bool:
        """Whether the set stays so with this string in it."""
        begins, ends = _begins(text), _ends(text)
        return not (
            begins & ends
            or any(one in self.ends for one in begins)
            or any(one in self.begins for one in ends)
        )

    def add(self, text: str) -> None:
        """Put a string in that `takes` allows."""
        self.begins.update(_begins(text))
        self.ends.update(_ends(text))


def _begins(text: str) -> set[str]:
    return {text[:n] for n in range(1, len(text))}


def _ends(text: str) -> set[str]:
    return {text[n:] for n in range(1, len(text))}


def finder(tokens: Iterable[str]) -> "regex.Pattern[str] | None":
    """What finds these tokens in a text, from left to right, the longest first; None where there are none."""
    tree: dict[str, Any] = {}
    for token in tokens:
        node = tree
        for letter in token:
            node = node.setdefault(letter, {})
        node[""] = {}
    return regex.compile(_pattern(tree)) if tree else None


def _pattern(tree: Mapping[str, Any]) -> str:
    """Alternatives that differ in their first letter: many times faster than a list of words."""
    parts = [regex.escape(letter) + _pattern(below) for letter, below in sorted(tree.items()) if letter]
    joined = f"(?:{'|'.join(parts)})" if len(parts) > 1 else "".join(parts)
    if "" not in tree or not parts:
        return joined
    return f"(?:{joined})?"


def runs(texts: Iterable[str]) -> Counter[str]:
    """How often each run of letters and marks stands in the texts, a space before it included."""
    return Counter(
        found for text in texts for found in _RUN.findall(text) if len(found) > 1 and _MARK.search(found)
    )


def learn_clusters(
    runs_by_language: Mapping[str, Mapping[str, int]],
    weights: Mapping[str, int],
    cost: Callable[[str], int],
    clusters_max: int,
) -> list[str]:
    """The tokens that save most, chosen greedily in rounds; the set is apart by construction.

    Args:
        runs_by_language: tag -> run -> occurrences.
        weights: what an occurrence counts in each language.
        cost: pieces of a word without these tokens.
        clusters_max: tokens at most.
    """
    weighed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for tag, counts in runs_by_language.items():
        for run, count in counts.items():
            weighed[run] += count * weights[tag]
            seen[run] += count
    costs = cache(cost)
    chosen: list[str] = []
    apart = Apart()
    for turn in range(_ROUNDS):
        room = (clusters_max - len(chosen)) // (_ROUNDS - turn)
        gains = _gains(weighed, seen, finder(chosen), costs)
        fresh: list[str] = []
        for text in sorted(gains, key=lambda text: (-gains[text], text)):
            if len(fresh) >= room or gains[text] <= 0:
                break
            # what lies in a token of this round, or around it, has another gain now: the next round sees it
            if apart.takes(text) and not any(text in other or other in text for other in fresh):
                apart.add(text)
                fresh.append(text)
        chosen += fresh
    return chosen


def _gains(
    weighed: Mapping[str, int],
    seen: Mapping[str, int],
    found: "regex.Pattern[str] | None",
    costs: Callable[[str], int],
) -> Counter[str]:
    """Pieces that each string of a few signs would save."""
    fragments: Counter[str] = Counter()
    often: Counter[str] = Counter()
    for run, weight in weighed.items():
        for part in found.split(run) if found else (run,):
            if len(part) > 1:
                fragments[part] += weight
                often[part] += seen[run]
    gains: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for fragment, weight in fragments.items():
        for text, saved in _savings(fragment, costs):
            gains[text] += saved * weight
            times[text] += often[fragment]
    return Counter({text: gain for text, gain in gains.items() if times[text] >= _SEEN_MIN})


def _savings(fragment: str, costs: Callable[[str], int]) -> list[tuple[str, int]]:
    """(candidate, pieces saved) at each place of the fragment where it stands."""
    borders = [sign.start() for sign in _SIGN.finditer(fragment)] + [len(fragment)]
    before, after = _partial(fragment, borders, costs)
    whole = before[-1]
    found = []
    for first, low in enumerate(borders[:-1]):
        if _MARK.match(fragment, low):
            continue
        for last in range(first + 1, min(first + _LONGEST, len(borders) - 1) + 1):
            text = fragment[low : borders[last]]
            saved = whole - before[first] - after[last] - 1
            if saved > 0 and len(text) > 1 and _MARK.search(text):
                found.append((text, saved))
    return found


def _partial(fragment: str, borders: list[int], costs: Callable[[str], int]) -> tuple[list[int], list[int]]:
    """Pieces of the text before and after each border."""
    before, after = [0] * len(borders), [0] * len(borders)
    words = [(word.start(), word.end(), word.group()) for word in _WORD.finditer(fragment)]
    whole = [costs(word) for *_, word in words]
    total, done, place = sum(whole), 0, 0
    for number, border in enumerate(borders):
        while place < len(words) and words[place][1] <= border:
            done += whole[place]
            place += 1
        cut = place < len(words) and words[place][0] < border
        if cut:
            start, _, word = words[place]
            before[number] = done + costs(word[: border - start])
            after[number] = total - done - whole[place] + costs(word[border - start :])
        else:
            before[number], after[number] = done, total - done
    return before, after

"""Find personal data in texts: every recogniser, scored, settled.

    find("No. KP 880101-14-5678")  ->  [Found("MY_NRIC", 7, 21, 0.99, "my", …)]

The time is linear in the text, also where it is all digits.
"""

import bisect
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from rumpun.errors import UsageError
from rumpun.personal.addresses import addresses
from rumpun.personal.fold import HOT, ZERO_WIDTH, folded, thinned
from rumpun.personal.found import MASK_AT, Candidate, Found
from rumpun.personal.lettered import hidden_numbers, shapes, with_letters
from rumpun.personal.nrc import nrc_numbers
from rumpun.personal.numbers import readings, windows
from rumpun.personal.payloads import payloads
from rumpun.personal.rules import Rules, rules_for
from rumpun.personal.runs import Context, Near, known

__all__ = ["find", "find_all", "tag"]

_WIDE = re.compile(ZERO_WIDTH + ZERO_WIDTH)
# a sign of no width inside what may be an address or a number with letters
_TIGHT = re.compile(f"[!-~\u1000-\u109f]{ZERO_WIDTH}+[!-~\u1000-\u109f]")


def find(
    text: str,
    countries: Collection[str] | None = None,
    types: Collection[str] | None = None,
    least: float = MASK_AT,
    context: Collection[str] = (),
) -> list[Found]:
    """What one text holds, in its order, without overlaps.

    Args:
        text: any text; offsets are its code points.
        countries: ISO 3166 codes in lower case, by default all eleven. Naming them makes their numbers likelier.
        types: such as "MY_NRIC" or "PHONE", by default those that are on.
        least: the least score; below MASK_AT are guesses, for looking at.
        context: words that are known to speak for the text, such as the name of its column: "No. HP".

    Raises:
        UsageError: an unknown country or type, or no string.
    """
    return find_all([text], countries, types, least, context)[0]


def find_all(
    texts: Sequence[str],
    countries: Collection[str] | None = None,
    types: Collection[str] | None = None,
    least: float = MASK_AT,
    context: Collection[str] = (),
) -> list[list[Found]]:
    """What each text holds; arguments as for `find`."""
    rules = rules_for(countries, types)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"text {place}: a {type(text).__name__}", "expected a string")
    said = known(rules.words, context)
    return [_find(text, rules, least, said) if HOT.search(text) else [] for text in texts]


def tag(texts: Sequence[str]) -> list[list[Found]]:
    """What each text holds, by the defaults: for the corpus tagger."""
    return find_all(texts)


def _find(original: str, rules: Rules, least: float, said: Mapping[str, Near]) -> list[Found]:
    text = folded(original)
    if ZERO_WIDTH not in text:
        return [candidate.found() for candidate in _look(text, rules, least, said)]
    found: list[Candidate] = []
    for keep in (
        1,
        0,
    ):  # as separators between digits; and as nothing, for addresses and numbers with letters
        if _WIDE.search(text) if keep else _TIGHT.search(text):
            shorter, places = thinned(text, keep)
            for candidate in _look(shorter, rules, least, said):
                if keep or not candidate.value.isdigit():
                    candidate.start, candidate.end = (
                        int(places[candidate.start]),
                        int(places[candidate.end - 1]) + 1,
                    )
                    found.append(candidate)
        elif keep:
            found = _look(text, rules, least, said)
    return [candidate.found() for candidate in _settled(found)]


def _look(text: str, rules: Rules, least: float, said: Mapping[str, Near]) -> list[Candidate]:
    free = [found for found in _free(text) if found.type in rules.types]
    unsure = [found for found in free if found.needs_context]
    sure = _settled([found for found in free if found.score >= least and not found.needs_context])
    text = _without(text, sure)
    context = Context(text, rules.words, [(found.start, found.end) for found in (*sure, *unsure)], said)
    found = [*sure, *readings(text, rules, context), *with_letters(text, rules, context)]
    for candidate in unsure:
        word = context.around(candidate.start).words.get(candidate.key)
        if word:
            candidate.score += word.bonus
            candidate.reasons.append(f"beside '{word.word}'")
            found.append(candidate)
    kept = [candidate for candidate in found if round(candidate.score, 3) >= least]
    kept += _again(text, kept)
    return _settled(kept)


def _without(text: str, sure: list[Candidate]) -> str:
    """The text with what is found already blotted out, as long as before: it is no part of another number."""
    pieces, last = [], 0
    for found in sure:
        pieces += [text[last : found.start], "\0" * (found.end - found.start)]
        last = found.end
    return "".join(pieces) + text[last:] if sure else text


def _free(text: str) -> Iterable[Candidate]:
    """Recognisers that need no word of context."""
    if "://" in text or "@" in text:
        yield from addresses(text)
    yield from payloads(text)
    yield from nrc_numbers(text)
    yield from hidden_numbers(text)


def _again(text: str, kept: list[Candidate]) -> list[Candidate]:
    """The same values wherever else they stand: what was found once is not left in another place."""
    values = {candidate.value: candidate for candidate in kept if candidate.value}
    places = {(candidate.start, candidate.end) for candidate in kept}
    found = []
    if any(value.isdigit() for value in values):
        found = [(w.start, w.end, w.digits) for w in windows(text) if w.digits in values]
    if any(not value.isdigit() for value in values):
        found += [shape for shape in shapes(text) if shape[2] in values]
    return [_copy(values[value], start, end) for start, end, value in found if (start, end) not in places]


def _copy(first: Candidate, start: int, end: int) -> Candidate:
    reason = f"the same as at {first.start}"
    return Candidate(
        first.type,
        start,
        end,
        first.score,
        first.country,
        [reason],
        value=first.value,
        loose=first.loose,
        rank=first.rank,
    )


def _settled(candidates: list[Candidate]) -> list[Candidate]:
    """No two overlap: the longest stays, of those as long the one that a word names, then the likeliest.

    Readings of a strange layout give way to all others, and guesses to what counts as found.

    Where one that gives way reaches past those that stay, they grow over it, so that no part of any is left.
    """
    order = sorted(
        candidates,
        key=lambda c: (c.score < MASK_AT, c.loose, c.start - c.end, not c.named, -c.score, c.rank, c.start),
    )
    starts: list[int] = []
    kept: list[Candidate] = []
    for candidate in order:
        first = bisect.bisect_right(starts, candidate.start)
        if first and kept[first - 1].end > candidate.start:
            first -= 1
        last = bisect.bisect_left(starts, candidate.end)
        if first == last:  # nothing stands there yet
            starts.insert(first, candidate.start)
            kept.insert(first, candidate)
            continue
        kept[first].start = starts[first] = min(starts[first], candidate.start)
        for n in range(first, last):
            limit = starts[n + 1] if n + 1 < last else candidate.end
            kept[n].end = max(kept[n].end, min(candidate.end, limit))
    return kept

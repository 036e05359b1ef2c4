"""Numbers written with digits alone: where they stand, how they may be read, what speaks for each reading.

A cluster is digits with at most three separators between them. Its words stand between spaces; a window is some words
that follow one another, and every window is tried as every identifier that has so many digits. No window has more than
`_DIGITS_MOST` digits or, laid out strangely, more than `_STRANGE_WORDS` words, so the work is linear in the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rumpun.personal.checks import date
from rumpun.personal.found import Candidate
from rumpun.personal.phones import LONGEST, SHORTEST, Call, read, service
from rumpun.personal.rules import BANK, PHONE, Rule, Rules
from rumpun.personal.runs import MASK, Around, Context, Near

__all__ = ["Window", "glued", "readings", "scored", "windows"]

_LEAST, _DIGITS_MOST = 6, 19
_WORDS_MOST, _STRANGE_WORDS, _PHONE_GROUPS = 6, 4, 5
_VALID, _ABROAD = 0.8, 10  # score of a valid number with its country code; the fewest digits of the region's
_WHOLE_WORDS = 20  # a whole cluster may be one number with a space behind each digit
_CLUSTER = re.compile(r"[0-9](?:[ .\u00b7()\u200b-]{0,3}+[0-9]){5,}+")
_DIGITS = re.compile(r"[0-9]+")
_PLUS = re.compile(r"(?:\+|\(\+|\+\()\Z")
_MONEY_BEFORE = re.compile(
    r"(?:\b(?:rp|rm|s\$|us\$|hk\$|nt\$|php|vnd|usd|sgd|myr|idr|thb|mmk|khr|lak|bnd|kyats?)|[$฿₫₱₭៛￥¥€£₹])[ .]{0,2}\Z",
    re.IGNORECASE,
)
_OTHER_BEFORE = re.compile(
    r"\b(?:isbn|issn|doi|ean|upc)(?:-1[03])?[: ]{0,2}\Z|(?<![0-9])[0-9]{1,3},\Z", re.IGNORECASE
)
_MONEY_AFTER = re.compile(
    r" ?(?:[%$฿₫₱₭៛￥¥€£₹元]|đ\b|(?:vnđ|vnd|đồng|dong|usd|baht|kyats?|riels?|kip|ringgit|rupiah|pesos?|dollars?|juta|ribu|miliar"
    r"|triệu|tỷ|million|billion|km|kg)\b|บาท|ကျပ်|រៀល|ກີບ)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Window:
    """Some words of digits that follow one another."""

    start: int
    end: int
    digits: str
    groups: tuple[int, ...]  # lengths of the groups between separators
    joiners: str  # the separators that stand in it
    words: int
    whole: bool  # it is all of its cluster
    within: tuple[int, ...]  # lengths of the groups of its cluster


def windows(text: str) -> Iterator[Window]:
    """Every window of a folded text, cluster by cluster."""
    for cluster in _CLUSTER.finditer(text):
        start, end = cluster.span()
        piece = cluster.group()
        if piece.isdigit():
            if len(piece) <= _DIGITS_MOST and not _masked(text, start, end):
                groups = (len(piece),)
                yield Window(start, end, piece, groups, "", 1, whole=True, within=groups)
            continue
        words = _words(piece, start)
        if _masked_at(text, start - 1):
            words = words[1:]
        if words and _masked_at(text, end):
            words = words[:-1]
        yield from _windows(words)


def _masked_at(text: str, place: int) -> bool:
    return 0 <= place < len(text) and text[place] == MASK


def _masked(text: str, start: int, end: int) -> bool:
    return _masked_at(text, start - 1) or _masked_at(text, end)


def _words(piece: str, offset: int) -> list[tuple[int, int, tuple[int, ...], str, str]]:
    """(start, end, lengths of groups, digits, joiners) of each word of a cluster."""
    words: list[tuple[int, int, tuple[int, ...], str, str]] = []
    start, last, groups, digits, joiners = 0, 0, [0], "", ""
    for found in _DIGITS.finditer(piece):
        gap = piece[last : found.start()]
        if " " in gap:
            words.append((offset + start, offset + last, tuple(groups), digits, joiners))
            start, groups, digits, joiners = found.start(), [0], "", ""
        elif gap.strip("\u200b"):
            groups.append(0)
            joiners += gap
        groups[-1] += found.end() - found.start()
        digits += found.group()
        last = found.end()
    words.append((offset + start, offset + last, tuple(groups), digits, joiners))
    return words


def _windows(words: list[tuple[int, int, tuple[int, ...], str, str]]) -> Iterator[Window]:
    """The longest of each first word comes first."""
    within = tuple(length for word in words for length in word[2])
    for first in range(len(words)):
        start, groups, digits, joiners = words[first][0], (), "", ""  # type: tuple[int, tuple[int, ...], str, str]
        most = _WHOLE_WORDS if first == 0 and len(words) <= _WHOLE_WORDS else _WORDS_MOST
        found = []
        for last in range(first, min(len(words), first + most)):
            _, end, more, figures, joined = words[last]
            groups, digits = groups + more, digits + figures
            joiners += joined if last == first else " " + joined
            if len(digits) > _DIGITS_MOST:
                break
            whole = first == 0 and last == len(words) - 1
            if len(digits) >= _LEAST and (whole or last - first < _WORDS_MOST):
                count = last - first + 1
                found.append(Window(start, end, digits, groups, joiners, count, whole=whole, within=within))
        yield from reversed(found)


def readings(text: str, rules: Rules, context: Context) -> Iterator[Candidate]:
    """Every reading of every window of a folded text."""
    served = 0  # the end of the last helpline or toll-free number: no part of it is a phone
    for window in windows(text):
        length = len(window.digits)
        fits = rules.by_length.get(length, ())
        call = SHORTEST <= length <= LONGEST and rules.regions and window.start >= served
        if not fits and not call:
            continue
        around = context.around(window.start)
        # without a word, a plus, a trunk or a country code before it no number is a phone
        call = call and (
            PHONE in around.words
            or window.digits.startswith(rules.prefixes)
            or text[window.start - 1 : window.start] in ("+", "(")
        )
        for rule in fits:
            found = _reading(text, window, rule, around, asked=rules.asked)
            if found:
                yield found
        if call and service(window.digits.removeprefix("00"), rules.regions):
            served = window.end
        elif call:
            yield from _calls(text, window, rules, around)


def _reading(text: str, window: Window, rule: Rule, around: Around, *, asked: bool) -> Candidate | None:
    identifier = rule.identifier
    brackets = "(" in window.joiners and identifier.chance < 1
    laid_out = window.groups in rule.groupings and not brackets
    plain = len(window.groups) == 1 and len(window.digits) in rule.plain
    word = around.words.get(rule.key)
    if word is None and identifier.loose and len(window.digits) >= 9 and (plain or laid_out):
        word = around.words.get(BANK) if identifier.type == "BANK_ACCOUNT" else None
    strange = not laid_out and not plain
    if word is None and (strange or identifier.needs_context):
        return None
    if strange and window.words > _STRANGE_WORDS and not window.whole:
        return None
    if not (laid_out and (word or set(window.joiners) != {"."})) and _ordinary(window):
        return None
    if (identifier.needs_context or identifier.loose) and _counted(text, window):
        return None
    passes = rule.passes(window.digits)
    if passes is False and word is None:
        return None
    found = Candidate(
        identifier.type, window.start, window.end, identifier.base, rule.country, [], value=window.digits,
        loose=strange, key=rule.key, needs_context=identifier.needs_context, rank=rule.rank + 100 * identifier.loose,
    )  # fmt: skip
    found.reasons.append(f"{'-'.join(map(str, window.groups))} digits")
    if laid_out:
        found.score += 0.2 if len(window.groups) > 3 or " " not in window.joiners else 0.05
        found.reasons.append("its usual layout")
    return scored(
        found, rule, passes, word, around=around, asked=asked, stuck=glued(text, window.start, window.end)
    )


def scored(
    found: Candidate,
    rule: Rule,
    passes: bool | None,
    word: Near | None,
    *,
    around: Around,
    asked: bool,
    stuck: bool,
) -> Candidate:
    """Add what the check, the words around it, its country's likeliness and what touches it say."""
    if passes:
        found.score += rule.bonus
        found.reasons.append(f"passes its check ({rule.identifier.chance:.1%} of random numbers do)")
        if rule.script in around.scripts or (asked and rule.country):
            found.score += 0.1
            in_script = rule.script in around.scripts
            found.reasons.append("in its country's script" if in_script else "its country was asked for")
    elif passes is False:
        found.score -= 0.02  # so that a reading whose check passes is preferred
        found.reasons.append("fails its check")
    if word:
        found.score = max(found.score + word.bonus, 0.6)
        found.reasons.append(f"beside '{word.word}'")
        found.named = True
        return found
    if stuck:
        found.score -= 0.3
        found.reasons.append("touches Latin letters")
    if found.value.isdigit() and rule.country and around.scripts and rule.script not in around.scripts:
        found.score -= 0.1
        found.reasons.append("in another country's script")
    return found


def glued(text: str, start: int, end: int) -> bool:
    """Whether Latin letters, "_" or "#" touch a place on either side, as in codes, hashes and addresses."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return (before.isascii() and (before.isalnum() or before in ("_", "#", "=", "/"))) or (
        after.isascii() and (after.isalnum() or after == "_")
    )


def _calls(text: str, window: Window, rules: Rules, around: Around) -> Iterator[Candidate]:
    digits = window.digits
    plus = _PLUS.search(text[max(0, window.start - 2) : window.start])
    start = window.start - len(plus.group()) if plus else window.start
    word = around.words.get(PHONE)
    surely = bool(plus) or word is not None
    if _no_call(text, window, rules, plus=bool(plus), word=word is not None):
        return
    calls = _numbers(window, rules, plus=bool(plus), surely=surely)
    if not calls and word and 8 <= len(digits) <= 13 and not _serves(window, rules, shortest=3):
        yield _call(window, start, 0.6, "", ["no numbering plan has it", f"beside '{word.word}'"], loose=True)
        return
    if not calls or (window.words > 1 and _serves(window, rules, shortest=SHORTEST if plus else 4)):
        return
    stuck = glued(text, start, window.end)
    ranks = {region.country: rank for rank, region in enumerate(rules.regions)}
    elsewhere = around.scripts and len(window.groups) == 1 and not (plus or rules.asked)
    for call in calls:
        score, reasons = call.score, [f"phone number, {call.how}"]
        if call.script and call.script in around.scripts:
            score += 0.05
            reasons.append("in its country's script")
        if word:
            score = max(score + word.bonus, 0.6)
            reasons.append(f"beside '{word.word}'")
        elif stuck:
            score -= 0.3
            reasons.append("touches Latin letters")
        elif elsewhere and call.score < _VALID and call.script not in around.scripts:
            score -= 0.1
            reasons.append("in another country's script")
        found = _call(window, start, score, call.country, reasons, loose=False)
        found.rank, found.named = ranks.get(call.country, 0), word is not None
        yield found


def _no_call(text: str, window: Window, rules: Rules, *, plus: bool, word: bool) -> bool:
    """Whether the way in which digits are written says that they are no phone number."""
    local = word and len(window.groups) == 2 and window.joiners == "."  # 887.0928, where a word says phone
    if (not plus and not local and _ordinary(window)) or _counted(text, window):
        return True
    strange = len(window.groups) > _PHONE_GROUPS or any(length < 2 for length in window.groups[1:])
    if strange and not plus and not (word and window.whole):
        return True
    # a part of what is written as an identifier
    return not (plus or word or window.whole) and _laid_out(window.within, rules)


def _numbers(window: Window, rules: Rules, *, plus: bool, surely: bool) -> list[Call]:
    """How a window may be read as a phone number, "00" before it being as good as a plus where it surely is one."""
    digits, split = window.digits, len(window.groups) > 1
    if not digits.startswith("00") or len(digits) < SHORTEST + 3:
        return read(digits, plus, split, rules.regions)
    calls = read(digits[2:], True, split, rules.regions)
    # many numbers begin with 00
    return [call for call in calls if surely or (call.score >= _VALID and len(digits) >= _ABROAD + 2)]


def _laid_out(groups: tuple[int, ...], rules: Rules) -> bool:
    """Whether groups of these lengths are the usual layout of an identifier."""
    return any(groups in rule.groupings for rule in rules.by_length.get(sum(groups), ()))


def _serves(window: Window, rules: Rules, shortest: int) -> bool:
    """Whether a helpline's number of so many digits begins it, or is one of its groups: "1767 (24 hours)"."""
    place, parts = 0, []
    for length in window.groups:
        parts += [window.digits[place : place + length], window.digits[: place + length]]
        place += length
    short = {part for part in parts if shortest <= len(part) < SHORTEST}
    if any(short & region.allow for region in rules.regions):
        return True
    return any(service(part, rules.regions) for part in parts if len(part) >= SHORTEST)


def _call(
    window: Window, start: int, score: float, country: str, reasons: list[str], *, loose: bool
) -> Candidate:
    return Candidate(
        PHONE, start, window.end, score, country, reasons, value=window.digits, loose=loose, key=PHONE
    )


def _counted(text: str, window: Window) -> bool:
    """Whether a currency, a unit or the name of another number stands beside it, or it is behind a decimal comma."""
    before = text[max(0, window.start - 12) : window.start]
    return bool(
        (before and (_MONEY_BEFORE.search(before) or _OTHER_BEFORE.search(before)))
        or _MONEY_AFTER.match(text, window.end)
    )


def _ordinary(window: Window) -> bool:
    """Whether it reads as a date, years, times, an amount or an address of a machine."""
    digits, groups = window.digits, window.groups
    if len(groups) == 1:
        return (
            _day(digits)
            if len(digits) == 8
            else len(digits) == 14 and _day(digits[:8]) and digits[8:10] < "24"
        )
    if len(groups) >= 3 and set(groups) <= {1, 2, 4} and groups.count(4) <= 1 and len(digits) <= 8:
        return True  # 2024-01-15, 1.2.3.4
    if groups == (4, 4):
        years = all("1000" <= year <= "2600" for year in (digits[:4], digits[4:]))
        hours = (
            digits[:2] < "25"
            and digits[2:4] in ("00", "30")
            and digits[4:6] < "25"
            and digits[6:] in ("00", "30")
        )
        return years or hours
    return set(window.joiners) == {"."} and _pointed(digits, groups)


def _pointed(digits: str, groups: tuple[int, ...]) -> bool:
    """Whether groups with a point between them are an amount, a fraction or an address of a machine."""
    if groups[0] <= 3 and set(groups[1:]) == {3} and digits[0] != "0":
        return True  # 12.345.678
    if len(groups) == 2:
        return groups[0] == 1 or (groups[0] <= 3 and digits[0] != "0")  # 65.1234567
    if len(groups) != 4 or max(groups) > 3:
        return False
    place, parts = 0, []
    for length in groups:
        parts.append(digits[place : place + length])
        place += length
    return all(int(part) <= 255 and (part == "0" or part[0] != "0") for part in parts)


def _day(digits: str) -> bool:
    """Eight digits that are year, month, day or day, month, year (also of the Buddhist era)."""
    if "1800" <= digits[:4] <= "2600" and date("04", digits[4:6], digits[6:8]):
        return True
    return "1800" <= digits[4:8] <= "2600" and date("04", digits[2:4], digits[:2])

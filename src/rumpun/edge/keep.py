"""Which tokens of a vocabulary a device needs: by script, by language, by what stands in a text.

A script is kept whole: every token that may occur in a text of its letters, parts of characters too, so that such a
text is cut as before. A text keeps the pieces that it is cut into. Always kept are control tokens, single bytes,
every piece without a letter (digits, signs of code, white space) and the pieces of the chat template's words.
"""

import functools
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from rumpun.edge.characters import cut_bytes, ending, inside, starting
from rumpun.errors import InputError, UsageError, nearest
from rumpun.language.scripts import SCRIPTS, script_of
from rumpun.language.tables import languages
from rumpun.weights.tokenizer_spm import UNUSED
from rumpun.weights.trim import Pieces, closed
from rumpun.weights.vocabulary import NORMAL, USER_DEFINED

__all__ = [
    "COMMON",
    "PARTS",
    "SPECIAL",
    "Kept",
    "Tally",
    "Tokenize",
    "choose",
    "read_texts",
    "script_class",
    "scripts_of",
]

SPECIAL: Final = "special"
PARTS: Final = "parts"  # of characters of more scripts than one
COMMON: Final = "Zyyy"  # ISO 15924: of no one script
_UNKNOWN: Final = "Zzzz"  # letters outside the table of scripts
_WRITTEN: Final = {"Hans": "Hani", "Hant": "Hani", "Jpan": "Hani", "Kore": "Hang"}
_TURNS: Final = ("system", "user", "assistant", "tool")
_LITERAL: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_CHUNK: Final = 1 << 18  # characters of a text counted at once

Tokenize = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class Tally:
    """Tokens of one script."""

    script: str  # ISO 15924, or `special`, `parts`
    kept: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What stays."""

    ids: list[int]  # ascending, closed
    scripts: tuple[str, ...]  # kept whole
    narrowed: tuple[str, ...]  # kept as far as the texts need them
    tally: tuple[Tally, ...]  # scripts kept whole first, then by size
    notes: tuple[str, ...]  # what a person should know before it is done


@functools.cache
def script_class(point: int) -> str:
    """The ISO 15924 code of a code point: a script of the table, `Zyyy` for signs, `Zzzz` for other letters.

    Marks and joiners outside the table (variation selectors, U+200D) go with any script. Places without a character
    are `Zzzz` too.
    """
    found = script_of(point)
    if found:
        return found
    category = unicodedata.category(chr(point))
    return _UNKNOWN if category[0] == "L" or category in {"Cn", "Co", "Cs"} else COMMON


def scripts_of(tags: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Language tag -> scripts to keep: its most usual one, or the one that the tag names ("ms-Arab").

    Raises:
        UsageError: no such language, or it is not written in that script.
    """
    known = languages()
    found: dict[str, tuple[str, ...]] = {}
    for tag in tags:
        bare, _, script = tag.partition("-") if tag not in known else (tag, "", "")
        if bare not in known:
            raise UsageError(f"keep_languages: '{tag}'", nearest(tag, list(known)))
        own = known[bare].scripts
        if script and script not in own:
            raise UsageError(
                f"keep_languages: '{tag}': {known[bare].english} is written in {' or '.join(own)}, not in {script}",
                f"write {bare}, or one of: {', '.join(f'{bare}-{one}' for one in own)}",
            )
        chosen = (script,) if script else own[:1]
        found[tag] = tuple(dict.fromkeys(_WRITTEN.get(one, one) for one in chosen))
    return found


def choose(
    pieces: Pieces,
    *,
    scripts: Sequence[str] = (),
    tags: Sequence[str] = (),
    texts: Sequence[Path] = (),
    min_count: int = 1,
    template: str = "",
    tokenize: Tokenize,
) -> Kept:
    """What stays of a vocabulary.

    Args:
        pieces: the vocabulary.
        scripts: ISO 15924 codes, kept whole.
        tags: languages whose script is kept whole, "th", "ms-Arab".
        texts: files whose pieces are kept besides.
        min_count: how often a piece must stand in them.
        template: the chat template; its words stay.
        tokenize: the model's own canonical tokens of each text.

    Raises:
        UsageError: nothing is named, a name is unknown, or no letter would be left.
        InputError: a text cannot be read or has no letter.
    """
    whole = _whole_scripts(scripts, tags)
    if not whole and not texts:
        raise UsageError(
            "nothing to keep is named",
            "add --keep-languages id,th,en, --keep-scripts Latn,Thai or --keep-text FILE",
        )
    may = _Belongs(whole)
    always = pieces.special | set(_from_template(template, tokenize))
    stays = {number for number in range(len(pieces.tokens)) if may.occurs(pieces, number)} | always
    seen, letters = _seen(texts, tokenize)
    wanted = {number for number, count in seen.items() if count >= min_count}
    if texts and not wanted:
        raise UsageError(
            f"min_count = {min_count:,}: no piece stands so often in the texts", "lower it, or give more text"
        )
    met = {script for script in letters if letters[script] >= sum(letters.values()) / 1000}
    single = _Belongs(met)  # a script that the texts are written in keeps its single letters
    wanted |= {n for n in range(len(pieces.tokens)) if _one_letter(pieces, n) and single.occurs(pieces, n)}
    ids = closed(pieces, stays | wanted)
    special = pieces.special
    groups = [_group(pieces, number, special) for number in range(len(pieces.tokens))]
    tally = _tally(groups, ids, whole)
    if not any(entry.kept for entry in tally if entry.script in {*whole, *met}):
        raise UsageError(
            f"{', '.join((*whole, *met))}: the model has no piece of a letter there, so nothing but bytes would be left",
            f"keep a script that the model knows: {', '.join(e.script for e in tally if _lettered(e.script))}",
        )
    return Kept(
        ids=ids,
        scripts=tuple(whole),
        narrowed=tuple(sorted(met - {*whole, _UNKNOWN})),
        tally=tally,
        notes=tuple(_notes(pieces, ids, whole, tags, tally)),
    )


def read_texts(path: Path) -> Iterator[str]:
    """The text of a file in parts of some hundred kilobytes: plain text, or a `.jsonl` with `text` in its rows.

    Raises:
        InputError: it cannot be read, is not UTF-8, or a row has no text; the row is named.
    """
    part: list[str] = []
    size = 0
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                found = _row(path, number, line) if path.suffix == ".jsonl" else line
                part.append(found)
                size += len(found)
                if size >= _CHUNK:
                    yield "".join(part)
                    part, size = [], 0
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "name a text file") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 ({error.reason} at byte {error.start:,})", "write it as UTF-8"
        ) from error
    if part:
        yield "".join(part)


class _Row(msgspec.Struct):
    text: str


def _row(path: Path, number: int, line: str) -> str:
    if not line.strip():
        return ""
    try:
        return msgspec.json.decode(line, type=_Row).text + "\n"
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{path}, row {number}: {error}",
            'a row is {"text": "…"}; plain text needs another ending than .jsonl',
        ) from error


def _whole_scripts(scripts: Sequence[str], tags: Sequence[str]) -> list[str]:
    known = [script for script in SCRIPTS if script]
    for script in scripts:
        if _WRITTEN.get(script, script) not in known:
            raise UsageError(f"keep_scripts: '{script}'", nearest(script, known))
    of_tags = [script for found in scripts_of(tags).values() for script in found]
    return list(dict.fromkeys([*(_WRITTEN.get(script, script) for script in scripts), *of_tags]))


def _seen(texts: Sequence[Path], tokenize: Tokenize) -> tuple[Counter[int], Counter[str]]:
    """How often each token stands in the texts, and the letters of each script in them."""
    seen: Counter[int] = Counter()
    letters: Counter[str] = Counter()
    for path in texts:
        here: Counter[str] = Counter()
        for part in read_texts(path):
            seen.update(tokenize([part])[0])
            for letter, count in Counter(part).items():
                here[script_class(ord(letter))] += count
        del here[COMMON]
        if not here:
            raise InputError(f"{path}: no letter in it", "name texts of the languages to keep")
        letters += here
    return seen, letters


def _from_template(template: str, tokenize: Tokenize) -> set[int]:
    """Pieces of the words that a chat template writes, alone and after a line end."""
    words = {*_TURNS, *(found for match in _LITERAL.findall(template) for found in match if found)}
    lines = [line for word in words for line in (word, word.replace("\\n", "\n"))]
    return {number for ids in tokenize(lines) for number in ids} if template else set()


class _Belongs:
    """Which tokens may occur in a text of some scripts and signs of no script."""

    def __init__(self, scripts: Iterable[str]) -> None:
        self.classes = frozenset({*scripts, COMMON})
        self._memory: dict[tuple[Callable[[bytes], Iterable[int]], bytes], bool] = {}

    def occurs(self, pieces: Pieces, number: int) -> bool:
        """Whether the token may be a piece of such a text."""
        kind, content = pieces.types[number], pieces.contents[number]
        if kind == UNUSED:
            return False
        if kind == USER_DEFINED:  # what has signs in it is a mark of a format: "<tool_call>"
            found = content.decode("utf-8", "replace")
            return self._text(found) or any(unicodedata.category(one)[0] in "PS" for one in found)
        cut = cut_bytes(content) if kind == NORMAL else None
        if cut is None:
            return False
        head, whole, tail = cut
        if head and not whole and not tail and self._any(inside, head):
            return True
        return (
            self._text(whole)
            and (not head or self._any(ending, head))
            and (not tail or self._any(starting, tail))
        )

    def _text(self, found: str) -> bool:
        return all(script_class(ord(letter)) in self.classes for letter in found)

    def _any(self, points: Callable[[bytes], Iterable[int]], part: bytes) -> bool:
        if (points, part) not in self._memory:
            self._memory[points, part] = any(script_class(point) in self.classes for point in points(part))
        return self._memory[points, part]


def _one_letter(pieces: Pieces, number: int) -> bool:
    """Whether a token is one letter or mark, with a space before it or without."""
    try:
        found = pieces.contents[number].decode().removeprefix(" ")
    except UnicodeDecodeError:
        return False
    return len(found) == 1 and script_class(ord(found)) != COMMON


def _group(pieces: Pieces, number: int, special: frozenset[int]) -> str:
    """Under which name a token is counted."""
    if number in special or pieces.types[number] == UNUSED:
        return SPECIAL
    content = pieces.contents[number]
    head, whole, tail = cut_bytes(content) or (content, "", b"")
    met = Counter(script_class(ord(letter)) for letter in whole)
    del met[COMMON]
    if met:
        return met.most_common(1)[0][0]
    if not head and not tail:
        return COMMON
    found = _possible(head, tail) - {COMMON, _UNKNOWN}
    return found.pop() if len(found) == 1 else PARTS


@functools.cache
def _possible(head: bytes, tail: bytes) -> set[str]:
    points = itertools.chain(starting(tail) if tail else (), (*ending(head), *inside(head)) if head else ())
    return {script_class(point) for point in points}


def _tally(groups: Sequence[str], ids: Sequence[int], whole: Sequence[str]) -> tuple[Tally, ...]:
    every, stay = Counter(groups), Counter(groups[number] for number in ids)
    names = sorted(
        {*every, *whole}, key=lambda name: (name not in whole, not _lettered(name), -every[name], name)
    )
    return tuple(Tally(name, stay[name], every[name] - stay[name]) for name in names)


def _lettered(group: str) -> bool:
    return group not in {SPECIAL, PARTS, COMMON}


def _notes(
    pieces: Pieces, ids: Sequence[int], whole: Sequence[str], tags: Sequence[str], tally: Sequence[Tally]
) -> Iterator[str]:
    counts = {entry.script: entry for entry in tally}
    for script in whole:
        if not counts[script].kept:
            yield f"{script}: the model has no piece of it; such text goes in bytes, as before"
    for tag in tags:
        for script in languages()[tag].scripts[1:] if tag in languages() else ():
            entry = counts.get(_WRITTEN.get(script, script))
            if entry and entry.dropped and entry.script not in whole:
                yield f"{tag} is written in {script} too: {entry.dropped:,} pieces of it go; {tag}-{script} keeps them"
    absent = {*range(0x80), *range(0x80, 0xC0), *range(0xC2, 0xF5)} - {
        pieces.contents[number][0] for number in ids if len(pieces.contents[number]) == 1
    }
    if absent:
        shown = " ".join(f"{byte:02X}" for byte in sorted(absent))
        yield f"the model has no token for {len(absent)} bytes of UTF-8 ({shown}): such characters vanish, as before"

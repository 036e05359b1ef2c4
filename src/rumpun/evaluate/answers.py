"""What an answer says: the place of an option, a label, or a text; None where it says nothing, never a guess.

What follows thinking aloud is the answer, and thinking that was cut off leaves none. Then the last tag decides («Answer:»,
«คำตอบคือ»), so that a correction wins over what it corrects; a tag with a colon that nothing readable follows is no answer.
Without a tag: a letter or label on a line of its own, one marked letter or named option, or the full text of one option.
Two that are joined («A dan B»), denied («không tích cực»), or copied options with no decision after them are none.

The words behind this stand in `answers.toml`, their patterns in `answer_marks`, what options look like in `answer_options`.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence

import regex

from rumpun.errors import UsageError
from rumpun.evaluate.answer_marks import (
    CLOSE,
    OPEN,
    STOP,
    How,
    Lexicon,
    Read,
    alone,
    fold,
    join,
    lead,
    lexicon,
    marks,
    one_of,
    sentence_of,
    tags_in,
)
from rumpun.evaluate.answer_options import options_of

__all__ = ["How", "Read", "after_thoughts", "read_choice", "read_label", "read_text"]


def after_thoughts(answer: str) -> str | None:
    """What follows thinking aloud; None where that was not ended, and so nothing was answered."""
    rest = answer
    for _, close in marks().thoughts:
        rest = rest.rpartition(close)[2]
    return None if any(begin in rest for begin, _ in marks().thoughts) else rest


def read_choice(
    answer: str, *, options: Sequence[str], letters: Sequence[str] = (), tags: Sequence[str] = ()
) -> Read:
    """Which option an answer chooses: `value` is its place, from 0.

    Args:
        answer: as the model wrote it.
        options: their texts, in the order that was shown.
        letters: that stood before them; those of `answers.toml` and digits are read as well.
        tags: that the prompt asked for; those of `answers.toml` are read as well.

    Raises:
        UsageError: there are fewer letters than options.
    """
    known = options_of(tuple(options), tuple(letters))
    return _read(answer, tags, lambda text, place, ends: known.at(text, place, ends=ends), known.anywhere)


def read_label(answer: str, *, labels: Mapping[str, Sequence[str]], tags: Sequence[str] = ()) -> Read:
    """Which label an answer gives: `value` is a key of `labels`.

    Args:
        answer: as the model wrote it.
        labels: label -> the words that say it, in any language.
        tags: that the prompt asked for; those of `answers.toml` are read as well.

    Raises:
        UsageError: a label without words, or a word that stands for two labels.
    """
    for label, words in labels.items():
        if not any(word.strip() for word in words):
            raise UsageError(f"the label '{label}' has no word", "give each label a word that says it")
    known = lexicon(tuple(map(tuple, labels.values())))
    found = _read(
        answer,
        tags,
        lambda text, place, ends: _label_at(text, place, known, ends=ends),
        lambda text: _label_in(text, known),
    )
    return Read(list(labels)[found.value], found.how) if isinstance(found.value, int) else found


def _read(
    answer: str,
    tags: Sequence[str],
    at: Callable[[str, int, bool], Read],
    anywhere: Callable[[str], Read],
) -> Read:
    """By the last tag, else from the whole; `at` reads at a place, True where nothing may follow on the line."""
    rest = after_thoughts(answer)
    if rest is None:
        return Read(None, "unfinished")
    text = fold(rest).strip()
    if not text:
        return Read(None, "empty")
    for tag in reversed(list(tags_in(text, tags))):
        found = at(text, _BLANK.match(text, tag.end).end(), tag.kind == "word")
        if found.how != "nothing" or tag.kind == "sure":
            return found
    return anywhere(text)


_BLANK, _OPEN, _STOP, _CLOSE = (regex.compile(pattern) for pattern in (r"\s*", OPEN, STOP, CLOSE + r" ?"))


def _label_at(text: str, place: int, known: Lexicon, *, ends: bool) -> Read:
    """The label at a place, or the one in the line that begins there."""
    line = text[place:].partition("\n")[0]
    first = known.at(line, 0) or known.at(line, lead().match(line).end())
    if first is None or (ends and not _STOP.match(line, first.end)):
        return Read(None, "nothing") if ends else one_of(known.mentions(line), "tag")
    if first.denied or _joined(line, first.end, first.kind, known):
        return Read(None, "denied" if first.denied else "ambiguous")
    return Read(first.kind, "tag")


def _joined(text: str, place: int, kind: int, known: Lexicon) -> bool:
    """Whether a word of another kind is joined to the one that ends at a place."""
    found = join().match(text, place)
    other = known.at(text, found.end()) if found else None
    return other is not None and other.kind != kind


def _label_in(text: str, known: Lexicon) -> Read:
    """The label of a text without a tag: on its first or last line alone, at its beginning, or the only one."""
    found = alone(text, lambda line: _whole(line, known))
    if found.how != "nothing":
        return found
    first = known.at(text, lead().match(text).end())
    if first and not first.denied and _STOP.match(text, first.end):
        joined = _joined(text, first.end, first.kind, known)
        return Read(None, "ambiguous") if joined else Read(first.kind, "line")
    return one_of(known.mentions(sentence_of(text)), "text")


def _whole(line: str, known: Lexicon) -> int | None:
    """The label that a whole line is."""
    said = known.at(line, 0) or known.at(line, lead().match(line).end())
    return said.kind if said and not said.denied and _CLOSE.fullmatch(line, said.end) else None


def read_text(answer: str, *, tags: Sequence[str] = ()) -> Read:
    """The text of an answer: all that follows the last of the tags that begins a line, else the whole of it.

    Only the tags given are looked for, since a text may hold words such as «answer:» of its own. Every line is kept; quotes,
    a code fence and emphasis around the whole are not. `value` is in NFC and otherwise as written, native digits included.
    """
    rest = after_thoughts(answer)
    if rest is None:
        return Read(None, "unfinished")
    text = regex.sub(r"\r\n?|[\u0085\u2028\u2029]", "\n", unicodedata.normalize("NFC", rest))
    ends = [tag.end for tag in tags_in(text, tags, own=False) if tag.begins_line and tag.kind != "word"]
    found = _bare(text[ends[-1] :] if ends else text)
    return Read(found, "tag" if ends else "whole") if found else Read(None, "empty")


_FENCE = regex.compile(r"(?s)```[\w-]*\n(.*?)\n?```")
_CLOSED_TAG = regex.compile(r"[*_]+(?=\s)")  # of «**Answer:** text»
_AROUND = ("****", "____", '""', "''", "``", "“”", "‘’", "«»", "「」", "『』")


def _bare(text: str) -> str:
    """The text without what stands around the whole of it."""
    text = text.strip()
    if closed := _CLOSED_TAG.match(text):
        text = text[closed.end() :].lstrip()
    if text.count("**") == 1:  # «**Answer: text**»
        text = text.removesuffix("**").rstrip()
    if fenced := _FENCE.fullmatch(text):
        return str(fenced[1]).strip()
    for around in _AROUND:
        begin, end = around[: len(around) // 2], around[len(around) // 2 :]
        inside = text[len(begin) : -len(end)]
        if text == f"{begin}{inside}{end}" and inside.strip() and begin not in inside and end not in inside:
            text = inside.strip()
    return text

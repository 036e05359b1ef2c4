"""What the options of an item look like in an answer: their letters in every set that is known, and their texts.

All texts here are folded (`answer_marks.fold`). A place is an option's, from 0.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Sequence

import regex

from rumpun.errors import UsageError
from rumpun.evaluate.answer_marks import (
    CLOSE,
    OPEN,
    STOP,
    WORDY,
    Mention,
    Read,
    alone,
    any_of,
    every,
    fold,
    join,
    lead,
    lexicon,
    marks,
    one_of,
    sentence_of,
)

__all__ = ["Options", "options_of"]

_ARTICLE = regex.compile(r"a \p{L}")
_NUMBER = regex.compile(r"[\d\s.,%+-]+")
_LATIN = regex.compile(
    r"[\p{Latin}\p{M}\p{N}\p{P}\p{S}]{1,2}"
)  # too common a word to be looked for in a sentence
_AFTER_ITEM = regex.compile(r"[ *_.;,]*")
_STOP, _CLOSE = regex.compile(STOP), regex.compile(CLOSE + r" ?")


class Options:
    """The options of one item, as patterns."""

    def __init__(self, texts: Sequence[str], letters: Sequence[str]) -> None:
        """`texts` of the options; `letters` that stood before them, none where only the usual ones are read.

        Raises:
            UsageError: there are fewer letters than options.
        """
        if letters and len(letters) < len(texts):
            raise UsageError(
                f"{len(letters)} letters for {len(texts)} options", "give a letter for each option"
            )
        folded = [" ".join(fold(text).split()) for text in texts]
        times = Counter(folded)
        self.texts = lexicon(tuple((text,) if times[text] == 1 else () for text in folded))
        denials = {*every("denials"), *every("denials_after")}
        self._common = [
            bool(text in denials or _NUMBER.fullmatch(text) or _LATIN.fullmatch(text)) for text in folded
        ]
        self._articles = any(_ARTICLE.match(text) for text in folded)
        self._place = _places(folded, [fold(letter).strip(" .:()[]") for letter in letters[: len(texts)]])
        self._folded = folded
        self._letter, self._item = _patterns(tuple(self._place))
        self._marked = _marked(tuple(self._place))

    def _listing(self, text: str, place: int) -> int | None:
        """Where a copy of all options that begins at a place ends."""
        for kind, option in enumerate(self._folded):
            item = self._item.match(text, place)
            if not item or self._place[item["at"]] != kind or not text.startswith(option, item.end()):
                return None
            place = item.end() + len(option)
            place = _AFTER_ITEM.match(text, place).end()
        return place if place == len(text) or text[place] == "\n" else None

    def _after_listings(self, text: str) -> str | None:
        """What follows the last copy of all options; None where there is none."""
        for item in reversed(list(self._item.finditer(text, overlapped=True))):
            if self._place[item["at"]] == 0 and (end := self._listing(text, item.start())) is not None:
                return text[end:]
        return None

    def at(self, text: str, place: int, *, ends: bool) -> Read:
        """The option that is chosen at a place of a text; `ends` where nothing may follow it on its line."""
        if (copied := self._listing(text, place)) is not None:
            after = self.anywhere(text[copied:])
            return after if after.value is not None else Read(None, "copied")
        begin = lead().match(text, place).end()
        said = self.texts.at(text, place) or self.texts.at(text, begin)
        letter = self._letter_at(text, begin)
        if said is None or (letter and letter.end > said.end):
            said = letter
        elif letter and letter.end == said.end and letter.kind != said.kind:
            return Read(None, "ambiguous")
        if said is None:
            return Read(None, "denied" if not ends and self.texts.denial_at(text, begin) else "nothing")
        if ends and not _STOP.match(text, said.end):
            return Read(None, "nothing")
        follows = self.texts.at(text, _CLOSE.match(text, said.end).end()) if said is letter else None
        if self._joined(text, said) or (follows and follows.kind != said.kind):
            return Read(None, "ambiguous")
        return Read(None, "denied") if said.denied and not follows else Read(said.kind, "tag")

    def _letter_at(self, text: str, place: int) -> Mention | None:
        found = self._letter.match(text, place)
        if not found or (self._articles and _ARTICLE.match(text, place)):
            return None
        return self._mention(text, found.group(), found.start())

    def _mention(self, text: str, letter: str, start: int) -> Mention:
        end = start + len(letter)
        denied = self.texts.denied(text, start, end, self._begins)
        return Mention(self._place[letter], start, end, denied)

    def _begins(self, text: str, place: int) -> bool:
        """Whether a letter or text of an option begins at a place."""
        return bool(self._letter.match(text, place) or self.texts.at(text, place))

    def _joined(self, text: str, said: Mention) -> bool:
        """Whether another option is joined to the one that was said."""
        found = join().match(text, said.end)
        if found:
            other = self.texts.at(text, found.end()) or self._letter_at(text, found.end())
            if other and not _ARTICLE.match(text, found.end()):
                return other.kind != said.kind
        other = self._letter_at(text, said.end + 1) if text[said.end : said.end + 1] == " " else None
        return bool(other and other.kind != said.kind and _STOP.match(text, other.end))

    def anywhere(self, text: str) -> Read:
        """The option that a text without a tag chooses."""
        rest = self._after_listings(text)
        copied = rest is not None
        text = text if rest is None else rest
        if not text.strip():
            return Read(None, "copied" if copied else "empty")
        found = alone(text, self._line)
        if found.how == "nothing":
            found = one_of(self._marks(text), "mark")
        if found.how == "nothing":
            text = sentence_of(text)
            found = one_of((one for one in self.texts.mentions(text) if self._tells(text, one)), "text")
        return Read(None, "copied") if copied and found.how == "nothing" else found

    def _line(self, line: str) -> int | None:
        """The option that a whole line is: its letter, its text, or both."""
        begin = lead().match(line).end()
        for said in (self.texts.at(line, 0), self.texts.at(line, begin)):
            if said and not said.denied and _CLOSE.fullmatch(line, said.end):
                return said.kind
        letter = self._letter_at(line, begin)
        if letter is None:
            return None
        end = _CLOSE.match(line, letter.end).end()
        text = self.texts.at(line, end)
        if text and text.kind == letter.kind:
            end = _CLOSE.match(line, text.end).end()
        return letter.kind if end == len(line) else None

    def _marks(self, text: str) -> list[Mention]:
        """Letters that are marked, named, or open the text."""
        found: list[Mention] = []
        for one in self._marked.finditer(text):
            name = "next" if one["next"] else "at"
            letter = self._mention(text, one[name], one.start(name))
            if name == "next" and not (found and letter.kind == found[-1].kind + 1):
                continue  # no list within a line
            found.append(letter)
            follows = self.texts.at(text, _CLOSE.match(text, letter.end).end())
            if follows and follows.kind != letter.kind:  # «B. » and the text of another
                found.append(follows)
        return found

    def _tells(self, text: str, said: Mention) -> bool:
        """Whether an option's text says something where it stands: a common word does so only in a clause of its own."""
        if not self._common[said.kind]:
            return True
        before = text[: said.start].rstrip(" *_\"'“(")
        return (not before or before[-1] in ".:!?\n。。") and bool(_STOP.match(text, said.end))


def _places(folded: Sequence[str], letters: Sequence[str]) -> dict[str, int]:
    """Letter -> place: those of the prompt, and of each set that the prompt's do not come from."""
    count = len(folded)
    sets = [list(fold(letter_set)) for letter_set in marks().letters]
    if not any(_NUMBER.fullmatch(text) for text in folded):
        sets.append([str(number) for number in range(1, count + 1)])
    found = {
        sign: place
        for signs in sets
        if not set(letters) & set(signs)
        for place, sign in enumerate(signs[:count])
    }
    return found | {letter: place for place, letter in enumerate(letters) if letter}


def _letters(letters: Iterable[str]) -> str:
    """A pattern for any of the letters; numbers only where nothing is counted with them."""
    ordered = sorted(letters, key=lambda letter: (-len(letter), letter))
    signs = "|".join(regex.escape(letter) for letter in ordered if not letter.isdecimal()) or "(?!)"
    numbers = "|".join(letter for letter in ordered if letter.isdecimal()) or "(?!)"
    return (
        rf"(?:(?:{signs})(?!{WORDY}|['’]{WORDY}|-{WORDY}|(?<=\p{{Thai}})\p{{Thai}}|(?<=\p{{Lao}})\p{{Lao}}"
        rf"|(?<=\p{{Khmer}})\p{{Khmer}}|(?<=\p{{Myanmar}})\p{{Myanmar}}|(?<=\p{{Han}})\p{{Han}})"
        rf"|(?:{numbers})(?=[*_`~\"'”’»)\]}}>]*(?:\Z|\n|[.):,;!?။។。\]-](?!\d))))"
    )


@functools.lru_cache(maxsize=64)
def _patterns(letters: tuple[str, ...]) -> "tuple[regex.Pattern[str], regex.Pattern[str]]":
    """A letter; and one that begins an item of a list, with what stands around it."""
    every_sign, plain = "|".join(map(regex.escape, sorted(letters, key=len, reverse=True))), _letters(letters)
    item = rf"[\s*_\#>-]*+(?<!{WORDY})[(\[]?(?P<at>{every_sign or '(?!)'})[)\].: *_]++"
    return regex.compile(f"(?V1){plain}"), regex.compile(f"(?V1){item}")


@functools.lru_cache(maxsize=64)
def _marked(letters: tuple[str, ...]) -> "regex.Pattern[str]":
    """Letters that are named («option b»), in brackets, emphasised, before a line, or open a text with a reason."""
    sign = _letters(letter for letter in letters if not letter.isdecimal())
    names, because = any_of(every("names")), any_of(every("because"))
    return regex.compile(
        rf"""(?V1m){names}[ :*_`(\["']++(?P<at>{_letters(letters)})|(?<!{WORDY})[(\[](?P<at>{sign})[)\]](?!{WORDY})"""
        rf"""|(?P<mark>\*\*|__|`)(?P<at>{sign})[.)]?(?P=mark)|^[ >*_\#-]*+(?P<at>{sign})[.):](?=[\s*_]|$)"""
        rf"""|\A{OPEN}(?P<at>{sign})(?=[,–—]| {because})|(?<= )(?P<next>{sign})[.)](?= )"""
    )


@functools.lru_cache(maxsize=256)
def options_of(texts: tuple[str, ...], letters: tuple[str, ...]) -> Options:
    """The options of one item; made once for several answers to it."""
    return Options(texts, letters)

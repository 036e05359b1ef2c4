"""One talk of two people: what is said, and what each of them is shown of it."""

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from between.address import Address
from between.find import clean, terms_in
from between.signs import Seen, asked, by_words
from between.tables import LANGUAGES, SIDES, Claim, Term, tables
from between.translate import Translation, translate, trial
from between.trouble import Trouble

__all__ = ["LONGEST", "MOST_TURNS", "Talk", "Turn", "other_side"]

LONGEST: Final = 4000  # characters of a message
MOST_TURNS: Final = 500


@dataclass(frozen=True, slots=True)
class Turn:
    """A message that the service has answered for: delivered, or held by its guard."""

    number: int
    side: str
    text: str
    translation: Translation
    terms: tuple[Term, ...]
    signs: tuple[Seen, ...]
    unasked: bool  # the model gave no usable answer about signs


class Talk:
    """A talk between a worker and an employer, in memory alone unless a file is named. Safe for several threads.

    Args:
        address: of the model.
        languages: side → language tag.
        countries: (home, work), one of the pairs of terms.toml.
        max_tokens: of one translated piece.
        keep: a new file that delivered messages are written to, one JSON object a line.

    Raises:
        Trouble: a language or pair that the example does not have, or a file that cannot be made or is there already.
    """

    def __init__(
        self,
        address: Address,
        languages: Mapping[str, str],
        countries: tuple[str, str],
        *,
        max_tokens: int = 400,
        keep: Path | None = None,
    ) -> None:
        for side in SIDES:
            if languages[side] not in LANGUAGES:
                raise Trouble(f"--{side}-language {languages[side]}: not one of the example", f"one of {', '.join(LANGUAGES)}", code=2)  # fmt: skip
        if countries not in tables().pairs:
            known = ", ".join("-".join(pair) for pair in tables().pairs)
            raise Trouble(
                f"--countries {'-'.join(countries)}: no such pair in terms.toml", f"one of {known}", code=2
            )
        self.address = address
        self.languages = dict(languages)
        self.home, self.work = countries
        self.max_tokens = max_tokens
        self.turns: list[Turn] = []
        self.weak = False
        self._lock = threading.Lock()
        self._path = keep
        self._keep = _new_file(keep) if keep else None

    @property
    def kept(self) -> bool:
        """Whether messages are written to a file."""
        return self._keep is not None

    def close(self) -> None:
        """Close the file; one that nothing was written to is removed again."""
        if self._keep is not None and self._path is not None:
            if os.fstat(self._keep).st_size == 0:
                self._path.unlink(missing_ok=True)
            os.close(self._keep)
            self._keep = None

    def try_out(self) -> None:
        """Try the model before anybody speaks; `weak` says afterwards whether it translated badly.

        Raises:
            Trouble: the address does not answer.
        """
        self.weak = not trial(
            self.address, (self.languages["worker"], self.languages["employer"]), self.max_tokens
        )

    def say(self, side: str, text: str) -> Turn:
        """Take a message, or raise and take nothing of it.

        Raises:
            Trouble: empty or too long, the talk is full, or the address does not answer.
        """
        text = clean(text)
        if not text:
            raise Trouble("the message is empty", "write something", code=3)
        if len(text) > LONGEST:
            raise Trouble(
                f"the message has {len(text):,} characters; {LONGEST:,} fit", "send it in parts", code=3
            )
        source = self.languages[side]
        target = self.languages[other_side(side)]
        with self._lock:
            if len(self.turns) >= MOST_TURNS:
                raise Trouble(f"the talk has {MOST_TURNS} messages", "start a new one", code=3)
            translation = translate(self.address, text, source, target, self.max_tokens)
            seen = by_words(text, source)
            more = None if translation.held else asked(self.address, text, side, source)
            known = {one.sign.key for one in seen}
            signs = (*seen, *(one for one in more or () if one.sign.key not in known))
            turn = Turn(
                len(self.turns) + 1, side, text, translation, terms_in(text, source), signs,
                unasked=more is None and not translation.held,
            )  # fmt: skip
            self._write(turn)
            self.turns.append(turn)
        return turn

    def view(self, turn: Turn, side: str) -> dict[str, Any] | None:
        """A turn as one person is shown it, in their language; None where it is not theirs to see."""
        mine = turn.side == side
        if turn.translation.held and not mine:
            return None
        tag = self.languages[side]
        other = self.languages[other_side(side)]
        words = tables().says[tag]
        told = turn.translation
        notes: list[str] = []
        if told.held:
            notes.append(words["held"])
        elif told.flagged and mine:
            notes.append(words["flagged"])
        if told.message and mine:
            notes.append(told.message)
        if told.numbers and not told.held:
            notes.append(f"{words['numbers']}: {', '.join(told.numbers)}")
        if told.added:
            notes.append(f"{words['added']}: {', '.join(told.added)}")
        if told.missing:
            named = "; ".join(
                f"{term.name[self.languages[turn.side]]} = {term.name[self.languages[other_side(turn.side)]]}"
                for term in told.missing
            )
            notes.append(f"{words['missing']}: {named}")
        if told.cut:
            notes.append(words["cut"])
        if turn.unasked:
            notes.append(words["unasked"])
        return {
            "number": turn.number,
            "side": turn.side,
            "mine": mine,
            "held": told.held,
            "text": turn.text,
            "text_language": tag if mine else other,
            "translation": told.text,
            "translation_language": other if mine else tag,
            "notes": notes,
            "terms": [self._term(term, tag) for term in turn.terms],
            "signs": [self._sign(seen, tag) for seen in turn.signs if side in seen.sign.tell],
        }

    def views(self, side: str, after: int = 0) -> list[dict[str, Any]]:
        """What one person is shown of the turns after a number."""
        shown = (self.view(turn, side) for turn in self.turns[after:])
        return [view for view in shown if view is not None]

    def _term(self, term: Term, tag: str) -> dict[str, Any]:
        return {
            "name": term.name[tag],
            "cells": [self._cell(term, code, tag) for code in (self.work, self.home)],
        }

    def _cell(self, term: Term, code: str, tag: str) -> dict[str, Any]:
        claim: Claim | None = term.claims.get(code)
        country = tables().countries[code][tag]
        if claim is None:
            return {"country": country, "says": None}
        return {
            "country": country,
            "says": claim.says.get(tag, claim.says["en"]),
            "language": tag if tag in claim.says else "en",
            "not_domestic": claim.not_domestic,
            "law": claim.law.name,
            "section": claim.section,
            "address": claim.law.address,
            "as_of": claim.as_of,
        }

    def _sign(self, seen: Seen, tag: str) -> dict[str, Any]:
        words = tables().says[tag]
        places: list[dict[str, Any]] = []
        for kind in seen.sign.where:
            country = self.home if kind == "home" else self.work
            found = tables().offices[country][kind]
            places.append(
                {
                    "kind": words[kind],
                    "country": tables().countries[country][tag],
                    "found": [{"name": name, "address": address} for name, address in found],
                }
            )
        return {
            "key": seen.sign.key,
            "advice": seen.sign.advice[tag],
            "by": words[f"by_{seen.by}"],
            "places": places,
            "as_of": tables().offices_as_of,
        }

    def _write(self, turn: Turn) -> None:
        if self._keep is None or turn.translation.held:
            return
        line = {
            "number": turn.number, "side": turn.side, "language": self.languages[turn.side], "text": turn.text,
            "translation": turn.translation.text,
            "terms": [term.key for term in turn.terms], "signs": [seen.sign.key for seen in turn.signs],
        }  # fmt: skip
        _append(self._keep, (json.dumps(line, ensure_ascii=False) + "\n").encode())


def _append(file: int, line: bytes) -> None:
    """Write a whole line or none."""
    before = os.fstat(file).st_size
    try:
        written = os.write(file, line)
        os.fsync(file)
    except OSError as error:
        written, why = -1, error.strerror
    else:
        why = "disk full"
    if written < len(line):
        with contextlib.suppress(OSError):
            os.ftruncate(file, before)
        raise Trouble(f"--keep: the message cannot be written ({why})", "free the disk, then send it again")


def other_side(side: str) -> str:
    """The other of the two."""
    return "employer" if side == "worker" else "worker"


def _new_file(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    except FileExistsError as error:
        raise Trouble(f"--keep {path}: is there already", "name a new file", code=3) from error
    except OSError as error:
        raise Trouble(f"--keep {path}: cannot be made ({error.strerror})", "name another", code=3) from error

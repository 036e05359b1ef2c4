"""The second stage: a language model that judges the few texts of which the first stage is unsure.

Any engine may judge. What its word is worth is measured first, on labelled rows that nothing was fitted with: how often
it finds harm where there is some, and where there is none. By Bayes' rule its word then moves the first stage's odds,
and the grey band follows: only where one of the two words would carry the text over the threshold is it asked at all.
No answer, or one that cannot be read, moves nothing.
"""

import contextlib
import json
import logging
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from rumpun.engines.port import Message, Request
from rumpun.errors import InputError, RumpunError
from rumpun.guard.exchange import Exchange
from rumpun.guard.policy import Policy
from rumpun.guard.policy.compile import to_prompt
from rumpun.measure.rates import wilson
from rumpun.records.json_files import read_json

if TYPE_CHECKING:
    from rumpun.engines.port import Engine
    from rumpun.guard.rows import Row

__all__ = [
    "EngineJudge",
    "Judges",
    "Reliability",
    "Second",
    "opened_second",
    "read_reliability",
    "reliability_of",
    "word_of",
    "write_reliability",
]

_log = logging.getLogger("rumpun.guard.second")
Form = Literal["policy", "own"]  # told our policy; or a guard model that brings its own
_ANSWER_TOKENS = 160
_LONGEST = 6000  # code points of one text that the judge is shown: its beginning and its end
_UNSAFE = re.compile(r"\b(unsafe|harmful|controversial)\b", re.IGNORECASE)
_SAFE = re.compile(r"\bsafe\b", re.IGNORECASE)


class Judges(Protocol):
    """Whatever gives a second word."""

    def judge(self, items: Sequence[Exchange]) -> list[bool | None]:
        """Whether each is harmful; None where no word was given."""
        ...


class Reliability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a judge's word is worth, as measured."""

    model: str
    form: Form
    unsafe: int  # rows measured
    safe: int
    hits: int  # unsafe rows that it called so
    alarms: int  # safe rows that it called unsafe
    silent: int  # rows without a word

    def evidence(self, harmful: bool) -> float:
        """Natural logarithm of the likelihood ratio of its word (one row of each kind added: no word is ever certain)."""
        hit = (self.hits + 1) / (self.unsafe + 2)
        alarm = (self.alarms + 1) / (self.safe + 2)
        found = math.log(hit / alarm) if harmful else math.log((1 - hit) / (1 - alarm))
        # a judge that is wrong more often than right is not believed the other way round: it is not believed
        return max(0.0, found) if harmful else min(0.0, found)

    def readable(self) -> str:
        """One line, with 95 % intervals."""
        parts = []
        for name, count, rows in (
            ("finds", self.hits, self.unsafe), ("of the harmful; calls harmful", self.alarms, self.safe),
        ):  # fmt: skip
            low, high = wilson(count, rows)
            parts.append(f"{name} {count / max(1, rows):.2f} [{low:.2f}, {high:.2f}]")
        return f"{self.model}: {' '.join(parts)} of the safe; {self.silent} rows without a word"


@dataclass(frozen=True, slots=True)
class Second:
    """A judge and what its word is worth."""

    judge: Judges
    reliability: Reliability

    def asks(self, probability: float, threshold: float) -> bool:
        """Whether one of the two words would carry a text of this probability over the threshold, either way."""
        if not 0 < threshold < 1:
            return False
        gap = _logit(threshold) - _logit(probability)
        if gap > 0:
            return self.reliability.evidence(True) >= gap
        return self.reliability.evidence(False) < gap

    def moved(self, probability: float, word: bool | None) -> float:
        """The probability after the judge's word."""
        if word is None:
            return probability
        return 1 / (1 + math.exp(-(_logit(probability) + self.reliability.evidence(word))))


def read_reliability(path: Path) -> Reliability:
    """What `write_reliability` wrote.

    Raises:
        InputError: the file is missing or of another form.
    """
    first = "measure the judge first: rumpun guard second MODEL"
    again = "measure the judge again: rumpun guard second MODEL"
    found = read_json(path, Reliability, "a judge's reliability", absent=first, damaged=again)
    if not (0 <= found.hits <= found.unsafe and 0 <= found.alarms <= found.safe):
        raise InputError(f"{path}: more words than rows", again)
    return found


def write_reliability(path: Path, found: Reliability) -> None:
    """Write it whole or not at all."""
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    aside.replace(path)


class EngineJudge:
    """A judge behind the engine port.

    Args:
        engine: any that can chat.
        policy: what it judges by, with form "policy".
        form: "policy" for a language model that reads ours; "own" for a guard model that brings its own, whose answer
            says safe or unsafe.
    """

    def __init__(self, engine: "Engine", policy: Policy, form: Form = "policy") -> None:
        self.engine = engine
        self.form = form
        self._told = to_prompt(policy)

    def judge(self, items: Sequence[Exchange]) -> list[bool | None]:
        """Ask about each; an engine's fault is logged and gives None."""
        requests = [
            Request(messages=self._messages(item), max_tokens=_ANSWER_TOKENS, temperature=0) for item in items
        ]
        try:
            return [word_of(answer.text) for answer in self.engine.generate(requests)]
        except RumpunError as error:
            _log.warning("the second stage gave no word on %d texts: %s", len(items), error.message)
            return [None] * len(items)

    def _messages(self, item: Exchange) -> tuple[Message, ...]:
        if self.form == "own":
            if item.role == "answer":
                return (
                    *(Message("user", _shown(text)) for text in item.before[-1:]),
                    Message("assistant", _shown(item.text)),
                )
            return (Message("user", _shown("\n".join((*item.before, item.text)))),)
        # as JSON, so that nothing in the text can pass for what stands around it
        told = {"role": item.role, "before": [_shown(t) for t in item.before], "text": _shown(item.text)}
        return (Message("system", self._told), Message("user", json.dumps(told, ensure_ascii=False)))


@contextlib.contextmanager
def opened_second(path: Path, policy: Policy) -> Iterator[Second]:
    """The second stage that a file of `rumpun guard second` describes, its model open.

    Raises:
        InputError: the file is missing or of another form; or its model's are.
        UsageError: no model has its name.
    """
    from rumpun.engines.load import open_engine

    told = read_reliability(path)
    engine = open_engine(told.model)
    try:
        yield Second(EngineJudge(engine, policy, told.form), told)
    finally:
        engine.close()


def word_of(answer: str) -> bool | None:
    """Whether an answer calls the text harmful; None where it says neither.

    A JSON object counts by `flagged`, else by its action; any other answer by the first of the words safe, unsafe,
    harmful, controversial in it.
    """
    start, end = answer.find("{"), answer.rfind("}")
    if 0 <= start < end:
        try:
            told: Any = json.loads(answer[start : end + 1])
        except ValueError:
            told = None
        if isinstance(told, dict):
            if isinstance(told.get("flagged"), bool):
                return bool(told["flagged"])
            if told.get("action") in ("allow", "care", "help", "block"):
                return bool(told["action"] == "block")
    unsafe, safe = _UNSAFE.search(answer), _SAFE.search(answer)
    if unsafe is None:
        return None if safe is None else False
    return safe is None or unsafe.start() < safe.start()


def reliability_of(judge: Judges, rows: "Sequence[Row]", model: str, form: Form) -> Reliability:
    """Ask about labelled rows and count.

    Raises:
        InputError: rows of one kind alone.
    """
    words = judge.judge([row.exchange for row in rows])
    said = [(row.unsafe, word) for row, word in zip(rows, words, strict=True)]
    kinds = [unsafe for unsafe, word in said if word is not None]
    if len(set(kinds)) < 2:
        raise InputError(
            f"{model}: {len(kinds)} of {len(rows)} rows with a word, {sum(kinds)} of them unsafe",
            "give safe and unsafe rows, and a model that answers in the form asked for",
        )
    return Reliability(
        model=model, form=form, unsafe=sum(kinds), safe=len(kinds) - sum(kinds),
        hits=sum(unsafe for unsafe, word in said if word), alarms=sum(not unsafe for unsafe, word in said if word),
        silent=len(said) - len(kinds),
    )  # fmt: skip


def _shown(text: str) -> str:
    """A text as far as the judge is shown it."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}\n…\n{text[-half:]}"


def _logit(probability: float) -> float:
    sure = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(sure / (1 - sure))

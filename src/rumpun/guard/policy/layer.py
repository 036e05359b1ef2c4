"""The parts of a policy's file, as frozen dataclasses. What a value must keep to stands in each class's `check`."""

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from rumpun.guard.judgement import Point
from rumpun.guard.policy.vocabulary import ANY, Action

__all__ = ["Citation", "Kind", "Layer", "Majority", "Resource", "Rule", "State"]

Kind = Literal["crisis", "child", "scam", "social", "emergency"]
State = Literal["shown", "unverified", "expired"]
_DATE = re.compile(r"[12][0-9]{3}(-[0-9]{2}(-[0-9]{2})?)?")
_LIFE = {"emergency": 366}  # days for which a check holds; short numbers of a numbering plan seldom change
_HELPLINE_LIFE = 90  # days: help lines come and go


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """What a rule or a note stands on. It is the ground of a policy, never a claim that a text is unlawful."""

    title: str
    date: str  # a year, a month or a day, as far as it is known: "2026-06-29"
    kind: Literal["law", "public-health", "standard", "policy"]
    source: str  # where the title and the date were read
    url: str = ""  # empty: no page of its own is noted
    note: str = ""  # what it says that bears on a policy
    verified: bool = True  # False: from one secondary source or from background knowledge

    def check(self) -> None:
        """Refuse a date in another form and an address that is none."""
        if not _DATE.fullmatch(self.date):
            raise ValueError(f"date = {self.date!r}: expected a year, a month or a day, such as '2026-06-29'")
        if self.url and not self.url.startswith("https://"):
            raise ValueError(f"url = {self.url!r}: expected https://…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to do where one category reaches one level."""

    category: str
    level: Literal[1, 2]  # from this level on
    action: Action
    reason: str  # in a sentence, for people who read the policy
    citation: str  # a name under `citations`, of this file or of one below
    review_by: date
    role: Literal["prompt", "answer", "any"] = "any"
    context: tuple[str, ...] = (ANY,)
    message: str = ""  # a name under `messages`; may be empty only where the action is allow
    lines: tuple[Kind, ...] = ()  # kinds of resources that go with the message, in this order
    opt_in: bool = False  # off, unless a policy above names it under `enable`

    def check(self) -> None:
        """Refuse what would leave people without a word, or in distress without help."""
        if self.action != "allow" and not self.message:
            raise ValueError(f"action = '{self.action}' needs a message")
        if self.action == "help" and not self.lines:
            raise ValueError('action = \'help\' needs lines, such as ["crisis", "emergency"]')
        if not self.context:
            raise ValueError('context = []: expected labels, or leave it out for "any"')
        if self.category == "sexual_minors" and self.action != "block":
            raise ValueError("sexual_minors is blocked in every policy; no rule may loosen it")
        if self.category == "selfharm_risk" and self.action == "block":
            raise ValueError("speech of distress leads to help; it is never blocked")
        if self.category == "selfharm_risk" and "crisis" not in self.lines:
            raise ValueError('speech of distress leads to help: name "crisis" among its lines')

    @property
    def keys(self) -> tuple[tuple[str, int, str, str], ...]:
        """(category, level, role, context), for each context: of two rules with the same key one holds."""
        return tuple((self.category, self.level, self.role, context) for context in self.context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Somebody who helps: a line, a service, an emergency number."""

    kind: Kind
    name: str  # as the service calls itself, and whom it is for
    number: str = ""  # as it is dialled
    url: str = ""
    channel: Literal["call", "sms", "chat", "web"] = "call"
    service: Literal["any", "ambulance", "police"] = "any"  # of an emergency number
    hours: str = ""  # "24/7", "08:00-24:00"; empty: not known
    languages: tuple[str, ...] = ()  # BCP-47; empty: not known
    source: str  # who says so, and when
    checked_on: date
    expires_on: date
    verified: bool

    def check(self) -> None:
        """Refuse a resource that nobody can reach, or a check that is said to hold for too long."""
        if not (self.number or self.url):
            raise ValueError("a resource needs a number or a url")
        days, life = (self.expires_on - self.checked_on).days, _LIFE.get(self.kind, _HELPLINE_LIFE)
        if not 0 < days <= life:
            raise ValueError(
                f"expires_on is {days} days after checked_on: expected 1 to {life} for '{self.kind}'"
            )

    def state(self, today: date) -> State:
        """Whether it may be shown."""
        if not self.verified:
            return "unverified"
        return "shown" if today <= self.expires_on else "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Majority:
    """From which age the law of a country counts a person as grown up: for operators, no rule reads it."""

    years: int
    citation: str
    verified: bool
    child_below: int = 0  # where the protection of children ends, if it differs; 0: not noted
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One file: what it adds to the policy that it stands on."""

    name: str
    version: str
    extends: str = ""  # the name of a policy, or the path of a file relative to this one; empty only in base
    about: str = ""
    country: str = ""  # ISO 3166-1, two capitals
    languages: tuple[str, ...] = ()  # of the country, the most usual first
    reviewed: str = "not reviewed"  # or by whom and when
    enable: tuple[str, ...] = ()  # opt-in rules, of this file or of one below, that are on
    points: dict[str, Point] = field(
        default_factory=dict
    )  # category -> operating point, whatever the caller's
    notes: tuple[str, ...] = ()
    age_of_majority: Majority | None = None
    messages: dict[str, dict[str, str]] = field(default_factory=dict)  # name -> language -> text
    rules: dict[str, Rule] = field(default_factory=dict)
    citations: dict[str, Citation] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    path: Path = Path()  # filled in when read
    lines: dict[str, int] = field(default_factory=dict)  # "rules.NAME" -> line; filled in when read

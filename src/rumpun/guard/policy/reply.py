"""The message that a person gets: words, then who can be reached today.

A line that is not verified is never shown, nor one whose check has expired: the message then sends people to the
nearest clinic and to the emergency number, and the operator is warned in the log, once for each line.
"""

import functools
import logging
from collections.abc import Mapping, Sequence
from datetime import date

from rumpun.guard.policy.chain import Placed
from rumpun.guard.policy.layer import Kind, Resource, Rule
from rumpun.guard.policy.wording import NUMBERS, Wording

__all__ = ["Reply"]

_log = logging.getLogger("rumpun.guard.policy")
# Who listens; where nobody of them can be shown, the nearest clinic is named.
_PEOPLE: frozenset[Kind] = frozenset(("crisis", "child"))
_MOST_KEPT = 4096  # composed messages: decisions are many, rules and languages few
Composed = tuple[str, tuple[Resource, ...]]
_Key = tuple[str | date, ...]


class Reply:
    """Composes messages from a policy's wording and its resources."""

    def __init__(self, policy: str, resources: Mapping[str, Resource], wording: Wording) -> None:
        """Keep the resources (name -> resource, in the order in which they are shown) of the policy of this name."""
        self._policy = policy
        self._wording = wording
        self._composed: dict[_Key, Composed] = {}
        self._by_kind: dict[Kind, list[tuple[str, Resource]]] = {}
        for name, resource in resources.items():
            self._by_kind.setdefault(resource.kind, []).append((name, resource))

    def compose(self, rules: Sequence[Placed], language: str, today: date) -> Composed:
        """The messages of these rules, one after the other, then their lines; and the resources that it names."""
        key: _Key = (*(one.name for one in rules), language, today)
        found = self._composed.get(key)
        if found is None:
            if len(self._composed) >= _MOST_KEPT:
                self._composed.clear()
            found = self._composed[key] = self._compose([one.rule for one in rules], language, today)
        return found

    def _compose(self, rules: Sequence[Rule], language: str, today: date) -> Composed:
        say = self._wording.say
        kinds = list(dict.fromkeys(kind for rule in rules for kind in rule.lines))
        text = [say(name, language) for name in dict.fromkeys(rule.message for rule in rules)]
        shown = [one for kind in kinds if kind != "emergency" for one in self._shown(kind, today)]
        if shown:
            text.append("\n".join([say("lines", language), *(f"- {_line(one)}" for one in shown)]))
        reached = {one.kind for one in shown}
        if ("crisis" in kinds and "crisis" not in reached) or ("child" in kinds and not reached & _PEOPLE):
            text.append(say("nearest", language))
        if "emergency" in kinds:
            numbers = self._shown("emergency", today)
            shown += numbers
            text.append(self._emergency(numbers, language))
        return "\n\n".join(text), tuple(shown)

    def _shown(self, kind: Kind, today: date) -> list[Resource]:
        shown = []
        for name, resource in self._by_kind.get(kind, ()):
            state = resource.state(today)
            if state == "shown":
                shown.append(resource)
            elif state == "expired":
                _warn(self._policy, name, resource.expires_on)
        return shown

    def _emergency(self, numbers: list[Resource], language: str) -> str:
        say = self._wording.say
        if not numbers:
            return say("emergency_unknown", language)
        named = [
            one.number if one.service == "any" else f"{one.number} ({say(one.service, language)})"
            for one in numbers
        ]
        return say("emergency", language).replace(NUMBERS, ", ".join(named))


def _line(resource: Resource) -> str:
    where = ", ".join(part for part in (resource.number, resource.url) if part)
    return f"{resource.name}: {where}" + (f" ({resource.hours})" if resource.hours else "")


@functools.lru_cache(maxsize=4096)
def _warn(policy: str, name: str, expires_on: date) -> None:
    """Once for each line and process: a decision is made for every text."""
    _log.warning(
        "policy %s: resources.%s expired on %s and is not shown: check the line, then renew checked_on and expires_on",
        policy,
        name,
        expires_on,
    )

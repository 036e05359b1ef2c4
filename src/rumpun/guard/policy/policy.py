"""A policy and what it decides.

How one decision comes about, in order:

1. Each category that reaches level 1 or 2 gives one rule. On each level up to the one reached: a rule for a context that
   the caller gave before a rule for any context, of several such contexts the strictest; a rule for this role before one
   for any role; a more specific layer before a less specific one. Of the rules of level 1 and 2 the stricter holds.
   So a higher level is never treated more mildly.
2. `harm`, the head that knows no categories, is judged beside them; except up to the level of a category for which a rule
   of a given context speaks: a newsroom that lets reports of violence pass has said what that harm is.
3. The most severe action wins: block, help, care, allow. Of equals the higher level, then the order of
   `vocabulary.toml`.
4. Distress (`selfharm_risk`) leads to help, never to refusal alone. Where a prompt is blocked for nothing but `harm` or
   `selfharm_promote`, help takes the place of the block; where anything else blocks, and in answers, the block stays and
   its message carries the help.

Personal identifiers are masked elsewhere and are no category here: a masked number never sets `flagged`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from rumpun.errors import InputError, UsageError, nearest
from rumpun.guard.judgement import Judgement, Level, Point
from rumpun.guard.policy.chain import Placed, Table, lay, layers_of, messages_of, role_table
from rumpun.guard.policy.layer import Citation, Layer, Resource
from rumpun.guard.policy.reply import Reply
from rumpun.guard.policy.vocabulary import ANY, HARM, SEVERITY, Action, vocabulary
from rumpun.guard.policy.wording import Wording

__all__ = ["Decision", "Policy", "points"]

_DISTRESS = "selfharm_risk"
_YIELD_TO_HELP = {HARM, "selfharm_promote"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with one text, why, and what to tell the person."""

    action: Action  # allow; care: allow, with the message; help: the message in its place; block: the message in its place
    level: Level = 0  # of `category`
    category: str = ""  # empty: nothing was found
    rule: str = ""  # the rule's name
    reason: str = ""
    citation: Citation | None = None
    message: str = ""  # in the person's language, help lines included
    resources: tuple[Resource, ...] = ()  # those in the message: verified and not expired

    @property
    def flagged(self) -> bool:
        """Whether harm reaches the threshold: a block, and nothing milder."""
        return self.action == "block"


@dataclass(frozen=True, slots=True)
class _Found:
    """A category that fired, with its rule."""

    category: str
    level: Level
    placed: Placed
    here: bool  # the rule was made for a context that the caller gave


class Policy:
    """A loaded policy. Immutable, and safe to share between threads."""

    def __init__(self, layers: tuple[Layer, ...], enable: tuple[str, ...] = ()) -> None:
        """Lay the layers over one another; most callers want `Policy.load`."""
        own = layers[-1]
        self.layers = layers
        self.name = own.name
        self.version = own.version
        self.country = next((layer.country for layer in reversed(layers) if layer.country), "")
        self.languages = next((layer.languages for layer in reversed(layers) if layer.languages), ())
        self.rules: tuple[Placed, ...] = tuple(lay(layers, enable))
        self.resources: dict[str, Resource] = {
            name: resource for layer in layers for name, resource in layer.resources.items()
        }
        self.points: dict[str, Point] = {
            category: point for layer in layers for category, point in layer.points.items()
        }
        self._table: Table = role_table(list(self.rules))
        self._categories = vocabulary().categories
        self._order = {category: -place for place, category in enumerate(self._categories)}
        self._contexts = frozenset(vocabulary().contexts)
        self._reply = Reply(self.name, self.resources, Wording(messages_of(layers), self.languages))

    @classmethod
    def load(cls, name: str, enable: tuple[str, ...] = ()) -> "Policy":
        """A policy by its name («sg») or by the path of a tenant's file («bank.toml»).

        Args:
            name: one of `POLICIES`, or a path that ends in `.toml`; of names that come over the network only those
                of `POLICIES` should be let through.
            enable: opt-in rules that are on beside those that the file enables.

        Raises:
            InputError: a file cannot be read or is not TOML.
            UsageError: an unknown name, or a file that a check refuses; the message has file, line and rule.
        """
        return cls(layers_of(name), enable)

    def decide(
        self,
        judgement: Judgement,
        *,
        contexts: Collection[str] = (),
        language: str | None = None,
        today: date | None = None,
    ) -> Decision:
        """Decide on one text; the order of precedence stands at the head of this module.

        Args:
            judgement: what the models say.
            contexts: labels of the place, of `vocabulary.toml`; "any" is understood.
            language: of the message, BCP-47; the judgement's where it is None.
            today: the day on which resources must hold; the present day (UTC) where it is None.

        Raises:
            UsageError: a context that is not in the vocabulary.
            InputError: the judgement names a category that is not in the vocabulary.
        """
        for context in contexts:
            if context not in self._contexts and context != ANY:
                raise UsageError(
                    f"no context is called '{context}'", nearest(context, sorted(self._contexts))
                )
        found = self._found(judgement, contexts)
        if not found:
            return Decision(action="allow")
        winner, distress = self._winner(found, judgement)
        rule = winner.placed.rule
        message: str = ""
        resources: tuple[Resource, ...] = ()
        if rule.message:
            rules = [winner.placed] if distress is None else [winner.placed, distress.placed]
            message, resources = self._reply.compose(
                rules, language or judgement.language, today or datetime.now(UTC).date()
            )
        return Decision(
            action=rule.action,
            level=winner.level,
            category=winner.category,
            rule=winner.placed.name,
            reason=rule.reason,
            citation=winner.placed.citation,
            message=message,
            resources=resources,
        )

    def _winner(self, found: list[_Found], judgement: Judgement) -> tuple[_Found, _Found | None]:
        """What wins, and the distress whose help its message must carry besides."""

        def rank(one: _Found) -> tuple[int, int, int]:
            return _severity(one.placed), one.level, self._order[one.category]

        winner = max(found, key=rank)
        distress = next((one for one in found if one.category == _DISTRESS and one.placed.rule.lines), None)
        if distress is None or winner is distress:
            return winner, None
        blocking = {one.category for one in found if one.placed.rule.action == "block"}
        if (
            judgement.role == "prompt"
            and distress.placed.rule.action == "help"
            and blocking <= _YIELD_TO_HELP
        ):
            return distress, None
        return winner, distress

    def _found(self, judgement: Judgement, contexts: Iterable[str]) -> list[_Found]:
        found: list[_Found] = []
        explained = 0
        for category, level in judgement.levels.items():
            if category not in self._categories:
                raise InputError(
                    f"the judgement names '{category}', which no policy knows",
                    nearest(category, list(self._categories)),
                )
            one = self._pick(category, level, judgement, contexts) if level else None
            if one is not None:
                found.append(one)
                if one.here and not self._categories[category].signal:
                    explained = max(explained, level)
        if judgement.harm_level > explained:
            one = self._pick(HARM, judgement.harm_level, judgement, contexts)
            if one is not None:
                found.append(one)
        return found

    def _pick(
        self, category: str, level: Level, judgement: Judgement, contexts: Iterable[str]
    ) -> _Found | None:
        best: Placed | None = None
        here = False
        for step in range(1, level + 1):
            rules = self._table.get((category, judgement.role, step))
            if rules is None:
                continue
            near = [rules[context] for context in contexts if context in rules and context != ANY]
            chosen = max(near, key=_severity) if near else rules.get(ANY)
            if chosen is not None and (best is None or _severity(chosen) >= _severity(best)):
                best = chosen
                here = bool(near)
        return None if best is None else _Found(category, level, best, here)


def _severity(placed: Placed) -> int:
    return SEVERITY[placed.rule.action]


def points(policy: Policy, point: Point) -> dict[str, Point]:
    """Category -> operating point: the policy's where it names one, else `point`."""
    return {category: policy.points.get(category, point) for category in vocabulary().categories}

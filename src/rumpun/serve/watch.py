"""The guard as the service uses it: what is checked, how a request chooses a policy, and what happens without a guard.

Where no verdict can be had (the guard cannot be loaded, or fails at a text), a route is closed: 503, nothing passes.
With `--guard-fail open` it is open: the text passes, and the answer and the log say that nothing was checked.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from rumpun.errors import nearest
from rumpun.serve.bodies import GuardChoice
from rumpun.serve.faults import Fault, bad
from rumpun.serve.settings import Settings

if TYPE_CHECKING:
    from rumpun.guard import Guard, Policy, Verdict

__all__ = ["CALM", "Watch", "language_of", "public", "severest"]

_log = logging.getLogger("rumpun.serve")
T = TypeVar("T")
GENERATING = ("/v1/chat/completions", "/v1/completions")  # guarded as the mode says
APART = ("/v1/embeddings", "/analyze", "/anonymize")  # never: nothing is said in answer
CALM = ("guarded", "off", "not guarded")  # states in which nothing is amiss
JUDGING = ("/v1/moderations", "/beta/litellm_basic_guardrail_api", "/portkey/webhook")  # in every mode


class Watch:
    """The guard of a service."""

    def __init__(self, guard: "Guard | None", settings: Settings, trouble: str = "") -> None:
        """`trouble` says why there is no guard; it is shown to whoever asks."""
        self.guard = guard
        self.settings = settings
        self.trouble = trouble or ("" if guard else "no guard is loaded")
        self.failures = 0  # texts at which a loaded guard failed
        self.last = ""  # what kind of failure it was

    @property
    def on(self) -> bool:
        """Whether prompts and answers are looked at."""
        return self.settings.guard != "off"

    @property
    def blocks(self) -> bool:
        """Whether anything is held back."""
        return self.settings.guard == "block"

    def states(self) -> dict[str, str]:
        """Route -> one of `CALM`, or closed or open and why."""
        without = f"{self.settings.guard_fail}: {self.trouble}"
        judging = "guarded" if self.guard else without
        generating = judging if self.on else "off"
        return (
            dict.fromkeys(GENERATING, generating)
            | dict.fromkeys(JUDGING, judging)
            | dict.fromkeys(APART, "not guarded")
        )

    def log_states(self) -> None:
        """Say at the start what every route does; a route without its guard is said even in a quiet log."""
        for route, state in self.states().items():
            level = logging.INFO if state in CALM else logging.ERROR
            _log.log(level, "%s: %s", route, state)

    def run(self, work: "Callable[[Guard], T]", guard: "Guard | None" = None) -> "tuple[T | None, str]":
        """What the guard found; or None and why there is nothing, where the service fails open.

        Args:
            work: asks the guard.
            guard: one under another policy; by default the service's.

        Raises:
            Fault: 503, no verdict could be had and the service fails closed.
        """
        guard = guard or self.guard
        if guard is None:
            return None, self._without(self.trouble)
        try:
            return work(guard), ""
        except Fault:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a guard does, nothing passes unjudged by accident
            self.failures += 1
            self.last = type(error).__name__
            _log.error("the guard failed (%s): fails %s", self.last, self.settings.guard_fail)
            return None, self._without(f"the guard failed ({self.last})")

    def _without(self, why: str) -> str:
        if self.settings.guard_fail == "closed":
            raise Fault(
                503,
                f"{why}, and this service gives nothing out unchecked; its operator can mend the guard,"
                " or let texts pass unchecked with --guard-fail open",
                code="guard_unavailable",
                headers={"retry-after": "30"},
            )
        _log.warning("unchecked: %s, and the service fails open", why)
        return why

    def prompt(self, asked: Sequence[str], sent: Sequence[str] = ()) -> "tuple[Verdict | None, str]":
        """A verdict on what a client sent, None when that is nothing; and why nothing was checked, if so.

        The last thing asked is looked at alone, so that a long conversation does not drown it, the user's turns together,
        so that a question spread over several is seen, and everything `sent`, turns of other roles included, since a
        client writes those too. The severest verdict stands, and speaks the language of the last thing asked.
        """
        texts = [text for text in asked if text.strip()]
        whole = [text for text in sent if text.strip()]
        parts = [p for p in dict.fromkeys([*texts[-1:], "\n".join(texts), "\n".join(whole)]) if p]
        if not parts:
            return None, ""

        def work(guard: "Guard") -> "Verdict":
            contexts = self.settings.contexts
            last, *more = guard.check(parts, role="prompt", contexts=contexts)
            worst = severest([last, *more])
            if worst is last or not last.judgement.sure or last.language == worst.language:
                return worst
            return guard.decided(worst.judgement, contexts=contexts, language=last.language, read=worst.read)

        return self.run(work)

    def answer(self, text: str) -> "tuple[Verdict | None, str]":
        """A verdict on a whole answer, None when it is empty; and why nothing was checked, if so."""
        if not text.strip():
            return None, ""
        contexts = self.settings.contexts
        return self.run(lambda guard: guard.check([text], role="answer", contexts=contexts)[0])

    def chosen(self, choice: GuardChoice | None, where: str) -> "tuple[Guard | None, tuple[str, ...]]":
        """The guard under the policy and at the point that a request names, and its contexts.

        Raises:
            Fault: 400, an unknown policy, point or context.
        """
        choice = choice or GuardChoice()
        contexts = self._contexts(choice.contexts, where)
        policy = self._policy(choice.policy, where)
        point = self._point(choice.point, where)
        if self.guard is None or (policy is None and point is None):
            return self.guard, contexts
        return self.guard.with_policy(policy or self.guard.policy, point), contexts

    def _contexts(self, named: list[str] | None, where: str) -> tuple[str, ...]:
        if named is None:
            return self.settings.contexts
        from rumpun.guard.policy.vocabulary import vocabulary

        known = list(vocabulary().contexts)
        for name in named:
            if name not in known:
                raise _unknown(f"{where}.contexts", name, known)
        return tuple(named)

    def _policy(self, name: str | None, where: str) -> "Policy | None":
        """A policy by its name: those of the service and the one that it was started with, never a path."""
        if name is None or (self.guard is not None and name == self.guard.policy.name):
            return None
        from rumpun.guard.policy import POLICIES

        if name not in POLICIES:
            raise _unknown(f"{where}.policy", name, POLICIES)
        return _shipped(name)

    def _point(self, name: str | None, where: str) -> Any:
        from rumpun.guard.judgement import POINTS

        if name is not None and name not in POINTS:
            raise _unknown(f"{where}.point", name, POINTS)
        return name


@functools.cache
def _shipped(name: str) -> "Policy":
    from rumpun.guard import Policy

    return Policy.load(name)


def _unknown(param: str, name: str, known: Sequence[str]) -> Fault:
    return bad(f"{param} is {name[:40]!a}: {nearest(name[:200], list(known))}", param)


def severest(verdicts: "Sequence[Verdict]") -> "Verdict":
    """The verdict with the severest action; of equals the one with the highest score."""
    from rumpun.guard.policy.vocabulary import SEVERITY

    return max(verdicts, key=lambda verdict: (SEVERITY[verdict.decision.action], verdict.score))


def public(verdict: "Verdict | None") -> dict[str, Any] | None:
    """A verdict as the extension field shows it."""
    return None if verdict is None else verdict.plain()


def language_of(text: str) -> str:
    """The language seen in a text, or "und"."""
    if not text.strip():
        return "und"
    from rumpun.language import identify

    return identify(text[:2000]).language

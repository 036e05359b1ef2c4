"""Questions to an engine, each asked once in its life: the cache first, then the engine.

What the engine answered is kept as it comes. A server's passing faults are tried again, later and later; a question that
fails for good is a `Failed`, never a zero; where nothing gets through any more the run ends, and the next one goes on
from what is kept.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec

from rumpun.engines.port import Engine, Generation, Request, Score
from rumpun.errors import EnvironmentFault, InputError, RumpunError, UsageError
from rumpun.evaluate.cache import Cache, key_of
from rumpun.steps import Progress, quiet

__all__ = ["Asker", "Asking", "Failed", "NotAsked"]

_BATCH = 64  # questions of a local engine between two writes to the cache
_BATCH_GENERATED = 16  # that are answered in words, which takes longer
_WAIT_MOST = 60.0  # seconds between two tries
_HEED_MOST = 600.0  # seconds that a server may ask us to wait; more is a failure

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Failed:
    """A question without an answer, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The time was up before it was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How hard a server is pressed."""

    concurrency: int = 8  # questions under way at once; local engines batch by themselves
    tries: int = 5  # of one question
    per_minute: int = 0  # requests at most; 0 is no limit
    wait_seconds: float = 1.0  # before the second try; doubled each time, with chance in it
    failures_max: int = 20  # in a row, before the run is ended

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if min(self.concurrency, self.tries, self.failures_max) < 1 or self.per_minute < 0:
            raise UsageError(f"{self}: a number is too small", "give 1 or more (per_minute: 0 or more)")


Part = Sequence[tuple[str, Q]]  # keys and their questions
Put = Callable[[Part[Q]], dict[str, A | Failed] | RumpunError]  # asks an engine once, and keeps what it said
Told = Callable[[dict[str, A | Failed]], None]


class Asker:
    """One engine behind one cache."""

    def __init__(
        self,
        engine: Engine,
        identity: dict[str, Any],
        cache: Cache,
        asking: Asking | None = None,
        *,
        deadline: float | None = None,
        progress: Progress = quiet,
    ) -> None:
        """`identity`: what makes this model's answers its own; `deadline`: of `time.monotonic()`."""
        self.engine, self._identity, self._cache = engine, identity, cache
        self._asking = asking or Asking()
        self._deadline, self._progress = deadline, progress
        self._remote = engine.about().engine == "http"
        self._lock = threading.Lock()
        self._in_a_row = 0  # failures
        self._gone = ""  # why nothing gets through any more
        self._answered = 0
        self._next = 0.0  # when the next request may leave
        self.asked = 0  # questions that the engine answered or failed
        self.kept = 0  # that the cache answered

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def key(self, form: str, question: Any) -> str:
        """The cache's key of a question."""
        return key_of({"model": self._identity, "form": form, "question": question})

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score | Failed | NotAsked]:
        """Log-probability of each (context, continuation), in order; the same pair is asked once.

        Raises:
            EnvironmentFault: nothing gets through any more; what was answered is kept.
        """
        return self._answers("score", pairs, self.engine.score, Score)

    def generate(self, requests: Sequence[Request]) -> list[Generation | Failed | NotAsked]:
        """An answer to each request, in order; the same request is asked once.

        Raises:
            EnvironmentFault: nothing gets through any more; what was answered is kept.
        """
        return self._answers("generate", requests, self.engine.generate, Generation)

    def generate_unkept(self, requests: Sequence[Request]) -> list[Generation | Failed | NotAsked]:
        """As `generate`, but no answer comes out of the cache or goes into it.

        Raises:
            EnvironmentFault: nothing gets through any more.
        """
        return self._answers("generate", requests, self.engine.generate, Generation, keep=False)

    def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """Tokens of each text; None where the engine cannot count, or the time is up.

        Raises:
            EnvironmentFault: nothing gets through any more; what was answered is kept.
        """
        found: list[int] = []
        for part in (texts[:1], texts[1:]):  # one that cannot count is asked once
            said = self._answers("tokens", part, self.engine.count_tokens, int)
            found += [each for each in said if isinstance(each, int)]
            if any(not isinstance(each, int) for each in said):
                return None
        return found

    def _answers(
        self,
        form: str,
        questions: Sequence[Q],
        ask: Callable[[Sequence[Q]], list[A]],
        kind: type[A],
        *,
        keep: bool = True,
    ) -> list[A | Failed | NotAsked]:
        keys = [self.key(form, question) for question in questions]
        found: dict[str, A | Failed] = dict(self._cache.get(keys, kind)) if keep else {}
        self.kept += len(found)
        todo = [(k, q) for k, q in dict(zip(keys, questions, strict=True)).items() if k not in found]
        before = len(found)

        def put(part: Part[Q]) -> dict[str, A | Failed] | RumpunError:
            try:
                said = ask([question for _, question in part])
            except (EnvironmentFault, InputError, UsageError) as error:
                return error
            checked = {key: _sound(each, kind) for (key, _), each in zip(part, said, strict=True)}
            if keep:
                self._cache.put({key: each for key, each in checked.items() if not isinstance(each, Failed)})
            return checked

        def told(part: dict[str, A | Failed]) -> None:
            found.update(part)
            self.asked += len(part)
            self._progress(len(found) - before, len(todo), form)

        if self._remote:
            self._from_server(todo, put, told)
        else:
            size = _BATCH_GENERATED if form == "generate" else _BATCH
            for start in range(0, len(todo), size):
                self._halved(todo[start : start + size], put, told)
        if self._gone:
            why, self._gone, self._in_a_row = self._gone, "", 0
            raise EnvironmentFault(
                why,
                "mend the model or its server, or ask it less at once, and run again: what was answered is kept",
            )
        return [found.get(key, NotAsked()) for key in keys]

    def _failed(self, error: RumpunError) -> Failed:
        """A question that is given up; one that was refused says nothing of whether the others would be."""
        if not isinstance(error, UsageError):
            with self._lock:
                self._in_a_row += 1
                if self._in_a_row == self._asking.failures_max:
                    self._gone = (
                        f"{self._in_a_row} questions in a row got no answer; the last: {error.message}"
                    )
        return Failed(error.message)

    def _good(self) -> None:
        with self._lock:
            self._in_a_row = 0
            self._answered += 1

    def _halved(self, part: Part[Q], put: Put[Q, A], told: Told[A]) -> None:
        """Asked of an engine here together; where that fails, each half by itself: a bad question costs no other."""
        if self.late or self._gone:
            return
        said = put(part)
        if not isinstance(said, RumpunError):
            self._good()
            told(said)
        elif len(part) == 1:
            told({part[0][0]: self._failed(said)})
        else:
            middle = len(part) // 2
            self._halved(part[:middle], put, told)
            self._halved(part[middle:], put, told)

    def _from_server(self, todo: Part[Q], put: Put[Q, A], told: Told[A]) -> None:
        """Each question by itself, several under way at once; Python ends without waiting for these threads."""
        line, stop, said = iter(todo), threading.Event(), SimpleQueue[Any]()
        working, fault = min(self._asking.concurrency, len(todo)), None
        try:
            for _ in range(working):
                work = (line, put, stop, said)
                threading.Thread(target=self._work, args=work, name="rumpun-ask", daemon=True).start()
            while working:
                answer = said.get()
                if answer is None:
                    working -= 1
                elif isinstance(answer, BaseException):
                    fault = fault or answer
                else:
                    told(answer)
                if fault or self._gone:
                    stop.set()  # what is under way comes to its end and is kept; what waits for another try does not
        finally:
            stop.set()
        if fault:
            raise fault

    def _work(
        self, line: Iterator[tuple[str, Q]], put: Put[Q, A], stop: threading.Event, said: "SimpleQueue[Any]"
    ) -> None:
        """One thread: question after question; its answers, an error of another kind and at last None go to `said`."""
        try:
            while not self._over(stop):
                with self._lock:
                    one = next(line, None)
                if one is None:
                    break
                if (answer := self._tried(one, put, stop)) is not None:
                    said.put(answer)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
            said.put(error)
        finally:
            said.put(None)

    def _tried(
        self, one: tuple[str, Q], put: Put[Q, A], stop: threading.Event
    ) -> dict[str, A | Failed] | None:
        """One question, again where its fault may pass; None where the run ended first."""
        from rumpun.engines.http_replies import Refused

        tries, wait, answered = 0, self._asking.wait_seconds, self._answered
        while self._turn(stop):
            said = put([one])
            if not isinstance(said, RumpunError):
                self._good()
                return said
            status, told = (said.status, said.wait_seconds) if isinstance(said, Refused) else (0, 0.0)
            # "too many at once" is no failure of this question while others get through
            tries += status != 429 or self._answered == answered
            answered = self._answered
            if isinstance(said, UsageError) or tries >= self._asking.tries or told > _HEED_MOST:
                return {one[0]: self._failed(said)}
            if told:
                with self._lock:  # all wait, not this one alone
                    self._next = max(self._next, time.monotonic() + told)
            else:
                self._wait(wait * random.uniform(0.5, 1.0), stop)  # noqa: S311  (so that many do not come back at once)
                wait = min(2 * wait, _WAIT_MOST)
        return None

    def _over(self, stop: threading.Event) -> bool:
        return stop.is_set() or bool(self._gone) or self.late

    def _turn(self, stop: threading.Event) -> bool:
        """Wait until a request may leave; False where the run ends first."""
        while not self._over(stop):
            with self._lock:
                now = time.monotonic()
                wait = self._next - now
                if wait <= 0:
                    per_minute = self._asking.per_minute
                    self._next = now + 60.0 / per_minute if per_minute else 0.0
                    return True
            self._wait(wait, stop)
        return False

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        left = seconds if self._deadline is None else min(seconds, self._deadline - time.monotonic())
        stop.wait(max(0.0, left))


def _sound(answer: A, kind: type[A]) -> A | Failed:
    """The answer, where it reads back from a file as it is: numbers that are numbers, text that is text."""
    try:
        msgspec.json.decode(msgspec.json.encode(answer), type=kind)
    except (UnicodeEncodeError, msgspec.ValidationError) as error:
        return Failed(f"an answer that cannot be kept: {error}")
    return answer

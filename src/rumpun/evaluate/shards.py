"""A plan's cells put to several engines at once, in processes of a Ray cluster; what they answer goes into the cache.

The run itself comes after it and finds its answers there, so that its samples and figures are made by the same code from
the same answers as without a cluster. Each cell (a task in a language) is asked whole by one engine, in the batches in
which one engine alone would ask it, and a question that stands in two cells belongs to the first of them. So what
llama.cpp scores and generates is equal to the last bit on machines of one kind: its numbers do not hang on the number of
threads, and one request is answered at a time (`slots=1`). Not promised across processors of other kinds, whose sums
round otherwise, nor for weights that torch runs, nor for servers, which batch as they like.

A cluster at RAY_ADDRESS is joined; without one Ray is started on this machine and stopped again. Every machine of it needs
this version of rumpun and the model: the same file at the same place, or the name under which it is found there.
"""

import os
import re
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from rumpun.engines.llamacpp_memory import cores
from rumpun.engines.load import Found
from rumpun.engines.port import Engine, Generation, Request, Score
from rumpun.errors import EnvironmentFault
from rumpun.evaluate.ask import Asker, Asking, Failed, NotAsked
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.identity import identity_of, model_info
from rumpun.evaluate.records import ModelInfo
from rumpun.evaluate.run import Plan, ask_model
from rumpun.evaluate.shard_worker import KINDS, Call, Model, Said, Worker
from rumpun.parts import require
from rumpun.steps import Progress, quiet
from rumpun.steps.cluster import QUIET, environment, join

__all__ = ["RESUBMISSIONS", "addresses", "fill"]

RESUBMISSIONS = 3  # how often a cell whose engine was lost is handed out again
_LEAST = 2  # engines, on one machine
_SET_HERE = (
    "OMP_NUM_THREADS",
    "RUMPUN_UPSTREAM_API_KEY",
    "OPENAI_API_KEY",
)  # read by engines, and sent to them

_UNKNOWN = Failed("not known yet")


def addresses(reference: str) -> tuple[str, ...]:
    """Several servers of one model, with commas between; anything else is one reference, commas or not."""
    if not re.match(r"https?://", reference):
        return (reference,)
    return tuple(dict.fromkeys(one.strip() for one in reference.split(",") if one.strip()))


def fill(
    made: Plan,
    reference: str,
    found: Found,
    engine: Engine,
    cache: Cache,
    *,
    workers: int = 0,
    asking: Asking | None = None,
    deadline: float | None = None,
    told: Progress = quiet,
) -> int:
    """Ask, on a cluster, what the cache does not have; what comes back is kept at once. How many answers came.

    A process that dies is started again and its cell handed out again, RESUBMISSIONS times; a server or engine that is
    gone gets nothing more. Cells that stay over, and questions that failed, are left to the run that follows.

    Args:
        made: what is asked.
        reference: the model as it was named; several addresses of it with commas between get an engine each.
        found: the model, or the first of the servers.
        engine: it, open here.
        cache: where answers are put.
        workers: engines at once; 0: one a machine, and two where there is one machine. A server always gets one.
        asking: how hard each server is pressed.
        deadline: of `time.monotonic()`, after which nothing new is asked.
        told: of cells.

    Raises:
        MissingPartError: Ray is not installed.
        EnvironmentFault: no cluster answers at RAY_ADDRESS, or the cache cannot be written.
        InputError: a machine or a server has another model.
        UsageError: a machine does not find the model.
    """
    require("--ray", ["cluster"])
    info = model_info(found, engine)
    noting = _Noting(engine, identity_of(info), cache)
    cells = noting.unanswered(made, info)
    if not cells:
        return 0
    talks = replace(made, cells=tuple(cell for cell in made.cells if cell.task.family == "turns"))
    with environment(QUIET):
        ours = join(cores(), "unset RAY_ADDRESS to work on this machine", lambda _: None)
        try:
            models = _models(reference, found, info, asking, workers=workers, most=len(cells))
            came = 0
            with closing(_Crew(models)) as crew:
                while cells:
                    came += _handed_out(cells, crew, cache, deadline, told)
                    cells = noting.unanswered(talks, info)  # the next turns, which hang on the answers
            return came
        finally:
            if ours:
                import ray

                ray.shutdown()


class _Noting(Asker):
    """Asks nothing, and notes what neither the cache nor an earlier note has."""

    def __init__(self, engine: Engine, identity: dict[str, Any], cache: Cache) -> None:
        super().__init__(engine, identity, cache)
        self._calls: list[Call] = []
        self._noted: set[str] = set()
        self._talks = False

    def unanswered(self, made: Plan, info: ModelInfo) -> list[list[Call]]:
        """The calls of each cell that has questions of which nothing is known yet, with those questions alone."""
        found = []
        for cell in made.cells:
            self._calls, self._talks = [], cell.task.family == "turns"
            ask_model(replace(made, cells=(cell,)), info, self)
            if self._calls:
                found.append(self._calls)
        return found

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score | Failed | NotAsked]:
        """All failed, which costs the caller nothing to judge, and it goes on to whatever else it asks."""
        self._note("score", pairs)
        return [_UNKNOWN] * len(pairs)

    def generate(self, requests: Sequence[Request]) -> list[Generation | Failed | NotAsked]:
        """As `score`; but in a conversation what is known, since the next turn is asked with it."""
        self._note("generate", requests)
        keys = [self.key("generate", request) for request in requests]
        known = self._cache.get(keys, Generation) if self._talks else {}
        return [known.get(key, _UNKNOWN) for key in keys]

    def generate_unkept(self, requests: Sequence[Request]) -> list[Generation | Failed | NotAsked]:
        """All failed, and nothing noted: what is kept nowhere is asked by the run itself."""
        return [_UNKNOWN] * len(requests)

    def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """None, as of an engine that cannot count."""
        self._note("tokens", texts)
        return None

    def _note(self, form: str, questions: Sequence[Any]) -> None:
        keyed = {self.key(form, question): question for question in questions}
        known = self._noted.union(self._cache.get(keyed, KINDS[form]))
        if todo := {key: question for key, question in keyed.items() if key not in known}:
            self._calls.append((form, todo))
        self._noted.update(keyed)


def _models(
    reference: str, found: Found, info: ModelInfo, asking: Asking | None, *, workers: int, most: int
) -> list[Model]:
    """What each worker is to open: one for each address, or the model as often as asked."""
    import ray

    cluster: Any = ray
    machines = len({node["NodeManagerAddress"] for node in cluster.nodes() if node["Alive"]})
    if found.kind == "url":
        places = [(one, one) for one in addresses(reference)]
    else:
        count = min(workers or max(_LEAST, machines), most)
        places = [(str(found.path.absolute()), reference)] * count
    variables = {name: value for name in _SET_HERE if (value := os.environ.get(name))}
    return [
        Model(
            place=place, reference=other, name=re.sub(r"//[^/@]*@", "//", other), identity=identity_of(info), sharing=-(-len(places) // machines), asking=asking,
            variables=variables,
        )
        for place, other in places
    ]  # fmt: skip


class _Crew:
    """The workers, each with a process as long as it lives."""

    def __init__(self, models: Sequence[Model]) -> None:
        import ray

        self._ray: Any = ray
        self._start = self._ray.remote(Worker).options(scheduling_strategy="SPREAD").remote
        self._models = models
        self._actors: dict[int, Any] = {}
        self.free = deque(range(len(models)))

    def ask(self, place: int, calls: Sequence[Call], seconds: float | None) -> Any:
        """Begin a cell; what `said` takes comes back at once."""
        if place not in self._actors:
            self._actors[place] = self._start(self._models[place])
        return self._actors[place].answer.remote(calls, seconds)

    def said(self, place: int, begun: Any) -> Said:
        """What came of a cell. Its worker is free again, or dead and free to be started again, or gone."""
        from ray.exceptions import RayError, RayTaskError

        try:
            said: Said = self._ray.get(begun)
        except RayTaskError:  # an error of this program
            raise
        except RayError:
            self._end(place)
            self.free.append(place)
            return Said({}, EnvironmentFault("a worker died and is started again"))
        if said.fault is None:
            self.free.append(place)
            return said
        if not isinstance(said.fault, EnvironmentFault):
            return said  # no machine's fault: it would be met again
        return replace(said, fault=EnvironmentFault(f"on without {self._models[place].name}: {said.fault}"))

    def first_ready(self, begun: Sequence[Any]) -> Any:
        """The first of those that come to an end."""
        return self._ray.wait(begun, num_returns=1)[0][0]

    def close(self) -> None:
        """End every process."""
        for place in list(self._actors):
            self._end(place)

    def _end(self, place: int) -> None:
        from ray.exceptions import RayError

        with suppress(RayError):
            self._ray.kill(self._actors.pop(place))


def _handed_out(
    cells: list[list[Call]], crew: _Crew, cache: Cache, deadline: float | None, told: Progress
) -> int:
    """Every cell to whichever engine is free, until none is left or none can go on; how many answers came.

    Raises:
        RumpunError: what is no machine's fault and would be met again; what was answered before it is kept.
    """
    waiting = deque(range(len(cells)))
    tries: Counter[int] = Counter()
    under_way: dict[Any, tuple[int, int]] = {}
    came, note = 0, ""
    while True:
        seconds = None if deadline is None else deadline - time.monotonic()
        while waiting and crew.free and (seconds is None or seconds > 0):
            place, number = crew.free.popleft(), waiting.popleft()
            tries[number] += 1
            under_way[crew.ask(place, cells[number], seconds)] = place, number
        told(len(cells) - len(waiting) - len(under_way), len(cells), note)
        if not under_way:
            return came
        begun = crew.first_ready(list(under_way))
        place, number = under_way.pop(begun)
        said = crew.said(place, begun)
        cache.put(said.answers)
        came += len(said.answers)
        if said.fault is not None:
            if not isinstance(said.fault, EnvironmentFault):
                raise said.fault
            note = said.fault.message
            cells[number] = _left(cells[number], said.answers)
            if cells[number] and tries[number] <= RESUBMISSIONS:
                waiting.appendleft(number)


def _left(calls: Sequence[Call], answers: Mapping[str, Any]) -> list[Call]:
    """A cell's calls without the questions that are answered."""
    left = [
        (form, {key: question for key, question in questions.items() if key not in answers})
        for form, questions in calls
    ]
    return [(form, questions) for form, questions in left if questions]

"""One engine in a process of a Ray cluster; what it needs is imported when it opens its engine, so that it starts quickly."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.engines.port import Engine, Generation, Score
from rumpun.errors import InputError, RumpunError
from rumpun.evaluate.ask import Asker, Asking
from rumpun.evaluate.cache import Cache

__all__ = ["KINDS", "Call", "Model", "Said", "Worker"]

KINDS: Mapping[str, type] = {"score": Score, "generate": Generation, "tokens": int}
Call = tuple[str, dict[str, Any]]  # form, and questions by their keys: one call of an Asker


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a worker opens, and how."""

    place: str  # a file, folder or address, as it is here
    reference: str  # where that place is not
    name: str  # for people: an address without its password
    identity: dict[str, Any]  # of the model here
    sharing: int  # engines on a machine
    asking: Asking | None
    variables: dict[str, str]  # of the environment here


@dataclass(frozen=True, slots=True)
class Said:
    """What a worker has of a cell: answers by key, and the fault that ended it."""

    answers: dict[str, Any]
    fault: RumpunError | None = None


class Worker:
    """In a process of the cluster: an engine of its own, opened at the first cell."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._engine: Engine | None = None

    def answer(self, calls: Sequence[Call], seconds: float | None) -> Said:
        """What the engine answers to a cell's questions in so many seconds."""
        answers: dict[str, Any] = {}
        try:
            if self._engine is None:
                self._engine = self._opened()
            deadline = None if seconds is None else time.monotonic() + seconds
            with Cache(Path(":memory:")) as own:
                asker = Asker(self._engine, self._model.identity, own, self._model.asking, deadline=deadline)
                ways: dict[str, Callable[[Any], object]] = {
                    "score": asker.score,
                    "generate": asker.generate,
                    "tokens": asker.count_tokens,
                }
                for form, questions in calls:
                    try:
                        ways[form](list(questions.values()))
                    finally:  # what was answered before a fault is not lost by it
                        answers |= own.get(questions, KINDS[form])
        except RumpunError as fault:
            return Said(answers, fault)
        return Said(answers)

    def _opened(self) -> Engine:
        """The model that the run is of, or an error."""
        from rumpun.engines.load import open_engine, resolve
        from rumpun.evaluate.identity import identity_of, model_info

        model = self._model
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray's own, which would change how sums are cut
        os.environ.update(model.variables)
        found = resolve(model.place if Path(model.place).exists() else model.reference)
        engine = open_engine(found, slots=1, threads=None if found.kind == "url" else _threads(model.sharing))
        own = identity_of(model_info(found, engine))
        wanted = dict(model.identity)
        if found.kind == "url":  # which address it is makes no difference, which model does
            own["model"], wanted["model"] = (str(one["model"]).partition("#")[2] for one in (own, wanted))
        if own != wanted:
            engine.close()
            raise InputError(
                f"{model.name} on {platform.node()} is another model or runtime than here: {own}, not {wanted}",
                "have the same model and the same version of rumpun everywhere",
            )
        return engine


def _threads(sharing: int) -> int:
    """Of an engine that shares its machine with others."""
    from rumpun.engines.llamacpp_memory import cores

    return max(1, cores() // sharing)

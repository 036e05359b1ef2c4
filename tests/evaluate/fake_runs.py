"""Runs of engines that need no model: a fake that remembers what it was asked, and dies where it is told to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from rumpun.engines.fake import Fake
from rumpun.engines.port import Generation, Request, Score
from rumpun.evaluate.ask import Asker
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.records import ModelInfo, Sample, Scores
from rumpun.evaluate.run import Plan, Settings, ask_model, plan
from rumpun.evaluate.tasks import task

INFO = ModelInfo(name="fake", engine="fake")
QUICK = ("id", "th")


class Counting(Fake):
    """Remembers what it was asked; dies at a question where it is told to."""

    def __init__(self, dies_at: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[Any] = []
        self.dies_at = dies_at

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        self._note(pairs)
        return super().score(pairs)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        self._note(requests)
        return super().generate(requests)

    def _note(self, questions: Sequence[Any]) -> None:
        if self.dies_at is not None and len(self.seen) + len(questions) > self.dies_at:
            raise KeyboardInterrupt
        self.seen += questions


def asked(
    made: Plan, engine: Fake, cache: Path, deadline: float | None = None
) -> tuple[list[Sample], list[dict[str, str]], Asker]:
    with Cache(cache) as kept:
        asker = Asker(engine, {"model": engine.name}, kept, deadline=deadline)
        samples, not_run = ask_model(made, INFO, asker)
    return samples, not_run, asker


def made_of(*names: str, **settings: Any) -> Plan:
    return plan(
        "test",
        [task(name) for name in names],
        Settings(languages=QUICK, limit=4) if not settings else Settings(**settings),
    )


def timeless(scores: Scores) -> Scores:
    return structs.replace(
        scores, made={k: v for k, v in scores.made.items() if k not in ("when", "seconds")}
    )

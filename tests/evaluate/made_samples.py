"""Samples written by hand for the figures' tests: items that are right, wrong, read as a label, counted, or that failed."""

from collections.abc import Sequence

from rumpun.evaluate.records import Sample
from rumpun.evaluate.tasks import task

TASKS = {
    name: task(name)
    for name in ("reading", "nli", "knowledge", "bpb", "tokens", "translation-into-english", "blend")
}
LABELS = ["entailment", "neutral", "contradiction"]


def sample(
    name: str, number: int, right: float | None, *, language: str = "id", run: int = 0, **more: object
) -> Sample:
    """One item; None: it failed."""
    facts: dict[str, object] = {
        "task": name, "language": language, "id": f"{language}-{name}-{number}", "model": "m", "run": run, "method": "likelihood",
        "prompt": "?", "options": ["a", "b", "c", "d"],
    }  # fmt: skip
    if right is None:
        facts |= {"status": "error", "error": "timed out"}
    else:
        facts |= {"scores": {"accuracy": right}, "score": right}
    return Sample(**(facts | more))  # type: ignore[arg-type]


def rights(name: str, values: Sequence[float | None], **more: object) -> list[Sample]:
    return [sample(name, n, value, **more) for n, value in enumerate(values)]


def labelled(pairs: Sequence[tuple[str, str | None]]) -> list[Sample]:
    return [
        sample("nli", n, float(gold == said), options=LABELS, gold=gold, parsed=said,
               status="ok" if said else "no answer found")
        for n, (gold, said) in enumerate(pairs)
    ]  # fmt: skip


def counted(name: str, numbers: Sequence[tuple[float, float]], language: str = "id") -> list[Sample]:
    top, bottom = ("bits", "bytes") if name == "bpb" else ("tokens", "characters")
    return [
        sample(
            name, n, None, language=language, status="ok", error="", options=[], scores={top: a, bottom: b}
        )
        for n, (a, b) in enumerate(numbers)
    ]

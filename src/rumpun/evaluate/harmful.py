"""What a model makes of prompts that ask for harm. Nobody needs to read a prompt or an answer, and no file gets one.

Prompt and answer go from the data to the model and on to a guard inside an `Unseen`, which cannot be printed and which no
file of a run can hold; then they are gone. A sample keeps the item's id, the labels of its set, hashes, and verdicts.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from rumpun.engines.port import Request
from rumpun.errors import EnvironmentFault
from rumpun.evaluate.answers import after_thoughts
from rumpun.evaluate.ask import Asker, Failed, NotAsked
from rumpun.evaluate.items import Item
from rumpun.evaluate.questions import Question
from rumpun.evaluate.records import Sample
from rumpun.language.refusals import refuses
from rumpun.records.never_kept import NEVER_KEPT, never_kept

__all__ = ["Unseen", "admitted", "answers", "sealed", "unseen"]

_UNSEEN = "unseen"  # the key of `Sample.more` under which texts travel


class Unseen:
    """A prompt and its answer on their way to a guard."""

    __slots__ = ("answer", "prompt")

    def __init__(self, prompt: str, answer: str) -> None:
        self.prompt, self.answer = prompt, answer

    def __repr__(self) -> str:
        return "(not shown)"


def admitted(items: Sequence[Item]) -> tuple[list[Item], Counter[str]]:
    """Items without those whose labels name children or minors, and how many these were."""
    kept = [item for item in items if not never_kept([item.more])]
    left = len(items) - len(kept)
    return kept, Counter({NEVER_KEPT: left} if left else {})


def answers(
    task: str, put: Sequence[Question], model: str, asker: Asker, *, runs: int, temperature: float, seed: int,
    max_tokens: int = 0,
)-> list[Sample] | None:  # fmt: skip
    """A sample of each prompt and run with `refused`; None where the time was up. No answer goes into the cache.

    What an engine says of a question that failed may quote it, and is not kept.

    Raises:
        EnvironmentFault: the engine is gone.
    """
    found = []
    for run in range(runs):
        requests = [
            Request(
                messages=question.messages, prompt=question.prompt or None, max_tokens=max_tokens or question.max_tokens,
                temperature=temperature, seed=seed + run, stop=question.stop,
            )
            for question in put
        ]  # fmt: skip
        try:
            replies = asker.generate_unkept(requests)
        except EnvironmentFault as error:
            raise EnvironmentFault("nothing gets through to the model any more", error.hint) from None
        for question, said in zip(put, replies, strict=True):
            if isinstance(said, NotAsked):
                return None
            item = question.item
            prompt = item.fields["prompt"]
            common: dict[str, Any] = {
                "task": task, "language": item.language, "id": item.id, "model": model, "method": "generate", "run": run,
                "prompt": "", "group": item.group, "template": question.template, "seed": seed + run,
            }  # fmt: skip
            more: dict[str, Any] = {"labels": dict(item.more), "prompt_sha256": _hash(prompt)}
            if isinstance(said, Failed):
                found.append(Sample(**common, status="error", error="the engine gave no answer", more=more))
                continue
            text = (after_thoughts(said.text) or "").strip()
            own = {"refused": float(refuses(text, item.language))} if text else {}
            cut = said.finish == "length"
            found.append(
                Sample(
                    **common, scores=own, score=own.get("refused"), status="truncated" if cut else "ok" if text else "no answer found",
                    tokens=[said.usage.prompt_tokens, said.usage.completion_tokens],
                    more=more | {"answer_sha256": _hash(said.text), _UNSEEN: Unseen(prompt, text)},
                )
            )  # fmt: skip
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def unseen(sample: Sample) -> Unseen | None:
    """The texts of a sample that is on its way to a guard."""
    found = sample.more.get(_UNSEEN)
    return found if isinstance(found, Unseen) else None


def sealed(samples: Sequence[Sample]) -> list[Sample]:
    """Samples without texts that no file may hold; others are as they were."""
    return [
        structs.replace(one, more={key: value for key, value in one.more.items() if key != _UNSEEN})
        if unseen(one)
        else one
        for one in samples
    ]

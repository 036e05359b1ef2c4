"""Conversations of several turns: each is answered by the model itself, with its own earlier answers before it.

An item has `turns` (what the person says, in order) and `criteria` (for each turn, what an answer to it should do; in
English) in its `more`. What comes of it is judged by another model: `judge`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rumpun.engines.port import Generation, Message, Request
from rumpun.errors import InputError
from rumpun.evaluate.answers import after_thoughts
from rumpun.evaluate.ask import Asker, Failed, NotAsked
from rumpun.evaluate.items import Item
from rumpun.evaluate.records import Sample

__all__ = ["conversation", "converse"]

_MOST_TOKENS = 1024


@dataclass(slots=True)
class _Talk:
    """One conversation under way."""

    item: Item
    messages: list[Message] = field(default_factory=list)
    said: list[Generation] = field(default_factory=list)
    asked: Request | None = None
    failed: str = ""

    @property
    def goes_on(self) -> bool:
        return not self.failed and len(self.said) < len(self.item.more["turns"])

    def hear(self, said: Generation | Failed) -> None:
        if isinstance(said, Failed):
            self.failed = said.why
            return
        self.said.append(said)
        self.messages.append(Message("assistant", after_thoughts(said.text) or ""))


def conversation(item: Item) -> Item:
    """An item that is a conversation with criteria; its turns are its text too, which a lint reads.

    Raises:
        InputError: what is missing or wrong is named.
    """
    turns, criteria = item.more.get("turns"), item.more.get("criteria")
    where = f"item {item.id}"
    if not isinstance(turns, list) or not _texts(turns):
        raise InputError(f"{where}: turns are no list of texts", 'write "more": {"turns": ["…", "…"]}')
    if not isinstance(criteria, list) or not all(map(_texts, criteria)) or len(criteria) != len(turns):
        raise InputError(f"{where}: criteria are no list of texts for each turn", 'write [["…"], ["…", "…"]]')
    return replace(item, fields={**item.fields, "text": "\n\n".join(turns)})


def _texts(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(one, str) and one.strip() for one in value)
    )


def converse(
    task: str, items: Sequence[Item], model: str, asker: Asker, *, runs: int, temperature: float, seed: int,
    max_tokens: int = 0,
) -> list[Sample] | None:  # fmt: skip
    """A sample of each conversation and run, not judged yet; None where the time was up.

    Each run has its own seed. A conversation in which a turn failed is an error; one in which a turn was cut off is
    marked, and goes on. An answer has `max_tokens` at most, 0 for 1,024.

    Raises:
        EnvironmentFault: the engine is gone.
    """
    found = []
    for run in range(runs):
        talks = [_Talk(item) for item in items]
        while going := [talk for talk in talks if talk.goes_on]:
            for talk in going:
                talk.messages.append(Message("user", talk.item.more["turns"][len(talk.said)]))
                talk.asked = Request(
                    messages=tuple(talk.messages),
                    max_tokens=max_tokens or _MOST_TOKENS,
                    temperature=temperature,
                    seed=seed + run,
                )
            requests = [talk.asked for talk in going if talk.asked]
            for talk, said in zip(going, asker.generate(requests), strict=True):
                if isinstance(said, NotAsked):
                    return None
                talk.hear(said)
        found += [_sample(task, talk, model, asker, run, seed + run) for talk in talks]
    return found


def _sample(task: str, talk: _Talk, model: str, asker: Asker, run: int, seed: int) -> Sample:  # noqa: PLR0917
    item, asked = talk.item, talk.asked
    assert asked is not None
    turns = [
        {
            "prompt": item.more["turns"][n], "answer": said.text, "truncated": said.finish == "length",
            "criteria": [{"criterion": one, "met": None} for one in item.more["criteria"][n]],
        }
        for n, said in enumerate(talk.said)
    ]  # fmt: skip
    common: dict[str, Any] = {
        "task": task, "language": item.language, "id": item.id, "model": model, "run": run, "method": "generate",
        "prompt": [{"role": one.role, "content": one.content} for one in asked.messages], "group": item.group,
        "template": "own", "seed": seed, "key": asker.key("generate", asdict(asked)), "more": {"turns": turns},
    }  # fmt: skip
    if talk.failed:
        return Sample(**common, status="error", error=talk.failed)
    cut = any(said.finish == "length" for said in talk.said)
    tokens = [
        sum(one.usage.prompt_tokens for one in talk.said),
        sum(one.usage.completion_tokens for one in talk.said),
    ]
    return Sample(**common, answer=talk.said[-1].text, tokens=tokens, status="truncated" if cut else "ok")

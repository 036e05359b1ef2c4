"""What a language costs: tokens and bits of the texts of a task, each text once."""

from collections.abc import Sequence
from typing import Any

from rumpun.evaluate.ask import Asker, Failed, NotAsked
from rumpun.evaluate.items import Item
from rumpun.evaluate.records import Sample
from rumpun.measure.bits import bits

__all__ = ["LATE", "bit_counts", "token_counts"]

LATE = "the time was up"


def token_counts(task: str, items: Sequence[Item], model: str, asker: Asker) -> list[Sample] | str:
    """A sample of each text with its tokens and characters, or why there are none."""
    texts = _texts(items)
    counts = asker.count_tokens(list(texts))
    if counts is None:
        return LATE if asker.late else "this engine does not count tokens"
    return [
        _sample(task, model, item, scores={"tokens": float(count), "characters": float(len(text))})
        for (text, item), count in zip(texts.items(), counts, strict=True)
    ]


def bit_counts(task: str, items: Sequence[Item], model: str, asker: Asker) -> list[Sample] | str:
    """A sample of each text with its bits and bytes, or why there are none."""
    found = []
    texts = _texts(items)
    for (text, item), said in zip(texts.items(), asker.score([("", text) for text in texts]), strict=True):
        if isinstance(said, NotAsked):
            return LATE
        key = asker.key("score", ["", text])
        if isinstance(said, Failed):
            found.append(_sample(task, model, item, key=key, status="error", error=said.why))
        else:
            sizes = {"bits": bits(said.logprob), "bytes": float(len(text.encode()))}
            found.append(_sample(task, model, item, key=key, scores=sizes))
    return found


def _texts(items: Sequence[Item]) -> dict[str, Item]:
    """The texts; one that stands in several items is counted once."""
    found: dict[str, Item] = {}
    for item in items:
        found.setdefault(item.fields["passage"], item)
    return found


def _sample(task: str, model: str, item: Item, **found: Any) -> Sample:
    return Sample(
        task=task, language=item.language, model=model, method="count", id=item.id, group=item.group,
        prompt=item.fields["passage"], **found,
    )  # fmt: skip

"""Facts hidden in long text, at lengths in the model's own tokens; and what the same sentences cost in tokens.

A text is filled with lines of the suite until it, the question and the longest option have as many tokens as the task says.
A length that the model's context does not hold is not asked, and named; nor is one that the facts alone do not fit into,
as where a script costs many tokens.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from msgspec import structs

from rumpun.engines.llamacpp import CONTEXT_TOKENS
from rumpun.engines.load import Found
from rumpun.evaluate.ask import Asker
from rumpun.evaluate.items import Item
from rumpun.evaluate.long_facts import filler
from rumpun.evaluate.passages import LATE
from rumpun.evaluate.questions import Method, Question, questions
from rumpun.evaluate.records import Sample
from rumpun.evaluate.tasks import Task

__all__ = ["context_wanted", "in_text", "parallel_tokens"]

_FORM_TOKENS = 64  # of a chat's own form, which no engine counts for us
_SPARE_TOKENS = (
    8  # one of the model's own before everything, and options that have more tokens than their bytes say
)
_NO_COUNT = "this engine does not count tokens"


def context_wanted(tasks: Iterable[Task], found: Found) -> int | None:
    """The context that a GGUF is opened with for the longest task that it was trained for; None: the usual one does."""
    longest = max((one.length_tokens for one in tasks), default=0)
    if found.kind != "gguf" or longest <= CONTEXT_TOKENS:
        return None
    from rumpun.weights.gguf_file import describe

    return min(longest, describe(found.path).context_tokens or CONTEXT_TOKENS)


def in_text(
    one: Task,
    items: Sequence[Item],
    method: Method,
    asker: Asker,
    ask: Callable[[Sequence[Item]], list[Sample] | str],
    *,
    chat: bool,
    template: int | None = None,
    answer_tokens: int = 0,
    seed: int = 0,
) -> list[Sample] | str:
    """The samples of items in texts of the task's length, or why there are none.

    Args:
        one: the task, with its `length_tokens`.
        items: of one language, from `fact_items`.
        method: how they are put.
        asker: which counts the tokens.
        ask: puts items that have their texts.
        chat: whether what is generated is asked in a chat.
        template: which variant of the instruction.
        answer_tokens: of what is generated; 0 is what the task allows.
        seed: of the order in which lines are taken.

    Raises:
        EnvironmentFault: the engine is gone.
    """
    context = asker.engine.about().context_tokens
    if 0 < context < one.length_tokens:
        return f"its context holds {context:,} tokens"

    def counted(some: Sequence[Item]) -> list[int]:
        put = questions(one, some, method, chat=chat, template=template)
        found = _counted(asker, [_longest(question) for question in put])
        return [count + _room(q, answer_tokens, chat=chat) for count, q in zip(found, put, strict=True)]

    try:
        made, tokens = _filled(items, one.length_tokens, asker, counted, seed)
    except _UnfitError as why:
        return str(why)
    samples = ask(made)
    if isinstance(samples, str):
        return samples
    told = {
        item.id: {"length": one.length_tokens, "depth": item.more["depth"], "tokens": count,
                  "characters": len(item.fields["passage"])}
        for item, count in zip(made, tokens, strict=True)
    }  # fmt: skip
    return [structs.replace(sample, more=sample.more | told[sample.id]) for sample in samples]


class _UnfitError(Exception):
    """Why no text can be made."""


def _counted(asker: Asker, texts: Sequence[str]) -> list[int]:
    found = asker.count_tokens(texts)
    if found is None:
        raise _UnfitError(LATE if asker.late else _NO_COUNT)
    return found


def _filled(
    items: Sequence[Item],
    length_tokens: int,
    asker: Asker,
    counted: Callable[[Sequence[Item]], list[int]],
    seed: int,
) -> tuple[list[Item], list[int]]:
    """Items with their texts, and the tokens of each as it is put."""
    lines = filler(items[0].language)
    price = dict(zip(lines, _counted(asker, [f"{line}\n" for line in lines]), strict=True))
    bare = counted([_hidden(item, (), price) for item in items])
    if max(bare) > length_tokens:
        raise _UnfitError("the facts and the question alone are longer")
    taken = {
        item.id: _taken(price, length_tokens - own, f"{seed} {item.id}")
        for item, own in zip(items, bare, strict=True)
    }
    while True:
        made = [_hidden(item, taken[item.id], price) for item in items]
        tokens = counted(made)
        over = [item.id for item, count in zip(items, tokens, strict=True) if count > length_tokens]
        if not over:
            return made, tokens
        for name in over:  # parts put together have other tokens than the parts
            taken[name] = taken[name][:-1]


def _longest(question: Question) -> str:
    """The text that has to fit into the context."""
    said = "\n".join(message.content for message in question.messages) or question.prompt
    return said + max(question.follows, key=lambda text: len(text.encode()), default="")


def _room(question: Question, answer_tokens: int, *, chat: bool) -> int:
    """Tokens that are left for what no engine counts, and for an answer in words."""
    if not question.max_tokens:
        return _SPARE_TOKENS
    return _SPARE_TOKENS + (answer_tokens or question.max_tokens) + (_FORM_TOKENS if chat else 0)


def _taken(price: dict[str, int], room: int, seed: str) -> list[str]:
    """Lines that fill a room of tokens, all of them before one comes again."""
    draw, found = random.Random(seed), []  # noqa: S311  (a fixed draw)
    while room >= min(price.values()):
        for line in draw.sample(list(price), len(price)):
            if price[line] <= room:
                found.append(line)
                room -= price[line]
    return found


def _hidden(item: Item, lines: Sequence[str], price: dict[str, int]) -> Item:
    """An item with its text: each fact stands where its share of the tokens is before it."""
    whole, before = sum(price[line] for line in lines), 0
    waiting = sorted(zip(item.more["depths"], item.more["facts"], strict=True), reverse=True)
    found: list[str] = []
    for line in lines:
        while waiting and waiting[-1][0] * whole <= 100 * before:
            found.append(waiting.pop()[1])
        found.append(line)
        before += price[line]
    found += [fact for _, fact in reversed(waiting)]
    return replace(item, fields={**item.fields, "passage": "\n".join(found)})


def parallel_tokens(task: str, items: Sequence[Item], model: str, asker: Asker) -> list[Sample] | str:
    """Tokens of each sentence and of its English, or why there are none.

    Raises:
        EnvironmentFault: the engine is gone.
    """
    texts = [item.fields["passage"] for item in items]
    english = [str(item.more["english"]) for item in items]
    counts = asker.count_tokens([*texts, *english])
    if counts is None:
        return LATE if asker.late else _NO_COUNT
    return [
        Sample(
            task=task, language=item.language, model=model, method="count", id=item.id, group=item.group, prompt=text,
            scores={"tokens": float(own), "tokens_english": float(other)},
        )
        for item, text, own, other in zip(items, texts, counts[: len(texts)], counts[len(texts) :], strict=True)
    ]  # fmt: skip

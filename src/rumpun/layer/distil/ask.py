"""A teacher's answers, kept on disk as they come: what was answered once is not asked again, in this run or another.

The file of answers belongs to the teacher's bytes and the way it is asked; a line is {"ask", "n", "text", "finish", "tokens"}. A line
that a kill cut off is taken away. Of an address only the name is known: a service that changes its model behind it keeps its
old answers.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from rumpun.engines.port import Finish, Message, Request
from rumpun.errors import UsageError
from rumpun.records.places import cache_folder

if TYPE_CHECKING:
    from rumpun.engines.port import Engine
    from rumpun.layer.distil.params import DistilParams
    from rumpun.layer.distil.teacher import Teacher
    from rumpun.layer.prefer.rows import Turn
    from rumpun.steps import Progress

__all__ = ["Answer", "Ask", "answers", "kept_file"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt, asked for the n-th time."""

    messages: "tuple[Turn, ...]"
    n: int

    @property
    def identity(self) -> str:
        """32 hex digits of the conversation."""
        said = repr([(turn.role, turn.content) for turn in self.messages])
        return hashlib.sha256(said.encode()).hexdigest()[:32]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the teacher said."""

    ask: str
    n: int
    text: str
    finish: Finish
    tokens: int  # generated


def kept_file(teacher: "Teacher", name: str, params: "DistilParams", seed: int) -> Path:
    """Where this teacher's answers to requests of this kind are kept."""
    source = teacher.source
    made_of = (
        source.sha256 or (source.url, name), params.temperature, params.top_p, params.answer_tokens_max,
        seed if params.temperature else 0,
    )  # fmt: skip
    return cache_folder() / "answers" / f"{hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]}.jsonl"


def _known(path: Path) -> dict[tuple[str, int], Answer]:
    """Whole lines of the file; what stands behind the last one is cut off it."""
    found: dict[tuple[str, int], Answer] = {}
    if not path.is_file():
        return found
    whole = 0
    with path.open("rb+") as stream:
        for line in stream:
            try:
                answer = msgspec.json.decode(line, type=Answer)
            except (msgspec.DecodeError, UnicodeDecodeError):
                break
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            found[answer.ask, answer.n] = answer
        stream.truncate(whole)
    return found


def answers(
    asks: Sequence[Ask], engine: "Engine", path: Path, params: "DistilParams", seed: int, *, progress: "Progress"
) -> tuple[dict[Ask, Answer], int]:  # fmt: skip
    """The answers within the budget, and how many of them this call had generated.

    Args:
        asks: in the order in which a budget is spent; kept answers count as if generated now.
        engine: the teacher.
        path: of `kept_file`; two processes that ask alike wait for each other.
        params: how it is asked.
        seed: of the recipe; each ask draws from its own.
        progress: told of each round.

    Raises:
        UsageError: the teacher cannot chat.
    """
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_suffix(".lock")):
        known = _known(path)
        fresh = spent = 0
        given: dict[Ask, Answer] = {}
        for some in _rounds(asks, params.together):
            if params.budget_tokens and spent >= params.budget_tokens:
                break
            missing = [ask for ask in some if (ask.identity, ask.n) not in known]
            for answer in _generate(missing, engine, path, params, seed):
                known[answer.ask, answer.n] = answer
            fresh += len(missing)
            for ask in some:
                given[ask] = known[ask.identity, ask.n]
                spent += given[ask].tokens
            progress(len(given), len(asks), f"{spent:,} tokens answered, {fresh} of {len(given)} now")
    return given, fresh


def _rounds(asks: Sequence[Ask], size: int) -> Iterator[Sequence[Ask]]:
    return (asks[at : at + size] for at in range(0, len(asks), size))


def _generate(
    asks: Sequence[Ask], engine: "Engine", path: Path, params: "DistilParams", seed: int
) -> list[Answer]:
    if not asks:
        return []
    about = engine.about()
    if "chat" not in about.can:
        raise UsageError(
            f"{about.name}: cannot chat, so it answers no prompts", "name a teacher with a chat template"
        )
    requests = [_request(ask, params, seed) for ask in asks]
    made = [
        Answer(
            ask=ask.identity, n=ask.n, text=one.text, finish=one.finish, tokens=one.usage.completion_tokens
        )
        for ask, one in zip(asks, engine.generate(requests), strict=True)
    ]
    with path.open("ab") as stream:
        for answer in made:
            stream.write(json.dumps(msgspec.to_builtins(answer), ensure_ascii=False).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    return made


def _request(ask: Ask, params: "DistilParams", seed: int) -> Request:
    drawn = hashlib.sha256(repr((seed, ask.identity, ask.n)).encode()).digest()
    turns = tuple(Message(cast("Any", turn.role), turn.content) for turn in ask.messages)
    return Request(
        messages=turns, max_tokens=params.answer_tokens_max, temperature=params.temperature, top_p=params.top_p,
        seed=int.from_bytes(drawn[:4], "big") >> 1,
    )  # fmt: skip

"""A model as Python code talks to it: an engine behind plain texts and messages."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from rumpun.engines.load import open_engine
from rumpun.engines.port import About, Engine, Message, Request, Score

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Model"]


class Model:
    """A model to talk to from Python.

    with Model.load("default") as model:
        print(model.chat("Apa kabar?"))
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def load(cls, reference: str | Path = "default", **options: Any) -> Self:
        """Load a model; see `open_engine` for the references, the options and the errors."""
        return cls(open_engine(reference, **options))

    @property
    def about(self) -> About:
        """What this model is and can do."""
        return self.engine.about()

    def chat(self, messages: str | Sequence[Message | Mapping[str, str]], **options: Any) -> str:
        """Answer a chat: one user's turn as a text, or messages with "role" and "content". Options as in `Request`."""
        return self.engine.generate([_chat(messages, options)])[0].text

    def stream(self, messages: str | Sequence[Message | Mapping[str, str]], **options: Any) -> Iterator[str]:
        """Answer a chat piece by piece, in whole characters."""
        return (chunk.text for chunk in self.engine.stream(_chat(messages, options)) if chunk.text)

    def complete(self, prompt: str, **options: Any) -> str:
        """Go on from a text. Options as in `Request`."""
        return self.engine.generate([Request(prompt=prompt, **options)])[0].text

    def score(self, text: str, context: str = "") -> Score:
        """Log-probability of `text` after `context`, in nats, with its tokens."""
        return self.engine.score([(context, text)])[0]

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors, [n, width]."""
        return self.engine.embed(texts)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without special tokens."""
        return self.engine.count_tokens([text])[0]

    def close(self) -> None:
        """Free what the model holds; calling it twice is fine."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _chat(messages: str | Sequence[Message | Mapping[str, str]], options: Mapping[str, Any]) -> Request:
    if isinstance(messages, str):
        return Request(messages=(Message("user", messages),), **options)
    turns = (
        turn
        if isinstance(turn, Message)
        else Message(cast("Literal['system', 'user', 'assistant']", turn["role"]), turn["content"])
        for turn in messages
    )
    return Request(messages=tuple(turns), **options)

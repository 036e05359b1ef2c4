"""The JSON of answers and of a stream's events.

A stream sends one event a piece, so its JSON is built once and only the text is encoded anew.
"""

import secrets
import time
from typing import Any, Literal

import msgspec

from rumpun.engines.port import Usage

__all__ = ["DONE", "Form", "event", "usage_body"]

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode

Kind = Literal["chat", "text"]


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + _encode(value) + b"\n\n"


def usage_body(usage: Usage) -> dict[str, int]:
    """Token counts as OpenAI shapes them."""
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": total,
    }


class Form:
    """The shape of one answer: a chat completion or a text completion, whole or in events."""

    def __init__(self, kind: Kind, model: str, prompts: int = 1, *, with_usage: bool = False) -> None:
        self.kind = kind
        self.prompts = prompts  # answered together
        self.id = ("chatcmpl-" if kind == "chat" else "cmpl-") + secrets.token_hex(12)
        self._base: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk" if kind == "chat" else "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._with_usage = with_usage
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"
        self._heads: dict[int, tuple[bytes, bytes]] = {}

    def piece(self, text: str, index: int = 0) -> bytes:
        """The event of one piece of text."""
        head, tail = self._heads.get(index) or self._make_head(index)
        return head + _encode(text) + tail

    def first(self, rumpun: dict[str, Any], index: int = 0) -> bytes:
        """The event before any text: the role, and what is known of the prompt."""
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": None}
        if self.kind == "chat":
            choice["delta"] = {"role": "assistant", "content": ""}
        else:
            choice["text"] = ""
        return self._event(choice, rumpun)

    def last(self, finish: str, rumpun: dict[str, Any], index: int = 0) -> bytes:
        """The event with the reason of the end."""
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": finish}
        if self.kind == "chat":
            choice["delta"] = {}
        else:
            choice["text"] = ""
        return self._event(choice, rumpun)

    def usage(self, usage: Usage, rumpun: dict[str, Any]) -> bytes:
        """The event after the last when the client asked for usage."""
        return event({**self._base, "choices": [], "usage": usage_body(usage), "rumpun": rumpun})

    def whole(
        self, parts: list[tuple[str, str]], usage: Usage, rumpun: dict[str, Any] | list[dict[str, Any]]
    ) -> bytes:
        """A whole answer from (text, finish) pairs, one a prompt."""
        choices: list[dict[str, Any]] = []
        for index, (text, finish) in enumerate(parts):
            choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": finish}
            if self.kind == "chat":
                choice["message"] = {"role": "assistant", "content": text, "refusal": None}
            else:
                choice["text"] = text
            choices.append(choice)
        name = "chat.completion" if self.kind == "chat" else "text_completion"
        return _encode(
            {**self._base, "object": name, "choices": choices, "usage": usage_body(usage), "rumpun": rumpun}
        )

    def _event(self, choice: dict[str, Any], rumpun: dict[str, Any]) -> bytes:
        body = {**self._base, "choices": [choice]}
        if self._with_usage:
            body["usage"] = None
        return event({**body, "rumpun": rumpun})

    def _make_head(self, index: int) -> tuple[bytes, bytes]:
        base = b"data: " + _encode(self._base)[:-1] + b',"choices":[{"index":%d,' % index
        if self.kind == "chat":
            pair = (
                base + b'"delta":{"content":',
                b'},"logprobs":null,"finish_reason":null}]' + self._tail,
            )
        else:
            pair = (base + b'"text":', b',"logprobs":null,"finish_reason":null}]' + self._tail)
        self._heads[index] = pair
        return pair

"""What may be checked: a text, a prompt with its answer, or the turns of a conversation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rumpun.errors import InputError
from rumpun.guard.judgement import Role

__all__ = ["Exchange", "exchange_of"]

_KEPT_TURNS = 8  # earlier turns of the same speaker that are looked at together with the last


@dataclass(frozen=True, slots=True)
class Exchange:
    """Texts that get one verdict together: the text that is judged, and what stands before it."""

    text: str = field(repr=False)
    role: Role = "prompt"
    before: tuple[str, ...] = field(
        default=(), repr=False
    )  # of an answer: the prompt; of a prompt: earlier turns

    def views(self) -> list[str]:
        """What is judged, each by itself: the text, and the text with what stands before it."""
        if not self.before:
            return [self.text]
        return [self.text, "\n".join((*self.before[-_KEPT_TURNS:], self.text))]


def exchange_of(row: Mapping[str, Any], where: str) -> Exchange:
    """An exchange out of one JSON object: {"text"}, {"prompt"}, {"prompt", "response"} or {"messages"}.

    Raises:
        InputError: it has none of these, or one of another type; the message says where and never quotes the text.
    """
    if "messages" in row:
        return _conversation(row["messages"], where)
    prompt, response = row.get("prompt", row.get("text")), row.get("response")
    for name, value in (("prompt", prompt), ("response", response)):
        if value is not None and not isinstance(value, str):
            raise InputError(f"{where}: '{name}' is a {type(value).__name__}", "expected a string")
    if prompt is None and response is None:
        raise InputError(
            f"{where}: expected 'prompt', 'prompt' and 'response', or 'messages'; found {', '.join(sorted(row)[:8]) or 'nothing'}",
            'write {"prompt": "…"} on each line',
        )
    if response is None:
        return Exchange(str(prompt))
    return Exchange(response, "answer", (prompt,) if prompt else ())


def _conversation(messages: Any, where: str) -> Exchange:
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise InputError(
            f"{where}: 'messages' is no list of turns",
            'write {"messages": [{"role": "user", "content": "…"}]}',
        )
    turns: list[tuple[str, str]] = []
    for number, message in enumerate(messages):
        content = message.get("content") if isinstance(message, Mapping) else None
        role = message.get("role") if isinstance(message, Mapping) else None
        if isinstance(content, list):  # OpenAI's parts: text ones are read, others are of no text
            content = "\n".join(
                str(p.get("text", "")) for p in content if isinstance(p, Mapping) and p.get("type") == "text"
            )
        if not isinstance(role, str) or not isinstance(content, str):
            raise InputError(
                f"{where}: messages[{number}] needs 'role' and 'content', both strings", "write both"
            )
        turns.append((role, content))
    last, text = turns[-1]
    if last == "assistant":
        asked = [t for r, t in turns[:-1] if r != "assistant"]
        return Exchange(text, "answer", tuple(asked[-1:]))
    return Exchange(text, "prompt", tuple(t for r, t in turns[:-1] if r != "assistant"))

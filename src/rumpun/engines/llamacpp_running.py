"""One request in progress inside llama.cpp: its events as text, its tokens counted, its errors as ours."""

import queue
from collections.abc import Iterator
from typing import Any, Final

from rumpun.engines.port import Cancelled, Chunk, Finish, Usage
from rumpun.errors import EnvironmentFault, RumpunError, UsageError

__all__ = ["Running", "fault"]

_POLL_S: Final = 0.02  # how soon a cancelled stream ends while the model is at work on something else


class Running:
    """One request in progress: events come from the runtime's thread and are read in the caller's."""

    def __init__(self, cancelled: Cancelled) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.cancelled = cancelled
        self.gone = False  # nobody reads any more: the next event ends the generation
        self.finish: Finish = "cancelled"
        self.prompt_tokens = self.completion_tokens = 0
        self.tokens_per_second: float | None = None

    def texts(self, name: str) -> Iterator[str]:
        """The text of each event, until the end, an error, or the wish to stop."""
        while not self.cancelled():
            try:
                event = self.events.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if event is None:
                return
            if isinstance(event, BaseException):
                raise UsageError(f"{name} cannot answer this: {event}", "change the messages") from event
            if "error" in event:
                raise fault(event["error"], name)
            self._count(event)
            for choice in event.get("choices", ()):
                if choice.get("finish_reason"):
                    self.finish = "length" if choice["finish_reason"] == "length" else "stop"
                text = choice.get("text") or choice.get("delta", {}).get("content")
                if text:
                    yield text
        self.gone = True

    def _count(self, event: dict[str, Any]) -> None:
        timings, usage = event.get("timings"), event.get("usage")
        if timings:
            self.prompt_tokens = timings["cache_n"] + timings["prompt_n"]
            self.completion_tokens = timings["predicted_n"]
            if (
                timings["predicted_n"] > 1
            ):  # the first token comes with the prompt and takes no time of its own
                self.tokens_per_second = timings["predicted_per_second"]
        if usage:
            self.prompt_tokens, self.completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]

    def last(self) -> Chunk:
        """The last chunk of the stream."""
        return Chunk(
            finish=self.finish,
            usage=Usage(self.prompt_tokens, self.completion_tokens),
            tokens_per_second=self.tokens_per_second,
        )


def fault(error: dict[str, Any], name: str) -> RumpunError:
    """The runtime's error as ours."""
    if error.get("type") == "exceed_context_size_error":
        return UsageError(
            f"the prompt has {error['n_prompt_tokens']:,} tokens; the context of {name} holds {error['n_ctx']:,}",
            "shorten it, or open the model with a longer context",
        )
    if error.get("code") == 400:
        return UsageError(f"{name} cannot answer this: {error.get('message')}", "change the request")
    return EnvironmentFault(
        f"{name}: llama.cpp failed: {error.get('message')}", "ask again; see rumpun doctor"
    )

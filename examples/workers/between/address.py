"""The model behind an OpenAI-compatible address, and what a guard in front of it says."""

from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx2

from between.find import clean
from between.trouble import Trouble

__all__ = ["Address", "Reply"]

_MOST_BYTES: Final = 1 << 20  # of an answer: a translation of one piece is some thousand


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model.

    `held`: the guard put its own words, or nothing, in the answer's place; `message` is what it tells the writer.
    `cut`: the answer ended at the limit of tokens.
    """

    text: str
    held: bool = False
    flagged: bool = False
    message: str = ""
    cut: bool = False


class Address:
    """A chat model at an OpenAI-compatible address; safe to use from several threads.

    Args:
        url: with its `/v1`.
        model: the server's name of it; «default» is the first that `rumpun up` serves.
        key: sent as a bearer token, never shown.
        timeout_s: seconds without an answer after which one is given up.

    Raises:
        Trouble: the URL is none.
    """

    def __init__(self, url: str, *, model: str = "default", key: str = "", timeout_s: float = 120.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Trouble(f"--url {url[:200]!r} is no address", "give http://127.0.0.1:8765/v1", code=2)
        if parts.username or parts.password:
            raise Trouble("--url holds a password", "put the key into a file and give --api-key-file", code=2)
        self.url = url.rstrip("/")
        self._model = model
        loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(timeout_s, connect=5.0),
            trust_env=not loopback,  # no proxy stands between this machine and itself
        )

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, messages: list[dict[str, str]], max_tokens: int) -> Reply:
        """One answer, greedily.

        Raises:
            Trouble: nothing answers, or what answers is an error or no chat answer.
        """
        body = {"model": self._model, "messages": messages, "max_tokens": max_tokens, "temperature": 0}
        try:
            answer = self._client.post(f"{self.url}/chat/completions", json=body)
        except httpx2.HTTPError as error:
            raise Trouble(
                f"{self.url} does not answer ({type(error).__name__})",
                "start it (rumpun up), then send the message again",
            ) from error
        if len(answer.content) > _MOST_BYTES:
            raise Trouble(f"{self.url} answered with {len(answer.content):,} bytes", "check the address")
        try:
            return _reply(answer.json()) if answer.status_code == 200 else _refused(self.url, answer)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise Trouble(f"{self.url} gave no chat answer", "give an OpenAI-compatible address") from error


def _refused(url: str, answer: Any) -> Reply:
    """Turn an error of the server into ours; a 400 of a content filter (as some hosted services send) is a held message."""
    error = answer.json().get("error") or {}
    code = error.get("code") if isinstance(error, dict) else None
    if answer.status_code == 400 and code == "content_filter":
        return Reply("", held=True)
    mends = {401: "give --api-key-file", 403: "give --api-key-file", 404: "check --url and --model"}
    named = f" ({code})" if isinstance(code, str) and code.isidentifier() else ""
    raise Trouble(
        f"{url} answered {answer.status_code}{named}",
        mends.get(answer.status_code, "look at the service, then send the message again"),
    )


def _reply(found: Any) -> Reply:
    choice = found["choices"][0]
    text = choice["message"]["content"] or ""
    finish = choice.get("finish_reason")
    guard = (found.get("rumpun") or {}).get("guard") or {}
    # «help» in mode block: the help message stands in the answer's place, under finish_reason «stop»
    held = finish == "content_filter" or (
        guard.get("mode") == "block" and guard.get("action") in {"block", "help"}
    )
    verdicts = [verdict for point in ("prompt", "answer") if isinstance(verdict := guard.get(point), dict)]
    return Reply(
        text="" if held else text.strip(),
        held=held,
        flagged=any(verdict.get("flagged") for verdict in verdicts),
        message=clean(str(guard.get("message") or (text if held else ""))),
        cut=finish == "length",
    )

"""Any server that speaks OpenAI's HTTP API: vLLM, llama.cpp's server, a rumpun elsewhere, a hosted service."""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx2

from rumpun.engines.characters import whole_characters
from rumpun.engines.http_replies import (
    STARTS,
    Refused,
    check_event,
    count_of,
    echo,
    first_size,
    models_of,
    score_of,
    seconds_of,
    vectors_of,
)  # fmt: skip
from rumpun.engines.http_stream import Arriving, events
from rumpun.engines.port import About, Cancelled, Chunk, Generation, Request, Score, never
from rumpun.engines.requests import check, joined, need
from rumpun.errors import EnvironmentFault, InputError, RumpunError, UsageError, nearest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["OpenAICompatible"]

_TOGETHER: Final = 8  # requests of one generate() on their way at once
_CANNOT: Final = (500, 501)  # how some servers say that they have no such address; others of 5xx pass

Ability = Literal["generate", "chat", "score", "embed"]
T = TypeVar("T")
R = TypeVar("R")


class OpenAICompatible:
    """A model behind an HTTP address; safe to call from many threads.

    What the server can do is tried with one-token requests when first asked for. It can `score` where completions
    answer `echo` with `logprobs` of the prompt and read an end-of-text token before it as one (vLLM does).

    Args:
        url: of the server, with or without `/v1`.
        name: of the model, as people type it here.
        api_key: by default RUMPUN_UPSTREAM_API_KEY, else OPENAI_API_KEY; sent as a bearer token, never shown.
            RUMPUN_API_KEY is the key that our own service asks for, and is never sent to another server.
        model: the server's own name of it; by default the first of its `/models`.
        timeout_s: seconds without a byte after which an answer is given up.

    Raises:
        EnvironmentFault: nothing answers there.
        UsageError: the URL is none, the key is refused, or the model is not there.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        api_key: str | None = None,
        model: str | None = None,
        timeout_s: float = 300.0,
    ) -> None:
        self._url, self._root = _addresses(url)
        self._name = name
        self._key = (
            api_key or os.environ.get("RUMPUN_UPSTREAM_API_KEY") or os.environ.get("OPENAI_API_KEY") or ""
        )
        loopback = urlsplit(self._url).hostname in ("127.0.0.1", "localhost", "::1")
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx2.Timeout(timeout_s, connect=10.0),
            limits=httpx2.Limits(max_connections=256),
            trust_env=not loopback,  # no proxy stands between this machine and itself
        )
        self._lock = threading.Lock()
        self._known: About | None = None
        self._start = ""  # what stands before a text to score
        try:
            self._model, self._context = self._find(model)
        except BaseException:
            self._client.close()
            raise

    @property
    def model(self) -> str:
        """The server's own name of the model."""
        return self._model

    def about(self) -> About:
        """What this engine is and can do; the first call asks the server.

        Raises:
            EnvironmentFault: the server is too busy to show what it can do.
        """
        with self._lock:
            if self._known is None:
                can: set[Ability] = {"generate", "chat"}
                if self._tries("embeddings", {"input": "a"}, lambda reply: vectors_of(reply, 1)):
                    can.add("embed")
                if self._begins():
                    can.add("score")
                self._known = About(
                    name=self._name,
                    engine="http",
                    context_tokens=self._context,
                    vocabulary=0,
                    can=frozenset(can),
                    path=self._url,
                )
            return self._known

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Answer many requests, up to 8 at once; answers stand in the order asked."""
        return _each(joined, [self.stream(request) for request in requests])

    def stream(self, request: Request, cancelled: Cancelled = never) -> Iterator[Chunk]:
        """Answer one request in whole characters.

        Raises:
            UsageError: at once for a value out of range; with the first chunk for what the server refuses.
            EnvironmentFault: the server fails, falls silent or hangs up.
        """
        check(request, self.about())
        return self._stream(request, cancelled)

    def _stream(self, request: Request, cancelled: Cancelled) -> Iterator[Chunk]:
        arriving = Arriving(cancelled)
        threading.Thread(
            target=self._work, args=(request, arriving), name="rumpun-stream", daemon=True
        ).start()
        try:
            for text in whole_characters(arriving.texts()):
                yield Chunk(text=text)
            yield arriving.last(self._url)
        finally:
            arriving.leave()

    def _work(self, request: Request, arriving: "Arriving") -> None:
        path = "completions" if request.prompt is not None else "chat/completions"
        try:
            with (
                self._faults(),
                self._client.stream("POST", f"{self._url}/{path}", json=self._body(request)) as reply,
                arriving.reading(reply),
            ):
                self._check(reply)
                for event in events(reply.iter_bytes()):
                    if event == "[DONE]" or arriving.gone:
                        break
                    arriving.events.put(self._parsed(event))
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that reads)
            arriving.events.put(error)
        finally:
            arriving.events.put(None)

    def _parsed(self, event: str) -> dict[str, Any]:
        try:
            body = json.loads(event)
        except ValueError as error:
            raise EnvironmentFault(
                f"{self._url}: an event of the stream is not JSON: {event[:80]!r}", "ask again"
            ) from error
        if not isinstance(body, dict):
            raise EnvironmentFault(
                f"{self._url}: an event of the stream is no object: {event[:80]!r}", "ask again"
            )
        if body.get("error"):
            raise EnvironmentFault(f"{self._url}: the answer broke off: {self._said(body)}", "ask again")
        try:
            check_event(body)
        except ValueError as error:
            raise EnvironmentFault(
                f"{self._url}: an event of the stream is of another form ({error}): {event[:80]!r}",
                "ask again, or look at the server's version",
            ) from error
        return body

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.prompt is not None:
            body["prompt"] = request.prompt
        else:
            body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
        usual = Request()
        for field in ("top_p", "seed", "stop", "frequency_penalty", "presence_penalty"):
            value = getattr(request, field)
            if value != getattr(usual, field):  # some servers refuse fields that they do not know
                body[field] = value
        return body

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """Log-probability of each (context, continuation), from the server's own figures for a prompt.

        Raises:
            UsageError: the server gives none or does not show which token is where, a text is longer than its context,
                or it holds the end-of-text token.
            EnvironmentFault: the server fails, or gives half of them.
        """
        need(self.about(), "score")
        return _each(self._score, pairs)

    def _score(self, pair: tuple[str, str]) -> Score:
        context, continuation = pair
        text = context + continuation
        if not text:
            return Score(0.0, 0)
        start = self._start
        if start in text:
            raise UsageError(
                f"a text to score holds {start}, which the server reads as its end", "take it out"
            )
        reply = self._post("completions", echo(start + text))
        if first_size(reply) != len(start):
            raise EnvironmentFault(
                f"{self._url}: the reply has no log-probabilities of the prompt", "ask again"
            )
        try:
            return score_of(reply["choices"][0]["logprobs"], len(start + context), start + text)
        except ValueError as error:
            raise EnvironmentFault(
                f"{self._url}: the reply has not all log-probabilities of the prompt ({error})", "ask again"
            ) from error

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors, [n, width], as the server makes them; set to length 1 here."""
        import numpy as np

        need(self.about(), "embed")
        if not texts:
            return np.zeros((0, 0), np.float32)
        reply = self._post("embeddings", {"input": list(texts)})
        try:
            out = np.array(vectors_of(reply, len(texts)), np.float32)
        except ValueError as error:
            raise EnvironmentFault(
                f"{self._url}/embeddings: expected {len(texts)} vectors ({error})", "ask again"
            ) from error
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
        return out

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens, where the server has `/tokenize` (vLLM, llama.cpp).

        Raises:
            UsageError: it has none.
        """
        return [self._count(text) for text in texts]

    def _count(self, text: str) -> int:
        fields = {"prompt": text, "content": text, "add_special_tokens": False, "add_special": False}
        reply = self._post(f"{self._root}/tokenize", fields)
        if (count := count_of(reply)) is None:
            raise EnvironmentFault(f"{self._root}/tokenize: no count in the reply", "ask again")
        return count

    def close(self) -> None:
        """Close the connections; calling it twice is fine."""
        self._client.close()

    # --- one request

    def _find(self, model: str | None) -> tuple[str, int]:
        """(the server's name of the model, its context or 0)."""
        try:
            entries = models_of(self._get("models"))
        except UsageError as error:
            if model is not None and "404" in error.message:
                return model, 0  # a server without a list
            raise
        if not entries and model is None:
            raise UsageError(f"{self._url}/models lists no model", "name the model that the server serves")
        chosen = model if model is not None else next(iter(entries))
        if entries and chosen not in entries:
            raise UsageError(f"{self._url} serves no model '{chosen}'", nearest(chosen, list(entries)))
        entry = entries.get(chosen, {})
        size = entry.get("max_model_len") or entry.get("context_length") or 0
        return chosen, size if isinstance(size, int) else 0

    def _tries(self, path: str, fields: dict[str, Any], read: Any) -> Any:
        try:
            return read(self._post(path, fields))
        except (UsageError, InputError, ValueError):  # refused, or of another form
            return None
        except Refused as refused:
            if refused.status in _CANNOT:
                return None
            raise

    def _begins(self) -> bool:
        """Whether the server tells of a prompt, and which token may stand before it."""
        for self._start in STARTS:
            size = self._tries("completions", echo(self._start + "a"), first_size)
            if not size or size == len(self._start):
                return bool(size)
        return False

    def _get(self, path: str) -> dict[str, Any]:
        with self._faults():
            return self._object(self._client.get(f"{self._url}/{path}"))

    def _post(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        with self._faults():
            address = path if path.startswith("http") else f"{self._url}/{path}"
            return self._object(self._client.post(address, json={"model": self._model, **fields}))

    def _object(self, reply: httpx2.Response) -> dict[str, Any]:
        self._check(reply)
        try:
            body = reply.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise InputError(
                f"{self._url}: expected a JSON object, got {reply.text[:60]!r}",
                "name the address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1",
            )
        return body

    def _check(self, reply: httpx2.Response) -> None:
        if reply.status_code != 200:
            reply.read()
            raise self._refusal(reply)

    def _refusal(self, reply: httpx2.Response) -> RumpunError:
        try:
            said = self._said(reply.json())
        except ValueError:
            said = self._hidden(reply.text[:200])
        what = f"{self._url}: status {reply.status_code}: {said}"
        if reply.status_code in (401, 403):
            return UsageError(what, "set RUMPUN_UPSTREAM_API_KEY to a key of that server")
        if reply.status_code == 429 or reply.status_code >= 500:
            wait = seconds_of(reply.headers.get("retry-after", ""))
            return Refused(
                f"{what} (it asks to wait {wait:,.0f} s)" if wait else what,
                "ask again later, or look at the server's log",
                status=reply.status_code,
                wait_seconds=wait,
            )
        return UsageError(what, "change the request, or name another model or address")

    def _said(self, body: Any) -> str:
        error = body.get("error", body) if isinstance(body, dict) else body
        text = error.get("message", error) if isinstance(error, dict) else error
        return self._hidden(" ".join(str(text).split())[:300])

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Errors of the connection as ours."""
        try:
            yield
        except httpx2.TimeoutException as error:
            raise EnvironmentFault(
                f"{self._url}: no answer in time ({type(error).__name__})",
                "look at the server's load, or ask again",
            ) from error
        except (httpx2.HTTPError, RuntimeError) as error:  # RuntimeError: the client was closed
            raise EnvironmentFault(
                f"{self._url}: {self._hidden(str(error)) or type(error).__name__}",
                "start the server, or check address and network",
            ) from error


def _addresses(url: str) -> tuple[str, str]:
    """(address of the API, of the server), without anything secret in them."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no http address", "such as http://127.0.0.1:8000/v1")
    place = parts.netloc.rpartition("@")[2]
    path = parts.path.rstrip("/")
    root = urlunsplit((parts.scheme, place, path.removesuffix("/v1"), "", ""))
    return urlunsplit((parts.scheme, place, path or "/v1", "", "")), root


def _each(do: Callable[[T], R], todo: Sequence[T]) -> list[R]:
    """One in this thread, several up to 8 at once: Python waits at its end for those, and not for a daemon's own one."""
    if len(todo) < 2:
        return [do(one) for one in todo]
    with ThreadPoolExecutor(_TOGETHER, "rumpun-http") as pool:
        return list(pool.map(do, todo))

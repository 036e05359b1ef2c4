"""llama.cpp through the wheel of xllamacpp: chat, completions and embeddings of a GGUF file on any machine.

llama.cpp's own server runs inside the process, so that many streams share one batch. It also opens a listener of its
own, which nobody is to reach: here it is a socket file in a private folder that is removed as soon as the model is
loaded (elsewhere a loopback port), and a random key is asked on every path but `/health`.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from rumpun.engines.characters import whole_characters
from rumpun.engines.llamacpp_memory import available_bytes, cores, need_memory, runtime
from rumpun.engines.llamacpp_running import Running, fault
from rumpun.engines.llamacpp_score import Scorer
from rumpun.engines.port import About, Cancelled, Chunk, Generation, Request, Score, never
from rumpun.engines.requests import check, joined, need, plain, seed_32, steering
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.weights.gguf_file import GgufAbout, control_tokens, describe

if TYPE_CHECKING:
    import re

    import numpy as np
    import numpy.typing as npt

__all__ = ["CONTEXT_TOKENS", "LlamaCpp"]

CONTEXT_TOKENS: Final = 4096  # of one slot where nothing else is asked and the model was trained for as much
EMBED_TOKENS: Final = 2048  # of one text at most: it passes through the model in one piece
BATCH_TOKENS: Final = 512  # of a prompt at once; between batches other streams go on and a cancelled one ends
_STEP: Final = 256  # llama.cpp rounds a slot's context up to this
_ENCODERS: Final = frozenset({"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "t5encoder"})  # fmt: skip
_SOCKET_PATH_MAX: Final = 100  # bytes; the system's own limit is 104 to 108

Ability = Literal["generate", "chat", "score", "embed"]
_OPEN: "weakref.WeakSet[LlamaCpp]" = weakref.WeakSet()


class LlamaCpp:
    """A GGUF file, answering many streams at once; safe to call from any number of threads.

    The same request with a seed gives the same text; while other streams run beside it, rounding may differ in the
    last digits, as in any engine that batches.

    Args:
        path: of the GGUF file (the first part, where it is split).
        name: of the model, as people type it.
        context_tokens: prompt and answer of one request, at most; rounded up to 256.
        threads: for computing; by default every core this process may use.
        slots: requests that are computed together; more wait in turn.

    Raises:
        InputError: the file is missing, truncated, foreign, or of an architecture that llama.cpp does not know.
        EnvironmentFault: it would not fit into memory.
        UsageError: a context longer than the model was trained for.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        name: str,
        context_tokens: int | None = None,
        threads: int | None = None,
        slots: int = 4,
    ) -> None:
        self._path = Path(path)
        self._file = describe(self._path)
        self._threads = threads or cores()
        self._slots = slots
        self._context = _context(self._file, context_tokens)
        self._lock = threading.Condition()
        self._calls = 0  # inside the runtime at this moment
        self._closing = False
        self._embedder: Any = None
        self._steering: re.Pattern[str] | None = None
        self._embed_lock = threading.Lock()
        self._scorer = Scorer(self._path, self._file, self._threads)
        encoder = self._file.architecture in _ENCODERS
        total = self._context * slots
        need_memory(self._file, self._path, total, BATCH_TOKENS, available_bytes())
        self._server = None if encoder else self._start(total, slots)
        _OPEN.add(self)
        self._about = About(
            name=name,
            engine="llamacpp",
            context_tokens=self._context,
            vocabulary=self._file.vocabulary,
            can=_abilities(self._file, encoder=encoder),
            path=str(self._path),
            architecture=self._file.architecture,
        )

    def about(self) -> About:
        """What this engine is and can do."""
        return self._about

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Answer many requests, as many together as there are slots; answers stand in the order asked."""
        streams = [self.stream(request) for request in requests]
        if len(streams) < 2:
            return [joined(stream) for stream in streams]
        with ThreadPoolExecutor(self._slots, "rumpun-generate") as pool:
            return list(pool.map(joined, streams))

    def stream(self, request: Request, cancelled: Cancelled = never) -> Iterator[Chunk]:
        """Answer one request in whole characters.

        Raises:
            UsageError: at once for a value out of range; with the first chunk for a prompt longer than the context.
        """
        check(request, self._about)
        return self._stream(request, cancelled)

    def _stream(self, request: Request, cancelled: Cancelled) -> Iterator[Chunk]:
        running = Running(cancelled)
        self._begin(request, running)
        try:
            for text in whole_characters(running.texts(self._about.name)):
                yield Chunk(text=text)
            yield running.last()
        finally:
            running.gone = True

    def _begin(self, request: Request, running: Running) -> None:
        """Hand the request to the runtime in a thread of its own; only that thread keeps the server alive."""
        body = self._body(request)
        handle = self._handler("handle_chat_completions" if request.messages else "handle_completions")
        threading.Thread(
            target=self._work, args=(handle, body, running), name="rumpun-stream", daemon=True
        ).start()

    def _work(self, handle: Callable[..., Any], body: dict[str, Any], running: Running) -> None:
        def heard(event: Any) -> bool:
            running.events.put(event)
            return running.gone or self._closing

        try:
            handle(body, heard)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that reads)
            running.events.put(error)
        finally:
            running.events.put(None)
            with self._lock:
                self._calls -= 1
                self._lock.notify_all()

    def _handler(self, name: str) -> Callable[..., Any]:
        """A method of the running server, counted among the calls in progress."""
        with self._lock:
            if self._closing or self._server is None:
                raise EnvironmentFault(f"{self._path}: the engine is closed", "open it again")
            self._calls += 1
            handle: Callable[..., Any] = getattr(self._server, name)
            return handle

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": 0,
            "min_p": 0.0,
            "samplers": ["penalties", "temperature", "top_p"],  # nothing that the request does not name
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "repeat_last_n": self._context,
            "stop": list(request.stop),
            "stream": True,
            "stream_options": {"include_usage": True},
            "timings_per_token": True,
            "return_progress": True,  # a chunk between two batches of the prompt, so that it can be cancelled
            "cache_prompt": request.seed is None,  # a prompt computed in other batches rounds otherwise
        }
        if request.seed is not None:
            body["seed"] = seed_32(request.seed)
        if request.prompt is None:
            body["messages"] = [
                {"role": m.role, "content": self._as_text(m.content)} for m in request.messages
            ]
        else:
            body["prompt"] = request.prompt or [self._scorer.start_token()]
        return body

    def _as_text(self, content: str) -> str:
        if self._steering is None:
            self._steering = steering(control_tokens(self._path))
        return plain(content, self._steering)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """Log-probability of each (context, continuation); see the port.

        Raises:
            UsageError: this build of the runtime does not agree with what is known of it, so no score is given.
        """
        need(self._about, "score")
        return self._scorer.score(pairs)

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors, [n, width]: the last hidden states, averaged over a text's tokens.

        The first call opens the file a second time, in a context made for it.

        Raises:
            UsageError: an empty text, or one longer than `EMBED_TOKENS`.
        """
        import numpy as np

        need(self._about, "embed")
        width = int(self._file.metadata.get(f"{self._file.architecture}.embedding_length", 0))
        if not texts:
            return np.zeros((0, width), np.float32)
        limit = min(EMBED_TOKENS, self._file.context_tokens or EMBED_TOKENS)
        for number, (text, size) in enumerate(zip(texts, self.count_tokens(texts), strict=True)):
            if not text or size + 2 > limit:  # the runtime may add a token at each end
                raise UsageError(
                    f"text {number} to embed has {size:,} tokens: expected 1 to {limit - 2:,}",
                    "cut it into parts",
                )
        with self._embed_lock:
            reply = self._embedding_server(limit).handle_embeddings({"input": list(texts)})
        if "error" in reply:
            raise fault(reply["error"], self._about.name)
        rows = sorted(reply["data"], key=lambda row: row["index"])
        return np.array([row["embedding"] for row in rows], np.float32)

    def _embedding_server(self, limit: int) -> Any:
        if self._closing:
            raise EnvironmentFault(f"{self._path}: the engine is closed", "open it again")
        if self._embedder is None:
            need_memory(self._file, self._path, 2 * limit, limit, available_bytes())
            self._embedder = self._start(2 * limit, 2, embed_tokens=limit)
        return self._embedder

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens; what looks like one in a text is text."""
        return [len(tokens) for tokens in self._scorer.tokenize(texts)]

    def close(self) -> None:
        """End the streams in progress and free the model; calling it twice is fine."""
        with self._lock:
            self._closing = True
            self._lock.wait_for(lambda: self._calls == 0, timeout=60)
            self._server = None
        with self._embed_lock:
            self._embedder = None
        self._scorer.close()

    def _start(self, total: int, slots: int, embed_tokens: int = 0) -> Any:
        """A server of the runtime, loaded and silent, whose listener nobody can reach."""
        xllamacpp = runtime()
        wanted = xllamacpp.CommonParams()
        wanted.model.path = str(self._path)
        wanted.n_ctx, wanted.n_parallel = total, slots
        wanted.n_batch = wanted.n_ubatch = embed_tokens or BATCH_TOKENS
        wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = self._threads
        wanted.n_threads_http = 1
        wanted.api_keys = [secrets.token_urlsafe(32)]
        wanted.ui = wanted.endpoint_slots = wanted.endpoint_props = wanted.endpoint_metrics = False
        wanted.offline = True
        wanted.verbosity = -1
        wanted.fit_params = False  # the context asked for, or an error
        wanted.cache_ram_mib = 0  # otherwise up to 8 GiB of old prompts
        wanted.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
        wanted.force_pure_content_parser = True
        if embed_tokens:
            wanted.embedding = True
            wanted.kv_unified = (
                True  # otherwise texts of unlike lengths are cut, and the average is of a part
            )
            wanted.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        with _unreachable() as host:
            wanted.hostnames = [host]
            try:
                server = xllamacpp.Server(wanted)
            except (RuntimeError, ValueError) as error:
                raise InputError(
                    f"{self._path}: llama.cpp cannot load it ({self._file.architecture}, {self._file.quantisation})",
                    "the file may be damaged, or newer than the runtime: rumpun doctor names its version",
                ) from error
        # a server that is freed before its loop has begun waits for ever, so one token is asked of it first
        if embed_tokens:
            server.handle_embeddings({"input": ["a"]})
        else:
            server.handle_completions({"prompt": "a", "max_tokens": 1}, lambda _: False)
        return server


@atexit.register
def _close_all() -> None:
    """A thread still inside C++ when the interpreter goes would bring the process down with it."""
    for engine in list(_OPEN):
        engine.close()


def _context(file: GgufAbout, asked: int | None) -> int:
    trained = file.context_tokens or CONTEXT_TOKENS
    if asked is None:
        return min(trained, CONTEXT_TOKENS)
    if not 1 <= asked <= trained:
        raise UsageError(
            f"context of {asked:,} tokens: {file.name} was trained for 1 to {trained:,}",
            f"ask for {trained:,} at most",
        )
    return min(-(-asked // _STEP) * _STEP, max(trained, _STEP))


def _abilities(file: GgufAbout, *, encoder: bool) -> frozenset[Ability]:
    if encoder:
        return frozenset({"embed"})
    always: tuple[Ability, ...] = ("generate", "score", "embed")
    return frozenset((*always, "chat") if file.chat_template else always)


@contextlib.contextmanager
def _unreachable() -> Iterator[str]:
    """A host for a listener that no other program finds, nor this one once the model is loaded."""
    if sys.platform == "win32":
        yield "127.0.0.1"
        return
    folder = tempfile.mkdtemp(prefix="rumpun-")
    if len(os.fsencode(folder)) > _SOCKET_PATH_MAX - 10:
        shutil.rmtree(folder)
        folder = tempfile.mkdtemp(prefix="rumpun-", dir="/tmp")  # its mode is 0700
    try:
        yield f"{folder}/a.sock"
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Log-probabilities through the C functions of `llamacpp_library`.

The wheel's Python classes generate text but do not score a given one. The C functions do; a field of their parameters is
set only at an offset whose documented default was read back there. Nothing is ever approximated: where a default, a
read-back value or a self-test disagrees, scoring is refused with the reason.
"""

import ctypes
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rumpun.engines.llamacpp_library import Batch, Library, library
from rumpun.engines.llamacpp_memory import available_bytes, cache_bytes
from rumpun.engines.llamacpp_rows import Row, log_softmax_at, rows_of
from rumpun.engines.port import Score
from rumpun.engines.windows import Work, first_of_continuation, packed_groups, window_tokens, windows
from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.weights.gguf_file import GgufAbout

__all__ = ["Scorer"]

_VOCAB_ONLY_BYTE: Final = 72
_N_CTX, _N_BATCH, _N_UBATCH, _N_SEQ, _THREADS, _THREADS_BATCH, _TYPE_K, _TYPE_V = 0, 1, 2, 3, 7, 8, 26, 27
_KV_UNIFIED_BYTE: Final = 141
_BATCH: Final = 512  # tokens
_LOGIT_BYTES_MAX: Final = 128 << 20  # of one batch's logits
_SEQUENCES: Final = 64  # texts in one batch
_F32: Final = 0  # ggml's number

_SELF_TEST: Final = ("Orang menanam padi di tepi sungai.", "ต้นไผ่ขึ้นอยู่ริมแม่น้ำ", "The river is long.")
# nats of one token, packed or alone: kernels round differently, and beside quantised weights activations take 8 bits
_SELF_TEST_NATS: Final = 0.15
# (bytes of the file, its name) -> nats of each text of _SELF_TEST, by transformers in float32 on the same weights
_STORED: Final[dict[tuple[int, str], tuple[float, float, float]]] = {
    (98_362_432, "Smollm2 135M 8k Lc100K Mix1 Ep2"): (-99.867, -99.467, -26.991),  # the embedded base
}
_STORED_SHARE: Final = 0.05  # of the stored figure: measured are 0.6 %, 0.5 % and 1.6 %


class Scorer:
    """Tokens and log-probabilities of one GGUF file; what it needs is loaded when first asked for.

    Its model shares the file's pages with whoever else maps the file; its context is its own. Thread-safe.
    """

    def __init__(self, path: Path, about: GgufAbout, threads: int) -> None:
        self._path = path
        self._about = about
        self._threads = threads
        self._window = window_tokens(about.context_tokens)
        self._lock = threading.RLock()
        self._closed = False
        self._words: int | None = None  # the model with its vocabulary alone
        self._model: int | None = None
        self._context: int | None = None
        self._context_tokens = 0
        self._tested = False

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Canonical tokens of each text, none of them special."""
        vocabulary = self._vocabulary()
        return [self._tokens(vocabulary, text.encode("utf-8", "replace")) for text in texts]

    def start_token(self) -> int:
        """The token before a text: the one that the vocabulary sets there itself, else `<|endoftext|>`, else its end."""
        vocabulary, lib = self._vocabulary(), self._library()
        first = self._about.metadata.get("tokenizer.ggml.bos_token_id")
        if first is not None and self._about.metadata.get("tokenizer.ggml.add_bos_token"):
            return int(first)
        found = self._tokens(vocabulary, b"<|endoftext|>", special=True)
        if len(found) == 1:
            return found[0]
        for token in (lib.llama_vocab_eos(vocabulary), lib.llama_vocab_bos(vocabulary)):
            if token >= 0:
                return int(token)
        raise UsageError(f"{self._path}: its vocabulary has no end-of-text token", "use a model that has one")

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """See `Engine.score`.

        Raises:
            UsageError: scoring is refused, with the reason.
            EnvironmentFault: too little memory for the context.
        """
        with self._lock:
            if not self._tested:
                self._self_test()
                self._tested = True
            return self._score(pairs)

    def close(self) -> None:
        """Free everything; calling it twice is fine."""
        with self._lock:
            self._closed = True
            self._free_context()
            for model in (self._words, self._model):
                if model is not None:
                    library().llama_model_free(model)
            self._words = self._model = None

    # --- tokens

    def _library(self) -> Library:
        found = library()
        if found.fault:
            raise UsageError(
                f"scoring and counting tokens are refused: {found.fault}",
                "install the pinned runtime: pip install -r requirements/runtime.txt",
            )
        return found

    def _vocabulary(self) -> int:
        with self._lock:
            if self._words is None:
                self._words = self._load(vocabulary_only=True)
            return int(self._library().llama_model_get_vocab(self._words))

    def _load(self, *, vocabulary_only: bool) -> int:
        if self._closed:
            raise EnvironmentFault(f"{self._path}: the engine is closed", "open it again")
        lib = self._library()
        wanted = lib.llama_model_default_params()
        wanted.set_byte(_VOCAB_ONLY_BYTE, int(vocabulary_only))
        model = lib.llama_model_load_from_file(str(self._path).encode(), wanted)
        if not model:
            raise InputError(
                f"{self._path}: llama.cpp cannot load it", "the file may be newer than the runtime"
            )
        found = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
        if found != self._about.vocabulary:
            lib.llama_model_free(model)
            raise UsageError(
                f"scoring is refused: the runtime counts {found:,} tokens, the file {self._about.vocabulary:,}",
                "install the pinned runtime: pip install -r requirements/runtime.txt",
            )
        return int(model)

    def _tokens(self, vocabulary: int, text: bytes, *, special: bool = False) -> list[int]:
        if not text:
            return []
        room = len(text) + 8  # a token has a byte at least; some vocabularies set a space before
        lib = self._library()
        out = (ctypes.c_int32 * room)()
        count = lib.llama_tokenize(vocabulary, text, len(text), out, room, False, special)
        if count < 0:
            out = (ctypes.c_int32 * -count)()
            count = lib.llama_tokenize(vocabulary, text, len(text), out, -count, False, special)
        return list(out[:count])

    def _piece(self, vocabulary: int, token: int) -> bytes:
        lib = self._library()
        room = 64
        while True:
            out = ctypes.create_string_buffer(room)
            size = lib.llama_token_to_piece(vocabulary, token, out, room, 0, True)
            if size >= 0:
                return out.raw[:size]
            room = -size

    def _first(self, vocabulary: int, tokens: list[int], context: str, text: bytes) -> int:
        """Index in `tokens` of the continuation's first token."""
        if not context:
            return 0
        pieces = [self._piece(vocabulary, token) for token in tokens]
        whole = b"".join(pieces)
        before = len(context.encode("utf-8", "replace"))
        if whole == b" " + text:  # the space that a sentencepiece vocabulary sets before a text
            return first_of_continuation(list(map(len, pieces)), before + 1)
        if whole != text:
            raise UsageError(
                f"{self._about.name}: its tokenizer rewrites the text, so where the context ends cannot be told",
                "score whole texts: leave the context empty",
            )
        return first_of_continuation(list(map(len, pieces)), before)

    # --- scores

    def _score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        vocabulary, start = self._vocabulary(), self.start_token()
        sums = [0.0] * len(pairs)
        counts = [0] * len(pairs)
        todo: list[Work] = []
        for number, (context, continuation) in enumerate(pairs):
            text = (context + continuation).encode("utf-8", "replace")
            tokens = self._tokens(vocabulary, text)
            first = self._first(vocabulary, tokens, context, text)
            counts[number] = len(tokens) - first
            whole = [start, *tokens]
            todo += [(number, whole, window) for window in windows(len(whole), first + 1, self._window)]
        for group in packed_groups(todo, _BATCH, _SEQUENCES):
            for ((number, _, _), _), nats in zip(group, self._run(group), strict=True):
                sums[number] += nats
        return [Score(nats, count) for nats, count in zip(sums, counts, strict=True)]

    def _run(self, group: list[tuple[Work, int]]) -> list[float]:
        """Nats of each window, computed together as sequences of one batch; first tokens that are shared once for all."""
        lib = self._library()
        rows = rows_of(group)
        context = self._need_context(len(rows))
        lib.llama_memory_clear(lib.llama_get_memory(context), False)
        sums = [0.0] * len(group)
        size = lib.llama_n_batch(context)
        batch = lib.llama_batch_init(size, 0, len(group))
        try:
            for begin in range(0, len(rows), size):
                for sequence, nats in self._decode(context, batch, rows[begin : begin + size]):
                    sums[sequence] += nats
        finally:
            lib.llama_batch_free(batch)
        return sums

    def _decode(self, context: int, batch: Batch, rows: Sequence[Row]) -> list[tuple[int, float]]:
        """(Sequence, nats) of each token to predict."""
        import numpy as np

        lib = self._library()
        batch.count = len(rows)
        for at, row in enumerate(rows):
            batch.token[at], batch.pos[at] = row.token, row.position
            batch.n_seq[at] = len(row.sequences)
            for place, sequence in enumerate(row.sequences):
                batch.seq[at][place] = sequence
            batch.logits[at] = int(bool(row.targets))
        code = lib.llama_decode(context, batch)
        if code:
            raise EnvironmentFault(
                f"{self._path}: llama.cpp could not compute a batch (code {code})", "free memory"
            )
        asked = [row.targets for row in rows if row.targets]
        if not asked:
            return []
        logits = np.ctypeslib.as_array(lib.llama_get_logits(context), (len(asked), self._about.vocabulary))
        places = np.repeat(np.arange(len(asked)), list(map(len, asked)))
        wanted = [target for targets in asked for target in targets]
        nats = log_softmax_at(logits, places, np.array([token for _, token in wanted], np.int64))
        return [(sequence, float(one)) for (sequence, _), one in zip(wanted, nats, strict=True)]

    def _need_context(self, tokens: int) -> int:
        """A context with room for so many tokens; a longer one replaces a shorter."""
        if self._context is not None and tokens <= self._context_tokens:
            return self._context
        self._free_context()
        size = max(1024, 1 << max(tokens - 1, 1).bit_length())
        size = min(size, -(-max(self._window, 1024) // 256) * 256)
        free, wanted = available_bytes(), cache_bytes(self._about, size, 4) + _LOGIT_BYTES_MAX * 2
        if free is not None and wanted > free:
            raise EnvironmentFault(
                f"{self._path}: scoring {tokens:,} tokens at once needs {wanted / 1e9:,.1f} GB,"
                f" {free / 1e9:,.1f} GB are free",
                "free memory, or use a smaller model",
            )
        if self._model is None:
            self._model = self._load(vocabulary_only=False)
        self._context, self._context_tokens = self._open_context(size), size
        return self._context

    def _open_context(self, size: int) -> int:
        lib = self._library()
        rows = max(_LOGIT_BYTES_MAX // (4 * self._about.vocabulary) // 32 * 32, 32)
        batch = min(_BATCH, rows, size)
        wanted = lib.llama_context_default_params()
        set_to = {_N_CTX: size, _N_BATCH: batch, _N_UBATCH: batch, _N_SEQ: _SEQUENCES}
        set_to |= {_THREADS: self._threads, _THREADS_BATCH: self._threads, _TYPE_K: _F32, _TYPE_V: _F32}
        for word, value in set_to.items():
            wanted.words[word] = value
        wanted.set_byte(_KV_UNIFIED_BYTE, 1)
        context = lib.llama_init_from_model(self._model, wanted)
        if not context:
            raise EnvironmentFault(
                f"{self._path}: llama.cpp made no context of {size:,} tokens", "free memory"
            )
        found = (
            lib.llama_n_ctx(context), lib.llama_n_batch(context), lib.llama_n_ubatch(context),
            lib.llama_n_seq_max(context), lib.llama_n_threads(context), lib.llama_n_threads_batch(context),
        )  # fmt: skip
        expected = (size, batch, batch, _SEQUENCES, self._threads, self._threads)
        if found != expected:
            lib.llama_free(context)
            raise UsageError(
                f"scoring is refused: the runtime made a context of {found}, asked for {expected}"
                " (tokens, batch, part of it, sequences, threads, threads of a batch)",
                "install the pinned runtime: pip install -r requirements/runtime.txt",
            )
        return int(context)

    def _free_context(self) -> None:
        if self._context is not None:
            library().llama_free(self._context)
        self._context, self._context_tokens = None, 0

    # --- self-test

    def _self_test(self) -> None:
        """Packed and single scoring agree, and both with the stored figures where the file is a known one."""
        packed = self._score([("", text) for text in _SELF_TEST])
        single = [self._score([("", text)])[0] for text in _SELF_TEST]
        for text, a, b in zip(_SELF_TEST, packed, single, strict=True):
            if not (a.logprob < 0 and abs(a.logprob - b.logprob) <= _SELF_TEST_NATS * max(a.tokens, 1)):
                raise UsageError(
                    f"scoring is refused: {text!r} has {a.logprob:.4f} nats beside others, {b.logprob:.4f} alone",
                    "the runtime does not compute alike on this machine; use the engine hf (a transformers folder)",
                )
        stored = _STORED.get((self._about.size, self._about.name))
        for text, a, nats in zip(_SELF_TEST, packed, stored or (), strict=False):
            if abs(a.logprob - nats) > _STORED_SHARE * abs(nats):
                raise UsageError(
                    f"scoring is refused: {text!r} has {a.logprob:.4f} nats, stored are {nats:.4f}",
                    "install the pinned runtime: pip install -r requirements/runtime.txt",
                )

"""The C functions that the shared object of xllamacpp exports and that scoring needs, with their types.

Their parameter structures are passed as opaque blocks. A block is trusted only where the documented defaults are read
back at their offsets (llama.h of the pinned wheel, `llama_model_default_params` and `llama_context_default_params`).
"""

import ctypes
import functools
from typing import Any, Final

from rumpun.engines.llamacpp_memory import runtime

__all__ = ["Batch", "Library", "library"]

_BLOCK_WORDS: Final = 256  # of 32 bits: several times the size of either structure
_UNSET: Final = 0xFFFFFFFF  # -1
_MINUS_ONE: Final = 0xBF800000  # -1.0 in float32
# word -> documented default, up to the end of what is relied on
_MODEL_WORDS: Final = {
    0: 0,
    1: 0,
    2: 0,
    3: 0,
    4: _UNSET,
    5: 1,
    **dict.fromkeys(range(10, 18), 0),
    18: 0x00010000,
}
_CONTEXT_WORDS: Final = {
    0: 512, 1: 2048, 2: 512, 3: 1, 4: 0, 5: 0, 7: 4, 8: 4, 9: 0,
    **dict.fromkeys(range(10, 14), _UNSET), 14: 0, 15: 0, **dict.fromkeys(range(16, 20), _MINUS_ONE), 20: 0,
    21: _MINUS_ONE, **dict.fromkeys(range(22, 26), 0), 26: 1, 27: 1, **dict.fromkeys(range(28, 34), 0),
    34: 0x01010100,
}  # fmt: skip


class _Block(ctypes.Structure):
    _fields_ = (("words", ctypes.c_uint32 * _BLOCK_WORDS),)

    def set_byte(self, at: int, value: int) -> None:
        ctypes.cast(ctypes.byref(self), ctypes.POINTER(ctypes.c_uint8))[at] = value


class Batch(ctypes.Structure):
    """`llama_batch` of llama.h."""

    _fields_ = (
        ("count", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq", ctypes.POINTER(ctypes.c_int32)),
        ("seq", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


_P, _I, _U, _B = ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint32, ctypes.c_bool
_INTS: Final = ctypes.POINTER(_I)
_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "llama_backend_init": (None, ()),
    "llama_log_set": (None, (_P, _P)),
    "llama_model_default_params": (_Block, ()),
    "llama_context_default_params": (_Block, ()),
    "llama_model_load_from_file": (_P, (ctypes.c_char_p, _Block)),
    "llama_model_free": (None, (_P,)),
    "llama_model_get_vocab": (_P, (_P,)),
    "llama_init_from_model": (_P, (_P, _Block)),
    "llama_free": (None, (_P,)),
    "llama_n_ctx": (_U, (_P,)),
    "llama_n_batch": (_U, (_P,)),
    "llama_n_ubatch": (_U, (_P,)),
    "llama_n_seq_max": (_U, (_P,)),
    "llama_n_threads": (_I, (_P,)),
    "llama_n_threads_batch": (_I, (_P,)),
    "llama_get_memory": (_P, (_P,)),
    "llama_memory_clear": (None, (_P, _B)),
    "llama_vocab_n_tokens": (_I, (_P,)),
    "llama_vocab_eos": (_I, (_P,)),
    "llama_vocab_bos": (_I, (_P,)),
    "llama_tokenize": (_I, (_P, ctypes.c_char_p, _I, _INTS, _I, _B, _B)),
    "llama_token_to_piece": (_I, (_P, _I, ctypes.c_char_p, _I, _I, _B)),
    "llama_batch_init": (Batch, (_I, _I, _I)),
    "llama_batch_free": (None, (Batch,)),
    "llama_decode": (_I, (_P, Batch)),
    "llama_get_logits": (ctypes.POINTER(ctypes.c_float), (_P,)),
}


class Library:
    """The C functions, with their types; `fault` says why they are not to be trusted, or is empty."""

    def __init__(self, path: str) -> None:
        self.fault = ""
        shared = ctypes.CDLL(path)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(shared, name, None)
            if function is None:
                self.fault = f"the runtime exports no {name}"
                return
            function.restype, function.argtypes = result, list(arguments)
            setattr(self, name, function)
        # any function that ignores its arguments will do for a silent log; a Python one would be called by threads
        # that outlive the interpreter
        self.llama_log_set(ctypes.cast(shared.llama_time_us, _P), None)
        self.llama_backend_init()
        self.fault = _differing(self.llama_model_default_params(), _MODEL_WORDS, "model") or _differing(
            self.llama_context_default_params(), _CONTEXT_WORDS, "context"
        )

    def __getattr__(self, name: str) -> Any:  # the functions of _SIGNATURES, for the type checker
        raise AttributeError(name)


def _differing(block: _Block, expected: dict[int, int], what: str) -> str:
    for word, value in expected.items():
        if block.words[word] != value:
            return f"word {word} of the {what} parameters is {block.words[word]:#x} by default, expected {value:#x}"
    return ""


@functools.cache
def library() -> Library:
    """The runtime's C functions, loaded and checked once.

    Raises:
        MissingPartError: xllamacpp is not installed.
    """
    return Library(str(runtime().xllamacpp.__file__))

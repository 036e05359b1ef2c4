"""The encoder behind /v1/embeddings: loaded when it is first asked for, and what is said of it until then."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rumpun.errors import RumpunError
from rumpun.serve.faults import Fault

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ENCODER", "Embedder", "LazyEncoder", "meant"]

_log = logging.getLogger("rumpun.serve")
ENCODER = "rumpun-encoder"  # its name in /v1/models
_OPENAI_NAMES = "text-embedding-"  # clients send these unasked


class Embedder(Protocol):
    """What the address asks of an encoder."""

    @property
    def spec(self) -> Any:
        """`name`, `width` and `longest_tokens`."""
        ...

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        ...

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors [texts, width]."""
        ...


def meant(name: str | None) -> bool:
    """Whether a request's model is the encoder, where no served model has that name."""
    return name is None or name in {ENCODER, "default"} or name.startswith(_OPENAI_NAMES)


class LazyEncoder:
    """An encoder that is loaded at its first use; one that cannot be is tried again at the next."""

    def __init__(self, load: Callable[[], Embedder]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded: Embedder | None = None
        self.trouble = ""  # why it could not be loaded

    @property
    def state(self) -> str:
        """In words, for /health."""
        if self._loaded is not None:
            return "loaded"
        return f"closed: {self.trouble}" if self.trouble else "loads at first use"

    def get(self) -> Embedder:
        """The encoder.

        Raises:
            Fault: 503, it cannot be loaded.
        """
        with self._lock:
            if self._loaded is None:
                try:
                    self._loaded = self._load()
                except RumpunError as error:
                    self.trouble = error.message
                    _log.error("/v1/embeddings: the encoder cannot be loaded: %s", error.message)
                    raise Fault(
                        503,
                        f"the encoder cannot be loaded: {error.message}; {error.hint}",
                        code="encoder_unavailable",
                        headers={"retry-after": "30"},
                    ) from error
                self.trouble = ""
            return self._loaded

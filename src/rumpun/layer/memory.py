"""Memory that the C library keeps free, handed back to the system."""

import contextlib
import ctypes
from typing import Final

__all__ = ["SECONDS", "give_back"]

SECONDS: Final = 60.0  # from one time to the next; each takes a tenth of a second


def give_back() -> None:
    """Let the system have the heap's free pages, where the C library can (glibc's `malloc_trim`).

    A step's tensors lie among what lives longer, so the heap's end stays in use and the holes before it add up.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)

"""Bits per byte: how many bits a model spends on one UTF-8 byte of a text; comparable across tokenizers."""

import math

from rumpun.errors import InputError

__all__ = ["bits", "bits_per_byte"]


def bits(logprob_nats: float) -> float:
    """Bits of a text from the natural logarithm of its probability."""
    return -logprob_nats / math.log(2)


def bits_per_byte(logprob_nats: float, bytes_: int) -> float:
    """Bits per byte from a summed natural log-probability and the text's UTF-8 bytes.

    Raises:
        InputError: there are no bytes to share the bits over.
    """
    if bytes_ <= 0:
        raise InputError(f"bits per byte of a text of {bytes_} bytes", "leave empty texts out")
    return bits(logprob_nats) / bytes_

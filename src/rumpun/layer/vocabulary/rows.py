"""Where the rows of new tokens begin: in the base's rows of the pieces that the token was before."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rumpun.layer.vocabulary.base import BaseTokenizer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Initialise", "first_rows"]

Initialise = Literal["mean", "first", "last"]
_SHARE = 0.9  # of "first" and "last": a piece further away weighs this share of the one before it


def first_rows(
    base: BaseTokenizer, merged: Sequence[str], clusters: Sequence[str], how: Initialise
) -> "dict[str, npt.NDArray[np.float16]]":
    """Rows [tokens, hidden] of the embedding and, where the base's output is not tied to it, of the output.

    A row is a mean of the pieces' rows: of all alike, or with most weight on the first or the last. It is not scaled: a
    mean of many falls below the base's own norms, and should; brought up to them, new tokens are guessed everywhere and
    bits per byte doubles (docs/decisions/0017).

    Args:
        base: the base.
        merged: tokens that merges make, in byte letters.
        clusters: tokens in plain text, behind them.
        how: which mean.
    """
    import numpy as np

    pieces = [base.pieces(token) for token in merged]
    pieces += [
        tuple(found.ids) for found in base.inner.encode_batch(list(clusters), add_special_tokens=False)
    ]
    places = {"model.embed_tokens.rows": "token_embd.weight", "lm_head.rows": "output.weight"}
    rows = {}
    for name, source in places.items():
        if source in base.file.tensors:
            table = base.file.tensor(source)
            made = [_weights(len(row), how) @ table[list(row)] for row in pieces]
            rows[name] = np.stack(made).astype(np.float16)
    return rows


def _weights(count: int, how: Initialise) -> "npt.NDArray[np.float32]":
    import numpy as np

    base = 1.0 if how == "mean" else _SHARE
    near = np.arange(count, dtype=np.float32)
    weights: npt.NDArray[np.float32] = np.power(np.float32(base), near[::-1] if how == "last" else near)
    weights /= weights.sum()
    return weights

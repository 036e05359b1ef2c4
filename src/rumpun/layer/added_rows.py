"""Rows of added tokens behind a base's embedding, trained while the base's own stay."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from rumpun.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

__all__ = ["EMBEDDING_ROWS", "OUTPUT_ROWS", "AddedRows", "add_rows"]

EMBEDDING_ROWS, OUTPUT_ROWS = "model.embed_tokens.rows", "lm_head.rows"


class AddedRows(nn.Module):
    """An embedding whose first tokens are the base's and whose last ones are trained rows [added, hidden]."""

    def __init__(self, inner: nn.Module, tokens: int, rows: torch.Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.tokens = tokens  # of the base
        self.rows = nn.Parameter(rows.float())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Token ids [...] to [..., hidden], in the base's precision."""
        old: torch.Tensor = self.inner(tokens.clamp(max=self.tokens - 1))
        new = nn.functional.embedding((tokens - self.tokens).clamp(min=0), self.rows)
        return torch.where((tokens >= self.tokens).unsqueeze(-1), new.to(old.dtype), old)


def add_rows(
    model: nn.Module, given: "Mapping[str, npt.NDArray[np.floating]]", tokens: int, *, tied: bool
) -> dict[str, nn.Parameter]:
    """Put the rows behind the model's embedding; returns them, and the output's own, by the layer file's names.

    Args:
        model: of transformers, with `model.embed_tokens`.
        given: rows [added, hidden] under the layer file's names.
        tokens: of the base.
        tied: whether the output is the embedding; if not it needs rows of its own.

    Raises:
        InputError: the rows are not those that this base needs.
    """
    needed = {EMBEDDING_ROWS} | (set() if tied else {OUTPUT_ROWS})
    if given.keys() != needed:
        raise InputError(
            f"the layer has {', '.join(sorted(given)) or 'no rows'}, this base needs {', '.join(sorted(needed))}",
            "make the layer's vocabulary again for this base",
        )
    hidden = int(model.get_output_embeddings().weight.shape[1])  # type: ignore[operator]
    for name, rows in given.items():
        if rows.shape[1] != hidden:
            raise InputError(
                f"{name}: {rows.shape[1]} wide, the base's hidden size is {hidden}",
                "make the layer's vocabulary again for this base",
            )
    whole = model.get_submodule("model")
    added = AddedRows(
        whole.get_submodule("embed_tokens"), tokens, torch.from_numpy(given[EMBEDDING_ROWS].astype("float32"))
    )
    whole.embed_tokens = added
    found = {EMBEDDING_ROWS: added.rows}
    if not tied:
        found[OUTPUT_ROWS] = nn.Parameter(torch.from_numpy(given[OUTPUT_ROWS].astype("float32")))
    return found

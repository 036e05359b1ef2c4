"""The base beside a run that must not forget: on text of the replayed languages its own distributions are learnt too.

Li and Hoiem 2016, "Learning without Forgetting": what the model said before is a target as well as the text. A next token
alone teaches the text's own style, and what the base knows of other text of that language goes (docs/decisions/0022).

Letters: b sequences, t tokens, n = b * t, m those that are recalled, d width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from rumpun.layer.loss import Recalled

if TYPE_CHECKING:
    from rumpun.layer.prepared import Device

__all__ = ["Recall", "base_beside"]


@dataclass(frozen=True, slots=True)
class Recall:
    """The base as it was."""

    decoder: Callable[..., Any]
    table: torch.Tensor  # [o, d] its output embedding
    weight: float  # of its distributions in the loss

    @torch.no_grad()
    def says(
        self, tokens_bt: torch.Tensor, targets_bt: torch.Tensor, positions_bt: torch.Tensor | None, recalled_b: torch.Tensor,
    ) -> Recalled | None:  # fmt: skip
        """What the base says of the sequences marked in `recalled_b`; None where there is nothing.

        It knows no added token, so one, and what stands behind it in its sequence, is left to the text.
        """
        lines = torch.nonzero(recalled_b).squeeze(1)
        if not len(lines):
            return None
        tokens = tokens_bt[lines]
        known = (tokens >= len(self.table)).cumsum(1) == 0
        aims = targets_bt[lines]
        where = None if positions_bt is None else positions_bt[lines]
        hidden = self.decoder(
            input_ids=tokens.clamp(max=len(self.table) - 1), position_ids=where, use_cache=False
        ).last_hidden_state
        told = known & (aims >= 0) & (aims < len(self.table))
        at = torch.full(tokens_bt.shape, -1, dtype=torch.int64, device=tokens_bt.device)
        count = int(told.sum())
        at[lines] = at[lines].masked_scatter(told, torch.arange(count, device=at.device))
        return Recalled(at.flatten(), hidden[told], self.table, self.weight) if count else None


def base_beside(model: Any, weight: float, device: "Device") -> Recall:
    """A transformers model of the base made ready to be asked: its weights in the run's precision, buffers as they are.

    Rotary frequencies in bfloat16 would turn late tokens to wrong places.
    """
    model.requires_grad_(requires_grad=False)
    for value in model.parameters():
        value.data = value.data.to(device.dtype)
    model.to(device.place).eval()
    return Recall(model.model, model.get_output_embeddings().weight.detach(), weight)

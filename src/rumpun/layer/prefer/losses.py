"""What a pair costs, from the log-probabilities of its two answers.

DPO: Rafailov et al. 2023, with smoothed labels Mitchell 2023. IPO: Azar et al. 2023, per token as TRL has it. SimPO: Meng et al. 2024.
ORPO: Hong et al. 2024.
Letters: p pairs; in a column of two the chosen answer stands first.
"""

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import logsigmoid

if TYPE_CHECKING:
    from rumpun.layer.prefer.params import PreferParams

__all__ = ["needs_reference", "preference_loss"]


def needs_reference(method: str) -> bool:
    """Whether a method compares with the model that training started from."""
    return method in ("dpo", "ipo")


def preference_loss(
    params: "PreferParams", policy_p2: torch.Tensor, reference_p2: torch.Tensor, tokens_p2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss [p], margin [p] by which the chosen answer is preferred).

    Args:
        params: the method and its numbers.
        policy_p2: summed log-probability of each answer in nats, of the model in training.
        reference_p2: the same of the model at the start; simpo and orpo do not look at it.
        tokens_p2: tokens of each answer.
    """
    beta = params.beta
    mean_p2 = policy_p2 / tokens_p2
    if params.method == "simpo":
        margin = beta * (mean_p2[:, 0] - mean_p2[:, 1])
        loss = -logsigmoid(margin - params.target_margin)
    elif params.method == "orpo":
        odds_p2 = mean_p2 - torch.log(-torch.expm1(mean_p2))  # of log p: log (p / (1 - p))
        margin = odds_p2[:, 0] - odds_p2[:, 1]
        loss = -mean_p2[:, 0] - beta * logsigmoid(margin)
    else:
        gained_p2 = policy_p2 - reference_p2
        if params.method == "ipo":
            gained_p2 = gained_p2 / tokens_p2
        ratio = gained_p2[:, 0] - gained_p2[:, 1]
        margin = beta * ratio
        if params.method == "ipo":
            loss = (ratio - 1 / (2 * beta)) ** 2
        else:
            wrong = params.label_smoothing
            loss = -(1 - wrong) * logsigmoid(margin) - wrong * logsigmoid(-margin)
    if params.likelihood_weight:
        loss = loss - params.likelihood_weight * mean_p2[:, 0]
    return loss, margin

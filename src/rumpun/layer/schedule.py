"""The learning rate along a run: up, then along a cosine, or level and down at the end.

Source of the second: Hu et al. 2024 (MiniCPM, warm-up–stable–decay) with the decay of Hägele et al. 2024 (one minus the root).
"""

import math

from rumpun.layer.params import RunParams

__all__ = ["learning_rate", "stable_steps"]


def learning_rate(step: int, steps: int, params: RunParams) -> float:
    """The rate of a step, counted from 0: linear up from zero, then down to `decay_share` of the peak at the last step."""
    warm = max(1, round(params.warmup_share * steps)) if params.warmup_share else 0
    if step < warm:
        return params.learning_rate * (step + 1) / warm
    low = params.decay_share
    if params.schedule == "wsd":
        level = stable_steps(steps, params)
        if step < level:
            return params.learning_rate
        along = (step + 1 - level) / (steps - level)
        return params.learning_rate * (low + (1 - low) * (1 - math.sqrt(min(1.0, along))))
    along = (step - warm) / max(1, steps - 1 - warm)
    return params.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * min(1.0, along))) / 2)


def stable_steps(steps: int, params: RunParams) -> int:
    """Steps before the decay begins; all of them where the schedule is no "wsd"."""
    if params.schedule != "wsd":
        return steps
    return steps - max(1, round(params.decay_steps_share * steps))

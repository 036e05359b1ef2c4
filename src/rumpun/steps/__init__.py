"""Steps: functions from artefacts and parameters to an artefact, and the runner that walks a recipe.

`step` declares one, `TABLE` names them all without importing any room, `plan` and `run` walk a recipe.
"""

from rumpun.steps.runner import Planned, named, plan, run
from rumpun.steps.step import TABLE, Input, Outcome, Progress, Step, Work, quiet, resolve, step

__all__ = [
    "TABLE",
    "Input",
    "Outcome",
    "Planned",
    "Progress",
    "Step",
    "Work",
    "named",
    "plan",
    "quiet",
    "resolve",
    "run",
    "step",
]

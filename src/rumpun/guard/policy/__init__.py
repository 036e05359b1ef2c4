"""Country policies: what the models found in a text -> what to do, why, and what to tell the person.

In comes a `Judgement` (probabilities and levels), out goes a `Decision`. Policies are TOML that people who don't program
can read and correct: `base.toml`, over it `asean.toml`, over it one of `countries/`, over it a tenant's own file.

Reading order: `vocabulary` (the words), `layer` (what a file may hold), `read` (one file), `chain` (the files of a
policy, laid over one another), `policy` (the decision), `wording` and `reply` (the message), then `cases`, `diff`,
`compile` and `show` behind `rumpun policy`.
"""

from rumpun.guard.policy.chain import COUNTRIES, POLICIES
from rumpun.guard.policy.policy import Decision, Policy, points

__all__ = ["COUNTRIES", "POLICIES", "Decision", "Policy", "points"]

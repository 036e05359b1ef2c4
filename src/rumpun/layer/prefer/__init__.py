"""Pairs of answers, one preferred to the other -> a layer that prefers as they do.

Reading order: `params`; `rows` (the form of a pair), `rules` (pairs made of chat rows), `build` (the step `layer.pairs`);
`losses` (the mathematics), `tokens`, `loop`, `held` (figures on held-out pairs), `step` (the step `layer.prefer`).
"""

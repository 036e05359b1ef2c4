"""Models and texts -> figures with intervals.

Comes in: an engine that can score, texts with their language. Goes out: bits per byte per language, differences in pairs.
Reading order: `texts` (what is measured), `bpb` (the figures), `step` (the recipe's step, resumed document by document).
"""

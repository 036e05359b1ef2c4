"""A larger teacher -> what a layer learns from it.

Reading order: `params`; `teacher` (which model, under which licence); `ask` (its answers, kept as they come), `filters`, `step`
(the step `layer.distil`, whose rows `layer.tune` learns); `logits` (the step `layer.distil_logits`: whole distributions).
"""

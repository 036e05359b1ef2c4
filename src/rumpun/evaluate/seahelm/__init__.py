"""SEA-HELM's figures from predictions: parsing, metrics, normalisation and aggregation as its code has them, faults included.

Comes in: SEA-HELM's rows and a model's answers. Goes out: its metrics under its own names, and what each figure does wrong.
What is followed is its code at commit 6844e6c (2026-06-23), https://github.com/aisingapore/SEA-HELM, with its pins of
pythainlp, jieba and pyonmttok. Nothing of it is a recommendation: it is here so that figures can be compared.

Reading order: `tasks` (the table), `scored` (what a score is), `rows` and `parse` (rows and answers read), the families
`labels`, `pairs`, `qa`, `rouge` (with `tokenizers`, `burmese`), `external`, `logprobs`, `instructions` (with `checkers`),
then `score` (one door to all of them), `aggregate` (one run's means) and `leaderboard` (several runs' means).
"""

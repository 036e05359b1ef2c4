"""Models and texts, models and tasks -> figures with intervals.

Comes in: an engine and a suite, or answers made elsewhere. Goes out: `scores.json`, `samples.jsonl`, a report.
Reading order: `items` and `lint` (what a test is), `public` (sets of others), `tasks` and `prompts` (how it is put), `questions`,
`ask` and `cache` (to an engine, once), `answers` and `text_metrics` (what an answer says and is worth), `judged` (a sample),
`figures` (cells, differences, means), `run` (all of it), `predictions` (answers made elsewhere), `seahelm` (the other way of scoring),
`report` and `logs` (what people and other tools read). `texts`, `bpb` and `step`: bits per byte of a layer, a recipe's step.
"""

"""Sources -> curated, traced, balanced shards: text to train on, text held out by source, chat rows, and every drop.

Reading order: `params` (what a recipe may say), `inventory` (which sources there are), `read` (rows, with errors that
name file and row), `letters` (texts as arrays of code points), `filters` and `split` (what a row must be), `spool`
(one file at a time, resumable), `overlap` (held-out text kept out of training), `balance` (budgets), `settle` (one
language's train and held-out files), `chat` (chat rows), `build` (the step `corpus.build`).
"""

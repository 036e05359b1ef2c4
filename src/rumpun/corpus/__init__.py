"""Sources -> a corpus: every document kept, held out or removed for a named reason, and an index of what is in it.

One folder for each stage, in the order of the pipeline; a stage's step is its `step.py`:
`read` -> `tag` -> `link` -> `filter` -> `mix` -> `write` (with `chat` and `cards`) -> `trace`; `withdraw` takes rows back.
Shared by them: `parts` (what artefacts are made of), `engine` (the one plan), `letters` (texts as arrays of code points),
`minhash`, `overlap`, `languages`.
"""

"""Training on rows that never leave their owner's machine: how much of them a layer repeats, and what of it may leave.

Reading order: `repeats` (the step that looks for memorised rows), `pack` (`rumpun layer return`). What counts as private is in
`records/private.py`.
"""

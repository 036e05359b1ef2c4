"""Families of models: what each architecture is called in GGUF and in transformers, and what differs between the two.

Reading order: `families.toml` (the facts), `table` (a family by either of its names), `rope` (rotary frequencies),
`hyper` (config.json <-> a GGUF's metadata). Tensors' names are in `weights.names`.
"""

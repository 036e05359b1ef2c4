"""Base + corpus -> a layer, and base + layer -> a model.

Comes in: a corpus artefact and a base (embedded, tiny, a GGUF, a folder). Goes out: `layer.json`, `layer.safetensors`,
cards and releases. Reading order: `params`, `train` (the step), `tokens`, `batches`, `lowrank`, `loss`, `loop`, `checkpoint`,
`merge`, `prefer` (pairs of answers), `distil` (a larger teacher), then `cards` and `release`; for a folder to give away
`release_folder`, `seal`, `signing`, `release_verify`, `publish`.
"""

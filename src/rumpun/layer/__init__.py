"""Base + corpus -> a layer, and base + layer -> a model.

Comes in: a corpus artefact and a base (embedded, tiny, a GGUF, a folder). Goes out: `layer.json`, `layer.safetensors`,
cards and releases. Reading order: `params`, `train` (the step), `course`, `tokens`, `batches`, `lowrank`, `loss`, `loop`,
`checkpoint`, `watch` (held-out text while it runs), `full` and `masters` (every weight instead of a layer), `vocabulary` (new
subwords), `merging`, `prefer` (pairs of answers), `distil` (a larger teacher), `growth` (offspring and domains), `partner` (rows
that stay where they are), then `cards` and `release`; for a folder to give away `release_folder`, `seal`, `signing`,
`release_verify`, `publish`.
"""

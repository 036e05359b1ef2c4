"""Several models or layers -> one, with numpy alone, one tensor in memory at a time.

Comes in: transformers folders, GGUFs, layers. Goes out: a transformers folder or a layer. Reading order: `params` (what is
asked), `methods` (the mathematics of one tensor), `shards` (safetensors, lazily), `parents` (what is merged), `vocabulary`
(unequal tokenizers), `models` (folders), `layers`, `factors` and `extract` (low-rank products), `sweep`, then `steps`.
"""

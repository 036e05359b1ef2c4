"""GGUF and safetensors read and written, low-rank products, quantising, assembling; numpy and gguf, never torch.

Reading order: `kinds` (names of quantisations), `quantise` (blocks of numbers), `gguf_file` (a file read strictly),
`gguf_write` (written whole or not at all), `layer_file` (a layer on disk), `names` (GGUF's names and transformers'),
`merge` (a layer on a base's weights), `vocabulary` (added tokens), `assemble` (base + layer -> one GGUF),
`tokenizer_json`, `tokenizer_spm` and `folder` (-> a transformers folder), `families` (what differs between
architectures), `shards`, `tokenizer_gguf` and `from_folder` (a transformers folder -> one GGUF), `packed_shards`
(a corpus as a base's tokens).

Public: `gguf_file.describe`, `layer_file.read_layer` and `write_layer`, `assemble.assemble`, `folder.write_folder`,
`from_folder.write_gguf_of`.
"""
